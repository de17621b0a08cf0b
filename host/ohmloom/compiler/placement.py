"""Where layers lie: blocks of rows x pairs on tiles, none overlapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ohmloom.errors import ArgumentError
from ohmloom.spec import ChipSpec


@dataclass(frozen=True)
class Block:
    """A part of a layer on one tile: inputs input..input+inputs-1 on rows from `row` on, `row_copies` times over, outputs likewise."""

    layer: int
    input: int
    inputs: int
    output: int
    outputs: int
    row_copies: int
    pair_copies: int
    tile: int = 0
    row: int = 0
    pair: int = 0

    @property
    def rows(self) -> int:
        return self.inputs * self.row_copies

    @property
    def pairs(self) -> int:
        return self.outputs * self.pair_copies


@dataclass
class _Shelf:
    """Rows of a tile that share a top edge; blocks stand side by side on it."""

    tile: int
    row: int
    rows: int
    pair: int


def split(layer: int, shape: tuple[int, int], copies: int, spec: ChipSpec) -> list[Block]:
    """The blocks of a layer of shape (inputs, outputs). Copies go to rows first, and only where the layer is one block."""
    inputs, outputs = shape
    row_copies = pair_copies = 1
    while row_copies * pair_copies < copies:
        if 2 * row_copies * inputs <= spec.rows:
            row_copies *= 2
        elif 2 * pair_copies * outputs <= spec.pairs and inputs <= spec.rows:
            pair_copies *= 2
        else:
            break
    if inputs > spec.rows or outputs > spec.pairs:
        row_copies = pair_copies = 1
    return [
        Block(layer, first, min(spec.rows, inputs - first), output, min(spec.pairs, outputs - output), row_copies, pair_copies)
        for first in range(0, inputs, spec.rows)
        for output in range(0, outputs, spec.pairs)
    ]


def place(shapes: Sequence[tuple[int, int]], copies: int, spec: ChipSpec) -> list[Block]:
    """Blocks of all layers, in the order they run. Raises ArgumentError when they do not fit the chip's tiles.

    Highest blocks first, each on the first shelf that has room; a new shelf opens under the last one of the first tile that has rows left.
    """
    blocks = [block for layer, shape in enumerate(shapes) for block in split(layer, shape, copies, spec)]
    shelves: list[_Shelf] = []
    used_rows = [0] * spec.tiles
    placed: dict[Block, Block] = {}
    for block in sorted(blocks, key=lambda block: (-block.rows, -block.pairs)):
        shelf = next((s for s in shelves if s.rows >= block.rows and s.pair + block.pairs <= spec.pairs), None)
        if shelf is None:
            tile = next((t for t in range(spec.tiles) if used_rows[t] + block.rows <= spec.rows), None)
            if tile is None:
                sizes = ", ".join(f"{inputs}x{outputs}" for inputs, outputs in shapes)
                raise ArgumentError(
                    f"the network (layers {sizes}, copies {copies}) is too large for {spec.name}: {spec.tiles} tiles of "
                    f"{spec.rows} rows x {spec.pairs} pairs"
                )
            shelf = _Shelf(tile, used_rows[tile], block.rows, 0)
            used_rows[tile] += block.rows
            shelves.append(shelf)
        placed[block] = Block(
            block.layer, block.input, block.inputs, block.output, block.outputs, block.row_copies, block.pair_copies,
            shelf.tile, shelf.row, shelf.pair,
        )
        shelf.pair += block.pairs
    return [placed[block] for block in blocks]

"""Reduction of a whole crossbar to its driven row ports and sensed column ports."""

from __future__ import annotations

from functools import reduce

import numpy as np

from .blocks import Array, Block, cell_blocks, join_columns, join_rows

_TILE = 32  # cells on a side up to which equal blocks are joined in batches; larger blocks are joined one by one


def reduce_crossbar(conductance: Array, r_row: float, r_column: float, r_driver: float, r_sense: float) -> Block:
    """Join all cells to one block, whose ports are the row drivers (left) and the column senses (bottom).

    Any size is possible: the array is padded to whole tiles with cells of no conductance at its top and right, where
    the wires are open, and the padding's ports are deleted as soon as a tile is complete.
    """
    rows, columns = conductance.shape
    tile_rows, tile_columns = (min(_TILE, 1 << (n - 1).bit_length()) for n in (rows, columns))
    above, beyond = -rows % tile_rows, -columns % tile_columns
    g = np.pad(conductance, ((above, 0), (0, beyond)))
    r_left = np.full(g.shape[1], r_row)
    r_left[0] = r_driver
    r_bottom = np.full((g.shape[0], 1), r_column)
    r_bottom[-1] = r_sense

    grid = []
    for top in range(0, g.shape[0], tile_rows):
        strip = slice(top, top + tile_rows)
        tiles = _tiles(cell_blocks(g[strip], r_left, r_bottom[strip]), tile_rows, tile_columns)
        count = tiles.hybrid.shape[1]
        real_rows = slice(0 if top else above, None)
        real_columns = [slice(tile_columns)] * (count - 1) + [slice(tile_columns - beyond)]
        grid.append([
            tiles.at(0, j).keep(
                left=real_rows,
                bottom=real_columns[j],
                top=real_columns[j] if top else slice(0),
                right=real_rows if j < count - 1 else slice(0),
            )
            for j in range(count)
        ])  # fmt: skip
    while len(grid) > 1 or len(grid[0]) > 1:
        grid = [[reduce(join_columns, row[j : j + 2]) for j in range(0, len(row), 2)] for row in grid]
        grid = [
            [reduce(join_rows, pair) for pair in zip(*grid[i : i + 2], strict=True)] for i in range(0, len(grid), 2)
        ]
    return grid[0][0]


def _tiles(cells: Block, tile_rows: int, tile_columns: int) -> Block:
    """Join a strip of cells, batch axes (tile_rows, columns), to tiles, batch axes (1, columns / tile_columns)."""
    tiles = cells
    while tiles.left < tile_rows or tiles.bottom < tile_columns:
        if tiles.bottom < tile_columns:
            tiles = join_columns(tiles.at(slice(None), slice(0, None, 2)), tiles.at(slice(None), slice(1, None, 2)))
        if tiles.left < tile_rows:
            tiles = join_rows(tiles.at(slice(0, None, 2)), tiles.at(slice(1, None, 2)))
    return tiles

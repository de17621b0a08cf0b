"""What the closed switches of a chip connect: the bits of `ohmloom.spec.switches`, read as a drive, a route or a write."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import Field, SwitchMap


class Violation(AssertionError):  # noqa: N818
    """The gateware has connected what no operation needs."""


@dataclass(frozen=True)
class TileState:
    """The fields of one tile's chain."""

    tile: int
    word_line: int
    reference: int
    drive: int
    sense: int
    tia_range: int
    chained: int
    source: int
    relu: int
    attenuator: int
    bias: int

    def closes_only(self, *names: str) -> bool:
        """Whether no field but these is set."""
        return not any(getattr(self, field.name) for field in fields(self) if field.name not in ("tile", *names))


@dataclass(frozen=True)
class Window:
    """Word lines row .. row + rows - 1 of a tile between row DACs and ADCs; the reference row is row spec.rows."""

    tile: int
    row: int
    rows: int
    tia_range: int


@dataclass(frozen=True)
class Chain:
    """Tiles of a route, in order."""

    stages: tuple[TileState, ...]


@dataclass(frozen=True)
class Write:
    """Rails on one row's cells."""

    tile: int
    row: int
    columns: tuple[bool, ...]
    reset: bool


def decode(spec: ChipSpec, closed: list[list[int]]) -> Window | Chain | Write | None:
    """What `closed` chains connect; None: nothing. Raises Violation for what no operation needs."""
    layout = SwitchMap(spec)
    if not any(map(any, closed)):
        return None
    tiles = [
        TileState(tile, *(_value(closed[tile], field) for field in layout.tile.values())) for tile in range(spec.tiles)
    ]
    writing = closed[spec.tiles]
    used = [tile for tile in tiles if not tile.closes_only()]
    if _value(writing, layout.write["write"]):
        return _write(spec, layout, used, writing)
    if any(writing):
        raise Violation("columns or polarity of the writing chain are set without its write bit")
    driven, sensed = [tile for tile in used if tile.drive], [tile for tile in used if tile.sense]
    if len(driven) != 1 or len(sensed) != 1:
        raise Violation(f"{len(driven)} tiles are driven and {len(sensed)} sensed at once: {used}")
    if driven == sensed and not driven[0].chained:
        return _window(spec, used)
    return _chain(spec, used, driven[0], sensed[0])


def _write(spec: ChipSpec, layout: SwitchMap, used: list[TileState], writing: list[int]) -> Write:
    if len(used) != 1 or not used[0].closes_only("word_line"):
        raise Violation(f"writing needs word lines of one tile and nothing else closed: {used}")
    tile = used[0]
    if tile.word_line.bit_count() != 1:
        raise Violation(f"writing needs one word line, closed are {tile.word_line:#x}")
    columns = _value(writing, layout.write["column"])
    mask = tuple(bool(columns >> column & 1) for column in range(spec.columns))
    reset = bool(_value(writing, layout.write["polarity"]))
    return Write(tile.tile, tile.word_line.bit_length() - 1, mask, reset)


def _window(spec: ChipSpec, used: list[TileState]) -> Window:
    tile = used[0]
    if len(used) != 1 or not tile.closes_only("word_line", "reference", "drive", "sense", "tia_range"):
        raise Violation(f"a drive of one tile needs no more than its word lines, DACs and ADCs: {used}")
    if tile.reference or not tile.word_line:
        if tile.word_line:
            raise Violation("reference row and word lines are on at once")
        return Window(tile.tile, spec.rows, tile.reference, tile.tia_range)
    row, rows = (tile.word_line & -tile.word_line).bit_length() - 1, tile.word_line.bit_count()
    if tile.word_line != ((1 << rows) - 1) << row:
        raise Violation(f"word lines that are not side by side: {tile.word_line:#x}")
    return Window(tile.tile, row, rows, tile.tia_range)


def _chain(spec: ChipSpec, used: list[TileState], first: TileState, last: TileState) -> Chain:
    by_tile, stages = {tile.tile: tile for tile in used}, [last]
    while stages[0].chained:
        before = by_tile.get(stages[0].source)
        if before is None or before in stages:
            raise Violation(f"the route into tile {stages[0].tile} has no beginning: {used}")
        stages.insert(0, before)
    if stages[0] != first or len(stages) != len(used):
        raise Violation(f"a route that does not lead from the driven tile to the sensed one: {used}")
    if any(stage.reference or stage.word_line != (1 << spec.rows) - 1 for stage in stages):
        raise Violation("a route needs all word lines of its tiles, and no reference row")
    return Chain(tuple(stages))


def _value(bits: list[int], field: Field) -> int:
    return sum(bit << index for index, bit in enumerate(bits[field.first : field.first + field.width]))

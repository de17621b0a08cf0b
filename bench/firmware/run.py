"""What the firmware adds to a step, in cycles of the compiled core: `python bench/firmware/run.py`.

A request's cycles are those in which it is executed. Of a row they are compared with those of the gateware's own PROGRAM or FORM with
the same targets, on a chip of the same seed with the same history; of a sweep's point with the fabric's time for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import load_chip, registers
from ohmloom.spec.commands import TYPE_ERROR, CellStatus, RunKind
from ohmloom_twin.board import TwinBoard

CHIPS = ("bench-8x16", "lab-128x128x4")
BAUD = 8 * table.DEFAULT_BAUD
Request = tuple[table.Command, dict[str, Any]]
Cells = NDArray[np.int64]  # (columns, 2): targets and tolerances
ARM: Request = (table.WRITE_REGISTERS, {"address": registers.ARM.address, "values": [registers.ARM.key]})
NEXT: Request = (table.RUN_NEXT, {})


class Board:
    """A new chip, and what it is asked. answer: the last one, by field."""

    def __init__(self, chip: str) -> None:
        self.spec = load_chip(chip)
        self._board, self._number = TwinBoard(chip, seed=3), 0
        self.answer: dict[str, Any] = {}
        self.ask((table.HELLO, {"session": 1, "protocol": table.PROTOCOL_VERSION}), baud=table.DEFAULT_BAUD)
        self.ask((table.RATE, {"baud": BAUD}), baud=table.DEFAULT_BAUD)

    def ask(self, *requests: Request, baud: int = BAUD) -> int:
        """Cycles in which these were executed, sent one right after the other."""
        data = b""
        for command, values in requests:
            data += encode(command.code, self._number, command.request.pack(**values))
            self._number += 1
        before = self._board.twin.executed_cycles
        frames = FrameDecoder(0xFFFF).feed(self._board.feed_at(data, baud))
        for (command, _), frame in zip(requests, frames, strict=True):
            assert frame.type != TYPE_ERROR, command.name
            self.answer = command.answer.unpack(frame.payload)
        return self._board.twin.executed_cycles - before

    def keep(self) -> None:
        """For `back`."""
        self._kept = self._board.moment(), self._number

    def back(self) -> None:
        """Cells and controller are as they were at `keep`."""
        moment, self._number = self._kept
        self._board.go_back(moment)

    @property
    def fabric_us(self) -> float:
        return self._board.fabric.now_ns / 1e3

    def us(self, cycles: float) -> float:
        return cycles / self.spec.controller.clock_hz * 1e6

    def close(self) -> None:
        self._board.twin.close()


ROWS = (1, 2)


def targets(columns: int) -> list[Cells]:
    """Of both rows; some cells are left alone."""
    rows = []
    for row in ROWS:
        rng = np.random.default_rng(row)
        cells = np.stack([rng.integers(40, 500, columns), np.full(columns, 24)], axis=1)
        cells[rng.random(columns) < 0.2, 1] = 0
        rows.append(cells)
    return rows


def beyond_reach(columns: int, every: int = 1) -> list[Cells]:
    """Of both rows: each `every`th cell's; the others are left alone."""
    cells = np.zeros((columns, 2), dtype=np.int64)
    cells[::every] = 2000, 1
    return [cells] * len(ROWS)


def formed(chip: str) -> Board:
    board = Board(chip)
    for row in ROWS:
        board.ask(ARM)
        board.ask((table.FORM, {"tile": 0, "row": row, "mask": [1] * board.spec.columns}))
    return board


def own(kind: RunKind, row: int, cells: Cells, attempts: int) -> list[Request]:
    """What the gateware is asked instead of RUN_NEXT."""
    if kind is RunKind.FORM:
        return [ARM, (table.FORM, {"tile": 0, "row": row, "mask": (cells[:, 1] > 0).astype(int)})]
    return attempts * [(table.PROGRAM, {"tile": 0, "row": row, "cells": cells.ravel()})]


def rows(chip: str, kind: RunKind, made: Callable[[int], list[Cells]], retries: int = 0) -> tuple[float, ...]:
    """Microseconds that RUN_NEXT adds to each of two rows, whose targets have just come; and to one of two that are asked for at once.
    Of those, a forming one waits for the rest after a pulse of the one before, and is left out."""
    board = Board(chip) if kind is RunKind.FORM else formed(chip)
    cells = made(board.spec.columns)
    key = registers.ARM.key if kind is RunKind.FORM else 0
    board.ask((table.RUN_BEGIN, {"run": 1, "kind": kind, "key": key, "retries": retries}))
    for row, each in zip(ROWS, cells, strict=True):
        board.ask((table.RUN_LOAD, {"tile": 0, "row": row, "cells": each.ravel()}))
    board.keep()

    def spent(groups: list[list[Request]]) -> list[int]:
        board.back()
        return [board.ask(*group) for group in groups]

    instead = [own(kind, row, each, 1 + retries) for row, each in zip(ROWS, cells, strict=True)]
    first, second = np.subtract(spent([[NEXT], [NEXT]]), spent(instead))
    added = [first, second]
    if kind is RunKind.PROGRAM:
        added.append(sum(spent([[NEXT, NEXT]]) - np.array(spent([instead[0] + instead[1]]))) / 2)
    if retries:
        board.back()
        board.ask(NEXT)
        assert board.answer["attempts"] == 1 + retries
        failed = np.isin(board.answer["cells"]["status"], (CellStatus.EXHAUSTED, CellStatus.STUCK))
        assert np.array_equal(failed, cells[0][:, 1] > 0)
    board.close()
    return tuple(board.us(cycles) for cycles in added)


def sweep(chip: str, points: int) -> float:
    """Microseconds that the firmware adds to a sweep."""
    board = Board(chip)
    before = board.fabric_us
    cycles = board.ask((table.IV, {"tile": 0, "row": 1, "column": 3, "range": 0, "codes": [5] * points}))
    beyond = board.us(cycles) - (board.fabric_us - before)
    board.close()
    return beyond


def command_start(chip: str) -> tuple[float, ...]:
    return (sweep(chip, 1) - sweep_point(chip)[0],)


def sweep_point(chip: str) -> tuple[float, ...]:
    return ((sweep(chip, 11) - sweep(chip, 1)) / 10,)


def programmed_row(chip: str) -> tuple[float, ...]:
    """The first row after targets were loaded, the second, and each of two that are asked for at once."""
    return rows(chip, RunKind.PROGRAM, targets)


def bad_row(chip: str) -> tuple[float, ...]:
    return rows(chip, RunKind.PROGRAM, beyond_reach)


def attempt(chip: str, every: int = 1) -> tuple[float, ...]:
    """The second attempt, the third."""
    added = [rows(chip, RunKind.PROGRAM, partial(beyond_reach, every=every), retries)[1] for retries in (0, 1, 2)]
    return tuple(np.diff(added).tolist())


def formed_row(chip: str) -> tuple[float, ...]:
    return rows(chip, RunKind.FORM, targets)


STEPS: dict[str, Callable[[str], tuple[float, ...]]] = {
    "a command's start (IV)": command_start,
    "a point of a sweep": sweep_point,
    "a programmed row": programmed_row,
    "a programmed row, no cell of which converges": bad_row,
    "one more attempt at all cells of a row": attempt,
    "one more attempt at each 64th cell of a row": partial(attempt, every=64),
    "a formed row": formed_row,
}


def main() -> None:
    print(f"us beyond pulses and converters\n\n| step | {' | '.join(CHIPS)} |\n|---|{len(CHIPS) * '---|'}")
    for name, step in STEPS.items():
        print(
            f"| {name} | {' | '.join(', '.join(f'{each:.0f}' for each in step(chip)) for chip in CHIPS)} |", flush=True
        )


if __name__ == "__main__":
    main()

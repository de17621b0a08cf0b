"""What the firmware adds to a step, in cycles of the compiled core: `python bench/firmware/run.py`.

A request's cycles are those in which it is executed. Of a row they are compared with those of the gateware's own PROGRAM or FORM with
the same targets, on a chip of the same seed with the same history; of a sweep's point with the fabric's time for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import load_chip, registers
from ohmloom.spec.commands import TYPE_ERROR, CellStatus, RunKind
from ohmloom_twin.board import TwinBoard

CHIP = "bench-8x16"
BAUD = 8 * table.DEFAULT_BAUD
Request = tuple[table.Command, dict[str, Any]]
Cells = NDArray[np.int64]  # (columns, 2): targets and tolerances
ARM: Request = (table.WRITE_REGISTERS, {"address": registers.ARM.address, "values": [registers.ARM.key]})
NEXT: Request = (table.RUN_NEXT, {})


class Board:
    """A new chip, and what it is asked. answer: the last one, by field."""

    def __init__(self) -> None:
        self._board, self._number = TwinBoard(CHIP, seed=3), 0
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

    def close(self) -> None:
        self._board.twin.close()


def targets(seed: int) -> Cells:
    """A row's; some cells are left alone."""
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(40, 500, 16), np.full(16, 24)], axis=1)
    cells[rng.random(16) < 0.2, 1] = 0
    return cells


BEYOND_REACH = np.stack([np.full(16, 2000), np.full(16, 1)], axis=1)
ROWS = (1, 2)


def formed() -> Board:
    board = Board()
    for row in ROWS:
        board.ask(ARM)
        board.ask((table.FORM, {"tile": 0, "row": row, "mask": [1] * 16}))
    return board


def own(kind: RunKind, row: int, cells: Cells, attempts: int) -> list[Request]:
    """What the gateware is asked instead of RUN_NEXT."""
    if kind is RunKind.FORM:
        return [ARM, (table.FORM, {"tile": 0, "row": row, "mask": (cells[:, 1] > 0).astype(int)})]
    return attempts * [(table.PROGRAM, {"tile": 0, "row": row, "cells": cells.ravel()})]


def rows(kind: RunKind, cells: list[Cells], retries: int = 0) -> tuple[float, float, float]:
    """Cycles that RUN_NEXT adds to each of two rows, whose targets have just come; and to one of two that are asked for at once."""
    board = Board() if kind is RunKind.FORM else formed()
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
    (together,) = np.subtract(spent([[NEXT, NEXT]]), spent([instead[0] + instead[1]])) / 2
    if retries:
        board.back()
        board.ask(NEXT)
        assert board.answer["attempts"] == 1 + retries
        assert np.isin(board.answer["cells"]["status"], (CellStatus.EXHAUSTED, CellStatus.STUCK)).all()
    board.close()
    return float(first), float(second), float(together)


def sweep(points: int) -> float:
    """Microseconds that the firmware adds to a sweep."""
    board = Board()
    before = board.fabric_us
    cycles = board.ask((table.IV, {"tile": 0, "row": 1, "column": 3, "range": 0, "codes": [5] * points}))
    beyond = microseconds(cycles) - (board.fabric_us - before)
    board.close()
    return beyond


def microseconds(cycles: float) -> float:
    return cycles / load_chip(CHIP).controller.clock_hz * 1e6


def command_start() -> tuple[float, ...]:
    return (sweep(1) - sweep_point()[0],)


def sweep_point() -> tuple[float, ...]:
    return ((sweep(11) - sweep(1)) / 10,)


def programmed_row() -> tuple[float, ...]:
    """The first row after targets were loaded, the second, and each of two that are asked for at once."""
    return tuple(microseconds(cycles) for cycles in rows(RunKind.PROGRAM, [targets(row) for row in ROWS]))


def bad_row() -> tuple[float, ...]:
    return tuple(microseconds(cycles) for cycles in rows(RunKind.PROGRAM, [BEYOND_REACH] * 2))


def attempt() -> tuple[float, ...]:
    once, again = (rows(RunKind.PROGRAM, [BEYOND_REACH] * 2, retries)[1] for retries in (1, 2))
    return (microseconds(again - once),)


def formed_row() -> tuple[float, ...]:
    return tuple(microseconds(cycles) for cycles in rows(RunKind.FORM, [targets(row) for row in ROWS]))


STEPS: dict[str, Callable[[], tuple[float, ...]]] = {
    "a command's start (IV)": command_start,
    "a point of a sweep": sweep_point,
    "a programmed row": programmed_row,
    "a programmed row, no cell of which converges": bad_row,
    "one more attempt at all cells of a row": attempt,
    "a formed row": formed_row,
}


def main() -> None:
    print("| step | us beyond pulses and converters |\n|---|---|")
    for name, step in STEPS.items():
        print(f"| {name} | {', '.join(f'{each:.0f}' for each in step())} |")


if __name__ == "__main__":
    main()

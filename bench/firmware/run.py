"""What the firmware adds to a step, in cycles of the compiled core: `python bench/firmware/run.py`.

A request's cycles are those in which it is executed. Of a row they are compared with those of the gateware's own PROGRAM or FORM with
the same targets, on a chip of the same seed with the same history; of a sweep's point with the fabric's time for it.
"""

from __future__ import annotations

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
    """A new chip, and what it is asked. `answers`: the last request's, by field."""

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
        for (command, _), frame in zip(requests, FrameDecoder(0xFFFF).feed(self._board.feed_at(data, baud)), strict=True):
            assert frame.type != TYPE_ERROR, command.name
            self.answer = command.answer.unpack(frame.payload)
        return self._board.twin.executed_cycles - before

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


def loaded(board: Board, kind: RunKind, cells: list[Cells], retries: int = 0) -> Board:
    """With a run of two rows, whose targets have just come."""
    key = registers.ARM.key if kind is RunKind.FORM else 0
    board.ask((table.RUN_BEGIN, {"run": 1, "kind": kind, "key": key, "retries": retries}))
    for row, each in zip(ROWS, cells, strict=True):
        board.ask((table.RUN_LOAD, {"tile": 0, "row": row, "cells": each.ravel()}))
    return board


def own(kind: RunKind, row: int, cells: Cells, attempts: int) -> list[Request]:
    """What the gateware is asked instead of RUN_NEXT."""
    if kind is RunKind.FORM:
        return [ARM, (table.FORM, {"tile": 0, "row": row, "mask": (cells[:, 1] > 0).astype(int)})]
    return attempts * [(table.PROGRAM, {"tile": 0, "row": row, "cells": cells.ravel()})]


def rows(kind: RunKind, cells: list[Cells], retries: int = 0) -> tuple[float, float, float]:
    """Cycles that RUN_NEXT adds to each of two rows; and to one of two that are asked for at once."""

    def start() -> Board:
        return loaded(Board() if kind is RunKind.FORM else formed(), kind, cells, retries)

    def spent(groups: list[list[Request]]) -> list[int]:
        board = start()
        cycles = [board.ask(*group) for group in groups]
        board.close()
        return cycles

    instead = [own(kind, row, each, 1 + retries) for row, each in zip(ROWS, cells, strict=True)]
    first, second = np.subtract(spent([[NEXT], [NEXT]]), spent(instead))
    (together,) = np.subtract(spent([[NEXT, NEXT]]), spent([instead[0] + instead[1]])) / 2
    if retries:
        board = start()
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


def measure() -> dict[str, tuple[float, ...]]:
    """Microseconds by step: of a row, the first after its targets were loaded, the second, and each of two that are asked for at once."""
    few, many = sweep(1), sweep(11)
    point = (many - few) / 10
    good, hard = [targets(row) for row in ROWS], [BEYOND_REACH] * 2
    steps: dict[str, tuple[float, ...]] = {"a command's start (IV)": (few - point,), "a point of a sweep": (point,)}
    for name, kind, cells in (
        ("a programmed row", RunKind.PROGRAM, good),
        ("a programmed row, no cell of which converges", RunKind.PROGRAM, hard),
        ("a formed row", RunKind.FORM, good),
    ):
        steps[name] = tuple(microseconds(cycles) for cycles in rows(kind, cells))
    once, again = (rows(RunKind.PROGRAM, hard, retries)[1] for retries in (1, 2))
    steps["one more attempt at all of a row's cells"] = (microseconds(again - once),)
    return steps


def main() -> None:
    print("| step | beyond pulses and converters |\n|---|---|")
    for name, spent in measure().items():
        print(f"| {name} | {', '.join(f'{each:.0f}' for each in spent)} us |")


if __name__ == "__main__":
    main()

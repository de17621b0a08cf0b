"""What the firmware adds to a step, in cycles of the compiled core: `python bench/firmware/run.py`.

A request's cycles are those in which it is executed. Of a row they are compared with those of the gateware's own PROGRAM or FORM with
the same targets, on a chip of the same seed with the same history; of a sweep's point with the fabric's time for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import registers
from ohmloom.spec.commands import TYPE_ERROR, RunKind
from ohmloom_twin.board import TwinBoard

CHIP = "bench-8x16"
BAUD = 8 * table.DEFAULT_BAUD
Request = tuple[table.Command, dict[str, Any]]
ARM: Request = (table.WRITE_REGISTERS, {"address": registers.ARM.address, "values": [registers.ARM.key]})


def executed(*requests: Request) -> tuple[list[int], float]:
    """Cycles of each request on a new chip, and microseconds of fabric time for the last."""
    board, cycles, last_us = TwinBoard(CHIP, seed=3), [], 0.0
    opening: list[Request] = [
        (table.HELLO, {"session": 1, "protocol": table.PROTOCOL_VERSION}),
        (table.RATE, {"baud": BAUD}),
    ]
    for number, (command, values) in enumerate([*opening, *requests]):
        before, then_ns = board.twin.executed_cycles, board.fabric.now_ns
        data = encode(command.code, number, command.request.pack(**values))
        (answer,) = FrameDecoder(0xFFFF).feed(board.feed_at(data, BAUD if number > 1 else table.DEFAULT_BAUD))
        assert answer.type != TYPE_ERROR, command.name
        cycles.append(board.twin.executed_cycles - before)
        last_us = (board.fabric.now_ns - then_ns) / 1e3
    board.twin.close()
    return cycles[len(opening) :], last_us


def targets(seed: int) -> np.ndarray:
    """A row's (target, tolerance) in verify codes; some cells are left alone."""
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(40, 500, 16), np.full(16, 24)], axis=1)
    cells[rng.random(16) < 0.2, 1] = 0
    return cells


def row(kind: RunKind, row: int, cells: np.ndarray) -> tuple[Request, Request, list[Request]]:
    """RUN_LOAD of a row, RUN_NEXT, and what the gateware is asked instead of it."""
    load: Request = (table.RUN_LOAD, {"tile": 0, "row": row, "cells": cells.ravel()})
    if kind is RunKind.FORM:
        mask = (cells[:, 1] > 0).astype(int)
        return load, (table.RUN_NEXT, {}), [ARM, (table.FORM, {"tile": 0, "row": row, "mask": mask})]
    return load, (table.RUN_NEXT, {}), [(table.PROGRAM, {"tile": 0, "row": row, "cells": cells.ravel()})]


def rows(kind: RunKind) -> list[int]:
    """Cycles that RUN_NEXT takes beyond the gateware's own request, for each of two rows."""
    formed: list[Request] = []
    if kind is RunKind.PROGRAM:
        formed = [
            request for index in (1, 2) for request in (ARM, (table.FORM, {"tile": 0, "row": index, "mask": [1] * 16}))
        ]
    key = registers.ARM.key if kind is RunKind.FORM else 0
    parts = [row(kind, index, targets(index)) for index in (1, 2)]
    begin = [
        *formed,
        (table.RUN_BEGIN, {"run": 1, "kind": kind, "key": key, "retries": 0}),
        *(load for load, *_ in parts),
    ]
    run, _ = executed(*begin, *(following for _, following, _ in parts))
    own, _ = executed(*begin, *(request for *_, requests in parts for request in requests))
    each = len(parts[0][2])
    return [spent - own[len(begin) + each * index + each - 1] for index, spent in enumerate(run[len(begin) :])]


def main() -> None:
    mhz = TwinBoard(CHIP).fabric.spec.controller.clock_hz / 1e6
    sweep = {"tile": 0, "row": 1, "column": 3, "range": 0}
    spent = [executed((table.IV, sweep | {"codes": [5] * points})) for points in (1, 11)]
    beyond = [cycles[-1] / mhz - fabric_us for cycles, fabric_us in spent]
    point = (beyond[1] - beyond[0]) / 10
    print("| step | beyond pulses and converters |\n|---|---|")
    print(f"| a command's start (IV) | {beyond[0] - point:.0f} us |")
    print(f"| a point of a sweep | {point:.0f} us |")
    for kind, name in ((RunKind.PROGRAM, "a programmed row"), (RunKind.FORM, "a formed row")):
        print(f"| {name} of a run | {' and '.join(f'{cycles / mhz:.0f}' for cycles in rows(kind))} us |")


if __name__ == "__main__":
    main()

"""Runs over rows: programmed or formed one after the other, kept in the journal so that they go on after the power came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import registers
from ohmloom.spec.commands import MAX_RETRIES, NO_ROW, CellStatus, ErrorCode, RowState, RunKind
from ohmloom_emulator.controller.checks import Checks, Values, within
from ohmloom_emulator.controller.journal import Journal
from ohmloom_emulator.controller.memories import Refusal
from ohmloom_emulator.controller.write_verify import RowReport, cells_of
from ohmloom_emulator.fabric import Integers

MOST_PULSES = 0xFFFF


@dataclass(frozen=True)
class Engine:
    """What the gateware does for the firmware, trips and events included.

    program(tile, row, target, tolerance); form(tile, row, mask), armed for it; read(tile, row, samples): codes (columns,).
    """

    program: Callable[[int, int, Integers, Integers], RowReport]
    form: Callable[[int, int, NDArray[np.bool_]], RowReport]
    read: Callable[[int, int, int], Integers]


class Runs:
    """RUN_BEGIN, RUN_LOAD, RUN_NEXT, RUN_STATUS, RUN_ROW and REFRESH."""

    def __init__(self, journal: Journal, engine: Engine, checks: Checks) -> None:
        self._journal, self._engine, self._check = journal, engine, checks

    def begin(self, values: Values) -> Values:
        kind = RunKind(within(values["kind"], len(RunKind), ErrorCode.BAD_VALUE))
        within(values["retries"], MAX_RETRIES + 1, ErrorCode.BAD_VALUE)
        if kind is RunKind.FORM and values["key"] != registers.ARM.key:
            raise Refusal(ErrorCode.BAD_VALUE, values["key"])
        self._journal.begin(values["run"], kind, values["retries"])
        return {}

    def load(self, values: Values) -> Values:
        tile, row = self._check.tile(values), self._check.row(values)
        target, tolerance = self._check.cells(values["cells"])
        state = int(self._journal.state[tile, row])
        if not self._journal.run or state != RowState.EMPTY:
            raise Refusal(ErrorCode.BAD_VALUE, state)
        self._journal.load(tile, row, target, tolerance)
        return {}

    def next(self, _: Values) -> Values:
        journal = self._journal
        waiting = journal.open_rows()
        if not waiting:
            return {"tile": 0, "row": NO_ROW, "attempts": 0, "left": 0, "cells": cells_of(None)}
        tile, row = waiting[0]
        journal.start(tile, row)
        report, attempts = self._attempts(tile, row)
        if not report.tripped:
            journal.finish(tile, row, _failed(report.status))
        left = len(waiting) - (not report.tripped)
        return {"tile": tile, "row": row, "attempts": attempts, "left": left, "cells": cells_of(report)}

    def _attempts(self, tile: int, row: int) -> tuple[RowReport, int]:
        """The row's report over all attempts, and how many there were."""
        tolerance = self._journal.cells(tile, row)[1]
        report = self._attempt(tile, row, tolerance > 0)
        attempts = 1
        while attempts <= self._journal.retries and not report.tripped and (again := _failed(report.status)).any():
            later = self._attempt(tile, row, again)
            report = RowReport(
                np.where(again, later.status, report.status),
                np.minimum(report.pulses.astype(np.int64) + later.pulses, MOST_PULSES).astype(np.uint16),
                np.where(again, later.code, report.code),
                later.tripped,
            )
            attempts += 1
        return report, attempts

    def _attempt(self, tile: int, row: int, mask: NDArray[np.bool_]) -> RowReport:
        if self._journal.kind is RunKind.FORM:
            return self._engine.form(tile, row, mask)
        target, tolerance = self._journal.cells(tile, row)
        return self._engine.program(tile, row, target, np.where(mask, tolerance, 0))

    def status(self, _: Values) -> Values:
        journal = self._journal
        return {
            "run": journal.run,
            "kind": journal.kind,
            "loaded": int((journal.state != RowState.EMPTY).sum()),
            "done": int((journal.state == RowState.DONE).sum()),
            "begun": int((journal.state == RowState.BEGUN).sum()),
            "bad": int(journal.bad.sum()),
        }

    def row(self, values: Values) -> Values:
        place = self._check.tile(values), self._check.row(values)
        return {"state": int(self._journal.state[place]), "bad": self._journal.bad[place].astype(np.uint8)}

    def refresh(self, values: Values) -> Values:
        journal = self._journal
        tile, row = self._check.tile(values), self._check.row(values)
        samples = self._check.samples(values["samples"])
        if journal.kind is RunKind.FORM:
            raise Refusal(ErrorCode.BAD_VALUE, journal.kind)
        if journal.state[tile, row] != RowState.DONE:
            raise Refusal(ErrorCode.BAD_VALUE, int(journal.state[tile, row]))
        target, tolerance = journal.cells(tile, row)
        code = self._engine.read(tile, row, samples)
        drifted = (tolerance > 0) & (np.abs(code - target) > tolerance) & ~journal.bad[tile, row]
        if drifted.any():
            report = self._engine.program(tile, row, target, np.where(drifted, tolerance, 0))
        else:
            report = RowReport(np.zeros(code.size, np.uint8), np.zeros(code.size, np.uint16), code, tripped=False)
        return {"drifted": int(drifted.sum()), "cells": cells_of(report)}


def _failed(status: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.isin(status, (CellStatus.EXHAUSTED, CellStatus.STUCK))

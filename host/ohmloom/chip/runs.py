"""Runs whose targets and progress the controller keeps in its flash, so that they go on after a power cut; needs the firmware."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.chip.connection import Connection, Progress, no_progress
from ohmloom.errors import ChipError, Error, LinkError
from ohmloom.program_report import ProgramReport
from ohmloom.spec import Policy, registers
from ohmloom.spec.commands import (
    REFRESH,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    CellStatus,
    Command,
    RowState,
    RunKind,
)

RETRIES = 1  # of cells that did not converge
REFRESH_SAMPLES = 16
WORDS = {RunKind.PROGRAM: "programming", RunKind.FORM: "forming"}


@dataclass(frozen=True)
class RunStatus:
    """How far the run in the controller's journal is.

    run: its number, 0 when there is none; rows: that it has, of which loaded have arrived and done are finished; begun: 1 when one was
    under way as the power failed or the latch was set; bad: cells of finished rows that did not converge.
    """

    run: int
    kind: RunKind
    rows: int
    loaded: int
    done: int
    begun: int
    bad: int

    @property
    def left(self) -> int:
        """Rows that are not done."""
        return self.rows - self.done


class Runs(Connection):
    """A chip's runs over rows."""

    def run_status(self) -> RunStatus:
        """Of the run that the controller's journal holds; right after a reset, too."""
        answer = self._session.request(RUN_STATUS)
        kind = RunKind(answer.pop("kind"))
        return RunStatus(kind=kind, rows=answer["run"] & 0xFFFF, **answer)

    def resume(self, *, policy: Policy | str | Path | None = None, progress: Progress = no_progress) -> ProgramReport:
        """Goes on with the run that a power cut, a trip or a lost line has interrupted; a report (tiles, rows, columns) of the rest of it.

        Cells that did not converge before the interruption are in it as well, as EXHAUSTED with no conductance, so that `failed` has all of
        the run's. Programming the same targets again, with the journal, goes on in the same way. policy: a write-verify policy or its name,
        where the run had another than the chip's own: boards forget it without power.
        Raises Error when there is no run, or one whose targets had not all arrived: none of its rows has been touched, so program again.
        """
        status = self.run_status()
        if not status.run:
            raise Error("there is no run in this chip's journal: nothing to resume")
        if status.loaded < status.rows:
            raise Error(
                f"the run was cut off while its targets were sent, {status.loaded} of {status.rows} rows, before any cell was touched: "
                "start it again"
            )
        if policy is not None:
            self.load_policy(policy)
        return self._go_on(status, progress)

    def bad_cells(self) -> NDArray[np.bool_]:
        """Cells (tiles, rows, columns) of the run's finished rows that did not converge."""
        return self._journal()[1]

    def refresh(
        self, tile: int | None = None, *, samples: int = REFRESH_SAMPLES, progress: Progress = no_progress
    ) -> ProgramReport:
        """Programs the cells that left their tolerance since the last run, of one tile or of all; bad cells are left alone.

        The report (tiles, rows, columns) has the cells that had left it as selected, and the conductances of all that were read.
        Raises Error when the journal has no programmed rows there.
        """
        tiles = range(self.spec.tiles) if tile is None else [self._tile(tile)]
        status = self.run_status()
        states = self._journal()[0]
        rows = [(index, int(row)) for index in tiles for row in np.flatnonzero(states[index] == RowState.DONE)]
        if status.kind is not RunKind.PROGRAM or not rows:
            raise Error("the journal has no programmed rows there: program with journal=True first")
        requests = ((REFRESH, {"tile": index, "row": row, "samples": samples}) for index, row in rows)
        report = self._empty()
        progress("refreshing", 0, len(rows))
        for done, (place, answer) in enumerate(zip(rows, self._session.stream(requests), strict=True), start=1):
            self._take(report, place, answer["cells"], "refreshing")
            progress("refreshing", done, len(rows))
        return report

    # Inside

    def _run(self, kind: RunKind, cells: NDArray[np.int64], progress: Progress) -> ProgramReport:
        """A run over all rows with cells to work on; cells: (tiles, rows, columns, 2) targets and tolerances, tolerance 0 for none.

        The same run, when it was interrupted, goes on.
        """
        rows = np.argwhere((cells[..., 1] > 0).any(axis=-1))
        # What is loaded is known by its check sum, and how much it is by the low half.
        run = crc_hqx(cells.astype("<i2").tobytes(), 0xFFFF) << 16 | len(rows)
        begin = {"run": run, "kind": kind, "retries": RETRIES, "key": registers.ARM.key if kind is RunKind.FORM else 0}

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            yield RUN_BEGIN, begin
            for tile, row in rows.tolist():
                yield RUN_LOAD, {"tile": tile, "row": row, "cells": cells[tile, row].ravel()}

        if not len(rows):
            return self._empty()
        status = self.run_status()
        if status.run == run and status.loaded == status.rows and status.left:
            return self._go_on(status, progress)
        for _ in self._session.stream(requests()):
            pass
        return self._next_rows(self.run_status(), progress)

    def _go_on(self, status: RunStatus, progress: Progress) -> ProgramReport:
        """The rest of a run; what did not converge before is in the report as EXHAUSTED."""
        states, bad = self._journal()
        for tile in np.flatnonzero(np.isin(states, (RowState.LOADED, RowState.BEGUN)).any(axis=1)):
            self._calibrate_once(int(tile))
        report = self._next_rows(status, progress)
        earlier = bad & (states == RowState.DONE)[..., None]
        return ProgramReport(
            report.selected | earlier,
            np.where(earlier, CellStatus.EXHAUSTED, report.status).astype(np.uint8),
            report.pulses,
            report.conductance,
        )

    def _next_rows(self, status: RunStatus, progress: Progress) -> ProgramReport:
        report, what = self._empty(), WORDS[status.kind]
        progress(what, status.done, status.rows)
        requests: Iterator[tuple[Command, dict[str, Any]]] = ((RUN_NEXT, {}) for _ in range(status.left))
        for done, answer in enumerate(self._session.stream(requests), start=status.done + 1):
            place = answer["tile"], answer["row"]
            if answer["cells"].size != self.spec.columns or answer["left"] > status.rows - done + 1:
                raise LinkError(
                    f"{what} row {place}: the controller's journal does not fit the run; is another host on it?"
                )
            self._take(report, place, answer["cells"], what)
            progress(what, done, status.rows)
        return report

    def _take(self, report: ProgramReport, place: tuple[int, int], cells: NDArray[Any], what: str) -> None:
        """Puts a row's answer into a report. Raises ChipError when it tripped."""
        report.status[place], report.pulses[place] = cells["status"], cells["pulses"]
        report.conductance[place] = cells["code"] * self.spec.siemens_per_code(self.spec.verify_range)
        report.selected[place] = cells["status"] != CellStatus.SKIPPED
        tripped = int((cells["status"] == CellStatus.TRIPPED).sum())
        if tripped:
            raise ChipError(
                f"{what} tile {place[0]}, row {place[1]} tripped the over-current latch at {tripped} cells; look for shorts, then "
                "clear_trip() and go on",
                0,
            )

    def _journal(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """RowState of each row (tiles, rows), and the bad cells (tiles, rows, columns)."""
        spec = self.spec
        requests = ((RUN_ROW, {"tile": tile, "row": row}) for tile in range(spec.tiles) for row in range(spec.rows))
        answers = list(self._session.stream(requests))
        states = np.array([answer["state"] for answer in answers], np.uint8).reshape(spec.tiles, spec.rows)
        bad = np.array([answer["bad"] != 0 for answer in answers]).reshape(spec.tiles, spec.rows, spec.columns)
        return states, bad

    def _empty(self) -> ProgramReport:
        shape = (self.spec.tiles, self.spec.rows, self.spec.columns)
        return ProgramReport(
            np.zeros(shape, np.bool_), np.zeros(shape, np.uint8), np.zeros(shape, np.int64), np.full(shape, np.nan)
        )

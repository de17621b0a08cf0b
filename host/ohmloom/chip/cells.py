"""The cells of a chip: forming, programming, reading, single pulses, and which of them no longer move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.chip.connection import Progress, no_progress
from ohmloom.chip.firmware import Core
from ohmloom.chip.runs import Runs
from ohmloom.compiler import FaultMap
from ohmloom.errors import ArgumentError, ChipError
from ohmloom.program_report import ProgramReport
from ohmloom.spec import Policy, registers
from ohmloom.spec.arithmetic import FRACTION_BITS
from ohmloom.spec.commands import (
    FORM,
    IV,
    PROGRAM,
    PULSE,
    PULSE_TRIPPED,
    READ,
    WRITE_REGISTERS,
    CellStatus,
    Command,
    Polarity,
    RunKind,
)
from ohmloom.spec.policy import VIRGIN_SIEMENS

Floats = NDArray[np.float64]

# Averaged so that noise cannot take a formed cell for a virgin one.
VIRGIN_SAMPLES = 16
HIGHEST_TARGET_CODE = 2000  # of a verify
# The two parts of a cell's range that a working cell reaches, far enough apart that no stuck cell is in both.
FAULT_LEVELS, FAULT_TOLERANCE, FAULT_SAMPLES = (0.25, 0.75), 0.4, 16


class Cells(Runs, Core):
    """A chip's cells, by tile, row and column."""

    def form(self, tile: int, mask: ArrayLike | None = None, *, progress: Progress = no_progress) -> ProgramReport:
        """Forms the cells of a tile that are not formed yet: all, or those of `mask` (rows, columns).

        Forming needs the arm key for each row; this call gives it.
        """
        selected = self._cells(tile, "mask", True if mask is None else mask, bool)
        self._calibrate_once(tile)  # an offset may look like a formed cell
        rows = np.flatnonzero(selected.any(axis=1))

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            for row in rows:
                yield WRITE_REGISTERS, {"address": registers.ARM.address, "values": [registers.ARM.key]}
                yield FORM, {"tile": tile, "row": int(row), "mask": selected[row]}

        answers = (answer for answer in self._session.stream(requests()) if answer)
        return self._report(selected, rows, answers, "forming", progress)

    def program_conductance(
        self,
        tile: int,
        target_siemens: ArrayLike,
        tolerance_siemens: float = 1e-6,
        *,
        policy: Policy | str | Path | None = None,
        form: bool = True,
        journal: bool = False,
        progress: Progress = no_progress,
    ) -> ProgramReport:
        """Brings the cells of a tile to `target_siemens` (rows, columns) within the tolerance by write-verify; NaN leaves a cell alone.

        form: cells that are not formed yet are formed first. policy: a write-verify policy, its name or its file; it stays loaded.
        journal: the firmware keeps targets and progress in flash and tries cells again that did not converge; after a power cut
        `resume` goes on.
        Raises ArgumentError, before anything is sent, for a wrong shape, a negative or unreachable target or a tolerance below one code.
        """
        target = self._cells(tile, "target_siemens", target_siemens, float)
        cells = self._targets(target, tolerance_siemens)
        if policy is not None:
            self.load_policy(policy)
        if journal:
            all_cells = np.zeros((self.spec.tiles, *cells.shape), dtype=np.int64)
            all_cells[tile] = cells
            report = self._program_run(all_cells, progress, form=form)
            return ProgramReport(
                report.selected[tile], report.status[tile], report.pulses[tile], report.conductance[tile], report.formed
            )
        self._calibrate_once(tile)
        selected = cells[..., 1] > 0
        virgin = self._virgin(tile, selected if form else np.zeros_like(selected))
        if virgin.any():
            self.form(tile, virgin, progress=progress)
        rows = np.flatnonzero(selected.any(axis=1))
        requests = ((PROGRAM, {"tile": tile, "row": int(row), "cells": cells[row]}) for row in rows)
        report = self._report(selected, rows, self._session.stream(requests), "programming", progress)
        return ProgramReport(selected, report.status, report.pulses, report.conductance, int(virgin.sum()))

    def read_conductance(self, tile: int, *, samples: int = 1) -> Floats:
        """Conductances (rows, columns) in siemens, each read `samples` times and averaged."""
        self._tile(tile)
        if samples not in range(1, 65):
            raise ArgumentError(f"samples: an integer within 1..64 wanted, given {samples!r}")
        spec = self.spec

        def requests() -> Iterator[tuple[Command, dict[str, Any]]]:
            row = 0
            while row < spec.rows:
                rows = min(spec.rows - row, max(1, self._session.payload_budget * 2 // (3 * spec.columns)))
                yield READ, {"tile": tile, "row": row, "rows": rows, "samples": samples}
                row += rows

        codes = np.concatenate([answer["codes"] for answer in self._session.stream(requests())])
        conductance: Floats = codes.reshape(spec.rows, spec.columns) * spec.siemens_per_code(spec.verify_range)
        return conductance

    def pulse(
        self, tile: int, row: int, column: int, volts: float, *, gate_v: float = 4.0, width_s: float = 1e-6
    ) -> float:
        """Applies one pulse to one cell (positive volts SET, negative RESET) and returns its conductance after it, in siemens."""
        spec = self.spec
        for name, value in (("volts", volts), ("gate_v", gate_v), ("width_s", width_s)):
            if not np.isfinite(value):
                raise ArgumentError(f"{name}: {value} is not finite")
        if max(abs(volts), gate_v) > spec.rail_dac.full_scale_v or gate_v < 0 or not 0 < width_s < 1:
            raise ArgumentError(
                f"a pulse of {volts} V, gate {gate_v} V, {width_s} s is beyond the rails (0..{spec.rail_dac.full_scale_v} V, below 1 s)"
            )
        answer = self._session.request(
            PULSE,
            tile=self._tile(tile),
            row=self._index("row", row, spec.rows),
            column=self._index("column", column, spec.columns),
            polarity=Polarity.SET if volts >= 0 else Polarity.RESET,
            rail=spec.rail_code(abs(volts)),
            gate=spec.rail_code(gate_v),
            width_ns=round(width_s * 1e9),
        )
        if answer["code"] == PULSE_TRIPPED:
            raise ChipError("the pulse tripped the over-current latch; look for shorts, then clear_trip()", 0)
        return float(answer["code"] * spec.siemens_per_code(spec.verify_range))

    def iv_sweep(self, tile: int, row: int, column: int, volts: ArrayLike, *, tia_range: int | None = None) -> Floats:
        """Currents (A) of one cell at read voltages `volts` (n,), within the read limit either side of 0."""
        spec = self.spec
        tia_range = (
            spec.verify_range if tia_range is None else self._index("tia_range", tia_range, len(spec.afe.tia_ohm))
        )
        values = np.asarray(volts, dtype=np.float64)
        codes = np.rint(values / spec.row_dac.lsb_v) if np.isfinite(values).all() else np.array([])
        if values.ndim != 1 or values.size == 0 or codes.size == 0 or np.abs(codes).max() > spec.read_clamp:
            raise ArgumentError(
                f"volts: a list of finite values within +-{spec.limits.read_v} V wanted, given {volts!r}"
            )
        place = {
            "tile": self._tile(tile),
            "row": self._index("row", row, spec.rows),
            "column": self._index("column", column, spec.columns),
            "range": tia_range,
        }
        most = (self._session.payload_max - IV.answer.header_bytes) // 2
        parts = np.split(codes.astype(np.int64), range(most, codes.size, most))
        answers = self._session.stream((IV, {**place, "codes": part}) for part in parts)
        points = np.concatenate([answer["codes"] for answer in answers])
        amperes: Floats = points * (spec.amperes_per_code(tia_range) / (1 << FRACTION_BITS))
        return amperes

    def find_faults(self, *, progress: Progress = no_progress) -> FaultMap:
        """Finds the cells that no longer move: each is brought into the lower part of its range and then into the upper one.

        Cells that are not formed yet are formed; what was on the chip is lost. Give the map to `ohmloom.compile`.
        """
        cell, shape = self.spec.cell, (self.spec.tiles, self.spec.rows, self.spec.columns)
        low, high = (cell.g_min_siemens + share * (cell.g_max_siemens - cell.g_min_siemens) for share in FAULT_LEVELS)
        stuck = np.zeros(shape, dtype=np.bool_)
        for level in (low, high):
            report = self._program_tiles(np.full(shape, level), FAULT_TOLERANCE * (high - low), progress)
            stuck |= report.failed
        conductance = np.full(shape, np.nan)
        # A stuck cell's level becomes its target, so it is one that a target may have; noise and saturated converters go beyond.
        for tile in range(self.spec.tiles):
            read = self.read_conductance(tile, samples=FAULT_SAMPLES)
            conductance[tile][stuck[tile]] = np.clip(read[stuck[tile]], 0.0, self._highest_target_siemens)
        return FaultMap(stuck, conductance)

    # Inside

    @property
    def _highest_target_siemens(self) -> float:
        return HIGHEST_TARGET_CODE * self.spec.siemens_per_code(self.spec.verify_range)

    def _program_tiles(
        self,
        targets: Floats,
        tolerance_siemens: float,
        progress: Progress,
        *,
        form: bool = True,
        journal: bool = False,
    ) -> ProgramReport:
        """Brings the cells of all tiles to targets (tiles, rows, columns)."""
        if journal:
            return self._program_run(self._targets(targets, tolerance_siemens), progress, form=form)
        return ProgramReport.of_tiles(
            [
                self.program_conductance(tile, target, tolerance_siemens, form=form, progress=progress)
                for tile, target in enumerate(targets)
            ]
        )

    def _program_run(self, cells: NDArray[np.int64], progress: Progress, *, form: bool) -> ProgramReport:
        """Forms and programs cells (tiles, rows, columns, 2) in runs that the journal keeps."""
        selected = cells[..., 1] > 0
        for tile in np.flatnonzero(selected.any(axis=(1, 2))):
            self._calibrate_once(int(tile))
        virgin = np.array([self._virgin(tile, form & wanted) for tile, wanted in enumerate(selected)])
        if virgin.any():
            mask = np.zeros_like(cells)
            mask[..., 1] = virgin
            self._run(RunKind.FORM, mask, progress)
        report = self._run(RunKind.PROGRAM, cells, progress)
        # Of rows that an interrupted run had done before: what is not bad has converged.
        status = np.where(selected & ~report.selected, CellStatus.CONVERGED, report.status).astype(np.uint8)
        unread = report.failed & np.isnan(report.conductance)
        for index in map(int, np.flatnonzero(unread.any(axis=(1, 2)))):
            report.conductance[index][unread[index]] = self.read_conductance(index, samples=FAULT_SAMPLES)[
                unread[index]
            ]
        return ProgramReport(selected, status, report.pulses, report.conductance, int(virgin.sum()))

    def _targets(self, target: Floats, tolerance_siemens: float) -> NDArray[np.int64]:
        """Target and tolerance (..., 2) in verify codes of conductances (...); 0 for cells that are left alone."""
        step = self.spec.siemens_per_code(self.spec.verify_range)
        selected = np.isfinite(target)
        wanted = target[selected]
        highest = self._highest_target_siemens
        if np.isinf(target).any() or (wanted < 0).any() or (wanted > highest).any():
            raise ArgumentError(
                f"target_siemens: values within 0..{highest:.3g} or NaN wanted, given {np.nanmin(target):.3g}..{np.nanmax(target):.3g}"
            )
        if not step <= tolerance_siemens <= highest:
            raise ArgumentError(f"tolerance_siemens: {tolerance_siemens} is not within {step:.3g}..{highest:.3g}")
        cells = np.zeros((*target.shape, 2), dtype=np.int64)
        cells[selected, 0] = np.rint(wanted / step)
        cells[selected, 1] = int(tolerance_siemens / step)
        return cells

    def _virgin(self, tile: int, selected: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The selected cells that are not formed yet."""
        if not selected.any():
            return selected
        virgin: NDArray[np.bool_] = selected & (self.read_conductance(tile, samples=VIRGIN_SAMPLES) < VIRGIN_SIEMENS)
        return virgin

    def _report(
        self,
        selected: NDArray[np.bool_],
        rows: NDArray[Any],
        answers: Iterator[dict[str, Any]],
        what: str,
        progress: Progress,
    ) -> ProgramReport:
        status = np.zeros(selected.shape, np.uint8)
        pulses = np.zeros(selected.shape, np.int64)
        conductance = np.full(selected.shape, np.nan)
        step = self.spec.siemens_per_code(self.spec.verify_range)
        if len(rows):  # a pass that has nothing to do shows nothing
            progress(what, 0, len(rows))
        for done, (row, answer) in enumerate(zip(rows, answers, strict=True), start=1):
            cells = answer["cells"]
            status[row], pulses[row], conductance[row] = cells["status"], cells["pulses"], cells["code"] * step
            tripped = int((status[row] == CellStatus.TRIPPED).sum())
            if tripped:  # all further rows will be refused
                raise ChipError(
                    f"{what} row {row} tripped the over-current latch at {tripped} cells; look for shorts, then clear_trip()",
                    0,
                )
            progress(what, done, len(rows))
        return ProgramReport(selected, status, pulses, conductance)

    def _cells(self, tile: int, name: str, values: ArrayLike, kind: type) -> NDArray[Any]:
        self._tile(tile)
        shape = (self.spec.rows, self.spec.columns)
        try:
            array: NDArray[Any] = np.asarray(values, dtype=kind)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{name}: not an array of numbers ({error})") from None
        if array.ndim and array.shape != shape:
            raise ArgumentError(f"{name}: shape {shape} wanted, given {array.shape}")
        return np.broadcast_to(array, shape)

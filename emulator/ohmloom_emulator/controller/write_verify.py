"""The write-verify engine: the rounds that `ohmloom.spec.policy` defines, over all cells of one row at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.arithmetic import correct, to_codes
from ohmloom.spec.commands import PROGRAM, CellStatus, Polarity
from ohmloom.spec.policy import FORMED_SIEMENS, MAX_BACKOFFS
from ohmloom_emulator.controller.memories import Memories
from ohmloom_emulator.fabric import Fabric, Integers

RUNNING = 255  # only inside the engine; never answered
NO_DIRECTION = -1


@dataclass(frozen=True)
class RowReport:
    """Per column: CellStatus, pulses applied, code at the verify that ended it. `tripped`: a pulse went over the rail's current."""

    status: NDArray[np.uint8]
    pulses: NDArray[np.uint16]
    code: Integers
    tripped: bool


def cells_of(report: RowReport | None) -> NDArray[Any]:
    """The cells of an answer; None: no cells."""
    layout = PROGRAM.answer.array
    assert layout is not None
    cells = np.zeros(0 if report is None else report.status.size, dtype=layout.dtype)
    if report is not None:
        cells["status"], cells["pulses"], cells["code"] = report.status, report.pulses, report.code
    return cells


class WriteVerify:
    """Brings the cells of one row to their targets, or forms them."""

    def __init__(self, fabric: Fabric, memories: Memories) -> None:
        self._fabric, self._memories = fabric, memories
        self._spec = fabric.spec
        self._columns = np.arange(fabric.spec.columns)
        self.pulses = 0

    def verify(self, tile: int, row: int, samples: int = 1) -> Integers:
        """Corrected Q4 codes (columns,) of one row at the verify voltage, averaged over `samples` (floored)."""
        fabric, verify_range = self._fabric, self._spec.verify_range
        fabric.select(tile, row, 1, verify_range)
        if samples * fabric.drive_ns(self._spec.columns) < fabric.quiet_ns(tile):
            raw = self._convert(samples)
        else:
            raw = np.concatenate([self._convert(1) for _ in range(samples)])
        correction = self._memories.correction[tile, verify_range]
        corrected = correct(raw, correction["offset"], correction["gain"])
        average: Integers = corrected.sum(axis=0) // samples
        return average

    def _convert(self, samples: int) -> Integers:
        self._fabric.drive(np.full((samples, 1), self._spec.read_clamp))
        return self._fabric.sample(self._columns)[0]

    def program(self, tile: int, row: int, target: Integers, tolerance: Integers) -> RowReport:
        """target and tolerance in verify codes, shape (columns,); cells with tolerance 0 are left alone."""
        return self._run(tile, row, tolerance > 0, target, tolerance, forming=False)

    def form(self, tile: int, row: int, mask: NDArray[np.bool_]) -> RowReport:
        """Forms the masked cells that are not formed yet."""
        formed_code = round(FORMED_SIEMENS / self._spec.siemens_per_code(self._spec.verify_range))
        return self._run(
            tile, row, mask, np.full(mask.shape, formed_code), np.zeros(mask.shape, np.int64), forming=True
        )

    def _run(
        self, tile: int, row: int, mask: NDArray[np.bool_], target: Integers, tolerance: Integers, *, forming: bool
    ) -> RowReport:
        policy = self._memories.policy
        tables = {Polarity.SET: policy["form" if forming else "set"], Polarity.RESET: policy["reset"]}
        max_pulses, max_reversals, max_top_pulses = (
            int(policy[key]) for key in ("max_pulses", "max_reversals", "max_top_pulses")
        )
        grid = 0 if forming else int(policy["grid"])
        status = np.where(mask, RUNNING, CellStatus.SKIPPED).astype(np.uint8)
        direction = np.full(mask.shape, NO_DIRECTION)
        amplitude, pulses, reversals, top_pulses = (np.zeros(mask.shape, np.int64) for _ in range(4))
        last_code = np.zeros(mask.shape, np.int64)
        while True:
            code = to_codes(self.verify(tile, row))
            error = target - code
            running = status == RUNNING
            last_code = np.where(running | ~mask, code, last_code)
            done = (code >= target) if forming else (np.abs(error) <= tolerance)
            status[running & done] = CellStatus.CONVERGED
            status[running & ~done & (pulses >= max_pulses)] = CellStatus.EXHAUSTED

            wanted = np.where(error > 0, Polarity.SET, Polarity.RESET)
            turned = wanted != direction
            reversals += turned & (pulses > 0) & (status == RUNNING)
            status[(status == RUNNING) & (reversals > max_reversals)] = CellStatus.EXHAUSTED
            amplitude = self._amplitude(policy, tables, wanted, turned, amplitude, code, error, reversals)
            direction = wanted
            top = np.where(wanted == Polarity.SET, tables[Polarity.SET]["top"], tables[Polarity.RESET]["top"])
            top_pulses += (status == RUNNING) & (amplitude >= top)
            status[(status == RUNNING) & (top_pulses > max_top_pulses)] = CellStatus.STUCK

            running = status == RUNNING
            if not running.any():
                return RowReport(status, pulses.astype(np.uint16), last_code, tripped=False)
            for polarity, table in tables.items():
                groups, levels = self._groups(running & (wanted == polarity), amplitude >> grid << grid)
                gate, width_ns = int(table["gate"]), self._spec.pulse_width_ns(int(table["pulse_ns"]))
                applied = self._fabric.pulse(tile, row, groups, polarity, levels, gate, width_ns)
                tripped = applied < len(groups)
                pulses += groups[: applied + 1].any(axis=0)
                self.pulses += applied + tripped
                if tripped:
                    status[running] = CellStatus.TRIPPED
                    return RowReport(status, pulses.astype(np.uint16), last_code, tripped=True)

    def _groups(self, due: NDArray[np.bool_], amplitude: Integers) -> tuple[NDArray[np.bool_], Integers]:
        """The columns (n, columns) and rail codes (n,) of the pulses that a round applies to the due cells."""
        limit = self._spec.limits.cells_per_pulse
        cells = np.flatnonzero(due)
        cells = cells[np.argsort(amplitude[cells], kind="stable")]
        sorted_levels = amplitude[cells]
        starts = np.flatnonzero(np.diff(sorted_levels, prepend=-1))
        position = np.arange(cells.size) - np.repeat(starts, np.diff(starts, append=cells.size))
        opens = (position % limit) == 0
        groups = np.zeros((int(opens.sum()), due.size), dtype=bool)
        groups[np.cumsum(opens) - 1, cells] = True
        return groups, sorted_levels[opens]

    @staticmethod
    def _amplitude(
        policy: Any,
        tables: dict[Polarity, Any],
        wanted: Integers,
        turned: NDArray[np.bool_],
        last: Integers,
        code: Integers,
        error: Integers,
        reversals: Integers,
    ) -> Integers:
        """Rail codes of the next pulses: each direction's first amplitude where the direction turned, else one step up."""
        error_bucket = _reached(policy["error_edges"], np.abs(error))
        conductance_bucket = _reached(policy["conductance_edges"], np.maximum(code, 0))
        backoff = int(policy["backoff"]) * np.minimum(reversals, MAX_BACKOFFS)
        result = last
        for polarity, table in tables.items():
            first = table["first"].astype(np.int64)[error_bucket] + table["level"][conductance_bucket] - backoff
            amplitude = np.where(turned, first, last + table["step"][error_bucket])
            result = np.where(wanted == polarity, np.clip(amplitude, 0, int(table["top"])), result)
        return result


def _reached(edges: NDArray[Any], values: Integers) -> Integers:
    """How many of the edges each value reaches, by the bisection that the policy's definition asks for."""
    count = np.zeros(values.shape, np.int64)
    for bit in (8, 4, 2, 1):
        if bit <= edges.size:
            count += bit * (values >= edges[count + bit - 1])
    return count

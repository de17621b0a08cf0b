"""Measurements of the front end: calibration, I-V reads and the self-test. The rules: `ohmloom.spec.commands`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.arithmetic import FRACTION_BITS, GAIN_ONE, correct_sum
from ohmloom.spec.commands import Finding
from ohmloom.spec.core import CALIBRATION_SAMPLES, IV_SAMPLES, SELFTEST_SAMPLES
from ohmloom.spec.reference import (
    GAIN_BOUND,
    OFFSET_BOUND,
    REFERENCE_BOUND_PERCENT,
    calibration_probes,
    reference_code,
    reference_q4,
)
from ohmloom_emulator.controller.memories import Memories
from ohmloom_emulator.controller.sequencer import slots_of
from ohmloom_emulator.fabric import Fabric, Integers

LEFT_SHIFT = 20  # from a probe's swing times a gain to 1/16 codes either side


@dataclass(frozen=True)
class CalibrationReport:
    """Largest offset found (1/16 codes), gain error found (1/32768), error left on the reference row (1/16 codes), columns out of bounds."""

    offset_max: int
    gain_error_max: int
    residual_max: int
    failed: int


class Upkeep:
    """Measurements on the reference row, on rows at rest and on single cells."""

    def __init__(self, fabric: Fabric, memories: Memories) -> None:
        self._fabric, self._memories, self._spec = fabric, memories, fabric.spec
        self._columns = np.arange(fabric.spec.columns)

    def calibrate(self, tile: int) -> CalibrationReport:
        """Measures every column's offset with no word line on, and its gain on the reference row, in every TIA range; stores both."""
        offsets, errors, residuals, failed = [], [], [], 0
        for tia_range in range(len(self._spec.afe.tia_ohm)):
            wanted, probes = reference_code(self._spec, tia_range), calibration_probes(self._spec, tia_range)
            rest = self._at_rest(tile, tia_range, CALIBRATION_SAMPLES)
            offset = ((rest << FRACTION_BITS) + CALIBRATION_SAMPLES // 2) // CALIBRATION_SAMPLES
            swing = np.maximum(self._swing(tile, tia_range, probes), 1)
            gain = (wanted * probes * CALIBRATION_SAMPLES + swing // 2) // swing
            bad = (np.abs(offset) > OFFSET_BOUND) | (np.abs(gain - GAIN_ONE) > GAIN_BOUND)
            record = self._memories.correction[tile, tia_range]
            record["offset"], record["gain"] = np.where(bad, 0, offset), np.where(bad, GAIN_ONE, gain)
            left = self._swing(tile, tia_range, 1) * record["gain"] - wanted * CALIBRATION_SAMPLES
            offsets.append(np.abs(offset))
            errors.append(np.abs(gain - GAIN_ONE))
            residuals.append((np.abs(left) >> LEFT_SHIFT)[~bad])
            failed += int(bad.sum())
        return CalibrationReport(
            min(int(np.max(offsets)), 32767),
            min(int(np.max(errors)), 65535),
            min(int(max(part.max(initial=0) for part in residuals)), 65535),
            failed,
        )

    def iv(self, tile: int, row: int, column: int, tia_range: int, codes: Integers) -> tuple[Integers, int]:
        """Corrected Q4 codes of one cell at each row code, and how many samples of its slot saturated."""
        correction = self._memories.correction[tile, tia_range, column : column + 1]
        slot = slots_of(self._spec, np.array([column]))
        points, saturated = [], 0
        for code in codes:
            sums, ends = self._convert(tile, row, 1, tia_range, int(code), IV_SAMPLES, slot)
            saturated += ends
            points.append(correct_sum(sums[slot == column], correction["offset"], correction["gain"])[0])
        return np.clip(points, -32768, 32767), saturated

    def selftest(self) -> list[tuple[Finding, int, int, int]]:
        """(finding, tile, column or row, value) of all that is out of bounds."""
        spec, tia_range = self._spec, self._spec.verify_range
        wanted = reference_q4(spec, tia_range)
        findings = []
        for tile in range(spec.tiles):
            correction = self._memories.correction[tile, tia_range]
            rest = self._at_rest(tile, tia_range, SELFTEST_SAMPLES)
            up = self._on_reference(tile, tia_range, 1, SELFTEST_SAMPLES)
            reference = correct_sum(up, correction["offset"], correction["gain"])
            for column in self._columns:
                if abs(int(rest[column])) > OFFSET_BOUND:
                    findings.append((Finding.ADC_CHANNEL, tile, int(column), int(rest[column])))
                elif 100 * abs(int(reference[column]) - wanted) > REFERENCE_BOUND_PERCENT * wanted:
                    findings.append((Finding.REFERENCE, tile, int(column), int(reference[column])))
            for row in range(spec.rows):
                difference = self._convert(tile, row, 1, tia_range, 0, SELFTEST_SAMPLES, self._columns)[0] - rest
                largest = int(difference[np.argmax(np.abs(difference))])
                if abs(largest) > OFFSET_BOUND:
                    findings.append((Finding.ROW_SHORT, tile, row, largest))
        return findings

    def _swing(self, tile: int, tia_range: int, probes: int) -> Integers:
        """Sums (columns,) at + minus those at - on the reference row."""
        samples = probes * CALIBRATION_SAMPLES
        up, down = (self._on_reference(tile, tia_range, sign, samples) for sign in (1, -1))
        return up - down

    def _on_reference(self, tile: int, tia_range: int, sign: int, samples: int) -> Integers:
        code = sign * self._spec.read_clamp
        return self._convert(tile, self._fabric.reference_row, 1, tia_range, code, samples, self._columns)[0]

    def _at_rest(self, tile: int, tia_range: int, samples: int) -> Integers:
        """With no word line on."""
        return self._convert(tile, self._fabric.reference_row, 0, tia_range, 0, samples, self._columns)[0]

    def _convert(
        self, tile: int, row: int, rows: int, tia_range: int, code: int, samples: int, columns: NDArray[np.int64]
    ) -> tuple[Integers, int]:
        """Sums of the columns' raw codes over drives of a row, and how many samples saturated."""
        fabric = self._fabric
        fabric.select(tile, row, rows, tia_range)
        # Cells may change on their own between drives.
        together = row == fabric.reference_row or samples * fabric.drive_ns(columns.size) < fabric.quiet_ns(tile)
        sums, saturated = np.zeros(columns.size, dtype=np.int64), 0
        for drives in [samples] if together else [1] * samples:
            fabric.drive(np.full((drives, rows), code))
            raw, ends = fabric.sample(columns)
            sums += raw.sum(axis=0)
            saturated += int(ends.sum())
        return sums, saturated

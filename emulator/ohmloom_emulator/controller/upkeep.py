"""What firmware does on hardware: calibration, I-V reads and the self-test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS, GAIN_BITS, GAIN_ONE, correct
from ohmloom.spec.commands import Finding
from ohmloom_emulator.controller.memories import Memories
from ohmloom_emulator.fabric import Fabric, Integers

CALIBRATION_SAMPLES = 256
IV_SAMPLES = 16
SELFTEST_SAMPLES = 16
# Beyond these a column is reported and keeps the neutral correction.
OFFSET_BOUND = 64 << FRACTION_BITS
GAIN_BOUND = 0.15


@dataclass(frozen=True)
class CalibrationReport:
    """Largest offset found (1/16 codes), gain error found (1/32768), error left on the reference row (1/16 codes), columns out of bounds."""

    offset_max: int
    gain_error_max: int
    residual_max: int
    failed: int


def reference_codes(spec: ChipSpec, tia_range: int) -> float:
    """Q4 codes of a column whose reference resistor is driven at the read clamp, by the parts' nominal values."""
    current_a = spec.read_clamp * spec.row_dac.lsb_v / spec.afe.reference_ohm
    return current_a * spec.afe.tia_ohm[tia_range] / spec.column_adc.lsb_v * (1 << FRACTION_BITS)


class Upkeep:
    """Measurements on the reference row and single cells."""

    def __init__(self, fabric: Fabric, memories: Memories) -> None:
        self._fabric, self._memories, self._spec = fabric, memories, fabric.spec
        self._columns = np.arange(fabric.spec.columns)

    def calibrate(self, tile: int) -> CalibrationReport:
        """Measures every column's offset with no word line on, and its gain on the reference row, in every TIA range; stores both."""
        offsets, gains, residuals, failed = [], [], [], 0
        for tia_range in range(len(self._spec.afe.tia_ohm)):
            zero = self._reference(tile, tia_range, 0, rows=0)
            swing = self._reference(tile, tia_range, 1) - self._reference(tile, tia_range, -1)
            wanted = 2 * round(reference_codes(self._spec, tia_range))
            gain = (wanted * GAIN_ONE + swing // 2) // np.maximum(swing, 1)
            bad = (np.abs(zero) > OFFSET_BOUND) | (np.abs(gain - GAIN_ONE) > GAIN_BOUND * GAIN_ONE)
            record = self._memories.correction[tile, tia_range]
            record["offset"], record["gain"] = np.where(bad, 0, zero), np.where(bad, GAIN_ONE, gain)
            again = self._reference(tile, tia_range, 1) - self._reference(tile, tia_range, -1)
            left = (again * record["gain"] >> GAIN_BITS) - wanted
            residuals.append(np.abs(left // 2)[~bad])
            offsets.append(np.abs(zero))
            gains.append(np.abs(gain - GAIN_ONE))
            failed += int(bad.sum())
        return CalibrationReport(
            min(int(np.max(offsets)), 32767),
            min(int(np.max(gains)), 65535),
            int(max(part.max(initial=0) for part in residuals)),
            failed,
        )

    def iv(self, tile: int, row: int, column: int, tia_range: int, codes: Integers) -> tuple[Integers, int]:
        """Corrected Q4 codes of one cell at each row code, and how many samples saturated."""
        correction = self._memories.correction[tile, tia_range, column : column + 1]
        points, saturated = [], 0
        for code in codes:
            self._fabric.select(tile, row, 1, tia_range)
            self._fabric.drive(np.full((1, 1), code))
            samples = [self._fabric.sample(np.array([column])) for _ in range(IV_SAMPLES)]
            saturated += sum(int(ends.sum()) for _, ends in samples)
            corrected = [correct(raw, correction["offset"], correction["gain"]) for raw, _ in samples]
            points.append(int(np.sum(corrected)) // IV_SAMPLES)
        return np.clip(points, -32768, 32767), saturated

    def selftest(self) -> list[tuple[Finding, int, int, int]]:
        """(finding, tile, column, value) of every column that sits at a converter's end or misses its reference resistor."""
        findings = []
        for tile in range(self._spec.tiles):
            tia_range = self._spec.verify_range
            record = self._memories.correction[tile, tia_range]
            zero = self._reference(tile, tia_range, 0, rows=0, samples=SELFTEST_SAMPLES)
            up = self._reference(tile, tia_range, 1, samples=SELFTEST_SAMPLES)
            reference = correct(up // (1 << FRACTION_BITS), record["offset"], record["gain"])
            wanted = reference_codes(self._spec, tia_range)
            for column in self._columns:
                if abs(int(zero[column])) > OFFSET_BOUND:
                    findings.append((Finding.ADC_CHANNEL, tile, int(column), int(zero[column])))
                elif abs(int(reference[column]) - wanted) > GAIN_BOUND * wanted:
                    findings.append((Finding.REFERENCE, tile, int(column), int(reference[column])))
        return findings

    def _reference(
        self, tile: int, tia_range: int, sign: int, *, rows: int = 1, samples: int = CALIBRATION_SAMPLES
    ) -> Integers:
        """Mean Q4 codes (columns,), uncorrected, with the reference row driven at sign * read clamp, or disconnected with rows = 0."""
        raw = self._raw(tile, tia_range, sign, rows=rows, samples=samples)
        total: Integers = raw.sum(axis=0) << FRACTION_BITS
        return (total + samples // 2) // samples

    def _raw(
        self, tile: int, tia_range: int, sign: int, *, rows: int = 1, samples: int = CALIBRATION_SAMPLES
    ) -> NDArray[Any]:
        self._fabric.select(tile, self._fabric.reference_row, rows, tia_range)
        self._fabric.drive(np.full((samples, rows), sign * self._spec.read_clamp))
        return self._fabric.sample(self._columns)[0]

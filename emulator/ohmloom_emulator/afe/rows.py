"""Row DACs: signed codes to voltages around Vmid."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.effects import Effect
from ohmloom_emulator.rng import Stream, normal


class RowDrivers:
    """Voltage of row r at code c: lsb * (c * gain[r] + offset[r]). The tiles share the DACs, so errors belong to rows."""

    def __init__(self, spec: ChipSpec, *, seed: int, effects: Set[Effect]) -> None:
        # One more than rows: the reference row hangs on the first row's driver.
        rows = np.append(np.arange(spec.rows), 0)
        dac = spec.row_dac
        spread = float(Effect.DAC in effects)
        self.lsb_v = dac.lsb_v
        self.gain = 1.0 + spread * dac.gain_sigma * normal(seed, Stream.DAC_GAIN, rows)
        self.offset = spread * dac.offset_sigma_lsb * normal(seed, Stream.DAC_OFFSET, rows)

    def volts(self, codes: NDArray[Any], row: int) -> NDArray[np.float64]:
        """Voltages (n, rows) of codes (n, rows) for rows from `row` on."""
        last = row + codes.shape[-1]
        volts: NDArray[np.float64] = (codes * self.gain[row:last] + self.offset[row:last]) * self.lsb_v
        return volts

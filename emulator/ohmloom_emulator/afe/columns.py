"""Column TIAs and ADCs: currents to raw signed codes."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.effects import Effect
from ohmloom_emulator.rng import Stream, normal

# Currents are rounded to this grid before noise and conversion, so that a batch's product and single products agree.
CURRENT_GRID_A = 2.0**-44


class ColumnReadout:
    """The TIAs of one tile and the shared ADCs behind them.

    The TIA turns a current I into vmid - I * r * gain + offset within its supply, the ADC that into a code; the raw signed code is
    2048 minus it, limited to 12 bits, so that a current out of the array counts up.
    """

    def __init__(self, spec: ChipSpec, tile: int, *, seed: int, effects: Set[Effect]) -> None:
        afe, adc = spec.afe, spec.column_adc
        columns = np.arange(spec.columns)
        ranges = np.arange(len(afe.tia_ohm))[:, None]
        tia, converter = float(Effect.TIA in effects), float(Effect.ADC in effects)
        self._tile, self._seed = tile, seed
        gain = 1.0 + tia * afe.tia_gain_sigma * normal(seed, Stream.TIA_GAIN, tile, ranges, columns)
        self.offset = tia * afe.tia_offset_sigma_lsb * normal(seed, Stream.TIA_OFFSET, tile, columns)
        self.codes_per_ampere = np.asarray(afe.tia_ohm)[:, None] * gain / adc.lsb_v
        self._middle = afe.vmid_v / adc.lsb_v
        self._top = (1 << adc.bits) - 1
        self._zero = 1 << (adc.bits - 1)
        self._noise_variance = converter * adc.noise_sigma_lsb**2 + tia * (afe.tia_noise_sigma_v / adc.lsb_v) ** 2
        self._noisy = bool(effects & {Effect.TIA, Effect.ADC, Effect.READ_NOISE})

    def sample(
        self,
        current: NDArray[Any],
        variance: NDArray[Any],
        tia_range: int,
        columns: NDArray[Any],
        row: int,
        counts: NDArray[Any],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Raw codes (n, columns) and which of them saturated.

        current (A) and variance (A**2), shape (n, columns), belong to `columns`; `row` and `counts` (n, columns) key the noise: how often the
        column has been sampled with the word lines from `row` on.
        """
        scale = self.codes_per_ampere[tia_range, columns]
        codes = np.rint(current * (1 / CURRENT_GRID_A)) * (CURRENT_GRID_A * scale)
        codes = codes + self.offset[columns]
        if self._noisy:
            grid = CURRENT_GRID_A**2
            spread = np.sqrt(np.rint(variance * (1 / grid)) * (grid * scale * scale) + self._noise_variance)
            codes += spread * normal(self._seed, Stream.READ_NOISE, self._tile, row, columns, counts)
        adc = np.clip(np.rint(self._middle - codes), 0, self._top)
        saturated = (adc == 0) | (adc == self._top)
        raw = np.minimum(self._zero - adc, self._zero - 1).astype(np.int64)
        return raw, saturated

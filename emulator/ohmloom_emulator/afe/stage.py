"""Between two tiles of a route: pair subtractors, rectifiers, attenuators and limiters. No converter, no code."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.effects import Effect
from ohmloom_emulator.afe.columns import CURRENT_GRID_A, ColumnReadout
from ohmloom_emulator.rng import Stream, normal


class AnalogStage:
    """Turns the column currents of one tile into the row voltages of the next: pair j drives row j.

    Each TIA ends at its supply; the pair's difference passes a rectifier with a rounded knee, (v + sqrt(v**2 + 4 knee**2)) / 2, if ReLU is on,
    then the attenuator and the limiter at the read voltage.
    """

    def __init__(self, spec: ChipSpec, tile: int, readout: ColumnReadout, *, seed: int, effects: Set[Effect]) -> None:
        self._afe, self._limit_v = spec.afe, spec.limits.read_v
        self._swing_v = min(spec.afe.vmid_v, spec.column_adc.full_scale_v - spec.afe.vmid_v)
        self._lsb_v = spec.column_adc.lsb_v
        self._readout, self._tile, self._seed = readout, tile, seed
        self._knee_v = spec.afe.relu_knee_v if Effect.TIA in effects else 0.0
        self._noise_v = spec.afe.tia_noise_sigma_v if Effect.TIA in effects else 0.0

    def volts(
        self,
        current: NDArray[Any],
        variance: NDArray[Any],
        tia_range: int,
        attenuator: int,
        relu: bool,
        counts: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Row voltages (n, columns // 2) from column currents (A) and their variance (A**2), both (n, columns).

        counts (n, columns): how often each column has passed this stage; keys the noise.
        """
        volts_per_ampere = self._readout.codes_per_ampere[tia_range] * self._lsb_v
        column_v = np.rint(current * (1 / CURRENT_GRID_A)) * (CURRENT_GRID_A * volts_per_ampere)
        column_v += self._readout.offset * self._lsb_v
        grid = CURRENT_GRID_A**2
        spread_v = np.sqrt(np.rint(variance * (1 / grid)) * (grid * volts_per_ampere**2) + self._noise_v**2)
        columns = np.arange(current.shape[1])
        column_v += spread_v * normal(self._seed, Stream.STAGE_NOISE, self._tile, columns, counts)
        column_v = np.clip(column_v, -self._swing_v, self._swing_v)
        pair_v = column_v[:, 0::2] - column_v[:, 1::2]
        if relu:
            pair_v = 0.5 * (pair_v + np.sqrt(pair_v**2 + 4.0 * self._knee_v**2))
        limited: NDArray[np.float64] = np.clip(
            pair_v * self._afe.attenuations[attenuator], -self._limit_v, self._limit_v
        )
        return limited

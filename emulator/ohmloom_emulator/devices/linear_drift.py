"""The linear ion drift model of the HP memristor, with a choice of windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import CompactCell, require_positive
from .interface import FloatArray
from .windows import NO_WINDOW, Window


@dataclass(frozen=True)
class LinearDrift(CompactCell):
    """Strukov et al., "The missing memristor found", Nature 453, 80 (2008), eqs. 5 and 6.

    State: x = w/D, the doped share of the film, 0 (off) to 1 (on). Two resistors in series,
    v = (Ron x + Roff (1 - x)) i, and dx/dt = mobility Ron / D^2 * i * window(x). Defaults are the example of its
    Fig. 2b: i0 = v0/Ron = 10 mA, D 10 nm, mobility 1e-10 cm^2/Vs, Roff/Ron = 160. Positive volts are SET in the paper
    too.

    Limits: a demonstration of principle; no threshold, so that every read disturbs; no temperature.
    """

    r_on_ohm: float = 100.0
    r_off_ohm: float = 16e3
    thickness_nm: float = 10.0
    mobility_m2_per_vs: float = 1e-14
    window: Window = NO_WINDOW
    read_v: float = 0.2

    def __post_init__(self) -> None:
        require_positive(
            r_on_ohm=self.r_on_ohm,
            r_off_ohm=self.r_off_ohm,
            thickness_nm=self.thickness_nm,
            mobility_m2_per_vs=self.mobility_m2_per_vs,
            read_v=self.read_v,
        )
        if self.r_off_ohm <= self.r_on_ohm:
            raise ValueError(f"r_off_ohm {self.r_off_ohm} must exceed r_on_ohm {self.r_on_ohm}")

    @property
    def state_range(self) -> tuple[float, float]:
        """x from 0 (off) to 1 (on)."""
        return 0.0, 1.0

    def _resistance(self, x: FloatArray) -> FloatArray:
        return self.r_off_ohm - (self.r_off_ohm - self.r_on_ohm) * x

    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        return volts / self._resistance(state)

    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        return amperes * self._resistance(state)

    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        per_coulomb = self.mobility_m2_per_vs * self.r_on_ohm / (self.thickness_nm * 1e-9) ** 2
        return per_coulomb * self._current(state, volts) * self.window(state, np.asarray(volts > 0))

    def _state_of(self, conductance: FloatArray) -> FloatArray:
        return (self.r_off_ohm - 1 / conductance) / (self.r_off_ohm - self.r_on_ohm)

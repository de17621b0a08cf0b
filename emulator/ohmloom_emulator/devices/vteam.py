"""VTEAM: voltage threshold adaptive memristor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import CompactCell, require_positive
from .interface import FloatArray
from .windows import NO_WINDOW, Window


@dataclass(frozen=True)
class VTEAM(CompactCell):
    """Kvatinsky et al., "VTEAM: a general model for voltage-controlled memristors", IEEE TCAS-II 62, 786 (2015).

    State: w in nm, from `w_on_nm` (on) to `w_off_nm` (off). dw/dt = k (v/v_threshold - 1)^alpha window beyond a
    threshold and 0 between the two. The resistance is linear in w, or exponential, Ron (Roff/Ron)^share, with
    `exponential`.

    Parameters carry the paper's signs, in which negative voltages switch on; voltages given to the methods are positive
    for SET as in all models here, and are turned round inside. The window sees 1 at the on end.

    Limits: no temperature; an ohmic read at every state.
    """

    r_on_ohm: float = 50.0
    r_off_ohm: float = 1e3
    w_on_nm: float = 0.0
    w_off_nm: float = 3.0
    k_on_m_per_s: float = -10.0
    k_off_m_per_s: float = 5e-4
    alpha_on: float = 3.0
    alpha_off: float = 1.0
    v_on_v: float = -0.2
    v_off_v: float = 0.02
    exponential: bool = False
    window: Window = NO_WINDOW
    read_v: float = 0.01  # below both thresholds, so that reading does not write

    def __post_init__(self) -> None:
        require_positive(
            r_on_ohm=self.r_on_ohm,
            k_off_m_per_s=self.k_off_m_per_s,
            alpha_on=self.alpha_on,
            alpha_off=self.alpha_off,
            v_off_v=self.v_off_v,
            read_v=self.read_v,
        )
        if self.r_off_ohm <= self.r_on_ohm or self.w_off_nm <= self.w_on_nm:
            raise ValueError("r_off_ohm must exceed r_on_ohm, and w_off_nm must exceed w_on_nm")
        if self.k_on_m_per_s >= 0 or self.v_on_v >= 0:
            raise ValueError("k_on_m_per_s and v_on_v are negative, as in the paper")

    @property
    def state_range(self) -> tuple[float, float]:
        """w from on to off, in nm."""
        return self.w_on_nm, self.w_off_nm

    def _off_share(self, w_nm: FloatArray) -> FloatArray:
        return (w_nm - self.w_on_nm) / (self.w_off_nm - self.w_on_nm)

    def _resistance(self, w_nm: FloatArray) -> FloatArray:
        share = self._off_share(w_nm)
        if self.exponential:
            return self.r_on_ohm * (self.r_off_ohm / self.r_on_ohm) ** share
        return self.r_on_ohm + (self.r_off_ohm - self.r_on_ohm) * share

    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        return volts / self._resistance(state)

    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        return amperes * self._resistance(state)

    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        v = -volts
        on = np.maximum(v / self.v_on_v - 1, 0.0)
        off = np.maximum(v / self.v_off_v - 1, 0.0)
        nm_per_s = 1e9 * (self.k_on_m_per_s * on**self.alpha_on + self.k_off_m_per_s * off**self.alpha_off)
        return nm_per_s * self.window(1 - self._off_share(state), np.asarray(volts > 0))

    def _state_of(self, conductance: FloatArray) -> FloatArray:
        r = 1 / conductance
        if self.exponential:
            share = np.log(r / self.r_on_ohm) / np.log(self.r_off_ohm / self.r_on_ohm)
        else:
            share = (r - self.r_on_ohm) / (self.r_off_ohm - self.r_on_ohm)
        return self.w_on_nm + (self.w_off_nm - self.w_on_nm) * np.asarray(share)

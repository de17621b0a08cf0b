"""Yakopcic's generalised memristor model."""

from __future__ import annotations

from dataclasses import dataclass
from math import sinh

import numpy as np

from .base import CompactCell, require_positive
from .interface import FloatArray

_LARGEST_EXPONENT = 300.0  # keeps exp and sinh of absurd voltages finite; the state has long met its end by then


@dataclass(frozen=True)
class Yakopcic(CompactCell):
    """Yakopcic et al., "A memristor device model", IEEE Electron Device Letters 32, 1436 (2011); SPICE form in IEEE
    TCAD 32, 1201 (2013).

    State: x from 0 to 1. i = a x sinh(b v); dx/dt = g(v) f(x). g grows as exp|v| beyond the thresholds; f is 1 up to
    x_p (x_n from the other end), beyond which motion decays exponentially and to 0 at the end. Defaults are those of
    the authors' SPICE subcircuit (eta = 1, positive volts SET).

    Limits: the conductance at x = 0 is exactly 0; no temperature.
    """

    a1_a: float = 0.17
    a2_a: float = 0.17
    b_per_v: float = 0.05
    v_p_v: float = 0.16
    v_n_v: float = 0.15
    a_p_per_s: float = 4000.0
    a_n_per_s: float = 4000.0
    x_p: float = 0.3
    x_n: float = 0.5
    alpha_p: float = 1.0
    alpha_n: float = 5.0
    read_v: float = 0.1

    def __post_init__(self) -> None:
        names = ("a1_a", "a2_a", "b_per_v", "v_p_v", "v_n_v", "a_p_per_s", "a_n_per_s", "alpha_p", "alpha_n", "read_v")
        require_positive(**{name: getattr(self, name) for name in names})
        for name, value in (("x_p", self.x_p), ("x_n", self.x_n)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value}: it must be from 0 to below 1")

    @property
    def state_range(self) -> tuple[float, float]:
        """x from 0 (no conductance) to 1."""
        return 0.0, 1.0

    @property
    def bend_per_v(self) -> float:
        """b of the I-V curve."""
        return self.b_per_v

    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        exponent = np.clip(self.b_per_v * volts, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return np.asarray(np.where(volts >= 0, self.a1_a, self.a2_a) * state * np.sinh(exponent))

    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            scaled = amperes / (np.where(amperes >= 0, self.a1_a, self.a2_a) * state)
        return np.arcsinh(scaled) / self.b_per_v

    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        v = np.clip(volts, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        up = self.a_p_per_s * np.maximum(np.exp(v) - np.exp(self.v_p_v), 0.0)
        down = self.a_n_per_s * np.maximum(np.exp(-v) - np.exp(self.v_n_v), 0.0)
        rate = up * _slowing(state, self.x_p, self.alpha_p) - down * _slowing(1 - state, self.x_n, self.alpha_n)
        return np.asarray(rate)

    def _state_of(self, conductance: FloatArray) -> FloatArray:
        return conductance * self.read_v / (self.a1_a * sinh(self.b_per_v * self.read_v))


def _slowing(x: FloatArray, knee: float, alpha: float) -> FloatArray:
    """1 up to the knee, then exp(-alpha (x - knee)) (1 - x) / (1 - knee), the paper's f with w written out."""
    beyond = np.maximum(x - knee, 0.0)
    slowed: FloatArray = np.exp(-alpha * beyond) * (1 - np.maximum(x, knee)) / (1 - knee)
    return slowed

"""The data-driven ReRAM model of Messaris et al., solved in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from math import sinh

import numpy as np
from numpy.polynomial import polynomial

from .base import CompactCell, require_positive
from .interface import FloatArray

_LARGEST_EXPONENT = 300.0  # keeps exponentials of absurd voltages finite; the state has long met its limit by then


@dataclass(frozen=True)
class Messaris(CompactCell):
    """Messaris et al., "A data-driven Verilog-A ReRAM model", IEEE TCAD 37, 3151 (2018), eqs. 3 to 10.

    State: the resistance R in ohm at the 0.5 V read-out, `r_min_ohm` to `r_max_ohm`. dR/dt = s(v) f(R, v) with the
    sensitivity s = A (exp(t|v|) - 1) and the window f = exp(k distance) - 1, where distance is how far R is from a
    limit r(v) that the voltage sets; a cell already beyond that limit does not move. i = a sinh(b v) / R.

    Defaults are the paper's Pt/TiOx/Pt device 2 (Table II; its RS range from Table III; I-V from Table I). r_n1 is
    printed there as 23.69e4, which contradicts its Fig. 6; 23.69e3 reproduces it. In the paper positive voltages RESET
    (eta = 1); here they SET, so its p parameters are named reset and its n parameters set. The limits r(v) are
    polynomials in |v|, lowest power first. For a device with eta = -1, give its p parameters as set.

    Limits: fitted at 0.6 to 0.8 V and one temperature; sub-threshold voltages move the state as well.
    """

    set_rate_ohm_per_s: float = 68012.28374
    set_per_v: float = 0.31645
    set_window_per_ohm: float = 1.17e-3
    set_limit_ohm: tuple[float, ...] = (29304.82557, -23692.77225)
    reset_rate_ohm_per_s: float = 743.47
    reset_per_v: float = 6.51
    reset_window_per_ohm: float = 5.11e-4
    reset_limit_ohm: tuple[float, ...] = (16719.0, 0.0)
    iv_a_v: float = 0.24
    iv_b_per_v: float = 2.81
    r_min_ohm: float = 10e3
    r_max_ohm: float = 17e3
    read_v: float = 0.5

    def __post_init__(self) -> None:
        require_positive(**{name: value for name, value in vars(self).items() if isinstance(value, float)})
        if self.r_max_ohm <= self.r_min_ohm:
            raise ValueError(f"r_max_ohm {self.r_max_ohm} must exceed r_min_ohm {self.r_min_ohm}")
        if not self.set_limit_ohm or not self.reset_limit_ohm:
            raise ValueError("set_limit_ohm and reset_limit_ohm need at least one coefficient")

    @property
    def state_range(self) -> tuple[float, float]:
        """R in ohm, from on to off."""
        return self.r_min_ohm, self.r_max_ohm

    @property
    def bend_per_v(self) -> float:
        """b of the I-V curve."""
        return self.iv_b_per_v

    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        exponent = np.clip(self.iv_b_per_v * volts, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return self.iv_a_v / state * np.sinh(exponent)

    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        return np.arcsinh(amperes * state / self.iv_a_v) / self.iv_b_per_v

    def _drive(self, volts: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Direction of R (-1 for SET), s in ohm/s, window in 1/ohm and the limit in ohm, at each voltage."""
        v, sets = np.abs(volts), volts > 0
        rate = np.where(sets, self.set_rate_ohm_per_s, self.reset_rate_ohm_per_s)
        exponent = np.minimum(np.where(sets, self.set_per_v, self.reset_per_v) * v, _LARGEST_EXPONENT)
        window = np.where(sets, self.set_window_per_ohm, self.reset_window_per_ohm)
        limits = [polynomial.polyval(v, np.array(c)) for c in (self.set_limit_ohm, self.reset_limit_ohm)]
        return np.where(sets, -1.0, 1.0), rate * np.expm1(exponent), window, np.where(sets, *limits)

    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        direction, s, k, limit = self._drive(volts)
        distance = np.maximum(direction * (limit - state), 0.0)
        return np.asarray(direction * s * np.expm1(np.minimum(k * distance, _LARGEST_EXPONENT)))

    def _pulse(
        self,
        state: FloatArray,
        volts: FloatArray,
        seconds: FloatArray,
        temperature_k: FloatArray,
        compliance_a: FloatArray | None,
    ) -> FloatArray:
        if compliance_a is not None:  # the voltage then follows the state, and only numbers help
            return super()._pulse(state, volts, seconds, temperature_k, compliance_a)
        # Eqs. 9 and 10 in one: with d the distance to the limit, exp(-k d) - 1 decays as exp(-k s t). Solved for the
        # distance moved, so that short pulses keep their digits.
        direction, s, k, limit = self._drive(volts)
        reach = np.minimum(k * np.maximum(direction * (limit - state), 0.0), _LARGEST_EXPONENT)
        moved = np.log1p(-np.expm1(-k * s * seconds) * np.expm1(reach)) / k
        after: FloatArray = state + direction * moved + np.zeros_like(temperature_k)
        return np.clip(after, *self.state_range)

    def _state_of(self, conductance: FloatArray) -> FloatArray:
        return self.iv_a_v * sinh(self.iv_b_per_v * self.read_v) / (self.read_v * conductance)

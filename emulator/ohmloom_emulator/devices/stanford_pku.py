"""The Stanford-PKU metal-oxide RRAM model: one tunnelling gap, heated by its own current."""

from __future__ import annotations

from dataclasses import dataclass
from math import sinh

import numpy as np

from .base import CompactCell, require_positive
from .interface import FloatArray

_BOLTZMANN_EV_PER_K = 8.617333262e-5
_LARGEST_EXPONENT = 300.0  # keeps exponentials of absurd voltages finite; the gap has long met its end by then


@dataclass(frozen=True)
class StanfordPKU(CompactCell):
    """Jiang et al., "A compact model for metal-oxide resistive random access memory with experiment verification", IEEE
    Trans. Electron Devices 63, 1884 (2016), eqs. 1 and 4 to 6; first in SISPAD 2014.

    State: the gap in nm between filament tip and electrode, `gap_min_nm` (on) to `gap_max_nm` (off).

        i = i0 exp(-gap/g0) sinh(v/v0),    T = ambient + |v i| Rth,    gamma = gamma0 - beta (gap/nm)^alpha
        d gap/dt = -velocity exp(-Ea/kT) sinh(gamma a0/tox * v/(kT/q)),   and 0 while gamma |v|/tox < field_min

    Defaults are those of the authors' Verilog-A release 1.0.0, in which the field threshold is; set `field_min_v_per_m`
    to 0 for the bare equations of 2016. Positive volts are SET in the paper too. Where the authors stand in for
    compliance by a minimum gap, `compliance_a` limits the current itself. Their noise term (delta_g) is a random step
    at each of the simulator's time steps and so has no meaning for a pulse; spread belongs to the statistical model.

    Limits: quasi-static temperature; one filament; without compliance a SET runs away to `gap_min_nm`, and beyond some
    2 V the defaults carry amperes, whose heat (thousands of kelvin in these equations) makes switching slower again.
    """

    i0_a: float = 1e-3
    g0_nm: float = 0.25
    v0_v: float = 0.25
    velocity_m_per_s: float = 10.0
    activation_ev: float = 0.6
    a0_nm: float = 0.25
    tox_nm: float = 12.0
    gamma0_set: float = 16.0
    gamma0_reset: float = 16.0
    beta_set: float = 0.8
    beta_reset: float = 0.8
    alpha: float = 3.0
    rth_k_per_w: float = 2.1e3
    field_min_v_per_m: float = 1.4e9
    gap_min_nm: float = 0.2
    gap_max_nm: float = 1.7
    read_v: float = 0.2

    @classmethod
    def hfox_bilayer(cls) -> StanfordPKU:
        """The TiN/TiOx/HfOx(1.7 nm)/Pt device of Jiang et al. 2016, Table I (a) and section IV.A."""
        return cls(
            i0_a=0.2e-3,
            g0_nm=0.15,
            v0_v=0.35,
            velocity_m_per_s=5e6,
            activation_ev=1.24,
            tox_nm=6.7,
            gamma0_set=16.8,
            gamma0_reset=20.1,
            beta_set=1.1,
            beta_reset=12.6,
            alpha=1.0,
            rth_k_per_w=500.0,
            field_min_v_per_m=0.0,
            gap_min_nm=0.16,
            gap_max_nm=1.21,
        )

    def __post_init__(self) -> None:
        may_be_zero = ("beta_set", "beta_reset", "rth_k_per_w", "field_min_v_per_m", "gap_min_nm")
        for name, value in vars(self).items():
            if name not in may_be_zero:
                require_positive(**{name: value})
            elif not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}: it must be 0 or more and finite")
        if self.gap_max_nm <= self.gap_min_nm:
            raise ValueError(f"gap_max_nm {self.gap_max_nm} must exceed gap_min_nm {self.gap_min_nm}")

    @property
    def state_range(self) -> tuple[float, float]:
        """Gap in nm, from on to off."""
        return self.gap_min_nm, self.gap_max_nm

    def temperature(self, state: FloatArray, volts: FloatArray, ambient_k: FloatArray) -> FloatArray:
        """Kelvin at the filament's tip, eq. 5."""
        return ambient_k + np.abs(volts * self._current(state, volts)) * self.rth_k_per_w

    @property
    def bend_per_v(self) -> float:
        """b of the I-V curve."""
        return 1.0 / self.v0_v

    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        exponent = np.clip(volts / self.v0_v, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return self.i0_a * np.exp(-state / self.g0_nm) * np.sinh(exponent)

    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        return self.v0_v * np.arcsinh(amperes / (self.i0_a * np.exp(-state / self.g0_nm)))

    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        thermal_v = _BOLTZMANN_EV_PER_K * self.temperature(state, volts, temperature_k)
        sets = volts > 0
        gamma0 = np.where(sets, self.gamma0_set, self.gamma0_reset)
        beta = np.where(sets, self.beta_set, self.beta_reset)
        field_v_per_nm = np.maximum(gamma0 - beta * state**self.alpha, 0.0) * volts / self.tox_nm
        field_v_per_nm = np.where(np.abs(field_v_per_nm) * 1e9 < self.field_min_v_per_m, 0.0, field_v_per_nm)
        lowering = np.clip(field_v_per_nm * self.a0_nm / thermal_v, -_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        nm_per_s = 1e9 * self.velocity_m_per_s * np.exp(-self.activation_ev / thermal_v) * np.sinh(lowering)
        return np.asarray(-nm_per_s)

    def _state_of(self, conductance: FloatArray) -> FloatArray:
        siemens_at_no_gap = self.i0_a * sinh(self.read_v / self.v0_v) / self.read_v
        gap: FloatArray = self.g0_nm * np.log(siemens_at_no_gap / conductance)
        return gap

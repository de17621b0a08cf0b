"""Compact models as the cells of an array: spread, transistor, faults and noise around one cell's physics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import sinh

import numpy as np

from ..rng import Stream, normal, uniform
from .base import CompactCell
from .interface import Devices, FloatArray, Keys, Reals, stuck_kinds


@dataclass(frozen=True)
class CompactArrayCell:
    """Gives a compact model what a tile needs (`ArrayCell`).

    The state is the conductance at the model's `read_v`, which is to be the chip's. `area` is how many of the published
    devices are in parallel in one cell (a fraction for a smaller one): it multiplies currents and leaves voltages and
    rates alone. Devices differ in area (`max_spread`) and in the factor on the voltage that they need, for SET and
    RESET apart (`set_spread`, `reset_spread`); the factor also varies from pulse to pulse (`cycle_noise`). All are
    standard deviations of logarithms.

    The transistor saturates at gate_a_per_v2 (gate - gate_threshold_v)^2, its square law, which is the models'
    compliance; in RESET, where it follows its source, it passes at most gate - gate_threshold_v.

    Compact models know neither forming (a cell starts at `initial_siemens`, or fully RESET) nor relaxation.
    """

    model: CompactCell
    noise_max_siemens: float  # conductance that read_noise is given for
    area: float = 1.0
    initial_siemens: float | None = None
    set_spread: float = 0.05
    reset_spread: float = 0.05
    max_spread: float = 0.05
    cycle_noise: float = 0.02
    stuck_fraction: float = 0.003
    gate_threshold_v: float = 0.4
    gate_a_per_v2: float = 15e-6
    read_noise: float = 0.01  # relative, at noise_max_siemens
    read_noise_exponent: float = 0.47

    def __post_init__(self) -> None:
        for name in ("area", "gate_a_per_v2", "noise_max_siemens"):
            if not (np.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"{name} is {value}: it must be positive and finite")
        for name in ("set_spread", "reset_spread", "max_spread", "cycle_noise", "read_noise"):
            if not (np.isfinite(value := getattr(self, name)) and value >= 0):
                raise ValueError(f"{name} is {value}: it must be 0 or more and finite")
        if not 0.0 <= self.stuck_fraction <= 1.0:
            raise ValueError(f"stuck_fraction is {self.stuck_fraction}: it must be within 0..1")
        low, high = self.range_siemens
        if self.initial_siemens is not None and not low <= self.initial_siemens <= high:
            raise ValueError(f"initial_siemens is {self.initial_siemens}: the model covers {low:.3g}..{high:.3g} S")

    @cached_property
    def range_siemens(self) -> tuple[float, float]:
        """Conductances of the mean cell."""
        low, high = self.model.conductance_range
        return self.area * low, self.area * high

    def device(
        self, seed: int, tile: Keys, rows: Keys, columns: Keys, *, stuck: float | None = None, ideal: bool = False
    ) -> Devices:
        """Cells at broadcastable `rows` and `columns`. Raises ValueError for a fraction outside 0..1."""
        kind = stuck_kinds(seed, tile, rows, columns, self.stuck_fraction if stuck is None else stuck)

        def spread(stream: Stream, sigma: float) -> FloatArray:
            z = normal(seed, stream, tile, rows, columns)
            return np.zeros_like(z) if ideal else sigma * z

        scale = np.exp(spread(Stream.MAX_CONDUCTANCE, self.max_spread))
        low, high = (bound * scale for bound in self.range_siemens)
        fresh = low if self.initial_siemens is None else np.clip(self.initial_siemens, low, high)
        between = high * uniform(seed, Stream.STUCK_LEVEL, tile, rows, columns)
        return Devices(
            stuck=kind,
            initial_siemens=np.asarray(np.choose(kind, [fresh, low, high, between])),
            forming_v=np.full(kind.shape, np.inf),
            set_v=spread(Stream.SET_THRESHOLD, self.set_spread),
            reset_v=spread(Stream.RESET_THRESHOLD, self.reset_spread),
            max_scale=scale,
            min_siemens=np.asarray(low),
            cycle_v=np.full(kind.shape, 0.0 if ideal else self.cycle_noise),
        )

    def pulse(
        self,
        state: Reals,
        volts: Reals,
        seconds: Reals,
        temperature_k: Reals = 300.0,
        *,
        device: Devices | None = None,
        normals: Reals = 0.0,
        gate_v: float | None = None,
    ) -> FloatArray:
        """Conductance in siemens after one pulse a cell, by the model's own dynamics.

        A pulse of either sign only moves conductances its own way. Raises ValueError as the model's `pulse` does.
        """
        cell = self._mean_cell if device is None else device
        g, v = np.asarray(state, dtype=np.float64), np.asarray(volts, dtype=np.float64)
        scale, rising = self.area * cell.max_scale, v > 0
        compliance_a: FloatArray | None = None
        if gate_v is not None:
            limit_a = self.gate_limit_a(gate_v)
            if limit_a == 0.0:
                return g + np.zeros_like(v)
            v, compliance_a = np.maximum(v, self.gate_threshold_v - gate_v), limit_a / scale
        v = v * np.exp(-np.where(rising, cell.set_v, cell.reset_v) - cell.cycle_v * normals)
        x = self.model.state_of(np.clip(g / scale, *self.model.conductance_range))
        x = self.model.pulse(x, v, seconds, temperature_k, compliance_a)
        moved = scale * self.model.conductance(x)
        result = np.where(rising, np.maximum(g, moved), np.minimum(g, moved))
        return np.where((cell.stuck == 0) & (v != 0.0), result, g)

    def relaxed(
        self, g_written: Reals, age_s: Reals, z: Reals, *, device: Devices | None = None, temperature_k: float = 300.0
    ) -> FloatArray:
        """What was written: none of the models knows relaxation."""
        return np.asarray(g_written + np.zeros_like(age_s * z))

    def read_noise_siemens(self, g: Reals) -> FloatArray:
        """Standard deviation of one read, relatively larger at low conductance."""
        top = self.noise_max_siemens
        return np.asarray(self.read_noise * top * (np.asarray(g) / top) ** self.read_noise_exponent)

    def current(self, state: Reals, volts: Reals, temperature_k: Reals = 300.0) -> FloatArray:
        """Amperes at `volts`. In every model here the I-V curve is a function of the state times one of the voltage."""
        middle = np.mean(self.model.state_range)
        return np.asarray(state * self.model.current(middle, volts, temperature_k) / self.model.conductance(middle))

    def spice_current(self, siemens: float) -> str:
        """`current` as an ngspice expression in `v`."""
        read_v, bend = self.model.read_v, self.model.bend_per_v
        if not bend:
            return f"{siemens!r}*v"
        above, below = (float(self.current(siemens, sign * read_v)) / sinh(bend * read_v) for sign in (1.0, -1.0))
        factor = repr(above) if above == -below else f"(v >= 0 ? {above!r} : {-below!r})"
        return f"{factor}*sinh({bend!r}*v)"

    def limits_siemens(self, device: Devices) -> tuple[FloatArray, FloatArray]:
        """The model's range, of each cell."""
        low, high = self.range_siemens
        return low * device.max_scale, high * device.max_scale

    def gate_limit_a(self, gate_v: float) -> float:
        """The transistor's saturation current."""
        return self.gate_a_per_v2 * max(gate_v - self.gate_threshold_v, 0.0) ** 2

    def read_stress(self, volts: Reals) -> FloatArray:
        """The state's rate at `volts` over that at the read voltage of the same sign, in the middle of the range."""
        v = np.asarray(volts, dtype=np.float64)
        middle = np.mean(self.model.state_range)
        rate, reference = (np.abs(self.model.rate(middle, at)) for at in (v, np.copysign(self.model.read_v, v)))
        return np.divide(rate, reference, out=np.zeros_like(v), where=reference > 0)

    @cached_property
    def _mean_cell(self) -> Devices:
        return self.device(0, 0, 0, 0, stuck=0.0, ideal=True)

"""The default cell: a statistical model of analog 1T1R filamentary cells at array scale.

    cells = Statistical()                                    # or Statistical(**chip_spec_section)
    devices = cells.device(seed, tile, rows, columns, *, stuck=None, ideal=False) -> Devices
    g = devices.initial_siemens                              # virgin (stuck cells: at their level)
    g = cells.pulse(g, volts, seconds, temperature_k=300.0, *, device=None, normals=0.0,
                    gate_v=None, compliance_siemens=None)    # volts > 0: SET (and forming), < 0: RESET, 0: nothing
    g = cells.relaxed(g_written, age_s, z, *, device=None)
    noise = cells.read_noise_siemens(g)
    amperes = cells.current(g, volts, temperature_k=300.0)
    g_chord = cells.conductance(g, volts=0.2, temperature_k=300.0)

Everything is elementwise on broadcastable arrays: `devices[rows, columns]` picks cells, and results do not depend on
how cells are grouped into calls. Callers supply the randomness as standard normals from `ohmloom_emulator.rng`:
`normals` keyed by cell and its pulse count (`Stream.CYCLE`), `z` keyed by cell and its write count
(`Stream.RELAXATION`). Without `device` and `normals` the mean cell answers. Amplitudes are the voltage between bit and
source line, the transistor included. The state is the conductance at low voltage in siemens; a cell below
`formed_siemens` is virgin.

**Pulses.** The conductance moves towards a level line that is linear in the amplitude, at a rate exponential in the
distance from it (self-limited growth, as in Messaris et al., IEEE TCAD 37 (2018), and Ielmini, IEEE TED 58 (2011)):
dg/dt = k exp((L(V) - g) / w). Its closed form is a soft maximum (SET) or minimum (RESET) of g and L, so that one pulse
of 2 us is exactly two of 1 us. w = slope x time_decade / ln 10 gives one decade of time for each `time_decade_v`, and
an Arrhenius rate with the attempt frequency makes warm cells switch at lower voltage. The transistor limits SET to the
conductance its gate allows, and RESET to the voltage its gate passes.

**Relaxation** (Wan et al., Nature 608 (2022), as fitted in aihwkit's ReRamWan2022): the deviation from the written
value is sigma(g, age) z' with z' a heavy-tailed function of z of unit variance.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from math import log

import numpy as np
from scipy.special import ndtri

from ..rng import Stream, normal, uniform
from .interface import Devices, Keys, Reals, stuck_kinds
from .interface import FloatArray as Floats

__all__ = ["Devices", "Statistical"]

_DAY_S = 86400.0
_LN10 = log(10.0)
_BOLTZMANN_EV_PER_K = 8.617333262e-5


@dataclass(frozen=True)
class Statistical:
    """Parameters of the technology; the defaults are calibrated to Wan et al. (2022), see `bench/cells/neurram.py`."""

    # Pulses. Thresholds hold for 1 us at 300 K: SET leaves 0 S at its threshold, RESET arrives at 0 S at its own.
    set_threshold_v: float = 1.1
    set_slope_siemens_per_v: float = 50e-6
    reset_threshold_v: float = 2.0
    reset_slope_siemens_per_v: float = 50e-6
    time_decade_v: float = 0.2
    attempt_hz: float = 1e13
    set_spread_v: float = 0.1
    reset_spread_v: float = 0.1
    cycle_v: float = 0.045
    cycle_spread: float = 0.3  # of cycle_v from cell to cell, of its logarithm
    # Limits.
    max_siemens: float = 70e-6
    max_spread: float = 0.1  # of the logarithm
    min_siemens: float = 0.5e-6
    min_spread: float = 0.25  # of the logarithm
    gate_threshold_v: float = 0.4
    gate_siemens_per_v: float = 17.6e-6
    # Forming.
    virgin_siemens: tuple[float, float] = (0.01e-6, 0.1e-6)
    formed_siemens: float = 0.2e-6
    forming_v: float = 4.1
    forming_spread_v: float = 0.08
    forming_scatter: float = 0.15  # of the logarithm of the formed conductance
    # Faults.
    stuck_fraction: float = 0.003
    # Relaxation: standard deviation in uS against g / gmax, polynomials from the constant up, verify error included.
    relaxation_max_siemens: float = 40e-6
    relaxation_1s_usiemens: tuple[float, ...] = (0.348, 16.030, -43.853, 45.393, -16.815)
    relaxation_1day_usiemens: tuple[float, ...] = (0.701, 22.086, -50.773, 47.095, -16.458)
    relaxation_2days_usiemens: tuple[float, ...] = (0.782, 20.274, -43.507, 37.062, -11.934)
    relaxation_verify_siemens: float = 1e-6  # half width of the uniform verify error within those polynomials
    relaxation_tail: float = 0.5  # 0 is normal; 0.5 has an excess kurtosis of 1.5
    # Retention of HfOx cells has the activation energy of their switching (doi 10.1016/j.mee.2017.04.032): here RESET's
    # at its threshold, 2.0 V x 0.30 eV/V + kT ln(1e13 Hz x 1 us).
    relaxation_activation_ev: float = 1.0
    # Reading.
    read_noise: float = 0.01  # relative, at 40 uS
    read_noise_exponent: float = 0.47  # of the absolute noise in g: 3 % at 5 uS
    sinh_per_v: float = 0.25
    temperature_coefficient_per_k: float = 5e-4

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # as TOML gives them; tuples keep the class hashable
                object.__setattr__(self, field.name, tuple(value))
        for name in ("set_slope_siemens_per_v", "reset_slope_siemens_per_v", "time_decade_v", "attempt_hz"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} is positive, not {getattr(self, name)}")
        if not 0.0 <= self.stuck_fraction <= 1.0:
            raise ValueError(f"stuck_fraction is within 0..1, not {self.stuck_fraction}")

    def device(
        self,
        seed: int,
        tile: Keys,
        rows: Keys,
        columns: Keys,
        *,
        stuck: float | None = None,
        ideal: bool = False,
    ) -> Devices:
        """Cells at broadcastable `rows` and `columns` (integers), e.g. `np.arange(8)[:, None], np.arange(16)`.

        `stuck` overrides `stuck_fraction`; `ideal` leaves out every spread and noise from pulse to pulse.
        Raises ValueError for a fraction outside 0..1.
        """
        kind = stuck_kinds(seed, tile, rows, columns, self.stuck_fraction if stuck is None else stuck)

        def spread(stream: Stream) -> Floats:
            z = normal(seed, stream, tile, rows, columns)
            return np.zeros_like(z) if ideal else z

        max_scale = np.exp(self.max_spread * spread(Stream.MAX_CONDUCTANCE))
        min_siemens = np.maximum(
            self.min_siemens * np.exp(self.min_spread * spread(Stream.MIN_CONDUCTANCE)), self.formed_siemens
        )
        low, high = np.log(self.virgin_siemens)
        virgin = np.exp(low + (high - low) * (0.5 if ideal else uniform(seed, Stream.VIRGIN, tile, rows, columns)))
        between = self.max_siemens * uniform(seed, Stream.STUCK_LEVEL, tile, rows, columns)
        initial = np.choose(kind, [virgin, min_siemens, self.max_siemens * max_scale, between])
        return Devices(
            stuck=kind,
            initial_siemens=np.asarray(initial),
            forming_v=self.forming_v + self.forming_spread_v * spread(Stream.FORMING),
            set_v=self.set_spread_v * spread(Stream.SET_THRESHOLD),
            reset_v=self.reset_spread_v * spread(Stream.RESET_THRESHOLD),
            max_scale=max_scale,
            min_siemens=min_siemens,
            cycle_v=self.cycle_v * np.exp(self.cycle_spread * spread(Stream.CYCLE_SPREAD)) * (not ideal),
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
        compliance_siemens: float | None = None,
    ) -> Floats:
        """Conductance in siemens after one pulse a cell.

        `volts` > 0 sets (virgin cells form), < 0 resets, 0 leaves the cell alone. SET never lowers the conductance and
        RESET never raises it. `gate_v` (word line; None: wide open) and `compliance_siemens` limit SET and forming.
        Raises ValueError for a negative width or a temperature that is not above 0 K.
        """
        if np.min(seconds) < 0.0 or not np.min(temperature_k) > 0.0:
            raise ValueError(
                f"a pulse takes at least 0 s at more than 0 K, not {np.min(seconds)} s at {np.min(temperature_k)} K"
            )
        cell = self._mean_cell if device is None else device
        g, volts = np.asarray(state, dtype=np.float64), np.asarray(volts, dtype=np.float64)
        noise_v = cell.cycle_v * normals
        limit = self.max_siemens
        passed_v = np.inf
        if gate_v is not None:
            passed_v = max(gate_v - self.gate_threshold_v, 0.0)
            limit = min(limit, self.gate_siemens_per_v * passed_v)
        limit_siemens = limit * cell.max_scale
        if compliance_siemens is not None:
            limit_siemens = np.minimum(limit_siemens, compliance_siemens)

        rising = volts > 0.0
        sign = np.where(rising, 1.0, -1.0)
        slope = np.where(rising, self.set_slope_siemens_per_v, self.reset_slope_siemens_per_v)
        threshold_v = np.where(rising, self.set_threshold_v + cell.set_v, self.reset_threshold_v + cell.reset_v)
        amplitude_v = np.abs(volts)
        across_v = np.where(rising, amplitude_v, np.minimum(amplitude_v, passed_v))
        gain_v = self._time_gain_v(seconds, temperature_k, 1e-6)
        w = slope * (self.time_decade_v / 300.0 / _LN10) * temperature_k
        level = sign * slope * (across_v + gain_v + noise_v - threshold_v)
        moved = g + sign * w * np.logaddexp(0.0, sign * (level - g) / w)
        result = np.where(
            rising,
            np.maximum(g, np.minimum(moved, limit_siemens)),
            np.minimum(g, np.maximum(moved, cell.min_siemens)),
        )
        virgin = g < self.formed_siemens
        if virgin.any():
            gain_v = self._time_gain_v(seconds, temperature_k, 1e-3)
            forms = rising & (amplitude_v + gain_v + noise_v >= cell.forming_v) & (limit_siemens > 0.0)
            formed = np.maximum(limit_siemens * np.exp(self.forming_scatter * np.asarray(normals)), cell.min_siemens)
            result = np.where(virgin, np.where(forms, formed, g), result)
        return np.where((cell.stuck == 0) & (volts != 0.0), result, g)

    def relaxed(
        self, g_written: Reals, age_s: Reals, z: Reals, *, device: Devices | None = None, temperature_k: float = 300.0
    ) -> Floats:
        """Conductance in siemens `age_s` after the last write, which left `g_written`; z standard normal a write.

        A pure function, so that the times of evaluation do not matter. The variance is linear in log t through the
        fitted curves at 1 s, 1 day and 2 days, below 1 s with the slope of the first interval down to 0, and above
        2 days with the mean slope from 1 s on (the last interval is too short to extrapolate from). Virgin and stuck
        cells do not relax. The published curves hold at 300 K; at other temperatures time runs faster or slower by the
        Arrhenius factor of `relaxation_activation_ev`.
        """
        g = np.asarray(g_written, dtype=np.float64)
        age_s = age_s * np.exp(self.relaxation_activation_ev / _BOLTZMANN_EV_PER_K * (1 / 300.0 - 1 / temperature_k))
        variance = np.maximum(self._relaxation_variance(g, age_s), 1e-60)
        sigma = 1e-6 * np.sqrt(variance)
        floor = self.formed_siemens
        room, factor = self._clip_table
        tail = self.relaxation_tail
        heavy = np.sinh(tail * np.asarray(z)) / np.sqrt(np.expm1(2.0 * tail**2) / 2.0) if tail else np.asarray(z)
        moved = np.maximum(g + sigma * np.interp((g - floor) / sigma, room, factor) * heavy, floor)
        fixed = g < floor if device is None else (g < floor) | (device.stuck != 0)
        return np.where(fixed, g, moved)

    def read_noise_siemens(self, g: Reals) -> Floats:
        """Standard deviation of one read (1/f and telegraph noise in its bandwidth), relatively larger at low g."""
        top = self.relaxation_max_siemens
        return np.asarray(self.read_noise * top * (np.asarray(g) / top) ** self.read_noise_exponent)

    def current(self, state: Reals, volts: Reals, temperature_k: Reals = 300.0) -> Floats:
        """Amperes at `volts`: I = g(T) sinh(s V) / s, close to ohmic at read voltages."""
        return np.asarray(self.conductance(state, volts, temperature_k) * volts)

    def spice_current(self, siemens: float) -> str:
        """`current` at 300 K as an ngspice expression in `v`."""
        bend = self.sinh_per_v
        return f"{siemens / bend!r}*sinh({bend!r}*v)" if bend else f"{siemens!r}*v"

    def conductance(self, state: Reals, volts: Reals = 0.2, temperature_k: Reals = 300.0) -> Floats:
        """Chord conductance I / V in siemens; its limit at 0 V is the state (at 300 K)."""
        argument = self.sinh_per_v * np.abs(np.asarray(volts, dtype=np.float64)) + 1e-9
        warm = 1.0 + self.temperature_coefficient_per_k * (np.asarray(temperature_k) - 300.0)
        return np.asarray(state * warm * np.sinh(argument) / argument)

    def limits_siemens(self, device: Devices) -> tuple[Floats, Floats]:
        """Where RESET ends and SET does, of each cell."""
        return device.min_siemens, self.max_siemens * device.max_scale

    def gate_limit_a(self, gate_v: float) -> float:
        """Infinite: here the gate limits the conductance, within `pulse`."""
        return np.inf

    def read_stress(self, volts: Reals) -> Floats:
        """0: the pulses' law, one decade of time for each `time_decade_v`, does not reach down to read voltages."""
        return np.zeros_like(np.asarray(volts, dtype=np.float64))

    def _time_gain_v(self, seconds: Reals, temperature_k: Reals, reference_s: float) -> Floats:
        """What a pulse's width and temperature are worth in volts, relative to `reference_s` at 300 K.

        Arrhenius: the barrier (Ea - a V) is crossed once in `seconds` when V = (Ea - kT ln(attempt_hz seconds)) / a.
        """
        attempts = np.log10(np.maximum(self.attempt_hz * np.asarray(seconds), 1e-30))
        warm = np.asarray(temperature_k) / 300.0
        return np.asarray(self.time_decade_v * (warm * attempts - np.log10(self.attempt_hz * reference_s)))

    def _relaxation_variance(self, g: Floats, age_s: Reals) -> Floats:
        """Variance in uS^2 of what relaxation adds to the written value."""
        x = np.clip(g / self.relaxation_max_siemens, 0.0, 1.0)
        verify = (1e6 * self.relaxation_verify_siemens) ** 2 / 3.0
        second, day, two_days = (
            np.maximum(np.polynomial.polynomial.polyval(x, curve) ** 2 - verify, 0.0)
            for curve in (self.relaxation_1s_usiemens, self.relaxation_1day_usiemens, self.relaxation_2days_usiemens)
        )
        t, t_day, t_two_days = (np.log(np.maximum(a, 1e-12)) for a in (age_s, _DAY_S, 2.0 * _DAY_S))
        first = second + (day - second) * t / t_day
        last = day + (two_days - day) * (t - t_day) / (t_two_days - t_day)
        later = two_days + np.maximum(two_days - second, 0.0) / t_two_days * (t - t_two_days)
        return np.asarray(np.maximum(np.where(t < t_day, first, np.where(t < t_two_days, last, later)), 0.0))

    @cached_property
    def _mean_cell(self) -> Devices:
        return self.device(0, 0, 0, 0, stuck=0.0, ideal=True)

    @cached_property
    def _clip_table(self) -> tuple[Floats, Floats]:
        """(room, factor): the scale that keeps the standard deviation at 1 when clipping `room` sigmas below the mean.

        Clipping narrows a distribution; cells near the lower end of conductance would come out too good without it.
        """
        z = ndtri((np.arange(4000) + 0.5) / 4000)
        heavy = np.sinh(self.relaxation_tail * z) if self.relaxation_tail else z
        heavy /= heavy.std()
        cut = np.linspace(0.0, 8.0, 161)
        deviation: Floats = np.maximum(heavy, -cut[:, None]).std(axis=1)
        return cut / deviation, 1.0 / deviation

"""What the compact models share: checks, compliance, pulses and sweeps."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike

from .flow import advance
from .interface import FloatArray


class CompactCell(ABC):
    """A voltage-driven cell with one state variable; a model adds its I-V curve, its inverse and the state's rate.

    Frozen dataclasses of parameters derive from it. Arguments of all methods broadcast; states outside the model's
    range are taken as the nearest bound.

    Compliance is an ideal current limiter in series with the cell: while the cell would carry more than `compliance_a`
    in either direction, its voltage falls to the one at which it carries just that.
    """

    read_v: float

    @property
    @abstractmethod
    def state_range(self) -> tuple[float, float]:
        """Lowest and highest state."""

    @abstractmethod
    def _current(self, state: FloatArray, volts: FloatArray) -> FloatArray:
        """Amperes; odd and rising in `volts`."""

    @abstractmethod
    def _volts_at(self, state: FloatArray, amperes: FloatArray) -> FloatArray:
        """The inverse of `_current`; may be infinite."""

    @abstractmethod
    def _rate(self, state: FloatArray, volts: FloatArray, temperature_k: FloatArray) -> FloatArray:
        """The state's change, a second, with `volts` across the cell."""

    @abstractmethod
    def _state_of(self, conductance: FloatArray) -> FloatArray:
        """The inverse of `conductance` at the read voltage."""

    @property
    def bend_per_v(self) -> float:
        """b of the I-V curve, which is sinh(b v) times a function of the state; 0: straight."""
        return 0.0

    @property
    def conductance_range(self) -> tuple[float, float]:
        """Lowest and highest conductance at the read voltage, in siemens."""
        low, high = sorted(self.conductance(np.array(self.state_range)).tolist())
        return low, high

    def current(self, state: ArrayLike, volts: ArrayLike, temperature_k: ArrayLike = 300.0) -> FloatArray:
        """Amperes through cells in `state` at `volts`. The published I-V curves do not depend on temperature."""
        temperature = _positive("temperature_k", temperature_k)
        return self._current(self._states(state), _finite("volts", volts)) + np.zeros_like(temperature)

    def conductance(self, state: ArrayLike, volts: ArrayLike | None = None) -> FloatArray:
        """Siemens: current over voltage at `volts`, which must not be zero (None: the model's `read_v`)."""
        v = _finite("volts", self.read_v if volts is None else volts)
        if np.any(v == 0):
            raise ValueError("conductance needs a voltage other than 0 V")
        return self._current(self._states(state), v) / v

    def rate(self, state: ArrayLike, volts: ArrayLike, temperature_k: ArrayLike = 300.0) -> FloatArray:
        """The state's change, a second, with `volts` across the cell."""
        temperature = _positive("temperature_k", temperature_k)
        return self._rate(self._states(state), _finite("volts", volts), temperature)

    def state_of(self, conductance: ArrayLike) -> FloatArray:
        """The state with this conductance (siemens) at the read voltage.

        Raises ValueError outside `conductance_range`.
        """
        g = _finite("conductance", conductance)
        low, high = self.conductance_range
        if np.any((g < low * (1 - 1e-9)) | (g > high * (1 + 1e-9))):
            raise ValueError(
                f"conductances of {g.min():.4g} to {g.max():.4g} S asked for; "
                f"this cell has {low:.4g} to {high:.4g} S at {self.read_v} V"
            )
        return np.clip(self._state_of(np.clip(g, low, high)), *self.state_range)

    def pulse(
        self,
        state: ArrayLike,
        volts: ArrayLike,
        seconds: ArrayLike,
        temperature_k: ArrayLike = 300.0,
        compliance_a: ArrayLike | None = None,
    ) -> FloatArray:
        """The state after `volts` for `seconds` at an ambient of `temperature_k`, within `state_range`.

        Raises ValueError for NaN or infinite arguments, negative seconds, or a temperature or compliance that is not
        positive.
        """
        duration = _finite("seconds", seconds)
        if np.any(duration < 0):
            raise ValueError(f"a pulse cannot last {duration.min()} s: seconds must be 0 or more")
        compliance = None if compliance_a is None else _positive("compliance_a", compliance_a)
        temperature = _positive("temperature_k", temperature_k)
        return self._pulse(self._states(state), _finite("volts", volts), duration, temperature, compliance)

    def waveform(
        self,
        state: ArrayLike,
        times_s: ArrayLike,
        volts: ArrayLike,
        temperature_k: ArrayLike = 300.0,
        compliance_a: ArrayLike | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """States and amperes at `times_s` (n,) under `volts`, (n,) or (n, ...) with one waveform a cell.

        Both results have shape (n, ...), the state at `times_s[0]` being `state`. Between samples the mean of the two
        voltages is held, an error of second order in the spacing. Raises ValueError as `pulse` does, and if the times
        do not rise or do not match the voltages.
        """
        times, v = _finite("times_s", times_s), _finite("volts", volts)
        if times.ndim != 1 or v.ndim < 1 or len(times) != len(v) or len(times) == 0:
            raise ValueError(f"times_s {times.shape} and volts {v.shape} need the same first length, at least 1")
        spans = np.diff(times)
        if np.any(spans < 0):
            raise ValueError("times_s must not fall")
        compliance = None if compliance_a is None else _positive("compliance_a", compliance_a)
        temperature = _positive("temperature_k", temperature_k)
        first = self._states(state)
        others = (temperature,) if compliance is None else (temperature, compliance)
        shape = np.broadcast_shapes(first.shape, v.shape[1:], *(a.shape for a in others))
        states = np.empty((len(times), *shape))
        states[0] = first
        for k, span in enumerate(spans):
            states[k + 1] = self._pulse(states[k], (v[k] + v[k + 1]) / 2, span, temperature, compliance)
        v = v.reshape(len(v), *(1,) * (len(shape) - v.ndim + 1), *v.shape[1:])
        return states, self._current(states, self._across(states, v, compliance))

    def _pulse(
        self,
        state: FloatArray,
        volts: FloatArray,
        seconds: FloatArray,
        temperature_k: FloatArray,
        compliance_a: FloatArray | None,
    ) -> FloatArray:
        if compliance_a is None:
            return advance(self._rate, state, seconds, *self.state_range, volts, temperature_k)

        def limited(x: FloatArray, v: FloatArray, t: FloatArray, limit: FloatArray) -> FloatArray:
            return self._rate(x, self._across(x, v, limit), t)

        return advance(limited, state, seconds, *self.state_range, volts, temperature_k, compliance_a)

    def _across(self, state: FloatArray, volts: FloatArray, compliance_a: FloatArray | None) -> FloatArray:
        """The voltage left for the cell by the current limiter."""
        if compliance_a is None:
            return volts
        return np.clip(volts, self._volts_at(state, -compliance_a), self._volts_at(state, compliance_a))

    def _states(self, state: ArrayLike) -> FloatArray:
        x = np.asarray(state, dtype=np.float64)
        if np.any(np.isnan(x)):
            raise ValueError("state holds NaN")
        return np.clip(x, *self.state_range)


def require_positive(**parameters: float) -> None:
    """Raise a ValueError that names the first parameter that is not a positive, finite number."""
    for name, value in parameters.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is {value}: it must be positive and finite")


def _finite(name: str, value: ArrayLike) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite numbers, not NaN or infinite")
    return array


def _positive(name: str, value: ArrayLike) -> FloatArray:
    array = _finite(name, value)
    if np.any(array <= 0):
        raise ValueError(f"{name} must be positive, not {array.min()}")
    return array

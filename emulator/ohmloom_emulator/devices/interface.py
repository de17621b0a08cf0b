"""What every cell model offers to the array, whatever its physics."""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]


@runtime_checkable
class CellModel(Protocol):
    """One memristor cell's physics, applied to whole arrays of cells at once.

    `state` is a float array of any shape; its meaning and range are the model's own. Positive volts are the SET
    direction (conductance rises) in every model. All arguments broadcast against each other, results have the broadcast
    shape.
    """

    def pulse(
        self,
        state: ArrayLike,
        volts: ArrayLike,
        seconds: ArrayLike,
        temperature_k: ArrayLike = 300.0,
        compliance_a: ArrayLike | None = None,
    ) -> FloatArray:
        """The state after a rectangular pulse; `temperature_k` is the chip's, `compliance_a` bounds |current|."""
        ...

    def current(self, state: ArrayLike, volts: ArrayLike, temperature_k: ArrayLike = 300.0) -> FloatArray:
        """Amperes through cells in `state` at `volts`, before the state has moved."""
        ...

    def conductance(self, state: ArrayLike, volts: ArrayLike | None = None) -> FloatArray:
        """Siemens, current over voltage at `volts` (None: the model's read voltage)."""
        ...

    def state_of(self, conductance: ArrayLike) -> FloatArray:
        """The state whose `conductance` at the model's read voltage is the one given, in siemens."""
        ...

    def waveform(
        self, state: ArrayLike, times_s: ArrayLike, volts: ArrayLike, temperature_k: ArrayLike = 300.0
    ) -> tuple[FloatArray, FloatArray]:
        """States and amperes at each of `times_s` (n,), each of shape (n, ...)."""
        ...

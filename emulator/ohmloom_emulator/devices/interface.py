"""What cell models offer: `CellModel` to everybody, `ArrayCell` to a tile of many cells that differ."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..rng import Stream, uniform

FloatArray: TypeAlias = NDArray[np.float64]
Reals: TypeAlias = float | FloatArray  # a scalar or an array: all broadcast
Keys: TypeAlias = int | NDArray[np.integer]


@runtime_checkable
class CellModel(Protocol):
    """One memristor cell's physics, applied to whole arrays of cells at once.

    `state` is a float array of any shape; its meaning and range are the model's own. Positive volts are the SET
    direction (conductance rises) in every model. All arguments broadcast against each other, results have the broadcast
    shape. What only some models know (compliance, waveforms, spread) is further keywords and methods of theirs.
    """

    def pulse(self, state: Reals, volts: Reals, seconds: Reals, temperature_k: Reals = 300.0) -> FloatArray:
        """The state after a rectangular pulse; `temperature_k` is the chip's."""
        ...

    def current(self, state: Reals, volts: Reals, temperature_k: Reals = 300.0) -> FloatArray:
        """Amperes through cells in `state` at `volts`, before the state has moved."""
        ...

    def conductance(self, state: Reals, volts: Reals = ...) -> FloatArray:
        """Siemens, current over voltage at `volts` (default: the model's read voltage)."""
        ...


@dataclass(frozen=True)
class Devices:
    """What differs from cell to cell for good: arrays of one shape. Index it as an array."""

    stuck: NDArray[np.int8]  # 0 works, 1 stuck low, 2 stuck high, 3 stuck between
    initial_siemens: FloatArray  # as fabricated
    forming_v: FloatArray  # forms at this amplitude in a 1 ms pulse; infinite: nothing to form
    set_v: FloatArray  # offset of the SET threshold: volts, or for a compact model the logarithm of a factor
    reset_v: FloatArray  # the same of RESET
    max_scale: FloatArray  # factor on every limit of SET and on the formed conductance
    min_siemens: FloatArray  # RESET ends here
    cycle_v: FloatArray  # standard deviation of the threshold from pulse to pulse, in the unit of the offsets

    def __getitem__(self, index: object) -> Devices:
        return Devices(*(getattr(self, field.name)[index] for field in fields(self)))


class ArrayCell(Protocol):
    """What a tile needs of its cells, whose state it keeps as conductances (siemens). All methods are elementwise.

    The callers supply randomness as standard normals keyed by cell and its pulse count (`normals`) or write count
    (`z`), so that results do not depend on how cells are grouped into calls.
    """

    def device(
        self, seed: int, tile: Keys, rows: Keys, columns: Keys, *, stuck: float | None = None, ideal: bool = False
    ) -> Devices:
        """Cells at broadcastable `rows` and `columns`; `ideal`: without spread; `stuck` overrides the model's share."""
        ...

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
        """Conductances after one pulse a cell; `gate_v` is the word line's (None: no transistor limits anything)."""
        ...

    def relaxed(
        self, g_written: Reals, age_s: Reals, z: Reals, *, device: Devices | None = None, temperature_k: float = 300.0
    ) -> FloatArray:
        """Conductances `age_s` after the last write, which left `g_written`."""
        ...

    def read_noise_siemens(self, g: Reals) -> FloatArray:
        """Standard deviation of one read."""
        ...

    def current(self, state: Reals, volts: Reals, temperature_k: Reals = 300.0) -> FloatArray:
        """Amperes at `volts`; proportional to the conductance."""
        ...

    def spice_current(self, siemens: float) -> str:
        """`current` of a cell of this conductance at 300 K, as an ngspice expression in the cell's voltage `v`."""
        ...

    def limits_siemens(self, device: Devices) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest conductance that pulses reach."""
        ...

    def gate_limit_a(self, gate_v: float) -> float:
        """Most current that the transistor passes; infinite where the model does not limit currents."""
        ...

    def read_stress(self, volts: Reals) -> FloatArray:
        """How fast a read at `volts` moves the state, relative to one at the read voltage; 0 where reads do nothing."""
        ...


def stuck_kinds(seed: int, tile: Keys, rows: Keys, columns: Keys, fraction: float) -> NDArray[np.int8]:
    """0, or 1 to 3 for the `fraction` of cells that are stuck, as in `Devices.stuck`. ValueError outside 0..1."""
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"the stuck fraction is within 0..1, not {fraction}")
    draw = uniform(seed, Stream.STUCK, tile, rows, columns)
    kind = np.where((draw < fraction), np.int8(1) + (3.0 * draw / max(fraction, 1e-300)), 0)
    return kind.astype(np.int8)

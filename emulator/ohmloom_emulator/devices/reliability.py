"""What years and many writes do to cells of any model: telegraph noise and endurance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..rng import Stream, normal, uniform
from .interface import FloatArray

SLOT_NS = 1_000_000_000
"""Telegraph noise is constant within slots of this length. What is faster is part of a model's read noise."""

_KNEE = 0.1  # share of its endurance up to which a cell is as good as new


@dataclass(frozen=True)
class Reliability:
    """Parameters, the same for every cell model.

    A share of the cells are two-level fluctuators, each with its own correlation time, drawn uniformly from the
    logarithm of `telegraph_s`: many of them together have a 1/f spectrum (McWhorter). The relative distance of the two
    levels is `telegraph_amplitude` where filaments are thin and falls as 1/g above the knee (Ielmini, Nardi and Cagli,
    Appl. Phys. Lett. 96, 053503 (2010)). The default share is 0: the default cell's relaxation is measured, and
    measurements contain it.

    A cell's endurance is lognormal. Up to a tenth of it the cell is as new; then its window closes with the logarithm
    of its SET/RESET cycles from both ends towards the geometric middle; at the end the cell is stuck.
    """

    telegraph_share: float = 0.0
    telegraph_amplitude: float = 0.2
    telegraph_knee_siemens: float = 5e-6
    telegraph_s: tuple[float, float] = (2.0, 2e4)
    endurance_cycles: float = 1e7
    endurance_spread: float = 0.7  # of the logarithm

    def __post_init__(self) -> None:
        if not 0.0 <= self.telegraph_share <= 1.0 or not 0.0 <= self.telegraph_amplitude < 2.0:
            raise ValueError("telegraph_share is within 0..1 and telegraph_amplitude from 0 to below 2")
        if len(self.telegraph_s) != 2 or not 1.0 <= self.telegraph_s[0] <= self.telegraph_s[1]:
            raise ValueError(f"telegraph_s is two rising times of at least 1 s, not {self.telegraph_s}")
        if not (self.telegraph_knee_siemens > 0 and self.endurance_cycles > 0 and self.endurance_spread >= 0):
            raise ValueError("telegraph_knee_siemens and endurance_cycles are positive, endurance_spread at least 0")

    def swing(self, g: FloatArray) -> FloatArray:
        """Half the relative distance of a fluctuator's two levels."""
        return np.asarray(self.telegraph_amplitude / 2 / (1.0 + g / self.telegraph_knee_siemens))

    def endurance(self, seed: int, tile: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        """Cycles that each cell lasts."""
        z = normal(seed, Stream.ENDURANCE, tile, rows, columns)
        return np.asarray(self.endurance_cycles * np.exp(self.endurance_spread * z))

    def worn(
        self,
        before: FloatArray,
        after: FloatArray,
        cycles: FloatArray,
        endurance: FloatArray,
        limits: tuple[FloatArray, FloatArray],
    ) -> FloatArray:
        """What a pulse that takes a new cell from `before` to `after` does to one that has had `cycles`."""
        low, high = limits
        share = np.clip(np.log(np.maximum(cycles, 1e-9) / endurance) / np.log(_KNEE), 0.0, 1.0)
        middle, half = np.sqrt(low * high), np.sqrt(high / low) ** share
        rises = np.maximum(before, np.minimum(after, middle * half))
        falls = np.minimum(before, np.maximum(after, middle / half))
        worn = np.where(share == 0, before, np.where(after > before, rises, falls))
        return np.where(cycles < _KNEE * endurance, after, worn)


class Telegraph:
    """The fluctuators of one tile. A level is a pure function of cell and slot.

    A cell's time is cut into intervals of its correlation time, with a phase of its own; in each it is in either state
    with equal probability. The autocorrelation falls linearly to 0 over that time, so that the state stays the same for
    two intervals on average.
    """

    def __init__(self, parameters: Reliability, seed: int, tile: int, shape: tuple[int, int]) -> None:
        self._seed, self._tile, self._shape = seed, tile, shape

        def draw(use: int) -> FloatArray:
            return uniform(seed, Stream.TELEGRAPH, tile, *np.indices(shape), use)

        self._cells = rows, columns = np.nonzero(draw(0) < parameters.telegraph_share)
        low, high = np.log(parameters.telegraph_s)
        self._slots = np.rint(np.exp(low + (high - low) * draw(1)[rows, columns]) / (1e-9 * SLOT_NS)).astype(np.int64)
        self._phase = (draw(2)[rows, columns] * self._slots).astype(np.int64)

    def levels(self, slot: int) -> FloatArray:
        """+1 or -1 of each fluctuator, 0 of all other cells, shape (rows, columns)."""
        result = np.zeros(self._shape)
        interval = (slot + self._phase) // self._slots
        high = uniform(self._seed, Stream.TELEGRAPH, self._tile, *self._cells, 3, interval) < 0.5
        result[self._cells] = np.where(high, 1.0, -1.0)
        return result

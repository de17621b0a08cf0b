"""Window functions: how drift slows down at the ends of its range.

All act on x, the share of the device in its conducting phase (0 = off, 1 = on), moving towards 1 where `rising`. The
formulas are from the papers; popular copies of two of them differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .base import require_positive
from .interface import FloatArray


class Window(Protocol):
    """A factor on the drift rate."""

    def __call__(self, x: FloatArray, rising: NDArray[np.bool_]) -> FloatArray: ...


@dataclass(frozen=True)
class NoWindow:
    """1 everywhere: linear drift between hard stops (Strukov et al., Nature 453, 80, 2008)."""

    def __call__(self, x: FloatArray, rising: NDArray[np.bool_]) -> FloatArray:
        return np.ones(np.broadcast_shapes(x.shape, rising.shape))


NO_WINDOW = NoWindow()


@dataclass(frozen=True)
class Joglekar:
    """1 - (2x - 1)^(2p) (Joglekar and Wolf, Eur. J. Phys. 30, 661, 2009): 1 in the middle, 0 at both ends.

    A cell exactly at an end stays there for ever, a property of the window that Biolek et al. point out.
    """

    p: int = 1

    def __post_init__(self) -> None:
        _whole(self.p)

    def __call__(self, x: FloatArray, rising: NDArray[np.bool_]) -> FloatArray:
        return 1 - (2 * x - 1) ** (2 * self.p) + np.zeros(rising.shape)


@dataclass(frozen=True)
class Biolek:
    """1 - (x - stp(-i))^(2p) (Biolek et al., Radioengineering 18, 210, 2009), stp the unit step, i > 0 rising.

    It falls to 0 only at the end that the state moves to and is 1 at the other: cells leave their ends at full speed.
    """

    p: int = 1

    def __post_init__(self) -> None:
        _whole(self.p)

    def __call__(self, x: FloatArray, rising: NDArray[np.bool_]) -> FloatArray:
        return 1 - (x - np.where(rising, 0.0, 1.0)) ** (2 * self.p)


@dataclass(frozen=True)
class Prodromakis:
    """j (1 - ((x - 1/2)^2 + 3/4)^p) (Prodromakis et al., IEEE Trans. Electron Devices 58, 3099, 2011).

    p is any positive number, j scales the maximum, j (1 - 0.75^p) in the middle; 0 at both ends.
    """

    p: float = 1.0
    j: float = 1.0

    def __post_init__(self) -> None:
        require_positive(p=self.p, j=self.j)

    def __call__(self, x: FloatArray, rising: NDArray[np.bool_]) -> FloatArray:
        # x (x - 1) + 1 is (x - 1/2)^2 + 3/4; log1p and expm1 keep the digits near the ends, where the two cancel.
        return -self.j * np.expm1(self.p * np.log1p(x * (x - 1))) + np.zeros(rising.shape)


def _whole(p: int) -> None:
    if p < 1 or p != int(p):
        raise ValueError(f"p is {p}: it must be a whole number, 1 or more")

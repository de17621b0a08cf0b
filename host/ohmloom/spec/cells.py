"""Statistics of the reference cell that host and emulator both need: how far a conductance strays from its target.

Standard deviations in uS over x = g/gmax as fourth-order polynomials (from x^0) after 1 s, 1 day and 2 days: measurements of Wan et
al., Nature 608 (2022), as fitted in aihwkit's ReRamWan2022 noise model. They include the error of a +-1 uS verify.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIGMA_G_MAX_SIEMENS = 40e-6
SIGMA_AGES_S = (1.0, 86_400.0, 172_800.0)
SIGMA_US = (
    (0.348, 16.030, -43.853, 45.393, -16.815),
    (0.701, 22.086, -50.773, 47.095, -16.458),
    (0.782, 20.274, -43.507, 37.062, -11.934),
)


def total_sigma(conductance: ArrayLike, age_s: float) -> NDArray[np.float64]:
    """Standard deviation (siemens) from target of cells programmed to `conductance` (siemens) `age_s` ago.

    The variance is linear in log(age), through 1 s and the middle of the two later ages, never below 0.
    """
    x = np.clip(np.asarray(conductance, dtype=float) / SIGMA_G_MAX_SIEMENS, 0.0, 1.0)
    variance: list[Any] = [np.polynomial.polynomial.polyval(x, c) ** 2 for c in SIGMA_US]
    # The two late ages lie within each other's error; one line from 1 s through their middle serves all ages.
    log_late = 0.5 * (np.log(SIGMA_AGES_S[1]) + np.log(SIGMA_AGES_S[2]))
    slope = (0.5 * (variance[1] + variance[2]) - variance[0]) / log_late
    sigma: NDArray[np.float64] = 1e-6 * np.sqrt(np.maximum(variance[0] + slope * np.log(max(age_s, 1e-12)), 0.0))
    return sigma

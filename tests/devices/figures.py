"""Points read off published I-V loops, docs/devices/figures.csv."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TABLE = np.loadtxt(Path(__file__).parents[2] / "docs/devices/figures.csv", dtype=str, delimiter=",", skiprows=1)


def steps_off(
    series: str, volts: NDArray[np.float64], amperes: NDArray[np.float64], step_v: float, step_a: float
) -> float:
    """How far the series' farthest point is from the curve, in steps of the drawing, of both axes the worse."""
    points = TABLE[TABLE[:, 0] == series, 1:].astype(float) * [1, 1e-3]
    assert len(points)
    fine = np.linspace(0, len(volts) - 1, 20 * len(volts))  # straight between the curve's samples
    v, i = (np.interp(fine, np.arange(len(volts)), y) for y in (volts, amperes))
    away = np.maximum(np.abs(v - points[:, :1]) / step_v, np.abs(i - points[:, 1:]) / step_a)
    return float(away.min(axis=1).max())

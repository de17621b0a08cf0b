"""The bend of the I-V curve, from reads of one state at several voltages, and the noise of reads, from repeated ones."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from ..devices.interface import ArrayCell, FloatArray
from .measurements import Measurements
from .models import Family
from .trains import ChordFactor, Trains

_APART = 1.5  # ratio of two voltages that show a bend
_MIN_REPEATS = 10


def chord_factor(cell: ArrayCell) -> ChordFactor:
    """Current over voltage and state."""

    def factor(volts: FloatArray, kelvin: FloatArray) -> FloatArray:
        return np.asarray(cell.current(1.0, volts, kelvin) / volts)

    return factor


def needs_bend(data: Measurements, read_v: float) -> bool:
    """Whether conductances were measured at voltages that only the I-V curve brings together."""
    volts = np.abs(_across(data, read_v))
    return bool(volts.max() >= _APART * volts.min())


def bend(family: Family, data: Measurements, read_v: float) -> float | None:
    """The value of the family's I-V parameter; None where no state was read at voltages far enough apart."""
    if family.iv is None:
        return None
    volts = _across(data, read_v)
    chord = np.where(np.isnan(data.current_a), data.siemens, data.current_a / volts)
    group = np.cumsum(np.r_[True, np.diff(data.device) != 0] | (data.width_s > 0)) - 1
    count = group[-1] + 1
    lowest, highest = np.full(count, np.inf), np.zeros(count)
    np.minimum.at(lowest, group, np.abs(volts))
    np.maximum.at(highest, group, np.abs(volts))
    rows = (highest >= _APART * lowest)[group]
    if not rows.any():
        return None
    _, group = np.unique(group[rows], return_inverse=True)
    name, count, reads = family.iv, group.max() + 1, np.bincount(group)

    def scatter(logarithm: float) -> float:
        cell = family.with_values({name: float(np.exp(logarithm))})
        value = np.log(chord[rows] / chord_factor(cell)(volts[rows], data.temperature_k[rows]))
        mean = np.bincount(group, value, count) / reads
        return float(np.sum((value - mean[group]) ** 2))

    # A parameter is in volts or in 1/V: the bend at the highest voltage spans straight to exponential both ways.
    high = float(np.log(np.abs(volts[rows]).max()))
    middle = high if name.endswith("_v") and not name.endswith("_per_v") else -high
    grid = np.linspace(middle - 4.0, middle + 4.0, 33)
    nearest = int(np.argmin([scatter(x) for x in grid]))
    bounds = (grid[max(nearest - 1, 0)], grid[min(nearest + 1, 32)])
    return float(np.exp(minimize_scalar(scatter, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x))


def read_noise(family: Family, trains: Trains) -> float | None:
    """Its relative size as the family counts it; None with too few repeated reads."""
    freedom = trains.repeat_reads - 1
    if freedom.sum() < _MIN_REPEATS:
        return None
    expected = family.base.read_noise_siemens(trains.repeat_siemens) ** 2
    ratio = float(np.sum(freedom * trains.repeat_variance / expected) / freedom.sum())
    return family.get("read_noise") * float(np.sqrt(max(ratio, 1e-12)))


def _across(data: Measurements, read_v: float) -> FloatArray:
    """The voltage at which each row's conductance was measured."""
    return np.where(np.isnan(data.current_a), np.where(np.isnan(data.read_v), read_v, data.read_v), data.volts)

"""How good a fit is on measurements that it has not seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..devices.interface import FloatArray
from .models import Family
from .response import Fitted, after, moved_devices
from .solve import MIN_DEVICES, Progress, Solution, solve
from .trains import Trains, only_devices

FOLDS = 5
_STEPS = 12  # of each fold's fit, which begins at the full fit
_TAIL = 0.2  # of each train, left out where devices are few
_DRAWS = 100  # of device, pulse and reads, for each prediction
_INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class HeldOut:
    """Measured against predicted conductances of pulses whose fold's fit has not seen them; reads' noise is included.

    left_out: `devices`, whole ones, of which nothing is known but how devices differ; or `ends`, the last fifth of each
    train of few devices. `next_pulse` is the mean prediction from what was read before the pulse, `low` and `high` are
    the ends of its 95 % interval. `following` runs each train from where it starts, without looking at what is measured
    on the way.
    """

    left_out: str
    before: FloatArray  # measured
    measured: FloatArray
    next_pulse: FloatArray
    low: FloatArray
    high: FloatArray
    following: FloatArray
    device: NDArray[np.int64]  # number of each pulse's device
    position: NDArray[np.int64]

    def summary(self) -> dict[str, float | int | str]:
        """Root mean squares in siemens, and what share of the measurements the predicted 95 % interval has."""
        error = self.measured - self.next_pulse
        return {
            "left_out": self.left_out,
            "pulses": len(error),
            "next_pulse_rms_siemens": _rms(error),
            "next_pulse_median_relative": float(np.median(np.abs(error) / self.measured)),
            "whole_train_rms_siemens": _rms(self.measured - self.following),
            "no_model_rms_siemens": _rms(self.measured - self.before),
            "range_siemens": float(np.ptp(np.percentile(self.measured, (1, 99)))),
            "within_95_percent_interval": float(np.mean((self.low <= self.measured) & (self.measured <= self.high))),
        }


def held_out(family: Family, trains: Trains, solution: Solution, progress: Progress) -> HeldOut:
    """Fits again without each fold, from the full fit's values on, and predicts it."""
    by_device = len(trains.names) >= MIN_DEVICES
    folds = list(_device_folds(trains) if by_device else _end_folds(trains))
    parts = []
    for number, (seen, chosen, judged) in enumerate(folds):
        progress("held out", number, len(folds))
        found = solve(
            family, seen, solution.values, cycle=solution.fitted.cycle, misfit=solution.fitted.misfit,
            spreads=solution.spreads, most_steps=_STEPS, polish=False,
        )  # fmt: skip
        test = only_devices(trains, chosen)
        fitted = found.unseen(len(test.names)) if by_device else found.fitted
        spreads = found.spreads if by_device else np.zeros_like(found.spreads)
        columns = _predicted(fitted, spreads, len(seen.names), test, judged)
        parts.append((*columns, np.flatnonzero(chosen)[test.pulses.device[judged]], test.pulses.position[judged]))
    progress("held out", len(folds), len(folds))
    arrays = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    return HeldOut("devices" if by_device else "ends", *arrays)


_Fold = tuple[Trains, NDArray[np.bool_], NDArray[np.bool_]]  # seen, devices to predict, which of their pulses to judge


def _device_folds(trains: Trains) -> Iterator[_Fold]:
    number = np.arange(len(trains.names)) % FOLDS
    for fold in range(FOLDS):
        chosen = number == fold
        yield only_devices(trains, ~chosen), chosen, np.ones(int(trains.lengths[chosen].sum()), dtype=np.bool_)


def _end_folds(trains: Trains) -> Iterator[_Fold]:
    everything = np.ones(len(trains.names), dtype=np.bool_)
    kept = np.clip(np.ceil((1 - _TAIL) * trains.lengths).astype(np.int64), 1, np.maximum(trains.lengths - 1, 1))
    judged = trains.pulses.position >= kept[trains.pulses.device]
    if judged.any():
        yield only_devices(trains, everything, kept), everything, judged


def _predicted(
    fitted: Fitted, spreads: FloatArray, seen: int, trains: Trains, judged: NDArray[np.bool_]
) -> tuple[FloatArray, ...]:
    """before, measured, next pulse, low, high, following of the judged pulses.

    seen: devices that mean and spreads were estimated from. That these are uncertain, too, makes it Student's t.
    """
    pulses, before = trains.pulses, trains.before_siemens
    reads = np.where(pulses.position == 0, trains.first_reads[pulses.device], np.roll(pulses.reads, 1))
    cell, rng = fitted.cell, np.random.default_rng(1)

    def noisy(siemens: FloatArray, reads: FloatArray) -> FloatArray:
        sigma = cell.read_noise_siemens(np.maximum(siemens, 1e-12)) / np.sqrt(reads)
        return np.asarray(np.maximum(siemens + sigma * rng.standard_normal(len(siemens)), 0.01 * siemens))

    draws = np.empty((_DRAWS, len(pulses)))
    for draw in draws:
        uncertain = np.sqrt((1 + 1 / seen) * max(seen - 1, 1) / rng.chisquare(max(seen - 1, 1), len(spreads)))
        offsets = fitted.offsets[pulses.device] + spreads * uncertain * rng.standard_normal((len(pulses), len(spreads)))
        devices = moved_devices(fitted.family, cell, offsets, fitted.cycle)
        moved = after(cell, devices, pulses, noisy(before, reads), rng.standard_normal(len(pulses)))
        draw[:] = noisy(moved * np.exp(fitted.misfit * rng.standard_normal(len(pulses))), pulses.reads)
    low, high = np.quantile(draws, _INTERVAL, axis=0)
    following = run(fitted, trains, judged, before)
    columns = (before, pulses.siemens, draws.mean(axis=0), low, high, following)
    return tuple(column[judged] for column in columns)


def run(fitted: Fitted, trains: Trains, judged: NDArray[np.bool_], before: FloatArray) -> FloatArray:
    """Conductances after all pulses, each from the one before it, starting at `before` where judging starts."""
    pulses, devices = trains.pulses, replace(fitted, cycle=0.0).devices()
    result, state = np.empty(len(pulses)), np.maximum(trains.first_siemens, 1e-12)
    order = np.argsort(pulses.position, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(pulses.position))[:-1]):
        who = pulses.device[rows]
        known = ~judged[rows]
        state[who] = np.where(known, before[rows], state[who])
        state[who] = result[rows] = after(fitted.cell, devices[who], pulses[rows], state[who])
    return result


def _rms(error: FloatArray) -> float:
    return float(np.sqrt(np.mean(error**2)))

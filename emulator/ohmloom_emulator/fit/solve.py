"""Fitting: starts, then Gauss-Newton with each device's offsets eliminated, and what the data do not determine.

The first starts are judged on a sample of the pulses by scipy's robust least squares, as if all devices were equal. From
the best one on, parameters and offsets are found together: offsets are normal around the mean device, with standard
deviations that are estimated with them (the EM step of a variance component), and are eliminated block by block. What is
left of the normal equations is the information on the parameters alone, so that its inverse is their covariance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from ..devices.interface import FloatArray
from .models import Family
from .response import Fitted, Problem, Tracked, track
from .trains import Pulses, Trains

Progress = Callable[[str, int, int], None]

MIN_DEVICES = 5  # fewer do not tell how devices differ
_SAMPLE = 300  # pulses that starts are judged on
_START_ROOM = 4.0  # of a logarithm
_MAX_STEPS = 60
_ARRIVED = 0.02  # of a standard error: the largest step that ends the fit
_WORTH = 1.0  # gain of log-likelihood after line searches that is worth another round of them
_PATIENCE, _GAIN = 4, 0.3  # steps in which the log-likelihood has to rise by this much
_FAR = 1e3  # standard error of a parameter that nothing depends on
_LARGEST_SPREAD = 0.7  # volts, or of a logarithm
_LEAST_MISFIT = 1e-4
_LEAST_SEARCH = 0.02  # volts, or of a logarithm: offsets are searched at least so far
_DAMPINGS = (1e-4, 1e-2, 1e-1, 1.0, 10.0, 100.0)
_DITCH = 2.0  # the rise of the cost that a step may take: limits of single pulses make the way down uneven
_OUTLIER = 3.0  # standard deviations, beyond which a residual's weight falls


@dataclass(frozen=True)
class Solution:
    """A fit: values of the parameters by name, their standard errors as `Parameter` counts them, and the noises."""

    fitted: Fitted
    values: dict[str, float]
    errors: dict[str, float]
    spreads: FloatArray  # standard deviation of each of the family's offsets
    surprise: float  # minus the logarithm of the likelihood, whatever the offsets are (Laplace's approximation)

    def unseen(self, devices: int) -> Fitted:
        """The same for devices that were not fitted: mean ones."""
        return replace(self.fitted, offsets=np.zeros((devices, len(self.spreads))))


def best_start(family: Family, names: tuple[str, ...], trains: Trains, progress: Progress) -> dict[str, float]:
    """Parameters from the start that comes closest to a sample of the pulses, each taken from what was read before it.

    Raises ValueError when none of the starts can be computed.
    """
    chosen = _sample(trains)
    pulses, before = trains.pulses[chosen], trains.before_siemens[chosen]
    problem = Problem(family, names, pulses, before, 0.0)
    offsets = np.zeros((len(trains.names), len(family.spreads)))
    scale = family.base.read_noise_siemens(pulses.siemens) + 0.03 * np.ptp(trains.pulses.siemens)

    def residuals(theta: FloatArray) -> FloatArray:
        return np.asarray((problem.predict(theta, offsets) - pulses.siemens) / scale)

    def slopes(theta: FloatArray) -> FloatArray:
        return problem.by_parameters(theta, offsets) / scale[:, None]

    # Far from its start a fit has given up: thresholds above all pulses, rates at which nothing moves.
    log = np.array([problem.parameters[name].log for name in names])
    room = np.where(log, _START_ROOM, np.abs(pulses.volts).max())
    starts = family.starts(family, trains)
    best: tuple[float, FloatArray] | None = None
    for number, start in enumerate(starts):
        progress("starts", number, len(starts))
        theta = problem.theta({name: start.get(name, family.get(name)) for name in names})
        if not np.isfinite(residuals(theta)).all():
            continue
        bounds = (theta - room, theta + room)
        found = least_squares(residuals, theta, slopes, bounds, loss="soft_l1", x_scale="jac", max_nfev=50)
        if best is None or found.cost < best[0]:
            best = found.cost, found.x
    progress("starts", len(starts), len(starts))
    if best is None:
        raise ValueError(
            "the model allows none of the starting values; are the measurements in ohm, volts and seconds?"
        )
    return problem.values(best[1])


def widened(family: Family, values: dict[str, float], trains: Trains) -> dict[str, float]:
    """Limits moved out until the mean cell covers all measurements: from inside, pulses that it clips may hold them."""
    lowest, highest = trains.pulses.siemens.min(), trains.pulses.siemens.max()
    for _ in range(50):
        cell = family.with_values(values)
        low, high = (float(x) for x in cell.limits_siemens(family.mean_devices(cell, 1)[0]))
        moves = {
            p.name: 0.1 * p.outward
            for p in family.parameters
            if p.name in values
            and ((p.limit == "low" and low > 0.9 * lowest) or (p.limit == "high" and high < 1.1 * highest))
        }
        if not moves:
            break
        values = values | {name: values[name] * float(np.exp(move)) for name, move in moves.items()}
    return values


def _sample(trains: Trains) -> NDArray[np.intp]:
    """Pulses that moved their cells much, little and up and down, in equal parts."""
    count = len(trains.pulses)
    if count <= _SAMPLE:
        return np.arange(count)
    by_change = np.argsort(trains.pulses.siemens - trains.before_siemens, kind="stable")
    return np.sort(by_change[np.linspace(0, count - 1, _SAMPLE).astype(np.int64)])


def solve(
    family: Family,
    trains: Trains,
    start: Mapping[str, float],
    *,
    cycle: float | None = None,
    misfit: float = 0.03,
    spreads: FloatArray | None = None,
    most_steps: int = _MAX_STEPS,
    polish: bool = True,
    progress: Progress = lambda what, done, total: None,
) -> Solution:
    """Parameters, offsets and noises that make the trains most likely, from `start` on, whose names are what is fitted.

    Raises ValueError for a start that the model does not allow.
    """
    names = tuple(start)
    cell = family.with_values(start)
    cycle = family.get(family.cycle) if cycle is None else cycle
    kept = np.array([family.get(spread.parameter) for spread in family.spreads])
    spreads = kept if spreads is None else spreads
    fitted = Fitted(family, cell, np.zeros((len(trains.names), len(kept))), cycle, misfit)
    theta = Problem(family, names, trains.pulses, trains.before_siemens, cycle).theta(start)
    best, last_gain = Solution(fitted, dict(start), dict.fromkeys(names, np.inf), spreads, np.inf), 0
    at_polish = np.inf
    for step_number in range(most_steps):
        progress("fit", step_number, most_steps)
        tracked = track(fitted, trains)
        problem = Problem(family, names, trains.pulses, tracked.before, fitted.cycle)
        predicted = problem.predict(theta, fitted.offsets)
        ratio, misfit = _likely_noises(tracked, trains, predicted, fitted.misfit)
        deviation = np.sqrt(tracked.variance(predicted, misfit, ratio))
        fitted = replace(fitted, cycle=max(fitted.cycle * ratio, 1e-5), misfit=misfit)
        normal = _Normal.of(problem, theta, fitted.offsets, trains.pulses, predicted, deviation, spreads)
        errors = normal.standard_errors()
        if len(trains.names) >= MIN_DEVICES:
            variances = np.mean(fitted.offsets**2 + normal.offset_variances(), axis=0)
            spreads = np.minimum(np.sqrt(variances), _LARGEST_SPREAD)
        cost = _cost(problem, theta, fitted.offsets, deviation, spreads)
        surprise = cost + float(np.log(deviation).sum()) + normal.log_volume(spreads)
        if surprise < best.surprise:
            last_gain = step_number if surprise < best.surprise - _GAIN else last_gain
            named = dict(zip(names, errors.tolist(), strict=True))
            best = Solution(fitted, problem.values(theta), named, spreads, surprise)
        if step_number - last_gain >= _PATIENCE:
            if not polish or best.surprise > at_polish - _WORTH:
                break
            offsets = _searched(problem, theta, fitted.offsets, deviation, spreads)
            theta, last_gain = normal.polished(problem, theta, offsets, deviation), step_number
            at_polish = best.surprise
            fitted = replace(fitted, cell=problem.cell(theta), offsets=offsets)
            continue
        tried = []
        for damping in _DAMPINGS:
            move, moves = normal.step(damping)
            trial = _cost(problem, theta + move, fitted.offsets + moves, deviation, spreads)
            tried.append((trial, damping, move, moves))
            if trial < cost - 0.3 * normal.promised(move, moves):
                break
        trial, damping, move, moves = min(tried, key=lambda entry: entry[0])
        if not trial < cost + _DITCH:
            last_gain = step_number + 1 - _PATIENCE
            continue
        theta = theta + move
        fitted = replace(fitted, cell=problem.cell(theta), offsets=fitted.offsets + moves)
        if not polish and damping <= 1e-3 and np.all(np.abs(move) <= _ARRIVED * errors):
            break
    progress("fit", most_steps, most_steps)
    return best


@dataclass(frozen=True)
class _Normal:
    """The normal equations of parameters and offsets, in blocks: one of parameters, one of each device."""

    parameters: FloatArray  # (p, p)
    mixed: FloatArray  # (devices, p, k)
    own: FloatArray  # (devices, k, k), with the offsets' prior
    right: FloatArray  # (p,)
    rights: FloatArray  # (devices, k)

    @classmethod
    def of(
        cls, problem: Problem, theta: FloatArray, offsets: FloatArray, pulses: Pulses, predicted: FloatArray,
        deviation: FloatArray, spreads: FloatArray,
    ) -> _Normal:  # fmt: skip
        residual = (pulses.siemens - predicted) / deviation
        weight = np.minimum(1.0, _OUTLIER / np.maximum(np.abs(residual), 1e-300))
        by_parameters = problem.by_parameters(theta, offsets) / deviation[:, None]
        by_offsets = problem.by_offsets(theta, offsets) / deviation[:, None]
        starts = np.searchsorted(pulses.device, np.arange(len(offsets)))

        def each_device(terms: FloatArray) -> FloatArray:
            return np.asarray(np.add.reduceat(terms, starts, axis=0))

        weighted = weight[:, None] * by_offsets
        own = each_device(by_offsets[:, :, None] * weighted[:, None, :])
        prior = 1.0 / np.maximum(spreads, 1e-6) ** 2
        return cls(
            (weight[:, None] * by_parameters).T @ by_parameters,
            each_device(by_parameters[:, :, None] * weighted[:, None, :]),
            own + np.diag(prior),
            by_parameters.T @ (weight * residual),
            each_device(weighted * residual[:, None]) - offsets * prior,
        )

    def standard_errors(self) -> FloatArray:
        """Of the parameters, whatever the offsets are; `_FAR` where nothing depends on a parameter."""
        information = self._eliminated(np.linalg.inv(self.own)) + np.eye(len(self.right)) / _FAR**2
        return np.sqrt(np.maximum(np.diag(np.linalg.pinv(information, hermitian=True)), 0.0))

    def offset_variances(self) -> FloatArray:
        """(devices, k), of each offset around its estimate."""
        return np.asarray(np.einsum("dkk->dk", np.linalg.inv(self.own)))

    def log_volume(self, spreads: FloatArray) -> float:
        """Minus the logarithm of the offsets' volume, after the measurements over before them."""
        before = len(self.own) * np.log(np.maximum(spreads, 1e-6)).sum()
        return float(before + 0.5 * np.linalg.slogdet(self.own)[1].sum())

    def step(self, damping: float) -> tuple[FloatArray, FloatArray]:
        """Of parameters and offsets, the shorter the larger `damping` is (Levenberg and Marquardt)."""
        inverses: Any = np.linalg.inv(self.own * (1.0 + damping * np.eye(self.own.shape[-1])))
        damped = damping * np.diag(self.parameters) + 1.0 / _FAR**2
        right: FloatArray = self.right - np.einsum("dpk,dkl,dl->p", self.mixed, inverses, self.rights)
        move = np.asarray(np.linalg.solve(self._eliminated(inverses) + np.diag(damped), right), dtype=np.float64)
        moves: FloatArray = np.einsum("dkl,dl->dk", inverses, self.rights - np.einsum("dpk,p->dk", self.mixed, move))
        return move, moves

    def polished(self, problem: Problem, theta: FloatArray, offsets: FloatArray, deviation: FloatArray) -> FloatArray:
        """Parameters after line searches along the principal axes of the information (Powell), offsets fixed.

        They follow valleys that are bent, or rough with the limits of single pulses, where Gauss-Newton steps get stuck.
        """
        values, axes = np.linalg.eigh(self._eliminated(np.linalg.inv(self.own)))
        axes = axes * np.minimum(1.0 / np.sqrt(np.maximum(values, 1e-300)), 0.5)

        def cost(shares: FloatArray) -> float:
            value = _cost(problem, theta + axes @ shares, offsets, deviation, np.ones(offsets.shape[1]))
            return value if np.isfinite(value) else 1e30

        here = np.zeros(len(theta))
        limits: Any = {"xtol": 1e-2, "ftol": 1e-6, "maxfev": 60 * len(theta)}
        found: Any = minimize(cost, here, method="Powell", options=limits)
        return np.asarray(theta + axes @ found.x) if found.fun < cost(here) else theta

    def promised(self, move: FloatArray, moves: FloatArray) -> float:
        """By how much a step would lower the cost if predictions were linear, to first order."""
        return max(0.5 * float(self.right @ move + np.sum(self.rights * moves)), 0.0)

    def _eliminated(self, inverses: Any) -> FloatArray:
        """The information on the parameters that is left when offsets are free."""
        return np.asarray(self.parameters - np.einsum("dpk,dkl,dql->pq", self.mixed, inverses, self.mixed))


def _losses(
    problem: Problem, theta: FloatArray, offsets: FloatArray, deviation: FloatArray, spreads: FloatArray
) -> FloatArray:
    """Of each device: Huber's loss of its residuals, and its offsets' own; infinite where the model has no answer."""
    r = np.abs(problem.pulses.siemens - problem.predict(theta, offsets)) / deviation
    r = np.where(np.isfinite(r), r, np.inf)
    loss = np.where(r <= _OUTLIER, 0.5 * r**2, _OUTLIER * (r - 0.5 * _OUTLIER))
    own: FloatArray = 0.5 * np.sum((offsets / np.maximum(spreads, 1e-6)) ** 2, axis=1)
    return np.bincount(problem.pulses.device, loss, len(offsets)) + own


def _cost(
    problem: Problem, theta: FloatArray, offsets: FloatArray, deviation: FloatArray, spreads: FloatArray
) -> float:
    return float(_losses(problem, theta, offsets, deviation, spreads).sum())


def _searched(
    problem: Problem, theta: FloatArray, offsets: FloatArray, deviation: FloatArray, spreads: FloatArray
) -> FloatArray:
    """Offsets after a search along each, of all devices at once: a device held by its limit sees no slope to follow."""
    offsets = offsets.copy()
    least = _losses(problem, theta, offsets, deviation, spreads)
    for reach in (2.0, 1.0, 0.5, 0.25):
        for column in range(offsets.shape[1]):
            for move in (-reach, reach):
                trial = offsets.copy()
                trial[:, column] += move * max(spreads[column], _LEAST_SEARCH)
                losses = _losses(problem, theta, trial, deviation, spreads)
                better = losses < least
                offsets[better], least[better] = trial[better], losses[better]
    return offsets


def _likely_noises(tracked: Tracked, trains: Trains, predicted: FloatArray, misfit: float) -> tuple[float, float]:
    """(factor on the noise from pulse to pulse, misfit) that make the residuals most likely.

    The farthest residuals, as of a glitch, are left out.
    """
    residual = trains.pulses.siemens - predicted
    standard = np.abs(residual) / np.sqrt(tracked.variance(predicted, misfit))
    usual = standard <= 6.0 * max(1.4826 * float(np.median(standard)), 1e-3)

    def surprise(x: FloatArray) -> float:
        variance = tracked.variance(predicted, np.exp(x[1]), np.exp(x[0]))[usual]
        return float(0.5 * np.sum(np.log(variance) + residual[usual] ** 2 / variance))

    # At most a factor of e in a step: the filter is run again with the new noises before the next.
    least, start = np.log(_LEAST_MISFIT), np.log([1.0, max(misfit, _LEAST_MISFIT)])
    bounds = [(-1.0, 1.0), (max(start[1] - 1.0, least), start[1] + 1.0)]
    ratio, misfit = np.exp(minimize(surprise, start, method="L-BFGS-B", bounds=bounds).x).tolist()
    return ratio, misfit

"""Moving many cells along dx/dt = f(x) for a given time, each at its own pace.

Under a constant voltage every compact model here is one autonomous first-order equation, so a cell's state can only
move one way and never crosses a point where f is zero. Time is therefore a function of state: t(x) is the integral of
1/f. Integrating that instead of stepping in time needs no stability limit (a pulse of seconds on a cell that switches
in nanoseconds costs the same as any other), cannot leave the range, and resolves a run-away SET without tiny steps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .interface import FloatArray

# Gauss-Lobatto points with their Kronrod extension (Gander and Gautschi, BIT 40, 2000): both panel ends are points.
_POINTS = np.array([-1.0, -np.sqrt(2 / 3), -np.sqrt(1 / 5), 0.0, np.sqrt(1 / 5), np.sqrt(2 / 3), 1.0])
_KRONROD = np.array([77, 432, 625, 672, 625, 432, 77]) / 1470
_LOBATTO = np.array([1, 0, 5, 0, 5, 0, 1]) / 6

_EPSILON, _TINY = np.finfo(np.float64).eps, np.finfo(np.float64).tiny
_RELATIVE_ERROR = 1e-9  # of a panel's flight time, judged by the cruder rule: the result is better
_SMALLEST_STEP = 1e-13  # of the range; a cell that cannot even move this far rests at a point where f is zero

Rate = Callable[..., FloatArray]


def advance(
    rate: Rate, state: FloatArray, seconds: FloatArray, low: float, high: float, *drive: FloatArray
) -> FloatArray:
    """The states after `seconds` of dx/dt = rate(x, *drive), kept within [low, high].

    `state`, `seconds` and each array of `drive` broadcast to one shape, that of the result. `rate` works on arrays and
    may be zero anywhere; a cell stops at such a point. Each result is the same, to the last bit, whatever other cells
    are moved with it.
    """
    shape = np.broadcast_shapes(state.shape, seconds.shape, *(d.shape for d in drive))
    x, left, *drives = (np.broadcast_to(a, shape).ravel().astype(np.float64) for a in (state, seconds, *drive))
    x = np.clip(x, low, high)
    speed = rate(x, *drives)
    bound = np.where(speed > 0, high, low)
    step = np.minimum(np.abs(bound - x), 2 * np.abs(speed) * left)
    smallest = _SMALLEST_STEP * (high - low)
    panel_end = x.copy()
    flying = np.flatnonzero(x + step != x)
    arriving: list[NDArray[np.intp]] = []
    while flying.size:
        start, gap, sign = x[flying], np.abs(bound[flying] - x[flying]), np.sign(speed[flying])
        stop = np.where(step[flying] >= gap, bound[flying], start + sign * step[flying])
        elapsed, error = _flight_time(rate, start, stop, [d[flying] for d in drives])
        # Near a bound where f vanishes, rounding of x itself limits f: asking for more would never end.
        rounding = 8 * _EPSILON * max(abs(low), abs(high)) / np.abs(stop - start)
        allowed = (_RELATIVE_ERROR + rounding) * elapsed + 1e-12 * left[flying] + _TINY
        good = error <= allowed
        ends_here = good & (elapsed >= left[flying])
        panel_end[flying[ends_here]] = stop[ends_here]
        arriving.append(flying[ends_here])
        moves = good & ~ends_here
        x[flying[moves]] = stop[moves]
        left[flying[moves]] -= elapsed[moves]
        change = 0.9 * np.maximum(error / allowed, 1e-9) ** (-1 / 7)
        step[flying] = np.abs(stop - start) * np.clip(change, 0.2, 5.0)
        stuck = ~good & (np.abs(stop - start) <= smallest)
        flying = flying[~ends_here & ~stuck & (x[flying] != bound[flying])]
    last = np.concatenate([np.empty(0, dtype=np.intp), *arriving])
    if last.size:
        x[last] = _arrive(rate, x[last], panel_end[last], left[last], [d[last] for d in drives])
    return x.reshape(shape)


def _flight_time(
    rate: Rate, start: FloatArray, stop: FloatArray, drives: list[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Seconds from start to stop and their error; the error is infinite where f vanishes or turns on the way."""
    half = (stop - start)[:, None] / 2
    x = start[:, None] + half * (1 + _POINTS)
    x[:, -1] = stop
    with np.errstate(divide="ignore", invalid="ignore"):
        slowness = half / rate(x, *(d[:, None] for d in drives))
    passable = np.all(np.isfinite(slowness) & (slowness >= 0), axis=1)
    slowness[~passable] = 0.0
    # Not as matrix products: BLAS rounds a row by how many there are, and cells must not depend on each other.
    elapsed: FloatArray = (slowness * _KRONROD).sum(axis=1)
    return elapsed, np.where(passable, np.abs(elapsed - (slowness * _LOBATTO).sum(axis=1)), np.inf)


def _arrive(
    rate: Rate, start: FloatArray, stop: FloatArray, seconds: FloatArray, drives: list[FloatArray]
) -> FloatArray:
    """The point between start and stop that is reached after `seconds`: Newton, safeguarded by bisection."""
    before, after = start.copy(), stop.copy()
    x = stop.copy()
    moving = np.ones(x.shape, dtype=np.bool_)
    for _ in range(60):
        miss = _flight_time(rate, start, x, drives)[0] - seconds
        before, after = np.where(miss < 0, x, before), np.where(miss >= 0, x, after)
        guess = x - miss * rate(x, *drives)
        outside = ~((guess - before) * (guess - after) <= 0)
        guess = np.where(outside, (before + after) / 2, guess)
        settled = np.abs(guess - x) <= 1e-15 * (np.abs(x) + np.abs(start))
        x = np.where(moving, guess, x)
        moving &= ~settled
        if not moving.any():
            break
    return x

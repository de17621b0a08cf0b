"""Counter-based random numbers: a pure function of (seed, stream, keys), with no state.

    uniform(seed, stream, *keys) -> float64 array in (0, 1), shape = broadcast of the keys
    normal(seed, stream, *keys)  -> float64 array, standard normal, same shape

The same arguments give the same number whatever was drawn before and however cells are grouped into calls, so the
fabric answers alike whoever sends the events. Keys are integers (tile, row, column, event count, ...), scalars or
broadcastable arrays, taken modulo 2**64; their order matters. Each use has its own `Stream`, so that uses never share
numbers.

The counter is a Weyl lattice (sum of key times an odd constant, offset by a hash of seed and stream), hashed by a
64-bit finaliser: the construction of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) with Stafford's Mix13 constants
("Better bit mixing", 2011). Normals are the inverse normal distribution of the uniforms.
"""

from __future__ import annotations

from enum import IntEnum, unique

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["Stream", "normal", "uniform"]


@unique
class Stream(IntEnum):
    """One member a use. Append only: a changed number changes every emulated chip."""

    STUCK = 0
    STUCK_LEVEL = 1
    VIRGIN = 2
    FORMING = 3
    SET_THRESHOLD = 4
    RESET_THRESHOLD = 5
    MAX_CONDUCTANCE = 6
    MIN_CONDUCTANCE = 7
    CYCLE_SPREAD = 8
    CYCLE = 9  # one pulse of one cell
    RELAXATION = 10  # one write of one cell
    READ_NOISE = 11
    TELEGRAPH = 12
    ENDURANCE = 13
    DAC_OFFSET = 14
    DAC_GAIN = 15
    DAC_LINEARITY = 16
    TIA_OFFSET = 17
    TIA_GAIN = 18
    TIA_NOISE = 19
    ADC_OFFSET = 20
    ADC_GAIN = 21
    ADC_LINEARITY = 22
    ADC_NOISE = 23
    RELU_OFFSET = 24
    RAIL = 25
    STAGE_NOISE = 26


_MASK = (1 << 64) - 1
_MIX_A, _MIX_B = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_GOLDEN = 0x9E3779B97F4A7C15
_SHIFT_A, _SHIFT_B, _SHIFT_C, _SHIFT_OUT = (np.uint64(n) for n in (30, 27, 31, 12))
_ARRAY_MIX_A, _ARRAY_MIX_B = np.uint64(_MIX_A), np.uint64(_MIX_B)
_BLOCK = 1 << 15  # numbers hashed at once: the 256 KiB of one block stay in the second-level cache


def _mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * _MIX_A) & _MASK
    x = ((x ^ (x >> 27)) * _MIX_B) & _MASK
    return x ^ (x >> 31)


# One a key: hashed multiples of SplitMix64's increment, made odd so that no bit of a key is lost.
_MULTIPLIERS = tuple(_mix(_GOLDEN * (n + 1) & _MASK) | 1 for n in range(8))


def _counters(seed: int, stream: int, keys: tuple[ArrayLike, ...]) -> NDArray[np.uint64]:
    """Unhashed 64-bit counters, one for each element of the broadcast keys; a fresh array."""
    if len(keys) > len(_MULTIPLIERS):
        raise ValueError(f"{len(keys)} keys given, at most {len(_MULTIPLIERS)} are allowed")
    base = _mix((_mix((seed + _GOLDEN) & _MASK) + stream * _GOLDEN) & _MASK)
    total: NDArray[np.uint64] | None = None
    for multiplier, key in zip(_MULTIPLIERS, keys, strict=False):
        if isinstance(key, int):
            base += key * multiplier
            continue
        array = np.asarray(key)
        if array.dtype.kind not in "iu":
            raise ValueError(f"keys are integers, not {array.dtype}")
        if array.ndim == 0:
            base += int(array) * multiplier
            continue
        term = array.astype(np.uint64) * np.uint64(multiplier)
        total = term if total is None else total + term
    offset = np.uint64(base & _MASK)
    return np.full((), offset) if total is None else total + offset


def uniform(seed: int, stream: Stream, *keys: ArrayLike) -> NDArray[np.float64]:
    """Uniform numbers in the open interval (0, 1), 52 bits each.

    Shape: the broadcast of `keys` (a 0-d array if all are scalars). Raises ValueError for keys that are not integers
    or more than eight of them.
    """
    counters = _counters(seed, stream, keys)
    result = np.empty(counters.shape)
    flat, out = counters.reshape(-1), result.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        x = flat[start : start + _BLOCK]
        x ^= x >> _SHIFT_A
        x *= _ARRAY_MIX_A
        x ^= x >> _SHIFT_B
        x *= _ARRAY_MIX_B
        x ^= x >> _SHIFT_C
        x >>= _SHIFT_OUT
        # The half step keeps 0 and 1 out, so that every number has a finite normal.
        block = np.add(x, 0.5, out=out[start : start + _BLOCK])
        block *= 2.0**-52
    return result


def normal(seed: int, stream: Stream, *keys: ArrayLike) -> NDArray[np.float64]:
    """Standard normal numbers (within +-8.2); shape and errors as `uniform`."""
    numbers = uniform(seed, stream, *keys)
    return np.asarray(ndtri(numbers, out=numbers))

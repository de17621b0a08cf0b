"""The integers that the controller computes in. Emulator, gateware and host agree on these definitions.

A raw column code is the signed ADC code around Vmid; a current out of the array makes it positive. A corrected code counts in 1/16
of an ADC code (Q4). One correction per tile, TIA range and column is stored as offset (int16, Q4) and gain (uint16, Q1.15):

    corrected = ((raw * 16 - offset) * gain + 2**14) >> 15
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

FRACTION_BITS = 4
GAIN_BITS = 15
GAIN_ONE = 1 << GAIN_BITS
CORRECTION_DTYPE = np.dtype([("offset", "<i2"), ("gain", "<u2")])
OUTPUT_MAX = 32767


def correct(raw: NDArray[Any], offset: NDArray[Any], gain: NDArray[Any]) -> Integers:
    """Corrected Q4 codes of raw codes, shape (..., columns); offset and gain have shape (columns,)."""
    return correct_sum(raw.astype(np.int64) << FRACTION_BITS, offset, gain)


def correct_sum(total: Integers, offset: NDArray[Any], gain: NDArray[Any]) -> Integers:
    """Corrected Q4 codes of sums of 16 raw codes, shape (..., columns)."""
    corrected: Integers = ((total - offset) * gain + (1 << (GAIN_BITS - 1))) >> GAIN_BITS
    return corrected


def to_codes(corrected: Integers) -> Integers:
    """Q4 codes rounded to whole codes (halves up) and clipped to the 12 bits that travel."""
    codes: Integers = np.clip((corrected + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS, -2048, 2047)
    return codes


def requantise(accumulated: Integers, scale: int, shift: int, limit: int) -> Integers:
    """`accumulated * scale / 2**shift`, rounded (halves up) and clipped to +-limit. scale is 16 bits unsigned, shift 1..47."""
    result: Integers = np.clip((accumulated * scale + (1 << (shift - 1))) >> shift, -limit, limit)
    return result


def scale_and_shift(factor: float) -> tuple[int, int]:
    """The (scale, shift) nearest to a positive factor: scale in 2**15..2**16-1 where shift allows.

    Raises ValueError when the factor is not in 2**-31 .. 2**14.
    """
    if not 2.0**-31 <= factor <= 2.0**14:
        raise ValueError(f"requantisation factor {factor!r} is outside 2**-31..2**14")
    mantissa, exponent = np.frexp(factor)
    shift = 16 - int(exponent)
    scale = round(float(mantissa) * 65536)
    if scale == 65536:
        scale, shift = 32768, shift - 1
    return scale, shift

"""The controller's integers against exact fractions: every result is the rounded exact value."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloom.spec.arithmetic import (
    CORRECTION_DTYPE,
    GAIN_ONE,
    OUTPUT_MAX,
    correct,
    requantise,
    scale_and_shift,
    to_codes,
)

RAW = st.integers(-2048, 2047)
FACTORS = st.floats(2.0**-31, 2.0**14)


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


@given(st.lists(st.tuples(RAW, RAW, st.integers(-32768, 32767), st.integers(0, 65535)), min_size=1, max_size=8))
def test_correct(columns: list[tuple[int, int, int, int]]) -> None:
    """Two vectors of raw codes over some columns, each with its offset and gain, as they lie in CORRECTION memory."""
    table = np.array([column[2:] for column in columns], dtype=CORRECTION_DTYPE)
    raw = np.array([column[:2] for column in columns], dtype=np.int16).T
    exact = [
        [half_up(Fraction(codes[i] * 16 - offset) * Fraction(gain, 32768)) for *codes, offset, gain in columns]
        for i in range(2)
    ]
    assert correct(raw, table["offset"], table["gain"]).tolist() == exact


def test_a_correction_of_one_keeps_the_code() -> None:
    raw = np.arange(-2048, 2048, dtype=np.int16)
    corrected = correct(raw, np.zeros(4096, np.int16), np.full(4096, GAIN_ONE, np.uint16))
    assert np.array_equal(to_codes(corrected), raw)


@given(st.lists(st.integers(-(2**22), 2**22), min_size=1, max_size=20))
def test_to_codes(corrected: list[int]) -> None:
    exact = [min(2047, max(-2048, half_up(Fraction(value, 16)))) for value in corrected]
    assert to_codes(np.array(corrected)).tolist() == exact


@given(
    # 1024 steps of the largest corrected difference
    st.lists(st.integers(-(2**28), 2**28), min_size=1, max_size=20),
    st.integers(0, 65535),
    st.integers(1, 47),
    st.sampled_from([327, 2047, OUTPUT_MAX]),
)
def test_requantise(accumulated: list[int], scale: int, shift: int, limit: int) -> None:
    exact = [min(limit, max(-limit, half_up(Fraction(value * scale, 2**shift)))) for value in accumulated]
    assert requantise(np.array(accumulated), scale, shift, limit).tolist() == exact


@given(FACTORS)
def test_scale_and_shift_is_the_nearest(factor: float) -> None:
    scale, shift = scale_and_shift(factor)
    assert 2**15 <= scale < 2**16
    assert 1 <= shift <= 47
    error = abs(Fraction(scale, 2**shift) - Fraction(factor))
    assert error <= Fraction(factor) / 2**16
    for other in (Fraction(scale - 1, 2**shift), Fraction(scale + 1, 2**shift)):
        assert error <= abs(other - Fraction(factor))


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (2.0**14, (32768, 1)), (2.0**-31, (32768, 46)), (1.0, (32768, 15)), (0.75, (49152, 16)),
        (1 - 2.0**-18, (32768, 15)),
    ],
)  # fmt: skip
def test_scale_and_shift_at_the_ends(factor: float, expected: tuple[int, int]) -> None:
    assert scale_and_shift(factor) == expected


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.99 * 2.0**-31, 1.01 * 2.0**14, float("nan"), float("inf")])
def test_factors_out_of_range(factor: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        scale_and_shift(factor)

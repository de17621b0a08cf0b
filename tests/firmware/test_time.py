"""What the firmware adds to a step, in cycles of the compiled core, is within its bound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.benches import load_bench

BOUND_US = 200
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def bench() -> Any:
    return load_bench("firmware")


@pytest.mark.parametrize(
    ("chip", "step"),
    [
        ("bench-8x16", "a command's start (IV)"),
        ("bench-8x16", "a point of a sweep"),
        ("bench-8x16", "a programmed row"),
        ("bench-8x16", "a formed row"),
        pytest.param("bench-8x16", "a programmed row, no cell of which converges", marks=SLOW),
        pytest.param("bench-8x16", "one more attempt at all cells of a row", marks=SLOW),
        pytest.param("bench-8x16", "one more attempt at each 64th cell of a row", marks=[SLOW, pytest.mark.long]),
        pytest.param("lab-128x128x4", "a command's start (IV)", marks=SLOW),
        pytest.param("lab-128x128x4", "a point of a sweep", marks=[SLOW, pytest.mark.long]),
        pytest.param("lab-128x128x4", "a programmed row", marks=SLOW),
        pytest.param("lab-128x128x4", "a programmed row, no cell of which converges", marks=[SLOW, pytest.mark.long]),
        pytest.param("lab-128x128x4", "a formed row", marks=SLOW),
    ],
)
def test_step_is_within_its_bound(bench: Any, chip: str, step: str) -> None:
    """Of a row: the first after its targets came, one in the middle of a run, and each of two that are asked for at once."""
    spent = bench.STEPS[step](chip)
    assert min(spent) > 0, spent
    assert max(spent) <= BOUND_US, spent

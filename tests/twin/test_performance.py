"""Cycles between vectors and payload on the line, counted on the compiled gateware: within their bounds, and as docs/performance.md has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.benches import load_bench

ROOT = Path(__file__).parents[2]
SLOW = pytest.mark.slow  # compiles the large chip
CHIPS = ["bench-8x16", pytest.param("lab-128x128x4", marks=SLOW)]


@pytest.fixture(scope="module")
def bench() -> Any:
    """Which also writes the page."""
    return load_bench("performance")


@pytest.fixture(scope="module")
def measured(bench: Any) -> Callable[[str], tuple[dict[str, Any], Any]]:
    """Of a chip, once: what `measure` and `stream` give."""
    return functools.cache(lambda chip: (bench.measure(chip), bench.stream(chip)))


@pytest.mark.parametrize("chip", CHIPS)
def test_page_is_current(chip: str, bench: Any, measured: Callable) -> None:
    results, stream = measured(chip)
    page = (ROOT / "docs/performance.md").read_text("utf-8").splitlines()
    lines = [
        line for line in bench.page({chip: results}, {chip: stream}).splitlines() if line.startswith(f"| {chip} |")
    ]
    assert len(lines) == 4
    assert [line for line in page if line.startswith(f"| {chip} |")] == lines


@pytest.mark.parametrize("chip", CHIPS)
def test_vectors_follow_each_other(chip: str, bench: Any, measured: Callable) -> None:
    assert measured(chip)[0]["MVM"].ratio <= bench.BOUND


@pytest.mark.parametrize("chip", CHIPS)
def test_vectors_of_a_network_follow_each_other(chip: str, bench: Any, measured: Callable) -> None:
    assert measured(chip)[0]["INFER, pairs"].ratio <= bench.BOUND


@pytest.mark.parametrize("chip", CHIPS)
def test_payload_fills_the_line(chip: str, measured: Callable) -> None:
    """The busier direction's; both, where answers are as long as requests."""
    shares = measured(chip)[1]
    assert max(shares.requests, shares.answers) >= 0.95
    assert chip != "lab-128x128x4" or min(shares.requests, shares.answers) >= 0.95

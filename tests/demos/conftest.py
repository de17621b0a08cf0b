"""Runs shared by the tests that look at them, and real data where there are any."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ohmloom
from ohmloom.demos.digits import Digits
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import Results

DATA = Path(os.environ.get("OHMLOOM_DATA", Path(__file__).parents[3] / "shared" / "data"))
Progress = dict[str, list[tuple[int, int]]]


@pytest.fixture(scope="session")
def data_folder() -> Callable[[str], Path]:
    """The folder that holds a published data set's folder; skips the test where it is not at hand."""

    def found(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"no {name} in {DATA}: set OHMLOOM_DATA to a folder laid out as `ohmloom demo --data` wants it")
        return DATA

    return found


@pytest.fixture(scope="session")
def run_digits() -> Callable[[str, int], tuple[Results, Progress]]:
    """Runs the demo on an emulated chip; gives its results and its progress, (done, total) by phase."""

    def job(chip: str, seed: int) -> tuple[Results, Progress]:
        url = f"emu://{chip}?seed={seed}"
        seen: Progress = {}

        def note(what: str, done: int, total: int) -> None:
            seen.setdefault(what, []).append((done, total))

        with ohmloom.connect(url) as opened:
            ideal = ideal_url(url, chip)
            results = run(Digits(), opened, endpoint=url, ideal=ideal, seed=seed, progress=note, command=f"run {chip}")
        return results, seen

    return job


@pytest.fixture(scope="session")
def bench(run_digits: Callable[[str, int], tuple[Results, Progress]]) -> tuple[Results, Progress]:
    return run_digits("bench-8x16", 1)


@pytest.fixture(scope="session")
def lab(run_digits: Callable[[str, int], tuple[Results, Progress]]) -> tuple[Results, Progress]:
    return run_digits("lab-128x128x4", 0)

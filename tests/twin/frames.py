"""A demo on an endpoint, and every frame that passed: what two endpoints are compared by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ohmloom.chip import record
from ohmloom.demos.demo import Demo
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import Results
from ohmloom.recording import read
from ohmloom.spec.commands import ANSWER, HELLO


def demonstrated(demo: Demo, endpoint: str, chip: str, file: Path, seed: int = 0) -> tuple[Results, dict[str, list[Any]]]:
    """The demo's results on ENDPOINT://CHIP, and all frames that passed, by their way; of HELLO, which is random, none."""
    url = f"{endpoint}://{chip}?seed={seed}"
    with record(url, file) as opened:
        results = run(
            demo,
            opened,
            endpoint=url,
            ideal=ideal_url(url, chip),
            seed=seed,
            progress=lambda what, done, total: None,
        )
    frames: dict[str, list[Any]] = {"chip": [], "host": []}  # how requests and answers interleave is up to the line
    for passed in read(file):
        if passed.to != "line" and getattr(passed.item, "type", None) not in (HELLO.code, HELLO.code | ANSWER):
            frames[passed.to].append(passed.item)
    return results, frames

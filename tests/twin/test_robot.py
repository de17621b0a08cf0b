"""CartPole with 4-8-2 on the gateware: the whole demo, and every byte of it as on the emulator."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmloom.chip import record
from ohmloom.demos import robot
from ohmloom.demos.controllers import plant
from ohmloom.demos.demo import Data, Mode, Steps
from ohmloom.demos.deployment import Deployment
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import Results
from ohmloom.demos.robot import Robot
from ohmloom.recording import read
from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.commands import ANSWER, HELLO
from ohmloom.train import ChipNoise, train_mlp

CHIP, SEED = "bench-8x16", 0
EPISODES = 3
LESSONS = 1_000_000 + np.arange(12)  # episodes beside those that count


@cache
def lesson(mode: Mode) -> tuple[Data, Deployment]:
    """A short lesson, the same for both endpoints."""
    mine, rng = plant("cartpole"), np.random.default_rng(SEED)
    states = mine.states(LESSONS, None, rng, explored=0.15)
    X, y = mine.inputs(states), mine.teacher(states).astype(np.int64)
    noise = ChipNoise.of(load_chip(CHIP), mode=mode)
    return Data(X, y, X, y, (8,), states), Deployment(train_mlp(X, y, hidden=(8,), noise=noise, epochs=40), X)


class Taught(Robot):
    """The demo with what it has learned already."""

    def data(self, spec: ChipSpec, seed: int) -> Data:
        return lesson(self.mode)[0]

    def deployment(self, data: Data, spec: ChipSpec, seed: int, trained: Steps) -> Deployment:
        return lesson(self.mode)[1]


def played(endpoint: str, mode: Mode, file: Path) -> tuple[Results, list[tuple[Any, ...]]]:
    """The demo's results on an endpoint, and all frames that passed; of HELLO, which is random, only that it did."""
    url = f"{endpoint}://{CHIP}?seed={SEED}"
    with record(url, file) as chip:
        results = run(
            Taught("cartpole", mode=mode),
            chip,
            endpoint=url,
            ideal=ideal_url(url, CHIP),
            seed=SEED,
            progress=lambda what, done, total: None,
        )
    return results, [
        (p.to, p.item) for p in read(file) if getattr(p.item, "type", None) not in (HELLO.code, HELLO.code | ANSWER)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hybrid", "analog"])
def test_cartpole_passes_the_same_frames_on_gateware_and_emulator(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robot, "EPISODES", EPISODES)
    (emulated, wanted), (gateware, given) = (played(kind, mode, tmp_path / kind) for kind in ("emu", "rtl"))
    numbers = gateware.to_json()
    assert numbers["layers"] == [4, 8, 2]
    assert numbers["episodes"] == EPISODES
    for to in ("chip", "host"):  # how requests and answers interleave is up to the line
        assert [item for way, item in given if way == to] == [item for way, item in wanted if way == to]
    np.testing.assert_array_equal(gateware.later, emulated.later)
    np.testing.assert_array_equal(gateware.chip, emulated.chip)
    assert numbers["energy_per_inference_j"] == emulated.to_json()["energy_per_inference_j"]
    assert numbers["latency_per_step_s"] == emulated.to_json()["latency_per_step_s"]
    assert numbers["chip_return"] > 100  # an idle controller's pole falls within 20 steps
    assert numbers["deadline_misses"] == 0

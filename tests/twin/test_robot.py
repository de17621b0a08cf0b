"""CartPole with 4-8-2 on the gateware: the whole demo, and every byte of it as on the emulator."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.twin.frames import demonstrated

from ohmloom.demos import robot
from ohmloom.demos.controllers import plant
from ohmloom.demos.demo import Data, Mode, Steps
from ohmloom.demos.deployment import Deployment
from ohmloom.demos.robot import Robot
from ohmloom.spec import ChipSpec, load_chip
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


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hybrid", "analog"])
def test_cartpole_passes_the_same_frames_on_gateware_and_emulator(
    mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robot, "EPISODES", EPISODES)
    (emulated, wanted), (gateware, given) = (
        demonstrated(Taught("cartpole", mode=mode), kind, CHIP, tmp_path / kind, SEED) for kind in ("emu", "rtl")
    )
    numbers = gateware.to_json()
    assert numbers["layers"] == [4, 8, 2]
    assert numbers["episodes"] == EPISODES
    assert given == wanted
    np.testing.assert_array_equal(gateware.later, emulated.later)
    np.testing.assert_array_equal(gateware.chip, emulated.chip)
    assert numbers["energy_per_inference_j"] == emulated.to_json()["energy_per_inference_j"]
    assert numbers["latency_per_step_s"] == emulated.to_json()["latency_per_step_s"]
    assert numbers["chip_return"] > 100  # an idle controller's pole falls within 20 steps
    assert numbers["deadline_misses"] == 0

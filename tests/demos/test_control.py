"""Plants, their controllers, and a step's latency."""

from __future__ import annotations

import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

import ohmloom
from ohmloom import Error
from ohmloom.compiler import compile_model
from ohmloom.demos.controllers import plant
from ohmloom.demos.robot import EPISODES, Robot
from ohmloom.demos.timing import SEED, UART_BITS, played_alone
from ohmloom.model import Layer, Model
from ohmloom.spec import load_chip
from ohmloom.spec.commands import INFER

TASKS = list(Robot.tasks)


# Gymnasium's own scores: CartPole ends at 500; Acrobot's leader board asks for -100; LunarLander is solved at 200. For a
# pendulum, -150 is what trained agents get.
@pytest.mark.parametrize(
    ("task", "least", "episodes"),
    [("cartpole", 500, 10), ("pendulum", -200, 20), ("acrobot", -100, 20), ("lunarlander", 200, 10)],
)
def test_controllers_know_their_plants(task: str, least: float, episodes: int) -> None:
    mine = plant(task)
    decisions: set[float] = set()

    def teach(observations: np.ndarray) -> np.ndarray:
        chosen = mine.teacher(observations)
        decisions.update(chosen.tolist())
        return chosen

    returns = mine._episodes(np.arange(episodes), teach, lambda done, total: None)
    assert returns.mean() >= least
    assert decisions <= set(mine.decisions)


@pytest.mark.parametrize("task", TASKS)
def test_inputs_stay_within_the_rows_range_and_repeat(task: str) -> None:
    mine = plant(task)
    observations = np.random.default_rng(0).normal(0.0, 5.0, (50, len(mine.scale)))
    inputs = mine.inputs(observations)
    assert inputs.shape == (50, mine.width)
    assert np.abs(inputs).max() == 1.0
    centre = np.zeros(len(mine.scale)) if mine.centre is None else mine.centre
    np.testing.assert_array_equal(mine.inputs(centre[None]), 0.0)
    small = centre + 1e-3 * np.arange(1, 1 + len(centre))
    expected = [*((small - centre) / mine.scale), *((small - centre)[index] / limit for index, limit in mine.fine)]
    np.testing.assert_allclose(mine.inputs(small[None])[0], expected)


def test_episodes_repeat_for_their_seeds_and_tell_how_many_are_done() -> None:
    mine = plant("cartpole")
    seen: list[tuple[int, int]] = []
    push_left = lambda X: np.zeros(len(X))  # noqa: E731
    first = mine.play(np.array([1, 2, 3]), push_left, lambda done, total: seen.append((done, total)))
    again = mine.play(np.array([3, 1]), push_left, lambda done, total: None)
    assert again.tolist() == first[[2, 0]].tolist()
    assert first.max() < 20  # a pole pushed one way only falls
    assert seen[-1] == (3, 3)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_lessons_and_held_out_states_are_of_other_episodes_than_those_that_count() -> None:
    data = Robot("cartpole").data(load_chip("bench-8x16"), 1)
    starts = {env_start(seed).tobytes() for seed in range(EPISODES)}
    assert not any(state.tobytes() in starts for state in data.raw_test)
    assert set(data.y_train) == {0, 1}
    assert len(data.X_train) == pytest.approx(9 * len(data.X_test), abs=10)


def env_start(seed: int) -> np.ndarray:
    environment = plant("cartpole").made()
    start = np.asarray(environment.reset(seed=seed)[0], np.float64)
    environment.close()
    return start


def always_left() -> Model:
    return Model((Layer(np.zeros((4, 2)), np.array([1.0, 0.0]), "none"),), "classification", np.arange(2))


@pytest.mark.parametrize(("period_s", "all_missed"), [(1.0, False), (1e-6, True)])
def test_a_step_is_timed_on_the_chips_clock_and_on_the_wire(period_s: float, all_missed: bool) -> None:
    mine, model = replace(plant("cartpole"), period_s=period_s), always_left()
    with ohmloom.connect("emu://bench-8x16") as chip:
        chip.program(compile_model(model, chip.spec, np.eye(4), copies=1))
        timed = played_alone(chip, mine, model)
        baud = chip.info()["baud"]
    alone = mine.play(np.array([SEED]), lambda X: np.zeros(len(X)), lambda done, total: None)
    assert timed["timed_steps"] == alone[0]
    assert timed["deadline_misses"] == (timed["timed_steps"] if all_missed else 0)
    assert timed["deadline_s"] == period_s
    spec = chip.spec
    # Settling, then columns 0..3 one after the other on the only ADC.
    assert timed["latency_per_step_s"] == pytest.approx(
        1e-9 * (spec.settle_ns + 4 * spec.column_adc.conversion_ns), rel=1e-6
    )
    # Four codes of 12 bits there and two of 16 bits back, each with its headers, CRC and framing.
    least = 6 + 4 + INFER.request.header_bytes + INFER.answer.header_bytes
    assert UART_BITS * least / baud < timed["wire_per_step_s"] < UART_BITS * (least + 30) / baud


def test_without_gymnasium_the_robots_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ohmloom.demos.controllers", None)
    with pytest.raises(Error, match=r"gymnasium.*pip install 'ohmloom\[demos\]'"):
        Robot("cartpole").data(load_chip("bench-8x16"), 0)


def test_without_box2d_the_lander_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise gymnasium.error.DependencyNotInstalled("Box2D is not installed")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(Error, match=r"LunarLander-v3.*pip install 'ohmloom\[demos\]'"):
        plant("lunarlander").made()

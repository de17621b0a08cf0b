"""The plants, and a good controller for each, from which the networks learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.demo import Floats, Predict, Steps
from ohmloom.errors import Error
from ohmloom.model import Model

Teacher = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Plant:
    """An environment with what a controller needs to know of it.

    scale: what each observation is divided by, the range of its sensor; teacher: decisions (n,) of observations
    (n, features); decisions: all that there are; unit: of the action that a decision stands for, None where the
    environment numbers its actions; hidden: width of the network's hidden layer; period_s: time between two decisions;
    centre: the observation where small differences decide, None for 0. It becomes input 0, which no cell's error moves;
    fine: (index, range) of sensors that are read a second time, over a narrow range.
    """

    environment: str
    scale: Floats
    teacher: Teacher
    decisions: tuple[int, ...]
    hidden: int
    period_s: float
    unit: float | None = None
    centre: Floats | None = None
    fine: tuple[tuple[int, float], ...] = ()

    @property
    def width(self) -> int:
        """Of the network's input."""
        return len(self.scale) + len(self.fine)

    def inputs(self, observations: Floats) -> Floats:
        centred = observations if self.centre is None else observations - self.centre
        narrow = [centred[:, index] / limit for index, limit in self.fine]
        return np.clip(np.column_stack([centred / self.scale, *narrow]), -1.0, 1.0)

    def play(self, seeds: NDArray[Any], predict: Predict, done: Steps) -> Floats:
        """Returns (episodes,) of the episodes that the seeds start; done: called with the decisions taken."""
        return self._episodes(seeds, lambda observations: predict(self.inputs(observations)), done)

    def states(self, seeds: NDArray[Any], model: Model | None, rng: np.random.Generator, explored: float) -> Floats:
        """Observations that a model meets, or the teacher, with a share `explored` of its steps left to chance."""
        seen: list[Floats] = []

        def choose(observations: Floats) -> NDArray[Any]:
            seen.append(observations.copy())
            actions = self.teacher(observations) if model is None else model.predict(self.inputs(observations))
            if model is None:
                chance = rng.random(len(actions)) < explored
                actions = np.where(chance, rng.choice(self.decisions, len(actions)), actions)
            return actions

        self._episodes(seeds, choose, lambda steps, of: None)
        return np.concatenate(seen)

    def _episodes(self, seeds: NDArray[Any], choose: Predict, done: Steps) -> Floats:
        environments = [self.made() for _ in seeds]
        starts = [env.reset(seed=int(seed))[0] for env, seed in zip(environments, seeds, strict=True)]
        observations = np.array(starts, np.float64)
        returns, active, steps = np.zeros(len(seeds)), np.arange(len(seeds)), 0
        while len(active):
            actions = choose(observations[active])
            going = np.ones(len(active), dtype=bool)
            for place, (index, action) in enumerate(zip(active, actions, strict=True)):
                step = int(action) if self.unit is None else np.array([self.unit * action], np.float32)
                observations[index], reward, terminated, truncated, _ = environments[index].step(step)
                returns[index] += float(reward)
                going[place] = not (terminated or truncated)
            steps += len(active)
            active = active[going]
            done(len(seeds) - len(active), len(seeds))
        for environment in environments:
            environment.close()
        return returns

    def made(self) -> gymnasium.Env[Any, Any]:
        try:
            return gymnasium.make(self.environment)
        except gymnasium.error.DependencyNotInstalled as error:
            raise Error(f"{self.environment}: {error}; pip install 'ohmloom[demos]'") from None


def balance(observations: Floats) -> Floats:
    """The sign of a state feedback with gains like those of a linear-quadratic regulator."""
    return np.asarray(observations @ [1.0, 1.7, 19.0, 5.0] > 0, np.float64)


def swing_up(observations: Floats) -> Floats:
    """Energy control (Astrom and Furuta, Automatica 36, 2000), and a proportional-derivative controller near the top.

    Rounded to full torque either way or none: three decisions are learned better than a torque that jumps.
    """
    cosine, sine, speed = observations.T
    angle = np.arctan2(sine, cosine)
    lacking = 5.0 * (1.0 - cosine) - speed**2 / 6.0  # J, of a rod of 1 kg and 1 m under 10 m/s2
    pumping = 4.0 * lacking * np.where(np.abs(speed) < 1e-3, 1.0, np.sign(speed))
    torque = np.where(np.abs(angle) < 0.7, -10.0 * angle - 2.5 * speed, pumping)
    decisions: Floats = np.rint(np.clip(torque, -2.0, 2.0) / 2.0)
    return decisions


def two_links(observations: Floats) -> Floats:
    """Torque that goes with the second link's motion feeds the swing; the first link's share is by trial."""
    return 1.0 + np.sign(observations[:, 5] - 0.5 * observations[:, 4])


def land(observations: Floats) -> Floats:
    """Gymnasium's own heuristic."""
    from gymnasium.envs.box2d import lunar_lander

    heuristic: Any = lunar_lander.heuristic  # it has no types

    class Discrete:
        continuous = False

        @property
        def unwrapped(self) -> Discrete:
            return self

    return np.array([heuristic(Discrete(), observation) for observation in observations], np.float64)


@cache
def plant(task: str) -> Plant:
    """The plant of a task of the demo. Scales and periods are from the environments' own equations of motion."""
    return {
        "cartpole": Plant("CartPole-v1", np.array([2.4, 3.0, 0.21, 3.0]), balance, (0, 1), 16, 0.02),
        "pendulum": Plant(
            "Pendulum-v1",
            np.array([2.0, 1.0, 8.0]),
            swing_up,
            (-1, 0, 1),
            64,
            0.05,
            unit=2.0,
            centre=np.array([1.0, 0.0, 0.0]),
            fine=((2, 1.0),),
        ),
        "acrobot": Plant(
            "Acrobot-v1",
            np.array([2.0, 1.0, 2.0, 1.0, 2.0, 4.0]),
            two_links,
            (0, 1, 2),
            32,
            0.2,
            centre=np.array([1.0, 0.0, 1.0, 0.0, 0.0, 0.0]),
        ),
        "lunarlander": Plant(
            "LunarLander-v3", np.array([1.0, 1.5, 1.0, 1.5, 1.0, 1.0, 1.0, 1.0]), land, (0, 1, 2, 3), 64, 0.02
        ),
    }[task]

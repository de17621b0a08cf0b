"""Control in gymnasium: a network learns from a good controller and then decides each step on the chip.

Gymnasium: Towers et al., arXiv 2407.17032. Learning: dataset aggregation (Ross, Gordon and Bagnell, AISTATS 2011): the
network drives, the controller says what it would have done, and the next network learns from that, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.demo import Data, Demo, Predict, Steps, fitted_note
from ohmloom.demos.timing import played_alone
from ohmloom.errors import Error
from ohmloom.model import Model
from ohmloom.spec import ChipSpec
from ohmloom.train import train_mlp

if TYPE_CHECKING:
    from ohmloom.chip import Chip
    from ohmloom.demos.controllers import Plant
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

EPISODES = 100
LESSONS = 40  # episodes in each round of learning
ROUNDS = 3  # the controller drives the first, networks the others
EXPLORED = 0.15  # share of the controller's steps that are left to chance, so that it shows how to recover
MOST_STATES = 12_000
STUDENT_STEPS = 2000
HELD_OUT = 0.1


class Robot(Demo):
    name: ClassVar[str] = "robot"
    tasks: ClassVar[dict[str, str]] = {
        "cartpole": "Balancing a pole on a cart",
        "pendulum": "Swinging up a pendulum",
        "acrobot": "Swinging up two links",
        "lunarlander": "Landing on the moon",
    }
    metric: Literal["accuracy", "return"] = "return"

    @property
    def around_faults(self) -> bool:
        return self.mode == "analog"  # biases share one row, so that rows have few copies

    def data(self, spec: ChipSpec, seed: int) -> Data:
        plant = self._plant()
        wanted, inputs, outputs = plant.hidden, plant.width, len(plant.decisions)
        hidden = self.hidden(inputs, wanted, outputs, spec)
        rng = np.random.default_rng(seed)
        states, labels = np.empty((0, len(plant.scale))), np.empty(0, np.int64)
        noise = self.noise(spec)
        model: Model | None = None
        for lesson in range(ROUNDS):
            # The lessons' starts are never those of the episodes that count.
            seeds = 1_000_000 + (seed * ROUNDS + lesson) * LESSONS + np.arange(LESSONS)
            visited = plant.states(seeds, model, rng, EXPLORED)
            states, labels = np.vstack([states, visited]), np.append(labels, plant.teacher(visited).astype(np.int64))
            if lesson + 1 < ROUNDS:
                chosen = rng.permutation(len(states))[:MOST_STATES]
                model = train_mlp(
                    plant.inputs(states[chosen]),
                    labels[chosen],
                    hidden=(hidden,),
                    noise=noise,
                    seed=seed,
                    epochs=max(1, round(STUDENT_STEPS * 64 / len(chosen))),
                )
        chosen = rng.permutation(len(states))[:MOST_STATES]
        test = round(HELD_OUT * len(chosen))
        X, y = plant.inputs(states[chosen]), labels[chosen]
        note = fitted_note(wanted, hidden, inputs, outputs, spec)
        return Data(X[test:], y[test:], X[:test], y[:test], (hidden,), states[chosen[:test]], note)

    def evaluate(self, data: Data, predict: Predict, done: Steps) -> NDArray[Any]:
        """The returns (episodes,) of a hundred episodes, all at once: one batch holds a step of each."""
        return self._plant().play(np.arange(EPISODES), predict, done)

    def measure(self, chip: Chip, data: Data, model: Model, predicted: NDArray[Any]) -> dict[str, Any]:
        return played_alone(chip, self._plant(), model)

    def rows(self, measured: Mapping[str, Any]) -> list[tuple[str, str]]:
        from ohmloom.demos.results import si

        return [
            ("Latency a step, chip's clock", si(measured["latency_per_step_s"], "s")),
            ("A step's bytes on the wire", si(measured["wire_per_step_s"], "s")),
            ("Control period", si(measured["deadline_s"], "s")),
            ("Deadline misses, one episode alone", f"{measured['deadline_misses']} of {measured['timed_steps']} steps"),
        ]

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.demos.pictures import return_histogram

        return [return_histogram(results)]

    def _plant(self) -> Plant:
        try:
            from ohmloom.demos.controllers import plant
        except ImportError as error:
            raise Error(f"the robots come with gymnasium ({error}): pip install 'ohmloom[demos]'") from None
        return plant(self.task)

"""What a demo brings to the shared pipeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler.placement import place
from ohmloom.errors import ArgumentError, Error
from ohmloom.model import Model
from ohmloom.spec import ChipSpec
from ohmloom.train import ChipNoise

if TYPE_CHECKING:
    from ohmloom.chip import Chip
    from ohmloom.demos.deployment import Deployment
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

Floats = NDArray[np.float64]
Mode = Literal["hybrid", "analog"]
Predict = Callable[[Floats], NDArray[Any]]  # inputs (samples, features) to predictions (samples,)
Steps = Callable[[int, int], None]  # done, of how many
STANDARD_LIMIT = 3.0


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs (samples, features) and labels (samples,), for training and held out, with the network that suits them.

    hidden: widths of the hidden layers; note: what was left out to fit the chip or the data at hand, empty if nothing
    was; raw_test: the held-out samples as they were before any reduction, for pictures; l2: weight decay of the training,
    None for the trainer's default.
    """

    X_train: NDArray[np.float64]
    y_train: NDArray[Any]
    X_test: NDArray[np.float64]
    y_test: NDArray[Any]
    hidden: tuple[int, ...]
    raw_test: NDArray[Any]
    note: str = ""
    l2: float | None = None


class Demo(ABC):
    """One demo: its tasks, the data of each, and what only it measures and shows.

    tasks: their titles by name; folders: the folder within `--data DIR` that a task reads, for those that read one.
    """

    name: ClassVar[str]
    tasks: ClassVar[Mapping[str, str]]
    folders: ClassVar[Mapping[str, str]] = {}
    metric: Literal["accuracy", "return"] = "accuracy"

    def __init__(self, task: str | None = None, folder: Path | None = None, mode: Mode = "hybrid") -> None:
        """task: None for the first whose data are in `folder`, else the first that needs no folder.

        Raises ArgumentError for an unknown task.
        """
        if task is not None and task not in self.tasks:
            raise ArgumentError(f"{self.name}: unknown task {task!r}; known: {', '.join(self.tasks)}")
        self.task, self.folder, self.mode = task or self._first(folder), folder, mode

    @classmethod
    def _first(cls, folder: Path | None) -> str:
        there = [task for task, name in cls.folders.items() if folder is not None and (folder / name).is_dir()]
        return [*there, *(task for task in cls.tasks if task not in cls.folders), *cls.tasks][0]

    @property
    def title(self) -> str:
        return self.tasks[self.task]

    @property
    def around_faults(self) -> bool:
        """Whether to find the chip's stuck cells first: for networks whose weights have no copies that make up for them."""
        return False

    @abstractmethod
    def data(self, spec: ChipSpec, seed: int) -> Data:
        """The data, reduced to what fits the chip. Raises Error when the chip or the data cannot serve."""

    def deployment(self, data: Data, spec: ChipSpec, seed: int, trained: Steps) -> Deployment:
        """The trained model. trained: called with the epochs done, of how many."""
        from ohmloom.demos.deployment import Deployment

        return Deployment.trained(data, self.noise(spec), seed, trained)

    def noise(self, spec: ChipSpec) -> ChipNoise:
        """What the model is trained for: a single copy's, whatever the compiler finds room for. More costs no accuracy."""
        return ChipNoise.of(spec, mode=self.mode)

    def evaluate(self, data: Data, predict: Predict, done: Steps) -> NDArray[Any]:
        """Predictions of the held-out samples, or each trial's score; done: called with the trials done, of all."""
        return predict(data.X_test)

    def measure(self, chip: Chip, data: Data, model: Model, predicted: NDArray[Any]) -> dict[str, Any]:
        """Further numbers for the JSON, from the chip's predictions or from the chip itself."""
        return {}

    def rows(self, measured: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Rows of the table that show what `measure` has found."""
        return []

    def pictures(self, results: Results) -> list[Picture]:
        """Pictures of the samples for the report."""
        return []

    def hidden(self, inputs: int, hidden: int, outputs: int, spec: ChipSpec) -> int:
        """The widest hidden layer up to `hidden` that fits. Raises Error when none does."""
        for width in range(hidden, 1, -1):
            if fits(inputs, width, outputs, spec, self.mode):
                return width
        raise Error(
            f"{self.name} {self.task}: {inputs} inputs and {outputs} outputs do not fit {spec.name}: {spec.tiles} "
            f"tiles of {spec.rows} rows x {spec.pairs} pairs in {self.mode} mode; take a larger chip"
        )


def fits(inputs: int, hidden: int, outputs: int, spec: ChipSpec, mode: Mode) -> bool:
    """Whether a network of one hidden layer fits: any tiles, or on a route a tile a layer with a row for its bias."""
    if mode == "analog":
        room = min(spec.rows, spec.pairs)
        return spec.tiles >= 2 and inputs < spec.rows and hidden <= room and outputs <= spec.pairs
    try:
        place([(inputs, hidden), (hidden, outputs)], 1, spec)
    except ArgumentError:
        return False
    return True


def fitted_note(wanted: int, hidden: int, inputs: int, outputs: int, spec: ChipSpec) -> str:
    """What was left out of a network inputs-wanted-outputs, empty if nothing was."""
    if hidden == wanted:
        return ""
    return f"{inputs}-{wanted}-{outputs} does not fit {spec.name}: taken are {hidden} hidden units"


@dataclass(frozen=True, eq=False)
class Standard:
    """Takes the training set's mean and deviation (features,) out of features (samples, features).

    All rows of a chip share one voltage scale: values beyond three deviations are clipped, else a few outliers would
    cost the resolution of all.
    """

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, train: NDArray[Any]) -> Standard:
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        deviation[deviation <= 1e-12 * np.abs(mean)] = 1.0
        return cls(mean, deviation)

    def __call__(self, X: NDArray[Any]) -> Floats:
        return np.clip((X - self.mean) / self.deviation, -STANDARD_LIMIT, STANDARD_LIMIT)


def standardised(train: NDArray[Any], test: NDArray[Any]) -> tuple[Floats, Floats]:
    """Training and test features (samples, features) in the training set's standard."""
    standard = Standard.of(train)
    return standard(train), standard(test)

"""What a demo brings to the shared pipeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs (samples, features) and labels (samples,), for training and held out, with the network that suits them.

    hidden: widths of the hidden layers; note: what was left out to fit the chip, empty if nothing was; raw_test: the
    held-out samples as they were before any reduction, for pictures.
    """

    X_train: NDArray[np.float64]
    y_train: NDArray[Any]
    X_test: NDArray[np.float64]
    y_test: NDArray[Any]
    hidden: tuple[int, ...]
    raw_test: NDArray[Any]
    note: str = ""


class Demo(ABC):
    """One demo: its data, and the pictures that only it has."""

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def data(self, spec: ChipSpec, seed: int) -> Data:
        """The data, reduced to what fits the chip. Raises Error when the chip or the data cannot serve."""

    def pictures(self, results: Results) -> list[Picture]:
        """Pictures of the samples for the report."""
        return []

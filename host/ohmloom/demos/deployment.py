"""A trained model on its way to chips: compiled for each, run on each, and computed in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler import Network, compile_model
from ohmloom.compiler.faults import FaultMap
from ohmloom.model import Model
from ohmloom.train import ChipNoise, train_mlp

if TYPE_CHECKING:
    from ohmloom.chip import Chip, Progress
    from ohmloom.demos.demo import Data, Mode, Steps

Floats = NDArray[np.float64]
AGE_S = 1.0  # between programming and inference: cells relax most in their first second


@dataclass(frozen=True, eq=False)
class Compiled:
    """What a chip is programmed with, and how it is used then."""

    network: Network

    def infer(self, chip: Chip, X: Floats, progress: Progress) -> Floats:
        """Outputs (samples, outputs) of a programmed chip for inputs (samples, inputs)."""
        return chip.infer(X, progress=progress)


@dataclass(frozen=True, eq=False)
class Deployment:
    """One model that a chip holds whole. calibration: (samples, inputs) that set the compiler's scales."""

    model: Model
    calibration: Floats

    @classmethod
    def trained(cls, data: Data, noise: ChipNoise, seed: int, trained: Steps) -> Deployment:
        """Trained on the data for a chip's noise; trained: called with the epochs done, of how many."""
        return cls(train(data.X_train, data, noise, seed, trained), data.X_train)

    def compiled(self, chip: Chip, mode: Mode, faults: FaultMap | None = None) -> Compiled:
        """For one chip: the offsets and gains of a route, which no controller can take out, go into the cells.

        faults: its stuck cells, which the network is laid out around.
        """
        correction = chip.correction if mode == "analog" else None
        return Compiled(
            compile_model(self.model, chip.spec, self.calibration, mode=mode, correction=correction, faults=faults)
        )

    def forward(self, X: Floats) -> NDArray[Any]:
        """Outputs computed in float32."""
        return self.model.forward(X)


def train(X: Floats, data: Data, noise: ChipNoise, seed: int, trained: Steps) -> Model:
    """A model with data.hidden for inputs X (samples, features) and data.y_train."""
    return train_mlp(
        X,
        data.y_train,
        hidden=data.hidden,
        noise=noise,
        l2=data.l2,
        seed=seed,
        progress=lambda done, total, loss: trained(done, total),
    )

"""What is explained: a network with the data that it is judged by, from a demo or from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler import Network, compile_model
from ohmloom.demos import demo_class
from ohmloom.demos.pipeline import AGE_S
from ohmloom.errors import ArgumentError
from ohmloom.spec import ChipSpec, load_chip
from ohmloom.train import ChipNoise, train_mlp


@dataclass(frozen=True, eq=False)
class Subject:
    """A compiled network and its data. chip: a bundled chip's name or a TOML file's path, the one it was compiled for.

    X: (samples, inputs); labels: classes (samples,), or values (samples,) or (samples, outputs) of a regression; None
    where they are not known. title: for people.
    Raises ArgumentError when data, labels or chip do not fit the network.
    """

    network: Network
    chip: str
    X: NDArray[np.float64]
    labels: NDArray[Any] | None
    title: str

    def __post_init__(self) -> None:
        network, spec = self.network, self.spec
        if (network.chip, network.digest) != (spec.name, spec.digest):
            raise ArgumentError(
                f"the network was compiled for {network.chip!r} (spec digest {network.digest:08x}), "
                f"not for {self.chip!r} ({spec.digest:08x})"
            )
        network.interface.codes(self.X)  # its errors name what is wrong with the data
        if len(self.X) == 0:
            raise ArgumentError("X: no samples")
        if self.labels is not None:
            self._check_labels(self.labels)

    def _check_labels(self, labels: NDArray[Any]) -> None:
        model, samples = self.network.model, len(self.X)
        wanted = (samples, model.outputs) if self.regression and model.outputs > 1 else (samples,)
        if labels.shape != wanted:
            raise ArgumentError(f"labels: shape {wanted} wanted, given {labels.shape}")
        if model.classes is not None:
            foreign = labels[~np.isin(labels, model.classes)]
            if foreign.size:
                known = ", ".join(map(str, model.classes))
                raise ArgumentError(f"labels: {foreign[0]} is not a class of the network; its classes: {known}")
        elif labels.dtype.kind not in "biuf" or not np.isfinite(labels).all():
            raise ArgumentError("labels: finite numbers wanted for a regression")

    @property
    def regression(self) -> bool:
        return self.network.model.task == "regression"

    @property
    def spec(self) -> ChipSpec:
        return load_chip(self.chip)


def demo_subject(name: str, chip: str, *, copies: int | Literal["auto"] = "auto", seed: int = 0) -> Subject:
    """A demo's network, trained and compiled as the demo does it, with its held-out samples.

    copies: pairs for each weight, see `ohmloom.compile`; seed: of the data's split and of the training.
    Raises ArgumentError for an unknown demo, Error when the demo does not fit the chip.
    """
    demo = demo_class(name)()
    spec = load_chip(chip)
    data = demo.data(spec, seed)
    noise = ChipNoise.of(spec, AGE_S)
    model = train_mlp(data.X_train, data.y_train, hidden=data.hidden, noise=noise, seed=seed)
    network = compile_model(model, spec, data.X_train, copies=copies)
    return Subject(network, chip, data.X_test, np.asarray(data.y_test), demo.title)


def saved_subject(path: Path, X: ArrayLike, labels: ArrayLike | None = None, chip: str | None = None) -> Subject:
    """A network that `Network.save` wrote, with data. chip: name or TOML file; the network's own if not given.

    Raises ArgumentError when the file is not a network or the data do not fit it.
    """
    network = Network.load(path)
    values = np.asarray(X, dtype=np.float64)
    return Subject(network, chip or network.chip, values, None if labels is None else np.asarray(labels), path.name)

"""The backward pass over activations that somebody has measured, and the optimiser's step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import ArgumentError
from ohmloom.model import Task

Floats = NDArray[np.float64]


def gradients(
    weights: Sequence[Floats], inputs: Sequence[Floats], dz: Floats, limits: Sequence[float]
) -> list[tuple[Floats, Floats]]:
    """Gradients of each layer's weights and biases.

    weights: (inputs, outputs) of each layer; inputs: (samples, inputs) of each layer; dz: of the loss by the last layer's
    sums, (samples, outputs); limits: of each layer, what its inputs are clipped at; inputs of all but the first layer
    are behind a ReLU.
    """
    found: list[tuple[Floats, Floats]] = []
    for layer in reversed(range(len(weights))):
        found.append((inputs[layer].T @ dz, dz.sum(axis=0)))
        if layer:
            dz = (dz @ weights[layer].T) * ((inputs[layer] > 0) & (inputs[layer] < limits[layer]))
    return found[::-1]


class Adam:
    """Kingma and Ba, ICLR 2015; with memories that suit some hundred steps."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], betas: tuple[float, float]) -> None:
        self._betas = betas
        self._first = [np.zeros(shape) for shape in shapes]
        self._second = [np.zeros(shape) for shape in shapes]
        self._steps = 0

    def directions(self, gradient: Sequence[Floats]) -> list[Floats]:
        """Which way to go, in units of the learning rate; one array for each of the gradient's."""
        self._steps += 1
        (b1, b2), result = self._betas, []
        for first, second, g in zip(self._first, self._second, gradient, strict=True):
            first += (1 - b1) * (g - first)
            second += (1 - b2) * (g * g - second)
            result.append(-first / (1 - b1**self._steps) / (np.sqrt(second / (1 - b2**self._steps)) + 1e-8))
        return result


def training_data(X: Any, y: Any, task: Task, classes: NDArray[Any] | None, inputs: int | None) -> tuple[Floats, Floats]:
    """X as float64 (samples, inputs), and y as indices of classes (samples,), or as values (samples, outputs).

    inputs: how many are wanted, None for any number. Raises ArgumentError for wrong shapes, values that are not finite,
    and labels that are not a class.
    """
    features = np.asarray(X, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape or (inputs is not None and features.shape[1] != inputs):
        raise ArgumentError(f"X: shape (samples, {inputs or 'inputs'}) wanted, given {features.shape}")
    if not np.isfinite(features).all():
        raise ArgumentError("X must be finite, given NaN or infinity")
    labels = np.asarray(y)
    if len(labels) != len(features) or labels.ndim not in ((1,) if task == "classification" else (1, 2)):
        raise ArgumentError(f"y: {len(features)} labels or values wanted, one a row of X, given shape {labels.shape}")
    if task == "regression":
        values = labels.astype(np.float64).reshape(len(labels), -1)
        if not np.isfinite(values).all():
            raise ArgumentError("y must be finite, given NaN or infinity")
        return features, values
    assert classes is not None
    matches = labels[:, None] == classes[None, :]
    if not matches.any(axis=1).all():
        foreign = labels[~matches.any(axis=1)][0]
        raise ArgumentError(f"y: {foreign} is not one of the classes {', '.join(map(str, classes))}")
    return features, matches.astype(np.float64)

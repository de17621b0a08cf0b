"""Training of a multilayer perceptron with the chip in the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, Task
from ohmloom.train.network import Loss, Network, cross_entropy, half_square
from ohmloom.train.noise import ChipNoise

Progress = Callable[[int, int, float], None]

_DRAWS = 4  # chips that share a batch: their errors average out of the gradient
_NOISE_FACTOR = 1.5  # training against more than the chip's errors costs no accuracy and leaves room for age and tails
_EPOCHS = 300
_STEPS = (500, 12_000)  # bounds of the default's optimiser steps: small data need more epochs, large data fewer
_L2: dict[Task, float] = {"classification": 0.1, "regression": 1.0}
_WARM_UP = 0.05
_BETAS = (0.9, 0.999)


def train_mlp(
    X: ArrayLike,
    y: ArrayLike,
    *,
    hidden: Sequence[int] = (32,),
    task: Task = "classification",
    noise: ChipNoise | None = None,
    epochs: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 0.03,
    l2: float | None = None,
    label_smoothing: float = 0.1,
    seed: int = 0,
    progress: Progress | None = None,
) -> Model:
    """A ReLU network trained on X (samples, inputs) and y: labels (samples,) or values (samples[, outputs]).

    hidden: widths of the hidden layers. noise: the chip to train for; None trains a network for software.
    epochs: None for 300, more on small data and fewer on large. progress: called as (epochs done, epochs, mean loss).
    l2: weight decay, `l2 / (2 samples)` times the squared weights is added to the mean loss (targets of a regression
    scaled to variance 1); None for 0.1, or 1.0 in a regression, where no label smoothing helps against overfitting.
    Same arguments, same model. A chip's inputs share one scale: standardise features of very different sizes.
    Raises ArgumentError for wrong shapes, NaN or infinity, or a setting out of range.
    """
    features, labels = _checked(X, y, task)
    if l2 is None:
        l2 = _L2[task]
    _check_settings(hidden, epochs, batch_size, learning_rate, l2, label_smoothing)
    rng = np.random.default_rng(seed)
    largest_input = np.abs(features).max() or 1.0
    inputs = (features / largest_input).astype(np.float32)
    if noise is not None:
        inputs = noise.quantise(inputs, np.float32(1.0))
        noise = noise.scaled(_NOISE_FACTOR)

    classes: NDArray[Any] | None = None
    mean, spread = np.zeros(1), np.ones(1)
    loss: Loss = cross_entropy if task == "classification" else half_square
    if task == "classification":
        classes, index = np.unique(labels, return_inverse=True)
        targets = np.eye(len(classes))[index] * (1.0 - label_smoothing) + label_smoothing / len(classes)
    else:
        values = labels.reshape(len(labels), -1)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        spread[spread == 0] = 1.0
        targets = (values - mean) / spread

    sizes = (inputs.shape[1], *hidden, targets.shape[1])
    power = float(np.mean(inputs**2)) or 1.0
    network = Network(sizes, power, noise, rng, np.float32)
    batches = max(round(len(inputs) / batch_size), 1)
    if epochs is None:
        epochs = -(-int(np.clip(_EPOCHS * batches, *_STEPS)) // batches)
    schedule = _Schedule(epochs, batches, learning_rate, l2 / len(inputs))
    _fit(network, inputs, targets.astype(np.float32), loss, schedule, rng, progress)

    layers = []
    for position, (weights, offset) in enumerate(network.dense(inputs)):
        first, last = position == 0, position == len(hidden)
        if first:
            weights = weights / largest_input
        if last:
            weights, offset = weights * spread, offset * spread + mean
        layers.append(Layer(weights, offset, "none" if last else "relu"))
    return Model(tuple(layers), task, classes)


@dataclass(frozen=True)
class _Schedule:
    """A linear warm-up and a cosine to 0 (Loshchilov and Hutter, ICLR 2017)."""

    epochs: int
    batches: int
    learning_rate: float
    decay: float

    def rate(self, step: int) -> float:
        done = step / (self.epochs * self.batches)
        return self.learning_rate * min(1.0, done / _WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * done))


def _fit(
    network: Network,
    X: NDArray[Any],
    targets: NDArray[Any],
    loss: Loss,
    schedule: _Schedule,
    rng: np.random.Generator,
    progress: Progress | None,
) -> None:
    """Adam (Kingma and Ba, ICLR 2015)."""
    batches = schedule.batches
    samples = len(X) // batches
    draws = 1 if network.noise is None else min(_DRAWS, samples)
    share = samples // draws
    first, second = np.zeros_like(network.parameters), np.zeros_like(network.parameters)
    step = 0
    for epoch in range(schedule.epochs):
        order = rng.permutation(len(X))[: batches * draws * share].reshape(batches, draws, share)
        total = 0.0
        for chosen in order:
            step += 1
            total += network.step(X[chosen], targets[chosen], loss, rng)
            network.decay(schedule.decay)
            gradient = network.gradient
            first += (1.0 - _BETAS[0]) * (gradient - first)
            second += (1.0 - _BETAS[1]) * (gradient * gradient - second)
            unbiased = math.sqrt(1.0 - _BETAS[1] ** step) / (1.0 - _BETAS[0] ** step)
            network.parameters -= schedule.rate(step) * unbiased * first / (np.sqrt(second) + 1e-8)
            network.clip()
        if progress is not None:
            progress(epoch + 1, schedule.epochs, total / batches)


def _checked(X: ArrayLike, y: ArrayLike, task: Task) -> tuple[NDArray[np.float64], NDArray[Any]]:
    if task not in get_args(Task):
        raise ArgumentError(f"task: one of {get_args(Task)} wanted, given {task!r}")
    features = np.asarray(X, dtype=np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise ArgumentError(f"X: shape (samples, inputs) wanted, given {features.shape}")
    if not np.isfinite(features).all():
        raise ArgumentError("X must be finite, given NaN or infinity")
    labels = np.asarray(y)
    if task == "regression":
        labels = labels.astype(np.float64)
        if not np.isfinite(labels).all():
            raise ArgumentError("y must be finite, given NaN or infinity")
    allowed = (1,) if task == "classification" else (1, 2)
    if labels.ndim not in allowed or len(labels) != len(features) or 0 in labels.shape:
        raise ArgumentError(f"y: {len(features)} labels or values wanted, one a row of X, given shape {labels.shape}")
    return features, labels


def _check_settings(
    hidden: Sequence[int], epochs: int | None, batch_size: int, learning_rate: float, l2: float, label_smoothing: float
) -> None:
    if any(width < 1 for width in hidden):
        raise ArgumentError(f"hidden: widths of 1 or more wanted, given {tuple(hidden)}")
    if epochs is not None and epochs < 1:
        raise ArgumentError(f"epochs: 1 or more wanted, given {epochs!r}")
    if batch_size < 1:
        raise ArgumentError(f"batch_size: 1 or more wanted, given {batch_size!r}")
    if not learning_rate > 0:
        raise ArgumentError(f"learning_rate: a positive number wanted, given {learning_rate!r}")
    if not l2 >= 0:
        raise ArgumentError(f"l2: 0 or more wanted, given {l2!r}")
    if not 0 <= label_smoothing < 1:
        raise ArgumentError(f"label_smoothing: 0 or more and below 1 wanted, given {label_smoothing!r}")

"""Chip-in-the-loop fine-tuning: later layers learn what the earlier ones really answer on this chip.

Progressive, as Wan et al., Nature 608 (2022) do it: layer by layer, the answers that the chip gives behind a layer are
what the rest of the network is retrained on, in software and with the chip's noise on its weights; then the next layer
is programmed. Stuck cells, wrong gains, wires and whatever nobody has modelled are in those answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler import Network, weight_cells
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer
from ohmloom.spec import ChipSpec
from ohmloom.train.backward import Adam, gradients, training_data
from ohmloom.train.network import cross_entropy, half_square
from ohmloom.train.noise import ChipNoise

if TYPE_CHECKING:
    from ohmloom.chip import Chip, Progress

Floats = NDArray[np.float64]

BATCH = 64
BETAS = (0.9, 0.999)
LABEL_SMOOTHING = 0.1
BIAS_STEPS = 200  # of the outputs' biases, on answers that are measured once


def fine_tune(
    chip: Chip,
    network: Network,
    X: ArrayLike,
    y: ArrayLike,
    epochs: int,
    learning_rate: float,
    tolerance_siemens: float,
    seed: int,
    progress: Progress,
) -> Network:
    """See `Chip.fine_tune`."""
    model = network.model
    features, targets = training_data(X, y, model.task, model.classes, model.inputs)
    if targets.shape[1] != model.outputs:
        raise ArgumentError(f"y: {model.outputs} values a sample wanted, given {targets.shape[1]}")
    if epochs < 1 or not learning_rate > 0:
        raise ArgumentError(f"epochs of 1 or more and a positive learning_rate wanted, given {epochs} and {learning_rate}")
    network.layer(0)  # refuses a network without converters between its layers before anything is touched
    rng = np.random.default_rng(seed)
    task = _Task(targets, classification=model.task == "classification")
    values = features
    count = len(model.layers)
    for index in range(1, count):
        chip.load(network.layer(index - 1))
        values = chip.infer(values, progress=progress)
        rest = _retrained(network, index, values, task, chip.spec, epochs, learning_rate, rng)
        network = _rewritten(network, index, rest, chip.spec)
        chip.program(_only(network, index), tolerance_siemens=tolerance_siemens, progress=progress)
        progress("fine-tuning", index, count)
    chip.load(network.layer(count - 1))
    answers = chip.infer(values, progress=progress)
    biases = [layer.bias for layer in network.model.layers]
    biases[-1] = biases[-1] + task.shift(answers)
    network = network.with_biases(biases)
    chip.load(network)
    progress("fine-tuning", count, count)
    return network


class _Task:
    """What the outputs are to be, and the loss, in units of the outputs' spread."""

    def __init__(self, targets: Floats, *, classification: bool) -> None:
        self._loss = cross_entropy if classification else half_square
        self._spread = 1.0 if classification else float(targets.std()) or 1.0
        smooth = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
        self._wanted = smooth if classification else targets

    def slope(self, outputs: Floats, batch: NDArray[np.int64] | slice) -> Floats:
        """The loss's gradient by the outputs (samples, outputs)."""
        slope: Floats = self._loss(outputs / self._spread, self._wanted[batch] / self._spread)[1] / self._spread
        return slope

    def shift(self, outputs: Floats) -> Floats:
        """What, added to all of the outputs (samples, outputs), makes the loss least."""
        if self._loss is half_square:
            mean: Floats = (self._wanted - outputs).mean(axis=0)
            return mean
        shift = np.zeros(outputs.shape[1])
        size = float(outputs.std()) or 1.0
        adam = Adam([shift.shape], BETAS)
        for step in range(BIAS_STEPS):
            (way,) = adam.directions([self.slope(outputs + shift, slice(None)).sum(axis=0)])
            shift = shift + 0.05 * size * (1 - step / BIAS_STEPS) * way
        return shift


def _retrained(
    network: Network,
    first: int,
    values: Floats,
    task: _Task,
    spec: ChipSpec,
    epochs: int,
    learning_rate: float,
    rng: np.random.Generator,
) -> list[Layer]:
    """The layers from `first` on, trained on inputs that the chip has answered; each weight stays within its cells' range."""
    layers = network.model.layers[first:]
    scales, cells = network.scales[first:], weight_cells(network)[first:]
    span = spec.cell.g_max_siemens - spec.cell.g_min_siemens
    weights, biases = [layer.weights.copy() for layer in layers], [layer.bias.copy() for layer in layers]
    limits = [span * c.used.sum(axis=-1) / scale.siemens_per_weight for c, scale in zip(cells, scales, strict=True)]
    sizes = [float(np.abs(weight).max()) or 1.0 for weight in weights]
    noises = [ChipNoise.of(spec, copies=int(c.used.sum(axis=-1).min())) for c in cells]
    clips = [network.interface.read_clamp / scale.codes_per_input for scale in scales]
    adam = Adam([array.shape for pair in zip(weights, biases, strict=True) for array in pair], BETAS)
    steps = list(_batches(len(values), epochs, rng))
    for number, batch in enumerate(steps):
        rate = learning_rate * (1 - number / len(steps))
        noisy = [
            w + size * noise.weight_sigma(np.minimum(np.abs(w) / size, 1.0)) * rng.standard_normal(w.shape)
            for w, size, noise in zip(weights, sizes, noises, strict=True)
        ]
        inputs = [values[batch]]
        for layer, (w, b) in enumerate(zip(noisy, biases, strict=True)):
            z = inputs[-1] @ w + b
            inputs.append(z if layer == len(layers) - 1 else np.clip(z, 0.0, clips[layer + 1]))
        dz = task.slope(inputs.pop(), batch)
        found = [part for pair in gradients(noisy, inputs, dz, clips) for part in pair]
        ways = adam.directions(found)
        for layer, size in enumerate(sizes):
            moved = weights[layer] + rate * size * ways[2 * layer]
            weights[layer] = np.clip(moved, -limits[layer], limits[layer])
            biases[layer] += rate * size * ways[2 * layer + 1]
    return [replace(layer, weights=w, bias=b) for layer, w, b in zip(layers, weights, biases, strict=True)]


def _batches(samples: int, epochs: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        order = rng.permutation(samples)
        yield from (order[start : start + BATCH] for start in range(0, samples, BATCH))


def _rewritten(network: Network, first: int, rest: Sequence[Layer], spec: ChipSpec) -> Network:
    """The network with other layers from `first` on; scales and places stay, targets follow the weights."""
    layers = (*network.model.layers[:first], *rest)
    targets = network.targets.copy()
    flat = targets.ravel()
    low = spec.cell.g_min_siemens
    cells_of, scales = weight_cells(network)[first:], network.scales[first:]
    for layer, cells, scale in zip(rest, cells_of, scales, strict=True):
        share = (layer.weights * scale.siemens_per_weight / cells.used.sum(axis=-1))[..., None]
        share = np.broadcast_to(share, cells.plus.shape)[cells.used]
        plus = cells.plus[cells.used]
        flat[plus], flat[plus + 1] = low + np.maximum(share, 0), low + np.maximum(-share, 0)
    rewritten = replace(network, model=replace(network.model, layers=layers), targets=targets)
    return rewritten.with_biases([layer.bias for layer in layers])


def _only(network: Network, index: int) -> Network:
    """The network with targets for one layer's cells alone."""
    cells = weight_cells(network)[index]
    plus = cells.plus[cells.used]
    mask = np.zeros(network.targets.size, dtype=np.bool_)
    mask[plus] = mask[plus + 1] = True
    return replace(network, targets=np.where(mask.reshape(network.targets.shape), network.targets, np.nan))

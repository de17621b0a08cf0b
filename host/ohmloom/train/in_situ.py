"""In-situ training: the weights are the cells' conductances and nothing else, and single pulses change them.

One update: the chip runs a batch layer by layer; the host computes the gradient from what the chip has answered and from
conductances that were read, and adds it up. Where the sum has reached the size of a mean step, the cells of that weight
get one pulse, by sign: G+ one way and G- the other way, so that asymmetric cells move a weight alike in both directions,
and so that one that is stuck leaves the other. Nobody looks what a pulse has done: too much, too little and nothing at
all show in the next batch's gradient. Biases are digital, as everywhere on this chip.

Rows are pulsed at once: PROGRAM with a policy of one pulse takes each selected cell one step towards the upper or lower
end of its range. Sign-based updates: Alibart, Zamanidoost and Strukov, Nature Communications 4, 2072 (2013); in-situ
training of a whole network with 11 % stuck cells: Li et al., Nature Communications 9, 2385 (2018); the sum of gradients
beside the array: Nandakumar et al., Frontiers in Neuroscience 14, 406 (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler import Network, compile_model, weight_cells
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, Task
from ohmloom.spec import Policy, load_policy
from ohmloom.spec.policy import ERROR_BUCKETS, Direction
from ohmloom.train.backward import Adam, gradients, training_data
from ohmloom.train.network import cross_entropy, half_square

if TYPE_CHECKING:
    from ohmloom.chip import Chip, Progress

Floats = NDArray[np.float64]

# A cell's range in units of 1 / sqrt(fan-in x mean square of an input), of the first layer and of later ones: wide enough
# for what the weights grow to, narrow enough that one pulse is a small step.
FIRST_RANGE, LATER_RANGE = 1.7, 3.3
HIDDEN_POWER = 0.5
INITIAL_RMS = 0.3  # of random weights, of that range
STEP_SIEMENS = 3e-6  # a gradient's sum that is worth a pulse; what a pulse moves a cell by is of this size
BETAS = (0.7, 0.98)  # short memories: an update changes more than one of software training
WARM_UP = 5
LABEL_SMOOTHING = 0.1
RESCALED_EVERY = 10  # updates: ranges and scales follow the weights, and the weights that the host knows follow the cells
CALIBRATION = 300  # samples that set the scales
COARSE = 0.125  # tolerance of the random weights, of a cell's range


def single_pulse(policy: Policy) -> Policy:
    """A policy that gives each cell one pulse: the amplitude that `policy` has for the smallest error at its conductance."""

    def one_bucket(direction: Direction) -> Direction:
        return direction.model_copy(update={"first_v": direction.first_v[:1] * ERROR_BUCKETS})

    changes: dict[str, Any] = {
        "name": f"{policy.name}, one pulse", "max_pulses": 1, "max_reversals": 0, "max_top_pulses": 255, "backoff_v": 0.0,
        "error_edges_siemens": (), "set": one_bucket(policy.set), "reset": one_bucket(policy.reset),
    }  # fmt: skip
    return policy.model_copy(update=changes)


def train_in_situ(
    chip: Chip,
    X: ArrayLike,
    y: ArrayLike,
    *,
    hidden: Sequence[int],
    task: Task,
    updates: int,
    batch_size: int,
    learning_rate: float,
    rest_s: float,
    seed: int,
    progress: Progress,
) -> Network:
    """See `Chip.train_in_situ`."""
    classes = np.unique(np.asarray(y)) if task == "classification" else None
    features, targets = training_data(X, y, task, classes, None)
    for name, value, least in (("updates", updates, 1), ("batch_size", batch_size, 1), ("hidden", min(hidden, default=1), 1)):
        if value < least:
            raise ArgumentError(f"{name}: {least} or more wanted, given {value}")
    if not (learning_rate > 0 and 0 <= rest_s < 1e6):
        raise ArgumentError(f"learning_rate and rest_s: positive numbers wanted, given {learning_rate} and {rest_s}")
    rng = np.random.default_rng(seed)
    task_of = _Targets(targets, task)
    run = _Run(chip, features, (features.shape[1], *hidden, targets.shape[1]), task, classes, task_of, rng)
    shapes = [shape for pair in zip(run.shapes, [(n,) for _, n in run.shapes], strict=True) for shape in pair]
    adam = Adam(shapes, BETAS)
    due = [np.zeros(shape) for shape in run.shapes]  # in units of a cell's range
    step = 2 * STEP_SIEMENS / run.span  # both cells of a pair move
    batch_size = min(batch_size, len(features))
    order, position = rng.permutation(len(features)), 0
    with chip.using_policy(single_pulse(load_policy(chip.spec.cell.policy))):
        for update in range(updates):
            if update % RESCALED_EVERY == 0:
                run.rescale()
            if position + batch_size > len(features):
                order, position = rng.permutation(len(features)), 0
            batch = order[position : position + batch_size]
            position += batch_size
            chip.wait(rest_s)
            gradient = run.gradient(batch)
            rate = learning_rate * 0.5 * (1 + np.cos(np.pi * update / updates)) * min(1.0, (update + 1) / WARM_UP)
            directions = adam.directions([part for pair in gradient for part in pair])
            signs = []
            for layer, (ways, bias_way) in enumerate(zip(directions[0::2], directions[1::2], strict=True)):
                due[layer] += rate * ways
                run.biases[layer] += rate * run.full_scale[layer] * bias_way
                signs.append(np.where(np.abs(due[layer]) >= step, np.sign(due[layer]), 0.0))
                due[layer] -= step * signs[-1]
            run.pulse(signs)
            progress("in-situ training", update + 1, updates)
    run.rescale()
    chip.load(run.network)
    return run.network


class _Targets:
    """What the outputs are to be, and the loss. Values of a regression are learned centred and in units of their spread."""

    def __init__(self, targets: Floats, task: Task) -> None:
        self.mean, self.spread = np.zeros(targets.shape[1]), 1.0
        self._task = task
        if task == "classification":
            self.wanted = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
        else:
            self.mean, self.spread = targets.mean(axis=0), float(targets.std()) or 1.0
            self.wanted = (targets - self.mean) / self.spread

    def slope(self, outputs: Floats, batch: NDArray[np.int64]) -> Floats:
        """The loss's gradient by the outputs (samples, outputs), which are in the units of the task."""
        loss = cross_entropy if self._task == "classification" else half_square
        slope: Floats = loss((outputs - self.mean) / self.spread, self.wanted[batch])[1]
        return slope


class _Run:
    """A network on the chip, what the host knows of its cells, and its biases."""

    def __init__(
        self, chip: Chip, X: Floats, sizes: Sequence[int], task: Task, classes: NDArray[Any] | None, targets: _Targets,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._chip, self._X, self._targets, self._task, self._classes = chip, X, targets, task, classes
        self.shapes = list(pairwise(sizes))
        self.biases = [np.zeros(outputs) for _, outputs in self.shapes]
        cell = chip.spec.cell
        self.span = cell.g_max_siemens - cell.g_min_siemens
        power = float((X**2).mean()) or 1.0
        self.full_scale = [
            LATER_RANGE / np.sqrt(n_in * HIDDEN_POWER) if layer else FIRST_RANGE / np.sqrt(n_in * power)
            for layer, (n_in, _) in enumerate(self.shapes)
        ]
        bound = INITIAL_RMS * np.sqrt(3.0)
        weights = [
            rng.uniform(-bound, bound, shape) * full for shape, full in zip(self.shapes, self.full_scale, strict=True)
        ]
        self.network = self._compiled(weights)
        self._cells = weight_cells(self.network)
        self._used = np.isfinite(self.network.targets)
        self._tiles = [tile for tile in range(chip.spec.tiles) if self._used[tile].any()]
        self._conductance = np.full(self.network.targets.shape, np.nan)
        chip.program(self.network, tolerance_siemens=COARSE * self.span, repair=False)

    def rescale(self) -> None:
        """Reads the cells, and chooses ranges and scales anew for what they hold."""
        for tile in self._tiles:
            self._conductance[tile] = self._chip.read_conductance(tile)
        self.network = self._compiled(self._weights())

    def gradient(self, batch: NDArray[np.int64]) -> list[tuple[Floats, Floats]]:
        """Of the loss of a batch, by weights and biases in units of each layer's range."""
        network, scales = self.network.with_biases(self._real_biases()), self.network.scales
        inputs = [self._X[batch]]
        for layer in range(len(self.shapes)):
            self._chip.load(network.layer(layer))
            inputs.append(self._chip.infer(inputs[-1]))
        clamp = network.interface.read_clamp
        limits = [clamp / scale.codes_per_input for scale in scales]
        dz = self._targets.slope(inputs.pop(), batch)
        weights = [*self._weights()]
        weights[-1] = weights[-1] / self._targets.spread
        found = gradients(weights, inputs, dz, limits)
        return [(dw * full, db * full) for (dw, db), full in zip(found, self.full_scale, strict=True)]

    def pulse(self, signs: Sequence[Floats]) -> None:
        """One pulse for each cell of the weights whose sign (inputs, outputs) is not 0."""
        cell = self._chip.spec.cell
        flat = np.full(self._conductance.size, np.nan)
        for sign, cells in zip(signs, self._cells, strict=True):
            chosen = cells.used & (sign[..., None] != 0)
            up = np.broadcast_to(sign[..., None] > 0, chosen.shape)[chosen]
            plus = cells.plus[chosen]
            flat[plus] = np.where(up, cell.g_max_siemens, cell.g_min_siemens)
            flat[plus + 1] = np.where(up, cell.g_min_siemens, cell.g_max_siemens)
        targets = flat.reshape(self._conductance.shape)
        tightest = self._chip.spec.siemens_per_code(self._chip.spec.verify_range)
        for tile in self._tiles:
            report = self._chip.program_conductance(tile, targets[tile], tightest, form=False)
            seen = np.isfinite(report.conductance)
            self._conductance[tile][seen] = report.conductance[seen]

    def _weights(self) -> list[Floats]:
        """What the cells hold, as far as the host has read it, in the model's units."""
        return [
            cells.differences(self._conductance) / scale.siemens_per_weight
            for cells, scale in zip(self._cells, self.network.scales, strict=True)
        ]

    def _real_biases(self) -> list[Floats]:
        return [*self.biases[:-1], self.biases[-1] * self._targets.spread + self._targets.mean]

    def _compiled(self, weights: Sequence[Floats]) -> Network:
        last = len(weights) - 1
        layers = tuple(
            Layer(weight, bias, "none" if layer == last else "relu")
            for layer, (weight, bias) in enumerate(zip(weights, self._real_biases(), strict=True))
        )
        model = Model(layers, self._task, self._classes)
        full_scale = [*self.full_scale[:-1], self.full_scale[-1] * self._targets.spread]
        return compile_model(model, self._chip.spec, self._X[:CALIBRATION], full_scale=full_scale)

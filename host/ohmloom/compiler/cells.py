"""Which cells a weight lies on: its pairs, whatever block, tile or copy they are in, as the network's steps drive them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler.network import Network
from ohmloom.spec.network import StepFlag

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WeightCells:
    """The cells of one layer's weights.

    plus: (inputs, outputs, pairs) flat indices into (tiles, rows, columns) of each weight's G+ cells, whose G- cells are
    the next columns; used: whether there is such a pair: a weight may have fewer than others. summed: the sets of pairs
    (indices of the last axis) whose differences add up before anything else happens to them: all of a weight's where a
    converter follows; on routed tiles those of one column, as other columns drive other rows of the next tile.
    """

    plus: NDArray[np.int64]
    used: NDArray[np.bool_]
    summed: tuple[NDArray[np.int64], ...]

    def differences(self, conductance: Floats) -> Floats:
        """(inputs, outputs) sums of G+ - G- over a weight's pairs, of conductances (tiles, rows, columns)."""
        g = conductance.ravel()
        sums: Floats = np.where(self.used, g[self.plus] - g[self.plus + 1], 0.0).sum(axis=-1)
        return sums


def weight_cells(network: Network) -> list[WeightCells]:
    """The cells of each layer's weights, in the model's order; a bias row of routed tiles is not among them."""
    _, rows, columns = network.targets.shape
    layers: list[WeightCells] = []
    ends = np.flatnonzero(network.steps["flags"] & (StepFlag.LAST | StepFlag.ANALOG)) + 1
    for layer, steps in zip(network.model.layers, np.split(network.steps, ends[:-1]), strict=True):
        row_copies = max(-(-int(step["rows"]) // int(step["inputs"])) for step in steps)
        pair_copies = max(-(-int(step["pairs"]) // int(step["outputs"])) for step in steps)
        plus = np.zeros((layer.inputs, layer.outputs, row_copies * pair_copies), dtype=np.int64)
        used = np.zeros(plus.shape, dtype=np.bool_)
        for step in steps:
            inputs, outputs = int(step["inputs"]), int(step["outputs"])
            r, p = np.arange(int(step["rows"]))[:, None], np.arange(int(step["pairs"]))[None, :]
            place = (
                int(step["input"]) + r % inputs,
                int(step["output"]) + p % outputs,
                r // inputs * pair_copies + p // outputs,
            )
            row = int(step["tile"]) * rows + int(step["row"]) + r
            plus[place], used[place] = row * columns + 2 * (int(step["pair"]) + p), True
        copies = np.arange(row_copies * pair_copies)
        routed = steps[-1]["flags"] & StepFlag.ANALOG
        summed = tuple(copies.reshape(row_copies, pair_copies).T) if routed else (copies,)
        layers.append(WeightCells(plus, used, summed))
    first, last = layers[0], layers[-1]
    if (order := network.interface.input_order) is not None:
        back = np.argsort(order)
        layers[0] = WeightCells(first.plus[back], first.used[back], first.summed)
        last = layers[-1]
    if (order := network.interface.output_order) is not None:
        back = np.argsort(order)
        layers[-1] = WeightCells(last.plus[:, back], last.used[:, back], last.summed)
    return layers


def bias_cells(network: Network) -> WeightCells:
    """The pairs on the bias rows of routed tiles, each of which drives its own row: (pairs, 1, 1)."""
    _, rows, columns = network.targets.shape
    level = network.steps[network.steps["flags"] & StepFlag.LEVEL != 0]
    firsts = [(int(step["tile"]) * rows + rows - 1) * columns + 2 * int(step["pair"]) for step in level]
    plus = [first + 2 * np.arange(int(step["pairs"])) for first, step in zip(firsts, level, strict=True)]
    found = np.concatenate([np.empty(0, np.int64), *plus])[:, None, None]
    return WeightCells(found, np.ones(found.shape, np.bool_), (np.array([0]),))

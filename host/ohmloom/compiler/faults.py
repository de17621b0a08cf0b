"""Mapping around cells that no longer move.

A weight is the sum of its pairs' differences, so that its working cells can make up for those that are stuck, as far as
their range goes: the other cell of a pair, and the pairs of its other copies. `compensated` does that for given
targets. `compile_around` also chooses, before compiling, what the cells have to make up for: which input, hidden unit
and output meets which rows and pairs (the assignment problem, solved one axis of a layer at a time), whether spare pairs
beside a block help its worst columns, and how much of a cell's range is kept free for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler.cells import WeightCells, bias_cells, weight_cells
from ohmloom.compiler.network import Network
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model
from ohmloom.spec import ChipSpec
from ohmloom.spec.cells import total_sigma

Floats = NDArray[np.float64]
Compile = Callable[[Model, Floats, Sequence[float] | None], Network]

HEADROOM = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # shares of a cell's range that a layer's largest weight may take
ROUNDS = 3  # of assignments; each lowers the cost, and later ones hardly
AGE_S = 1.0  # of the cells whose spread the headroom is weighed against


@dataclass(frozen=True, eq=False)
class FaultMap:
    """Cells that no longer move: stuck, (tiles, rows, columns); conductance: theirs in siemens, NaN for all others.

    Raises ArgumentError when the shapes differ or a stuck cell's conductance is not a number.
    """

    stuck: NDArray[np.bool_]
    conductance: Floats

    def __post_init__(self) -> None:
        if self.stuck.ndim != 3 or self.stuck.shape != self.conductance.shape:
            raise ArgumentError(
                f"faults: two arrays (tiles, rows, columns) wanted, given {self.stuck.shape} and {self.conductance.shape}"
            )
        if not np.isfinite(self.conductance[self.stuck]).all():
            raise ArgumentError("faults: every stuck cell needs its conductance, given NaN or infinity")


def compensated(network: Network, faults: FaultMap, spec: ChipSpec) -> Floats:
    """The network's targets (tiles, rows, columns) with every weight's and bias' sum kept by the cells that work.

    A stuck cell's target is where it is. What the others' range cannot make up for stays missing.
    """
    targets: Floats = network.targets.copy()
    flat, stuck, level = targets.ravel(), faults.stuck.ravel(), faults.conductance.ravel()
    low, high = spec.cell.g_min_siemens, spec.cell.g_max_siemens
    sign = np.array([1.0, -1.0])
    for layer in (*weight_cells(network), bias_cells(network)):
        for copies in layer.summed:
            cells = layer.plus[..., copies, None] + [0, 1]  # (inputs, outputs, pairs, 2)
            used = np.broadcast_to(layer.used[..., copies, None], cells.shape)
            hit = (stuck[cells] & used).any(axis=(2, 3))
            cells, used = cells[hit], used[hit]
            free = used & ~stuck[cells]
            g = np.where(free, flat[cells], np.where(used, level[cells], 0.0))
            wanted = (np.where(used, flat[cells], 0.0) * sign).sum(axis=(1, 2))
            for _ in range(cells[0].size if len(cells) else 0):  # each pass ends, or brings a cell to its end
                missing = wanted - (g * sign).sum(axis=(1, 2))
                towards = sign * missing[:, None, None]
                movable = free & np.where(towards > 0, g < high, g > low) & (towards != 0)
                share = towards / np.maximum(movable.sum(axis=(1, 2)), 1)[:, None, None]
                g = np.where(movable, np.clip(g + share, low, high), g)
            flat[cells[used]] = g[used]
    return targets


def compile_around(compile_plain: Compile, model: Model, X: Floats, spec: ChipSpec, faults: FaultMap) -> Network:
    """Compiles a model around stuck cells; compile_plain(model, X, full_scale): how, as if there were none.

    Raises ArgumentError when the map is another chip's, and what compile_plain raises.
    """
    shape = (spec.tiles, spec.rows, spec.columns)
    if faults.stuck.shape != shape:
        raise ArgumentError(f"faults: a map of {spec.name}, {shape} cells, is wanted, given {faults.stuck.shape}")
    plain = compile_plain(model, X, None)
    routed = not plain.scales
    candidates = [plain] if routed else [plain, _widened(plain, spec)]
    spreads = _spreads(model, X)
    chosen = None
    for candidate in candidates:
        reaches = [_reach(cells, faults, spec) for cells in weight_cells(candidate)]
        orders = _orders(model, candidate, reaches, spreads, spec)
        found = [
            _best_headroom(layer.weights[np.ix_(rows, columns)], spread[rows], reach, cells, spec, routed)
            for layer, spread, reach, cells, rows, columns in zip(
                model.layers, spreads, reaches, weight_cells(candidate), orders, orders[1:], strict=False
            )
        ]
        cost = sum(layer_cost for _, layer_cost in found)
        if chosen is None or cost < chosen[0]:
            chosen = cost, orders, [share for share, _ in found], candidate is not plain
    assert chosen is not None
    _, orders, shares, wide = chosen
    full_scale = None if routed else [
        float(np.abs(layer.weights).max()) / share for layer, share in zip(model.layers, shares, strict=True)
    ]
    network = compile_plain(_reordered(model, orders), X[:, orders[0]], full_scale)
    if wide:
        network = _widened(network, spec)
    shuffled = _reordered(model, [np.arange(model.inputs), *orders[1:-1], np.arange(model.outputs)])
    interface = replace(
        network.interface,
        classes=model.classes,
        input_order=tuple(map(int, orders[0])),
        output_order=tuple(map(int, orders[-1])),
    )
    note = (
        f"{int((faults.stuck & np.isfinite(network.targets)).sum())} stuck cells among them: units reordered, "
        f"{'spare pairs beside the blocks used, ' if wide else ''}largest weights at "
        f"{', '.join(f'{share:.0%}' for share in shares)} of the cells' range"
    )
    network = replace(network, model=shuffled, interface=interface, notes=(*network.notes, note))
    return replace(network, targets=compensated(network, faults, spec))


def _reach(cells: WeightCells, faults: FaultMap, spec: ChipSpec) -> tuple[Floats, Floats]:
    """The least and the largest sum of differences, (inputs, outputs) siemens, that each place's cells can take."""
    stuck, level = faults.stuck.ravel(), faults.conductance.ravel()
    low, high = (
        np.where(stuck, level, end) for end in (spec.cell.g_min_siemens, spec.cell.g_max_siemens)
    )  # fmt: skip
    plus, minus = cells.plus, cells.plus + 1
    least = np.where(cells.used, low[plus] - high[minus], 0.0).sum(axis=-1)
    largest = np.where(cells.used, high[plus] - low[minus], 0.0).sum(axis=-1)
    return least, largest


def _spreads(model: Model, X: Floats) -> list[Floats]:
    """Mean square of each input of each layer, (inputs,), on the calibration data."""
    powers, values = [], X
    for layer in model.layers:
        powers.append((values**2).mean(axis=0))
        values = values @ layer.weights + layer.bias
        if layer.activation == "relu":
            values = np.maximum(values, 0.0)
    return powers


def _missing(sums: Floats, reach: tuple[Floats, Floats]) -> Floats:
    """How far sums of differences (siemens) lie beyond their cells' reach."""
    least, largest = reach
    return np.maximum(np.maximum(least - sums, sums - largest), 0.0)


def _orders(
    model: Model,
    plain: Network,
    reaches: Sequence[tuple[Floats, Floats]],
    powers: Sequence[Floats],
    spec: ChipSpec,
) -> list[NDArray[np.int64]]:
    """For inputs, each hidden layer's units and outputs: which of them lies on each place."""
    from scipy.optimize import linear_sum_assignment  # a second to load, which only faulty chips need

    span = spec.cell.g_max_siemens - spec.cell.g_min_siemens
    sums, weights_of_error = [], []
    for layer, cells, power in zip(model.layers, weight_cells(plain), powers, strict=True):
        unit = span * int(cells.used.sum(axis=-1).min()) / (float(np.abs(layer.weights).max()) or 1.0)
        sums.append(layer.weights * unit)
        weights_of_error.append(power / unit**2)
    widths = [model.inputs, *(layer.outputs for layer in model.layers)]
    orders = [np.arange(width) for width in widths]
    for _ in range(ROUNDS):
        for axis, width in enumerate(widths):
            cost = np.zeros((width, width))  # of unit u on place p
            for u in range(width):
                if axis < len(model.layers):  # its rows in the layer that takes it
                    row = sums[axis][u, orders[axis + 1]]
                    cost[u] += weights_of_error[axis][u] * (_missing(row, reaches[axis]) ** 2).sum(axis=1)
                if axis:  # its pairs in the layer that gives it
                    column = sums[axis - 1][orders[axis - 1], u][:, None]
                    power = weights_of_error[axis - 1][orders[axis - 1]][:, None]
                    cost[u] += (power * _missing(column, reaches[axis - 1]) ** 2).sum(axis=0)
            units, places = linear_sum_assignment(cost)
            orders[axis] = units[np.argsort(places)]
    return orders


def _best_headroom(
    weights: Floats, power: Floats, reach: tuple[Floats, Floats], cells: WeightCells, spec: ChipSpec, routed: bool
) -> tuple[float, float]:
    """The share of a cell's range for the largest weight that costs least, and that cost: mean square error of a sum."""
    low, span = spec.cell.g_min_siemens, spec.cell.g_max_siemens - spec.cell.g_min_siemens
    largest = float(np.abs(weights).max()) or 1.0
    copies = cells.used.sum(axis=-1)
    best = (1.0, np.inf)
    for share in HEADROOM[:1] if routed else HEADROOM:
        unit = share * span * int(copies.min()) / largest
        error = _missing(weights * unit, reach) ** 2
        level = low + np.abs(weights) * unit / copies
        error += copies * (total_sigma(level, AGE_S) ** 2 + total_sigma(low, AGE_S) ** 2)
        cost = float((power[:, None] * error).sum()) / unit**2
        if cost < best[1]:
            best = (share, cost)
    return best


def _reordered(model: Model, orders: Sequence[NDArray[Any]]) -> Model:
    """The model with its inputs, hidden units and outputs in other orders."""
    layers = tuple(
        Layer(layer.weights[np.ix_(rows, columns)], layer.bias[columns], layer.activation)
        for layer, rows, columns in zip(model.layers, orders, orders[1:], strict=False)
    )
    return Model(layers, model.task, None if model.classes is None else model.classes[orders[-1]])


def _widened(network: Network, spec: ChipSpec) -> Network:
    """The network with the free pairs to the right of each block, at most one more copy of its outputs, as spares at 0."""
    steps, targets = network.steps.copy(), network.targets.copy()
    for step in steps:
        rows = slice(int(step["row"]), int(step["row"]) + int(step["rows"]))
        end = int(step["pair"]) + int(step["pairs"])
        taken = np.asarray(np.isfinite(targets[int(step["tile"]), rows, 0::2]).any(axis=0))
        spare = 0
        while spare < int(step["outputs"]) and end + spare < spec.pairs and not taken[end + spare]:
            spare += 1
        step["pairs"] += spare
        targets[int(step["tile"]), rows, 2 * end : 2 * (end + spare)] = spec.cell.g_min_siemens
    return replace(network, steps=steps, targets=targets)

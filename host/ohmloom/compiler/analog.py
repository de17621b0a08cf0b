"""Mapping for routed tiles: layer l on tile l, its pairs drive the next tile's rows with no converter between them.

Only conductances, the TIA range and the attenuator scale a value on its way. With h the activations of a layer's input in the model's units
and c its volts a unit, a pair's voltage is r * k * c * copies * (h W + b), where the bias b is a weight on the tile's bias row. The corrections
that calibration has measured are put into the cells: a column's gain into its weights, a pair's offset into its bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler.placement import Block
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model
from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS, GAIN_ONE, scale_and_shift
from ohmloom.spec.network import STEP_DTYPE, StepFlag

Floats = NDArray[np.float64]

CLIPPED_SHARE = 1e-3
TIA_HEADROOM = 0.9


@dataclass(frozen=True)
class Stage:
    """One layer on its tile. weights: (rows, 2 * pairs) siemens, bias row last where `level` is a code."""

    block: Block
    siemens: Floats
    tia_range: int
    attenuator: int
    level: int | None
    sum_scale: float  # of the last stage: Q4 counts per unit of the layer's sum of products


@dataclass(frozen=True)
class AnalogMapping:
    stages: tuple[Stage, ...]
    codes_per_input: float

    @property
    def blocks(self) -> list[Block]:
        return [stage.block for stage in self.stages]

    def targets(self, spec: ChipSpec) -> Floats:
        """(tiles, rows, columns) siemens, NaN where no cell is used."""
        targets = np.full((spec.tiles, spec.rows, spec.columns), np.nan)
        for stage in self.stages:
            rows, columns = stage.siemens.shape
            body = rows - (stage.level is not None)
            targets[stage.block.tile, :body, :columns] = stage.siemens[:body]
            if stage.level is not None:
                targets[stage.block.tile, -1, :columns] = stage.siemens[-1]
        return targets

    def steps(self, model: Model, output_scale: float) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """STEP_DTYPE records and the last layer's digital biases."""
        steps = np.zeros(len(self.stages), dtype=STEP_DTYPE)
        for step, stage, layer in zip(steps, self.stages, model.layers, strict=True):
            block = stage.block
            flags = StepFlag.ANALOG | (StepFlag.RELU if layer.activation == "relu" else StepFlag(0))
            step["shift"], step["width"] = stage.attenuator, block.pairs
            if stage is self.stages[-1]:
                flags = StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT
                step["scale"], step["shift"] = scale_and_shift(1 / (output_scale * stage.sum_scale))
                step["width"] = layer.outputs
            if stage.level is not None:
                flags |= StepFlag.LEVEL
                step["level"] = stage.level
            step["flags"], step["tile"], step["range"] = flags, block.tile, stage.tia_range
            step["rows"], step["pairs"] = block.rows, block.pairs
            step["inputs"], step["outputs"] = block.inputs, block.outputs
        biases = np.rint(model.layers[-1].bias * self.stages[-1].sum_scale)
        return steps, np.clip(biases, -(2**31), 2**31 - 1).astype(np.int32)


def map_analog(model: Model, X: Floats, spec: ChipSpec, copies: int, correction: NDArray[Any] | None) -> AnalogMapping:
    """Maps a model for routed tiles; X: calibration inputs; correction: the chip's CORRECTION records (tiles, ranges, columns).

    Raises ArgumentError when a layer does not fit one tile, the tiles do not suffice, or a hidden layer has another activation than ReLU.
    """
    if len(model.layers) > spec.tiles:
        raise ArgumentError(f"analog mode takes a tile a layer: {len(model.layers)} layers do not fit the {spec.tiles} tiles of {spec.name}")
    if model.layers[-1].activation == "relu":
        raise ArgumentError("analog mode: the last layer is converted as it is, so it cannot have a ReLU")
    limit = float(np.quantile(np.abs(X), 1 - CLIPPED_SHARE, method="higher"))
    codes_per_input = spec.read_clamp / limit if limit else 1.0
    volts_per_unit = codes_per_input * spec.row_dac.lsb_v
    activations, row_copies = X, 1
    stages: list[Stage] = []
    for index, layer in enumerate(model.layers):
        last = index == len(model.layers) - 1
        if index == 0:
            # Against repeated rows the one bias row must weigh as many times more, and no cell can be above g_max.
            heaviest = float(np.abs(layer.bias).max()) * volts_per_unit / (spec.read_clamp * spec.row_dac.lsb_v)
            room = float(np.abs(layer.weights).max()) / heaviest if heaviest and not last else copies
            row_copies = _repeats(layer.inputs, spec.rows - 1, min(copies, room))
        # Pair j drives row j of the next tile, whose last row is its bias row unless it is converted.
        pairs = spec.pairs if last else min(spec.pairs, spec.rows - (index + 2 < len(model.layers)))
        pair_copies = _repeats(layer.outputs, pairs, copies)
        block = Block(index, 0, layer.inputs, 0, layer.outputs, row_copies, pair_copies, tile=index)
        if block.rows > spec.rows - (not last) or block.pairs > pairs:
            raise ArgumentError(
                f"analog mode: layer {index} ({layer.inputs}x{layer.outputs}) does not fit one tile of {spec.name}: "
                f"{spec.rows - (not last)} rows{'' if last else ' beside the bias row'}, {pairs} pairs"
            )
        following = activations @ layer.weights + layer.bias
        if layer.activation == "relu":
            following = np.maximum(following, 0)
        stage, volts_per_unit = _stage(layer, block, activations, following, volts_per_unit, spec, correction, last)
        stages.append(stage)
        activations, row_copies = following, pair_copies
    return AnalogMapping(tuple(stages), codes_per_input)


def _repeats(size: int, room: int, most: float) -> int:
    """The largest power of two, at most `most`, of copies of `size` that fit the room; at least 1."""
    repeats = 1
    while 2 * repeats <= most and 2 * repeats * size <= room:
        repeats *= 2
    return repeats


def _stage(
    layer: Layer, block: Block, inputs: Floats, outputs: Floats, volts_per_unit: float, spec: ChipSpec, correction: NDArray[Any] | None,
    last: bool,
) -> tuple[Stage, float]:
    """The stage of one layer and the volts a unit of its outputs."""
    weights = np.tile(layer.weights, (block.row_copies, block.pair_copies))
    level = None if last else spec.read_clamp
    if level is not None:
        # The bias row carries `level`; the weight on it that adds `bias` to a sum that has row_copies times everything else.
        on_row = layer.bias * (volts_per_unit * block.row_copies / (level * spec.row_dac.lsb_v))
        weights = np.vstack([weights, np.tile(on_row, block.pair_copies)])
    span = spec.cell.g_max_siemens - spec.cell.g_min_siemens
    largest = float(np.abs(weights).max())
    siemens_per_weight = span / largest if largest else 1.0
    volts = np.clip(np.tile(inputs * volts_per_unit, (1, block.row_copies)), -spec.limits.read_v, spec.limits.read_v)
    if level is not None:
        volts = np.hstack([volts, np.full((len(volts), 1), level * spec.row_dac.lsb_v)])
    half_range_v = min(spec.afe.vmid_v, spec.column_adc.full_scale_v - spec.afe.vmid_v) * TIA_HEADROOM
    peak_a = float(np.abs(volts @ _pairs(weights * siemens_per_weight, spec)).max())
    order: Sequence[int] = sorted(range(len(spec.afe.tia_ohm)), key=lambda index: -spec.afe.tia_ohm[index])
    tia_range = next((index for index in order if peak_a * spec.afe.tia_ohm[index] <= half_range_v), order[-1])
    tia_ohm = spec.afe.tia_ohm[tia_range]
    if peak_a * tia_ohm > half_range_v:  # even the widest range would end: weaker cells
        siemens_per_weight *= half_range_v / (peak_a * tia_ohm)
    if level is not None:  # the controller corrects what the last stage's converters read
        weights, shift = _corrected(weights, block, spec, correction, tia_range)
        weights[-1] -= shift / (tia_ohm * siemens_per_weight * level * spec.row_dac.lsb_v)
        weights = np.clip(weights, -largest, largest)
    siemens = _pairs(weights * siemens_per_weight, spec)
    gain = tia_ohm * siemens_per_weight * block.row_copies * volts_per_unit  # volts of a pair per unit of the sum
    codes = gain * block.pair_copies / spec.column_adc.lsb_v * (1 << FRACTION_BITS)
    top = float(np.quantile(np.abs(outputs), 1 - CLIPPED_SHARE, method="higher"))
    ratios = spec.afe.attenuations
    fitting = [index for index in range(len(ratios)) if gain * top * ratios[index] <= spec.limits.read_v]
    attenuator = max(fitting, key=lambda index: ratios[index]) if fitting else int(np.argmin(ratios))
    return Stage(block, siemens, tia_range, attenuator, level, codes), gain * ratios[attenuator]


def _pairs(weights_siemens: Floats, spec: ChipSpec) -> Floats:
    siemens = np.empty((weights_siemens.shape[0], 2 * weights_siemens.shape[1]))
    siemens[:, 0::2] = spec.cell.g_min_siemens + np.maximum(weights_siemens, 0)
    siemens[:, 1::2] = spec.cell.g_min_siemens + np.maximum(-weights_siemens, 0)
    return siemens


def _corrected(
    weights: Floats, block: Block, spec: ChipSpec, correction: NDArray[Any] | None, tia_range: int
) -> tuple[Floats, Floats]:
    """Weights with their columns' measured gain taken out, and each pair's offset in volts, shape (pairs,)."""
    if correction is None:
        return weights.copy(), np.zeros(block.pairs)
    record = correction[block.tile, tia_range, : 2 * block.pairs]
    gain = record["gain"] / GAIN_ONE
    offset_v = record["offset"] / (1 << FRACTION_BITS) * spec.column_adc.lsb_v
    signed = np.where(weights >= 0, gain[0::2], gain[1::2])
    return weights * signed, offset_v[0::2] - offset_v[1::2]

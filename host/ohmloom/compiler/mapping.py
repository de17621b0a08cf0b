"""Compiling: weights to conductance pairs, real scales to the controller's integers, layers to tiles.

A weight w of a layer becomes the pair G+ = g_min + max(w, 0) k, G- = g_min + max(-w, 0) k with k = (g_max - g_min) / max |w|. Low
common conductance keeps currents, and the spread of cells, small. Everything else follows from the units: a code of a row is
`lsb_v` volts, and a column's Q4 code is 16 * current * tia_ohm / adc_lsb_v.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler.analog import map_analog
from ohmloom.compiler.faults import FaultMap, compile_around
from ohmloom.compiler.network import Interface, LayerScale, Network
from ohmloom.compiler.placement import Block, place
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, from_sklearn
from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS, OUTPUT_MAX, scale_and_shift
from ohmloom.spec.commands import INFER
from ohmloom.spec.network import STEP_DTYPE, StepFlag

Floats = NDArray[np.float64]

# Share of calibration values that a layer's codes may clip: a few outliers cost less than everyone's resolution.
CLIPPED_SHARE = 1e-3
# Of the ADC's half range: room for device errors and unseen inputs.
RANGE_HEADROOM = 0.9
# Outputs leave room for scores that calibration data did not show.
OUTPUT_HEADROOM = 0.5
COPIES = (1, 2, 4, 8, 16)
AUTO_COPIES = (4, 2)


@dataclass(frozen=True)
class _Scaled:
    """A layer with its integers' meaning: codes per input unit, siemens per weight unit, TIA range."""

    layer: Layer
    codes_per_input: float
    siemens_per_weight: float
    tia_range: int


def compile_model(
    model: Model | Any, spec: ChipSpec, X_calibration: ArrayLike, *, copies: int | Literal["auto"] = "auto",
    mode: Literal["hybrid", "analog"] = "hybrid", correction: NDArray[Any] | None = None, full_scale: Sequence[float] | None = None,
    faults: FaultMap | None = None,
) -> Network:
    """Compiles a `Model`, or a fitted scikit-learn MLP, for a chip.

    X_calibration: (samples, inputs), typical inputs; they set the scales and ranges. copies: how many cells pairs each weight gets, a
    power of two up to 16, their errors averaging out; "auto" takes as many as fit the chip's tiles, at most 4: more gain little.
    mode: "hybrid" converts after each layer; "analog" passes analog values from tile to tile and converts only the last layer's, in which case
    `correction` (see `Chip.correction`) tells the chip's measured offsets and gains, which no controller can take out between tiles.
    full_scale: of each layer the weight that a cell's whole range stands for (hybrid only), if not its largest; cells clip what is beyond.
    faults: the chip's stuck cells (see `Chip.find_faults`): the network is laid out and its targets are chosen around them.
    Raises ArgumentError when the data do not fit the model, or the model not the chip.
    """
    if not isinstance(model, Model):
        model = from_sklearn(model)
    X = np.asarray(X_calibration, dtype=np.float64)
    if X.ndim != 2 or X.shape[1] != model.inputs or len(X) == 0:
        raise ArgumentError(f"X_calibration: shape (samples, {model.inputs}) wanted, given {X.shape}")
    if not np.isfinite(X).all():
        raise ArgumentError("X_calibration: NaN or infinity")
    _check_controller(model, spec)
    if faults is not None:

        def plain(part: Model, inputs: Floats, full_scale: Sequence[float] | None) -> Network:
            return compile_model(part, spec, inputs, copies=copies, mode=mode, correction=correction, full_scale=full_scale)

        return compile_around(plain, model, X, spec, faults)
    if mode == "analog":
        return _compile_analog(model, spec, X, AUTO_COPIES[0] if copies == "auto" else copies, correction)
    if mode != "hybrid":
        raise ArgumentError(f"mode: 'hybrid' or 'analog' wanted, given {mode!r}")
    blocks = _place(model, spec, copies)
    notes = [f"{spec.name}: {len(model.layers)} layers on {len({block.tile for block in blocks})} of {spec.tiles} tiles"]
    scaled, activations = [], X
    for index, layer in enumerate(model.layers):
        mine = [block for block in blocks if block.layer == index]
        item = _scale(layer, activations, mine, spec, None if full_scale is None else full_scale[index])
        scaled.append(item)
        notes.append(_note(index, item, mine, spec))
        activations = activations @ layer.weights + layer.bias
        if layer.activation == "relu":
            activations = np.maximum(activations, 0)
    output_scale = _output_scale(activations)
    steps, biases = _steps(scaled, blocks, output_scale, spec)
    interface = Interface(
        model.inputs, model.outputs, scaled[0].codes_per_input, output_scale, spec.read_clamp, model.task, model.classes
    )
    return Network(
        spec.name, spec.digest, model, interface, tuple(blocks), _targets(scaled, blocks, spec), steps, biases, tuple(notes),
        tuple(_layer_scale(item, [block for block in blocks if block.layer == index], spec) for index, item in enumerate(scaled)),
    )


def _compile_analog(model: Model, spec: ChipSpec, X: Floats, copies: int, correction: NDArray[Any] | None) -> Network:
    mapping = map_analog(model, X, spec, copies, correction)
    output_scale = _output_scale(model.forward(X, np.float64))
    steps, biases = mapping.steps(model, output_scale)
    interface = Interface(
        model.inputs, model.outputs, mapping.codes_per_input, output_scale, spec.read_clamp, model.task, model.classes
    )
    notes = [f"{spec.name}: {len(model.layers)} layers on a route of {len(model.layers)} tiles, no converter between them"]
    for index, (stage, layer) in enumerate(zip(mapping.stages, model.layers, strict=True)):
        block, afe = stage.block, spec.afe
        notes.append(
            f"layer {index}: {layer.inputs}x{layer.outputs} {layer.activation} on tile {block.tile}; {block.row_copies * block.pair_copies} pairs a "
            f"weight; TIA range {stage.tia_range} ({afe.tia_ohm[stage.tia_range]:g} ohm); "
            + ("converted" if stage.level is None else f"attenuated to {afe.attenuations[stage.attenuator]:g}, bias row at {stage.level}")
        )
    return Network(
        spec.name, spec.digest, model, interface, tuple(mapping.blocks), mapping.targets(spec), steps, biases, tuple(notes)
    )


def _output_scale(outputs: Floats) -> float:
    return max(float(np.abs(outputs).max()), 1e-12) / (OUTPUT_HEADROOM * OUTPUT_MAX)


def _check_controller(model: Model, spec: ChipSpec) -> None:
    widths = [model.inputs, *(layer.outputs for layer in model.layers)]
    room = spec.controller
    if max(widths) > room.width:
        raise ArgumentError(f"a layer is {max(widths)} wide; the controller takes at most {room.width}")
    if sum(widths[1:]) > room.biases:
        raise ArgumentError(f"the network has {sum(widths[1:])} biases; the controller takes at most {room.biases}")
    header = max(INFER.request.header_bytes, INFER.answer.header_bytes)
    if header + max((3 * model.inputs + 1) // 2, 2 * model.outputs) > spec.link.payload_bytes:
        raise ArgumentError(
            f"a vector of {model.inputs} inputs and {model.outputs} outputs does not fit into frames of {spec.link.payload_bytes} bytes"
        )


def _place(model: Model, spec: ChipSpec, copies: int | Literal["auto"]) -> list[Block]:
    shapes = [layer.weights.shape for layer in model.layers]
    if copies != "auto":
        if copies not in COPIES:
            raise ArgumentError(f"copies: 'auto' or one of {COPIES} wanted, given {copies!r}")
        return _check_steps(place(shapes, copies, spec), spec)
    for candidate in AUTO_COPIES:
        try:
            return _check_steps(place(shapes, candidate, spec), spec)
        except ArgumentError:
            continue
    return _check_steps(place(shapes, 1, spec), spec)


def _check_steps(blocks: list[Block], spec: ChipSpec) -> list[Block]:
    most = spec.controller.steps
    if len(blocks) > most:
        raise ArgumentError(f"the network takes {len(blocks)} steps; the controller takes at most {most}")
    return blocks


def _conductances(scaled: _Scaled, block: Block, spec: ChipSpec) -> Floats:
    """(rows, 2 * pairs) siemens of a block, copies included."""
    weights = scaled.layer.weights[block.input : block.input + block.inputs, block.output : block.output + block.outputs]
    span = spec.cell.g_max_siemens - spec.cell.g_min_siemens
    weights = np.clip(np.tile(weights, (block.row_copies, block.pair_copies)) * scaled.siemens_per_weight, -span, span)
    g = np.empty((block.rows, 2 * block.pairs))
    g[:, 0::2] = spec.cell.g_min_siemens + np.maximum(weights, 0)
    g[:, 1::2] = spec.cell.g_min_siemens + np.maximum(-weights, 0)
    return g


def _scale(layer: Layer, activations: Floats, blocks: Sequence[Block], spec: ChipSpec, full_scale: float | None) -> _Scaled:
    """Chooses codes per input unit and the TIA range with the finest steps that the calibration data do not drive to its end."""
    largest = float(np.abs(layer.weights).max()) if full_scale is None else full_scale
    siemens_per_weight = (spec.cell.g_max_siemens - spec.cell.g_min_siemens) / largest if largest else 1.0
    limit = float(np.quantile(np.abs(activations), 1 - CLIPPED_SHARE, method="higher"))
    codes_per_input = spec.read_clamp / limit if limit else 1.0
    unit = _Scaled(layer, codes_per_input, siemens_per_weight, 0)
    codes = np.clip(activations * codes_per_input, -spec.read_clamp, spec.read_clamp)
    peak_a = 0.0
    for block in blocks:
        driven = np.tile(codes[:, block.input : block.input + block.inputs], (1, block.row_copies))
        peak_a = max(peak_a, float(np.abs(driven @ _conductances(unit, block, spec)).max()) * spec.row_dac.lsb_v)
    half_range_v = min(spec.afe.vmid_v, spec.column_adc.full_scale_v - spec.afe.vmid_v) * RANGE_HEADROOM
    ranges = sorted(range(len(spec.afe.tia_ohm)), key=lambda index: -spec.afe.tia_ohm[index])
    fitting = [index for index in ranges if peak_a * spec.afe.tia_ohm[index] <= half_range_v]
    if fitting:
        return _Scaled(layer, codes_per_input, siemens_per_weight, fitting[0])
    # Even the widest range would saturate: drive the rows with less.
    share = half_range_v / (peak_a * spec.afe.tia_ohm[ranges[-1]])
    return _Scaled(layer, codes_per_input * share, siemens_per_weight, ranges[-1])


def _sum_scale(scaled: _Scaled, blocks: Sequence[Block], spec: ChipSpec) -> float:
    """Q4 accumulator counts per unit of the layer's sum of products."""
    copies = blocks[0].row_copies * blocks[0].pair_copies
    codes_per_siemens = spec.row_dac.lsb_v * spec.afe.tia_ohm[scaled.tia_range] / spec.column_adc.lsb_v * (1 << FRACTION_BITS)
    return scaled.codes_per_input * scaled.siemens_per_weight * codes_per_siemens * copies


def _layer_scale(scaled: _Scaled, blocks: Sequence[Block], spec: ChipSpec) -> LayerScale:
    copies = blocks[0].row_copies * blocks[0].pair_copies
    return LayerScale(scaled.codes_per_input, scaled.siemens_per_weight * copies, _sum_scale(scaled, blocks, spec))


def _steps(
    scaled: Sequence[_Scaled], blocks: Sequence[Block], output_scale: float, spec: ChipSpec
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    steps = np.zeros(len(blocks), dtype=STEP_DTYPE)
    biases: list[Floats] = []
    index = 0
    for number, item in enumerate(scaled):
        mine = [block for block in blocks if block.layer == number]
        last_layer = number == len(scaled) - 1
        sum_scale = _sum_scale(item, mine, spec)
        factor = (1 / output_scale if last_layer else scaled[number + 1].codes_per_input) / sum_scale
        try:
            scale, shift = scale_and_shift(factor)
        except ValueError as error:
            raise ArgumentError(f"layer {number}: its scale does not fit the controller ({error})") from None
        first_bias = sum(len(bias) for bias in biases)
        for position, block in enumerate(mine):
            flags = StepFlag.FIRST if position == 0 else StepFlag(0)
            if position == len(mine) - 1:
                flags |= StepFlag.LAST
                flags |= StepFlag.RELU if item.layer.activation == "relu" else StepFlag(0)
                flags |= StepFlag.OUTPUT if last_layer else StepFlag(0)
            step = steps[index]
            step["flags"], step["tile"], step["range"], step["shift"], step["scale"] = flags, block.tile, item.tia_range, shift, scale
            step["row"], step["rows"], step["pair"], step["pairs"] = block.row, block.rows, block.pair, block.pairs
            step["input"], step["inputs"], step["output"], step["outputs"] = block.input, block.inputs, block.output, block.outputs
            step["bias"], step["width"] = first_bias, item.layer.outputs
            index += 1
        biases.append(np.rint(item.layer.bias * sum_scale))
    total = np.concatenate(biases)
    return steps, np.clip(total, -(2**31), 2**31 - 1).astype(np.int32)


def _targets(scaled: Sequence[_Scaled], blocks: Sequence[Block], spec: ChipSpec) -> Floats:
    targets = np.full((spec.tiles, spec.rows, spec.columns), np.nan)
    for block in blocks:
        rows, columns = slice(block.row, block.row + block.rows), slice(2 * block.pair, 2 * (block.pair + block.pairs))
        targets[block.tile, rows, columns] = _conductances(scaled[block.layer], block, spec)
    return targets


def _note(number: int, item: _Scaled, blocks: Sequence[Block], spec: ChipSpec) -> str:
    places = ", ".join(f"tile {b.tile} rows {b.row}..{b.row + b.rows - 1} pairs {b.pair}..{b.pair + b.pairs - 1}" for b in blocks)
    copies = blocks[0].row_copies * blocks[0].pair_copies
    return (
        f"layer {number}: {item.layer.inputs}x{item.layer.outputs} {item.layer.activation} at {places}; {copies} pair(s) a weight; "
        f"TIA range {item.tia_range} ({spec.afe.tia_ohm[item.tia_range]:g} ohm) holds the calibration data's largest current; "
        f"{item.codes_per_input:.4g} row codes an input unit; {item.siemens_per_weight * 1e6:.4g} uS a weight unit"
    )

"""A compiled network: what the cells and the controller's memories hold, and how real values become codes and back."""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.compiler.placement import Block
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, Task
from ohmloom.spec.arithmetic import OUTPUT_MAX, scale_and_shift
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, StepFlag

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Interface:
    """How a loaded network is used: real inputs to row codes, integer outputs to real ones. It travels as the chip's notes.

    input_order: which input each code is of; output_order: which output each integer is of; None where they are in order.
    """

    inputs: int
    outputs: int
    input_scale: float
    output_scale: float
    read_clamp: int
    task: Task
    classes: NDArray[Any] | None
    input_order: tuple[int, ...] | None = None
    output_order: tuple[int, ...] | None = None

    def codes(self, X: ArrayLike) -> NDArray[np.int64]:
        """Row codes (samples, inputs) of real inputs; values beyond the calibration data's range are clipped.

        Raises ArgumentError for a wrong shape and for values that are not finite.
        """
        try:
            values = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"X: not an array of numbers ({error})") from None
        if values.ndim != 2 or values.shape[1] != self.inputs:
            raise ArgumentError(f"X: shape (samples, {self.inputs}) wanted, given {values.shape}")
        if not np.isfinite(values).all():
            raise ArgumentError(f"X: NaN or infinity in row {int(np.argmin(np.isfinite(values).all(axis=1)))}")
        if self.input_order is not None:
            values = values[:, self.input_order]
        return np.clip(np.rint(values * self.input_scale), -self.read_clamp, self.read_clamp).astype(np.int64)

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs (samples, outputs) in the model's units and order, of the chip's integers."""
        values = np.empty(outputs.shape)
        values[:, slice(None) if self.output_order is None else self.output_order] = outputs * self.output_scale
        return values

    def decide(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Classes of the largest outputs, or the values themselves for regression."""
        if self.classes is not None:
            chosen: NDArray[Any] = self.classes[outputs.argmax(axis=1)]
            return chosen
        return outputs[:, 0] if self.outputs == 1 else outputs

    def to_json(self) -> str:
        fields = {**vars(self), "classes": None if self.classes is None else self.classes.tolist()}
        return json.dumps({"format": FORMAT, **fields})

    @classmethod
    def from_json(cls, text: str) -> Interface:
        """Raises ValueError when the text is not what `to_json` writes."""
        try:
            fields = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise ValueError("another format")
            classes = fields.pop("classes")
            orders = [None if (order := fields.pop(key)) is None else tuple(order) for key in ("input_order", "output_order")]
            classes = None if classes is None else np.array(classes)
            return cls(**fields, classes=classes, input_order=orders[0], output_order=orders[1])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class LayerScale:
    """A layer's integers in the model's units: row codes an input unit, siemens a weight unit (of all pairs of a weight together), and
    accumulator counts (1/16 ADC codes) a unit of its sum of products."""

    codes_per_input: float
    siemens_per_weight: float
    sum_scale: float


@dataclass(frozen=True, eq=False)
class Network:
    """What `ohmloom.compile` returns and `Chip.program` takes.

    chip: name of the spec it was compiled for; targets: (tiles, rows, columns) siemens, NaN where it uses no cell; steps: STEP_DTYPE
    records; biases: int32 in 1/16 ADC codes; notes: one line for each choice that the compiler made; scales: of each layer, none for
    routed tiles, where no converter stands between layers.
    """

    chip: str
    digest: int
    model: Model
    interface: Interface
    blocks: tuple[Block, ...]
    targets: NDArray[np.float64]
    steps: NDArray[Any]
    biases: NDArray[np.int32]
    notes: tuple[str, ...]
    scales: tuple[LayerScale, ...] = ()

    @property
    def cells(self) -> int:
        """Cells that the network uses."""
        return int(np.isfinite(self.targets).sum())

    def explain(self) -> str:
        """The compiler's choices, one a line."""
        return "\n".join(self.notes)

    def layer(self, index: int) -> Network:
        """One layer as a network of its own, on the same cells: activations of the layer before in, its own out, in the model's units.

        Raises ArgumentError for routed tiles, where no converter stands behind a single layer.
        """
        if not self.scales:
            raise ArgumentError("a network in analog mode has no converters between its layers: compile it with mode='hybrid'")
        layers = self.model.layers
        ends = np.flatnonzero(self.steps["flags"] & StepFlag.LAST) + 1
        steps = self.steps[(ends[index - 1] if index else 0) : ends[index]].copy()
        output_scale, scale = self.interface.output_scale, self.scales[index]
        if index < len(layers) - 1:
            # Twice what the next layer's rows can take: clipping stays visible.
            output_scale = 2 * self.interface.read_clamp / self.scales[index + 1].codes_per_input / OUTPUT_MAX
            steps[-1]["scale"], steps[-1]["shift"] = scale_and_shift(1 / (output_scale * scale.sum_scale))
            steps[-1]["flags"] |= StepFlag.OUTPUT
        layer = layers[index]
        interface = Interface(
            layer.inputs, layer.outputs, scale.codes_per_input, output_scale, self.interface.read_clamp, "regression", None,
            self.interface.input_order if index == 0 else None, self.interface.output_order if index == len(layers) - 1 else None,
        )
        model = Model((layer,), "regression")
        return replace(self, model=model, interface=interface, steps=steps, notes=(), scales=(scale,))

    def with_biases(self, biases: Sequence[NDArray[np.float64]]) -> Network:
        """The same cells and steps with other biases, in the model's units: (outputs,) of each layer. They are digital: no cell is touched."""
        layers = tuple(replace(layer, bias=bias) for layer, bias in zip(self.model.layers, biases, strict=True))
        counts = [layer.bias * scale.sum_scale for layer, scale in zip(layers, self.scales, strict=True)]
        if self.interface.output_order is not None:
            counts[-1] = counts[-1][list(self.interface.output_order)]
        integers = np.clip(np.rint(np.concatenate(counts)), -(2**31), 2**31 - 1).astype(np.int32)
        return replace(self, model=replace(self.model, layers=layers), biases=integers)

    def memory(self) -> bytes:
        """Content of the controller's NETWORK memory."""
        body = self.steps.tobytes()
        header = np.zeros((), dtype=HEADER_DTYPE)
        header["magic"], header["steps"], header["crc"] = MAGIC, len(self.steps), binascii.crc32(body)
        header["inputs"], header["outputs"] = self.interface.inputs, self.interface.outputs
        return header.tobytes() + body

    def save(self, path: str | Path) -> None:
        """Writes the network to an .npz file that `load` reads."""
        arrays: dict[str, NDArray[Any]] = {"targets": self.targets, "steps": self.steps, "biases": self.biases}
        for index, layer in enumerate(self.model.layers):
            arrays[f"weights{index}"], arrays[f"bias{index}"] = layer.weights, layer.bias
        meta = {
            "format": FORMAT, "chip": self.chip, "digest": self.digest, "notes": self.notes, "interface": self.interface.to_json(),
            "activations": [layer.activation for layer in self.model.layers], "blocks": [vars(block) for block in self.blocks],
            "scales": [vars(scale) for scale in self.scales],
        }
        with Path(path).open("wb") as file:
            np.savez(file, allow_pickle=False, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """Raises ArgumentError when the file cannot be read or is not a network."""
        try:
            with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            meta = json.loads(arrays["meta"].tobytes())
            interface = Interface.from_json(meta["interface"])
            layers = [
                Layer(arrays[f"weights{index}"], arrays[f"bias{index}"], activation)
                for index, activation in enumerate(meta["activations"])
            ]
            return cls(
                meta["chip"], meta["digest"], Model(tuple(layers), interface.task, interface.classes), interface,
                tuple(Block(**block) for block in meta["blocks"]), arrays["targets"], arrays["steps"], arrays["biases"], tuple(meta["notes"]),
                tuple(LayerScale(**scale) for scale in meta["scales"]),
            )
        except Exception as error:  # a damaged archive makes numpy and zipfile raise almost anything
            raise ArgumentError(f"{path}: not a compiled network ({error})") from None

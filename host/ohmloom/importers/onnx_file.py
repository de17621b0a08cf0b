"""ONNX files (onnx.ai, operator specifications of the default domain): a chain of supported operators, read with `onnx` alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import ArgumentError
from ohmloom.importers.stack import Stack, Window
from ohmloom.model import Model, Task

SUPPORTED = "Gemm, MatMul, Add of a constant, Conv, Relu, Flatten or Reshape to (batch, features), Identity, Dropout, a last Softmax"


def load_onnx(
    path: str | Path,
    *,
    task: Task = "classification",
    classes: ArrayLike | None = None,
    input_shape: Sequence[int] | None = None,
) -> Model:
    """The model of an ONNX file whose graph is a chain of Gemm, MatMul, Conv, Relu and Flatten.

    task, classes: what the outputs stand for; the file does not say (classes: 0, 1, ... if not given). input_shape: of one
    sample, (features,) or (channels, height, width), where the file leaves it open; a model takes samples flattened in
    that order. A last Softmax or LogSoftmax of a classification is left out: it does not change which output is largest.
    Raises ArgumentError, naming the node, for what is not supported, and for a file that cannot be read; ImportError
    without the library.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError(f"ohmloom.load_onnx needs the library onnx ({error}): pip install 'ohmloom[onnx]'") from None
    try:
        loaded = onnx.load(str(path))
        onnx.checker.check_model(loaded)
    except OSError:
        raise
    except Exception as error:  # protobuf's and the checker's errors have no common base
        raise ArgumentError(f"{path}: not a valid ONNX file ({' '.join(str(error).split())[:200]})") from None
    graph = loaded.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ArgumentError(f"{path}: one input and one output wanted, given {len(inputs)} and {len(graph.output)}")
    chain = _Chain(inputs[0].name, Stack(_shape(inputs[0], input_shape, path)), constants, task)
    for node in graph.node:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            value = attributes.get("value")
            constants[node.output[0]] = (
                numpy_helper.to_array(value) if value is not None else np.asarray(next(iter(attributes.values())))
            )
        else:
            chain.take(node, attributes)
    if chain.tensor != graph.output[0].name:
        raise ArgumentError(f"{path}: the output {graph.output[0].name!r} is not the end of the chain, {chain.tensor!r}")
    return chain.stack.model(task, classes)


def _shape(item: Any, given: Sequence[int] | None, path: str | Path) -> tuple[int, ...]:
    """Of one sample, without the batch."""
    if given is not None:
        return tuple(given)
    sizes = [size.dim_value for size in item.type.tensor_type.shape.dim][1:]
    if not sizes or 0 in sizes:
        raise ArgumentError(f"{path}: the shape of {item.name!r} is left open: give input_shape, that of one sample")
    return tuple(sizes)


class _Chain:
    """Nodes one after the other; `tensor` is the name of what the last one gives."""

    def __init__(self, tensor: str, stack: Stack, constants: dict[str, NDArray[Any]], task: Task) -> None:
        self.tensor, self.stack, self._constants, self._task = tensor, stack, constants, task
        self._ended = False
        self._handlers: dict[str, Callable[[Any, dict[str, Any], str], None]] = {
            "Gemm": self._gemm, "MatMul": self._matmul, "Add": self._add, "Conv": self._conv, "Relu": self._relu,
            "Flatten": self._flatten, "Reshape": self._reshape, "Identity": self._nothing, "Dropout": self._nothing,
            "Softmax": self._softmax, "LogSoftmax": self._softmax,
        }  # fmt: skip

    def take(self, node: Any, attributes: dict[str, Any]) -> None:
        where = f"node {node.name or node.output[0]!r} ({node.op_type})"
        if node.op_type not in self._handlers or node.domain not in ("", "ai.onnx"):
            raise ArgumentError(f"{where} is not supported; supported: {SUPPORTED}")
        if self.tensor not in node.input:
            raise ArgumentError(f"{where} does not take what the node before it gives, {self.tensor!r}: branches are not supported")
        if self._ended:
            raise ArgumentError(f"{where}: nothing is supported behind a softmax")
        self._handlers[node.op_type](node, attributes, where)
        self.tensor = node.output[0]

    def _constant(self, node: Any, index: int, where: str) -> NDArray[Any]:
        name = node.input[index]
        if name not in self._constants:
            raise ArgumentError(f"{where}: its input {name!r} is not a constant; weights that are computed are not supported")
        return self._constants[name]

    def _gemm(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        if attributes.get("transA", 0) or node.input[0] != self.tensor:
            raise ArgumentError(f"{where}: the data on the right or transposed are not supported")
        weights = self._constant(node, 1, where) * attributes.get("alpha", 1.0)
        bias = None
        if len(node.input) > 2 and node.input[2]:
            bias = self._constant(node, 2, where) * attributes.get("beta", 1.0)
        self.stack.dense(weights.T if attributes.get("transB", 0) else weights, bias, where)

    def _matmul(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        if node.input[0] != self.tensor:
            raise ArgumentError(f"{where}: the data on the right are not supported")
        self.stack.dense(self._constant(node, 1, where), None, where)

    def _add(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        self.stack.add(self._constant(node, 1 - list(node.input).index(self.tensor), where), where)

    def _conv(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        kernel = self._constant(node, 1, where)
        bias = self._constant(node, 2, where) if len(node.input) > 2 and node.input[2] else None
        if kernel.ndim != 4:
            raise ArgumentError(f"{where}: a kernel over (height, width) is supported, given one of shape {kernel.shape}")
        if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise ArgumentError(f"{where}: auto_pad {attributes['auto_pad'].decode()} is not supported: give pads")
        strides, dilations = (tuple(attributes.get(key, (1, 1))) for key in ("strides", "dilations"))
        pads = tuple(attributes.get("pads", (0, 0, 0, 0)))
        self.stack.convolution(kernel, bias, Window(strides, pads, dilations), attributes.get("group", 1), where)

    def _relu(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        self.stack.relu(where)

    def _flatten(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        if attributes.get("axis", 1) != 1:
            raise ArgumentError(f"{where}: axis 1 is supported, given {attributes['axis']}")
        self.stack.flatten()

    def _reshape(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        shape, features = self._constant(node, 1, where).tolist(), prod(self.stack.shape)
        if len(shape) != 2 or shape[1] not in (-1, features) or (shape[0] == -1 and shape[1] == -1):
            raise ArgumentError(f"{where}: (batch, {features}) is supported, given {tuple(shape)}")
        self.stack.flatten()

    def _softmax(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        if self._task != "classification":
            raise ArgumentError(f"{where} is supported at the end of a classification only")
        self._ended = True

    def _nothing(self, node: Any, attributes: dict[str, Any], where: str) -> None:
        """Does nothing in inference."""

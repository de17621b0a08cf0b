"""Dense layers out of a chain of linear operations and ReLUs, one operation at a time.

A convolution becomes the dense layer that it is: a matrix with the kernel at every position. That suits small images; a
chip that is to share the cells of a kernel among positions needs patches instead, see `ohmloom demo images`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, Task

Floats = NDArray[np.float64]

MAX_WEIGHTS = 1 << 24  # of a convolution as a matrix: 128 MB


@dataclass(frozen=True)
class Window:
    """How a convolution moves: (rows, columns) each; padding: zeros above, left, below and right."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)


class Stack:
    """The layers so far, and the shape of what comes out of them: (features,), or (channels, height, width).

    Every method raises ArgumentError, naming the operation as `where`, for what does not fit.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self._layers: list[Layer] = []

    def dense(self, weights: ArrayLike, bias: ArrayLike | None, where: str) -> None:
        """weights: (inputs, outputs); bias: (outputs,) or what broadcasts to it."""
        matrix = np.asarray(weights, dtype=np.float64)
        if matrix.ndim != 2 or self.shape != (matrix.shape[0],):
            hint = "; flatten it first" if len(self.shape) > 1 else ""
            raise ArgumentError(f"{where}: weights {matrix.shape} do not fit its input of shape {self.shape}{hint}")
        self._add(matrix, bias, (matrix.shape[1],), where)

    def convolution(self, kernel: ArrayLike, bias: ArrayLike | None, window: Window, groups: int, where: str) -> None:
        """kernel: (channels out, channels in / groups, height, width), not flipped; bias: (channels out,)."""
        weights = np.asarray(kernel, dtype=np.float64)
        if weights.ndim != 4:
            raise ArgumentError(f"{where}: a kernel over (height, width) is supported, given one of shape {weights.shape}")
        if len(self.shape) != 3 or self.shape[0] != weights.shape[1] * groups or weights.shape[0] % groups:
            raise ArgumentError(
                f"{where}: kernel {weights.shape} in {groups} group(s) does not fit its input of shape {self.shape}; "
                f"(channels, height, width) wanted: give input_shape"
            )
        channels, height, width = self.shape
        (top, left, bottom, right), (down, across) = window.padding, window.dilation
        out = tuple(
            (size + before + after - step * (extent - 1) - 1) // stride + 1
            for size, before, after, step, extent, stride in zip(
                (height, width), (top, left), (bottom, right), window.dilation, weights.shape[2:], window.stride, strict=True
            )
        )
        if min(out) < 1:
            raise ArgumentError(f"{where}: the kernel {weights.shape[2:]} is larger than its padded input {self.shape[1:]}")
        filters = weights.shape[0]
        if prod(self.shape) * filters * prod(out) > MAX_WEIGHTS:
            raise ArgumentError(
                f"{where}: as a dense layer, {'x'.join(map(str, self.shape))} to {filters}x{out[0]}x{out[1]} has more "
                f"than {MAX_WEIGHTS} weights; smaller images or larger strides are supported"
            )
        dense = np.zeros((channels, height, width, filters, *out))
        y0, x0 = (step * np.arange(size) for step, size in zip(window.stride, out, strict=True))
        own = np.arange(channels)[:, None] // (channels // groups) == np.arange(filters) // (filters // groups)
        for ky, kx in np.ndindex(weights.shape[2:]):
            y, x = y0 + ky * down - top, x0 + kx * across - left
            oy, ox = np.flatnonzero((y >= 0) & (y < height)), np.flatnonzero((x >= 0) & (x < width))
            at = np.ix_(oy, ox)
            rows, columns = np.broadcast_to(at[0], (len(oy), len(ox))), np.broadcast_to(at[1], (len(oy), len(ox)))
            taps = np.tile(weights[:, :, ky, kx].T, (groups, 1)) * own  # (channels in, filters)
            dense[:, y[rows], x[columns], :, rows, columns] = taps
        spread = None if bias is None else np.repeat(np.asarray(bias, dtype=np.float64), prod(out))
        self._add(dense.reshape(prod(self.shape), -1), spread, (filters, *out), where)

    def add(self, bias: ArrayLike, where: str) -> None:
        """Adds a constant to what the last layer gives, before any ReLU."""
        if not self._layers or self._layers[-1].activation != "none":
            raise ArgumentError(f"{where}: only the sums of a dense layer or convolution can have a constant added")
        shape = (1, *self.shape)  # as broadcast in the file, the batch in front
        values = np.asarray(bias, dtype=np.float64)
        try:
            added = np.broadcast_to(values, shape).ravel()
        except ValueError:
            raise ArgumentError(f"{where}: a constant of shape {values.shape} does not fit {self.shape}") from None
        self._layers[-1] = replace(self._layers[-1], bias=self._layers[-1].bias + added)

    def relu(self, where: str) -> None:
        if not self._layers:
            raise ArgumentError(f"{where}: a ReLU before the first layer is not supported: apply it to the data")
        self._layers[-1] = replace(self._layers[-1], activation="relu")

    def flatten(self) -> None:
        self.shape = (prod(self.shape),)

    def model(self, task: Task, classes: ArrayLike | None) -> Model:
        """The model; classes: of the outputs, 0, 1, ... if not given."""
        if not self._layers:
            raise ArgumentError("no dense layer or convolution found: there is nothing to put on a chip")
        labels: Any = None
        if task == "classification":
            labels = np.arange(self._layers[-1].outputs) if classes is None else np.asarray(classes)
        return Model(tuple(self._layers), task, labels)

    def _add(self, weights: Floats, bias: ArrayLike | None, shape: tuple[int, ...], where: str) -> None:
        zero = np.zeros(weights.shape[1])
        try:
            offset = zero if bias is None else np.broadcast_to(np.asarray(bias, dtype=np.float64), (1, len(zero)))[0]
            self._layers.append(Layer(weights, offset, "none"))
        except ValueError as error:  # ArgumentError is one, too
            raise ArgumentError(f"{where}: {error}") from None
        self.shape = shape

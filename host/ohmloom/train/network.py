"""A multilayer perceptron as a chip computes it, with its gradient.

Layer: `z = scale * (a @ (V + errors) + column noise) + bias`. V lies in -1..1, the range of a pair of cells; `scale`,
one learned number a layer, is the digital requantisation. Large V drown the cells' errors, so training against them
spreads V over the range and lets the scale follow: no rule for the largest weight is needed.
Between routed tiles a bias is no number: it is one more row of V, driven like the layer's largest input.
Noise in the forward pass: Joshi et al., Nature Communications 11 (2020). Gradients straight through the rounding:
Bengio et al., arXiv 1308.3432.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ohmloom.train.noise import ChipNoise

Floats = NDArray[Any]
Loss = Callable[[Floats, Floats], tuple[float, Floats]]

_INITIAL_RMS = 0.3  # of V: most of the range stays free to grow into


def cross_entropy(z: Floats, targets: Floats) -> tuple[float, Floats]:
    """Mean softmax cross-entropy of logits z against target probabilities, both (..., classes), and its gradient."""
    z = z - z.max(axis=-1, keepdims=True)
    exponentials = np.exp(z)
    total = exponentials.sum(axis=-1, keepdims=True)
    samples = z.size // z.shape[-1]
    loss = float((targets * (np.log(total) - z)).sum()) / samples
    return loss, (exponentials / total - targets) / samples


def half_square(z: Floats, targets: Floats) -> tuple[float, Floats]:
    """Half the squared error of z against targets, both (..., outputs), mean over samples, and its gradient."""
    difference = z - targets
    samples = z.size // z.shape[-1]
    return 0.5 * float((difference * difference).sum()) / samples, difference / samples


class Network:
    """Parameters in one vector, `gradient` beside it, so that an optimiser's step is a few vector operations.

    V, bias: views of them by layer, (rows, outputs) and (outputs,); log_scale: (layers,). dV, dbias, dlog_scale:
    views of the gradient. Rows are a layer's inputs and, where the chip has bias rows, one more in hidden layers.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        input_power: float,
        noise: ChipNoise | None,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        """sizes: inputs, hidden layers, outputs. input_power: mean square of an input; layer 0 then starts at rms 1."""
        self.noise = noise
        self.bias_rows = [int(noise is not None and noise.bias_rows)] * (len(sizes) - 2) + [0]
        self.shapes = [
            (n_in + more, n_out) for (n_in, n_out), more in zip(pairwise(sizes), self.bias_rows, strict=True)
        ]
        self.ends = np.cumsum([n_in * n_out for n_in, n_out in self.shapes])
        self.weights = int(self.ends[-1])
        self.parameters = np.zeros(self.weights + sum(sizes[1:]) + len(self.shapes), dtype)
        self.gradient = np.zeros_like(self.parameters)
        self.V, self.bias, self.log_scale = self._views(self.parameters)
        self.dV, self.dbias, self.dlog_scale = self._views(self.gradient)
        self.parameters[: self.weights] = rng.uniform(-1.0, 1.0, self.weights) * (_INITIAL_RMS * np.sqrt(3.0))
        for layer, (n_in, _) in enumerate(self.shapes):
            power = input_power if layer == 0 else 0.5  # a ReLU passes half of its input's power
            self.log_scale[layer] = -0.5 * np.log(n_in * power * _INITIAL_RMS**2)

    def _views(self, vector: Floats) -> tuple[list[Floats], list[Floats], Floats]:
        weights, rest = np.split(vector, [self.weights])
        *biases, scales = np.split(rest, np.cumsum([n_out for _, n_out in self.shapes]))
        return self._matrices(weights), biases, scales

    def _matrices(self, weights: Floats) -> list[Floats]:
        """Views by layer, (..., inputs, outputs), of all weights in (..., weights)."""
        parts = np.split(weights, self.ends[:-1], axis=-1)
        return [part.reshape(*part.shape[:-1], *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def step(self, X: Floats, targets: Floats, loss: Loss, rng: np.random.Generator) -> float:
        """Loss of a batch, and its gradient in `gradient`. Both arrays: (draws, samples, features); a draw is a chip.

        The size of a weight's error and the rounding of codes count as constants in the gradient.
        """
        errors = self._draw_errors(len(X), rng)
        scale = np.exp(self.log_scale)
        largest = X.dtype.type(1.0)
        inputs, programmed, sums = [self._driven(0, X, largest)], [], []
        for layer, V in enumerate(self.V):
            W = V[None] if errors is None else V + errors[layer]
            column = inputs[-1] @ W
            if self.noise is not None:
                sigma = X.dtype.type(self.noise.column_sigma * largest)
                column += sigma * rng.standard_normal(column.shape, dtype=X.dtype)
            z = scale[layer] * column + self.bias[layer]
            programmed.append(W)
            sums.append(column)
            if layer + 1 < len(self.V):
                activations = np.maximum(z, 0)
                if self.noise is not None:
                    largest = activations.max()
                    activations = self.noise.quantise(activations, largest)
                inputs.append(self._driven(layer + 1, activations, largest))
        value, dz = loss(z, targets)
        for layer in reversed(range(len(self.V))):
            dcolumn = scale[layer] * dz
            if not self.bias_rows[layer]:
                self.dbias[layer][:] = dz.sum(axis=(0, 1))
            self.dlog_scale[layer] = np.vdot(dcolumn, sums[layer])
            rows, n_out = self.shapes[layer]
            # The draws' gradients add up: one product over all samples.
            np.matmul(inputs[layer].reshape(-1, rows).T, dcolumn.reshape(-1, n_out), out=self.dV[layer])
            if layer:
                n_in = rows - self.bias_rows[layer]
                dz = (dcolumn @ programmed[layer][:, :n_in].swapaxes(1, 2)) * (inputs[layer][..., :n_in] > 0)
        return value

    def _driven(self, layer: int, values: Floats, largest: Any) -> Floats:
        """What drives a layer's rows: its inputs (..., inputs) and, where it has one, the bias row at their largest."""
        if not self.bias_rows[layer]:
            return values
        return np.concatenate([values, np.full((*values.shape[:-1], 1), largest, values.dtype)], axis=-1)

    def dense(self, X: Floats) -> list[tuple[Floats, Floats]]:
        """Weights (inputs, outputs) and bias (outputs,) of each layer, in float64.

        X: (samples, features) of the training data; a bias row counts as much as the largest input that they give it.
        """
        values, largest, found = X.astype(np.float64), 1.0, []
        for V, bias, log_scale, more in zip(self.V, self.bias, self.log_scale, self.bias_rows, strict=True):
            W = V.astype(np.float64) * np.exp(float(log_scale))
            inputs = len(W) - more
            found.append((W[:inputs], bias.astype(np.float64) + largest * W[inputs:].sum(axis=0)))
            values = np.maximum(values @ found[-1][0] + found[-1][1], 0)
            largest = float(values.max())
        return found

    def _draw_errors(self, draws: int, rng: np.random.Generator) -> list[Floats] | None:
        """Weight errors per layer, (draws, inputs, outputs), drawn for all layers at once."""
        if self.noise is None:
            return None
        V = self.parameters[: self.weights]
        errors = rng.standard_normal((draws, self.weights), dtype=V.dtype) * self.noise.weight_sigma(np.abs(V))
        return self._matrices(errors)

    def decay(self, l2: float) -> None:
        """Adds the gradient of `l2 / 2` times the squared norm of the weights (scale and all) to `gradient`."""
        for layer, V in enumerate(self.V):
            factor = l2 * np.exp(2.0 * self.log_scale[layer])
            self.dV[layer] += factor * V
            self.dlog_scale[layer] += factor * np.vdot(V, V)

    def clip(self) -> None:
        """Puts V back into the range of the cells; without noise there are no cells."""
        if self.noise is not None:
            V = self.parameters[: self.weights]
            np.clip(V, -1.0, 1.0, out=V)

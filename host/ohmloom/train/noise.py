"""What a chip does to a layer, in the layer's own units: weights in units of its largest weight, inputs of its largest.

A weight w lies on a differential pair, `g+ = g_min + max(w, 0) / w_max * (g_max - g_min)` and g- likewise for -w.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model
from ohmloom.spec.cells import total_sigma
from ohmloom.spec.chip import ChipSpec

_INTERVALS = 256


@dataclass(frozen=True, eq=False)
class ChipNoise:
    """The errors of a chip's weights, inputs and outputs; made by `ChipNoise.of`.

    pair_sigma: (257,) standard deviation of a pair's weight at the weights 0, 1/256, ..., 1.
    read_levels: largest row code; an input of 1 drives it.
    column_sigma: standard deviation of a pair's output from conversion, its quantisation included.
    bias_rows: hidden layers have their biases in cells, on a row that is driven like an input of 1.
    """

    pair_sigma: NDArray[np.float64]
    read_levels: int
    column_sigma: float
    bias_rows: bool = False

    @classmethod
    def of(
        cls, spec: ChipSpec, age_s: float = 1.0, copies: int = 1, mode: Literal["hybrid", "analog"] = "hybrid"
    ) -> ChipNoise:
        """The noise of a chip programmed `age_s` ago with `copies` cells for each cell of a pair (errors average out).

        mode: as of `ohmloom.compile`; in analog mode biases are in cells, too.
        Raises ArgumentError when age_s is not positive and finite or copies is below 1.
        """
        if not (age_s > 0 and np.isfinite(age_s)):
            raise ArgumentError(f"age_s: a positive time wanted, given {age_s!r}")
        if copies < 1:
            raise ArgumentError(f"copies: 1 or more wanted, given {copies!r}")
        low, span = spec.cell.g_min_siemens, spec.cell.g_max_siemens - spec.cell.g_min_siemens
        sigma = total_sigma(low + span * np.linspace(0.0, 1.0, _INTERVALS + 1), age_s)
        # MVM uses the widest range when currents are large: the coarsest resolution that a layer can meet.
        widest = min(range(len(spec.afe.tia_ohm)), key=lambda index: spec.afe.tia_ohm[index])
        adc = spec.column_adc
        code_variance = 1 / 12 + adc.noise_sigma_lsb**2 + (spec.afe.tia_noise_sigma_v / adc.lsb_v) ** 2
        column_siemens = spec.siemens_per_code(widest) * np.sqrt(2.0 * code_variance)
        return cls(
            pair_sigma=np.hypot(sigma, sigma[0]) / (span * np.sqrt(copies)),
            read_levels=spec.read_clamp,
            column_sigma=float(column_siemens / (span * np.sqrt(copies))),
            bias_rows=mode == "analog",
        )

    def scaled(self, factor: float) -> ChipNoise:
        """The same chip with its random errors multiplied by `factor`."""
        return replace(self, pair_sigma=self.pair_sigma * factor, column_sigma=self.column_sigma * factor)

    def weight_sigma(self, magnitude: NDArray[Any]) -> NDArray[Any]:
        """Standard deviation of weights of `magnitude` 0..1, any shape: that of the nearest knot."""
        index = np.rint(magnitude * _INTERVALS).astype(np.intp)
        sigma: NDArray[Any] = self.pair_sigma.astype(magnitude.dtype).take(index)
        return sigma

    def quantise(self, values: NDArray[Any], largest: Any) -> NDArray[Any]:
        """Values of any shape, rounded to the row codes that drive them when `largest` drives the largest code."""
        step = values.dtype.type((largest or 1.0) / self.read_levels)
        quantised: NDArray[Any] = np.rint(values / step) * step
        return quantised

    def perturb(self, model: Model, rng: np.random.Generator) -> Model:
        """One programmed chip: the model with an error drawn for each weight. A layer's largest weight is on g_max."""
        layers: list[Layer] = []
        for layer in model.layers:
            largest = np.abs(layer.weights).max()
            sigma = self.weight_sigma(np.abs(layer.weights) / (largest or 1.0))
            error = largest * sigma * rng.standard_normal(layer.weights.shape)
            layers.append(replace(layer, weights=layer.weights + error))
        return replace(model, layers=tuple(layers))

"""A convolution on the chip: a dense layer over patches (im2col), the same cells for all patches of an image.

Two networks share the chip, the convolution on the last tile, the dense layers on the others. The convolution's answers
go to the host, which rectifies them, averages them over a grid and standardises them, and back to the dense layers.
Between the two only steps and scales are loaded; no cell is touched. The convolution is one layer, so it is converted
in either mode. The filters are learned without labels, by spherical k-means of
patches (Coates and Ng, Learning Feature Representations with K-means, 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler import Network, compile_model
from ohmloom.compiler.faults import FaultMap
from ohmloom.demos.demo import Standard
from ohmloom.demos.deployment import Compiled, Deployment, train
from ohmloom.model import Layer, Model

if TYPE_CHECKING:
    from ohmloom.chip import Chip, Progress
    from ohmloom.demos.demo import Data, Mode, Steps
    from ohmloom.spec import ChipSpec
    from ohmloom.train import ChipNoise

Floats = NDArray[np.float64]

KERNEL, STRIDE = 7, 3
THRESHOLD = 0.3  # of a filter's answer; what stays below it is rectified away
CALIBRATION = 500  # images
SAMPLED, ROUNDS = 20_000, 15
EMPTY = 0.5  # norm of a patch that shows nothing
CHUNK = 256  # images whose patches are in memory at a time


@dataclass(frozen=True, eq=False)
class CompiledConvolution(Compiled):
    """network: both networks' cells, and the dense layers' steps; filters: the convolution's steps and scales."""

    filters: Network
    grid: int
    standard: Standard

    def infer(self, chip: Chip, X: Floats, progress: Progress) -> Floats:
        chip.load(self.filters)
        features = []
        for images in _chunks(X):
            patches = patches_of(images)
            features.append(pooled(chip.infer(patches.reshape(-1, patches.shape[-1])), len(images), self.grid))
            progress("inference", sum(map(len, features)), len(X))
        chip.load(self.network)
        return chip.infer(self.standard(np.concatenate(features)))


@dataclass(frozen=True, eq=False)
class Convolution(Deployment):
    """The dense layers are `model`; filters: the convolution as a model of one layer; images: to calibrate it;
    standard: of the dense layers' inputs.
    """

    filters: Model
    images: Floats
    grid: int
    standard: Standard

    @classmethod
    def learned(
        cls, data: Data, noise: ChipNoise, seed: int, trained: Steps, *, filters: int, grid: int
    ) -> Convolution:
        """Filters from the images data.X_train (samples, side * side), then dense layers on their pooled answers."""
        layer = learned_filters(data.X_train, filters, np.random.default_rng(seed))
        convolution = Model((layer,), "regression")
        features = np.concatenate([_features(convolution, part, grid) for part in _chunks(data.X_train)])
        standard = Standard.of(features)
        X = standard(features)
        return cls(train(X, data, noise, seed, trained), X, convolution, data.X_train[:CALIBRATION], grid, standard)

    def compiled(self, chip: Chip, mode: Mode, faults: FaultMap | None = None) -> CompiledConvolution:
        spec = chip.spec
        correction = chip.correction if mode == "analog" else None
        tiles = spec.tiles - 1
        patches = patches_of(self.images)
        parts = [
            compile_model(
                model,
                spec.model_copy(update={"tiles": last - first}),
                X,
                mode=how,
                correction=None if correction is None else correction[first:last],
                faults=None if faults is None else FaultMap(faults.stuck[first:last], faults.conductance[first:last]),
            )
            for model, X, how, first, last in (
                (self.model, self.calibration, mode, 0, tiles),
                (self.filters, patches.reshape(-1, patches.shape[-1]), "hybrid", tiles, spec.tiles),
            )
        ]
        targets = np.concatenate([part.targets for part in parts])
        dense, filters = (_moved(part, first, targets, spec) for part, first in zip(parts, (0, tiles), strict=True))
        notes = (*dense.notes, "the convolution:", *filters.notes)
        return CompiledConvolution(replace(dense, notes=notes), filters, self.grid, self.standard)

    def forward(self, X: Floats) -> NDArray[Any]:
        features = [_features(self.filters, part, self.grid) for part in _chunks(X)]
        return self.model.forward(self.standard(np.concatenate(features)))


def _moved(network: Network, first: int, targets: Floats, spec: ChipSpec) -> Network:
    """A network compiled for some of a chip's tiles, on the tiles from `first` on of the whole chip."""
    steps = network.steps.copy()
    steps["tile"] += first
    blocks = tuple(replace(block, tile=block.tile + first) for block in network.blocks)
    return replace(network, digest=spec.digest, targets=targets, steps=steps, blocks=blocks)


def patches_of(images: Floats) -> Floats:
    """(images, patches, KERNEL ** 2) of square images (images, side * side)."""
    side = round(images.shape[1] ** 0.5)
    windows = np.lib.stride_tricks.sliding_window_view(images.reshape(-1, side, side), (KERNEL, KERNEL), axis=(1, 2))
    windows = windows[:, ::STRIDE, ::STRIDE]
    return windows.reshape(len(images), -1, KERNEL**2)


def pooled(answers: NDArray[Any], images: int, grid: int) -> Floats:
    """(images, grid * grid * filters): answers (images * patches, filters), rectified and averaged over equal parts."""
    side = round((len(answers) // images) ** 0.5)
    part = side // grid
    blocks = np.maximum(answers, 0).reshape(images, grid, part, grid, part, -1)
    means: Floats = blocks.mean(axis=(2, 4), dtype=np.float64).reshape(images, -1)
    return means


def learned_filters(images: Floats, filters: int, rng: np.random.Generator) -> Layer:
    """Spherical k-means: each round, a filter becomes the direction of the patches that it answers most."""
    patches = patches_of(images[rng.permutation(len(images))[: SAMPLED // 4]]).reshape(-1, KERNEL**2)
    patches = patches - patches.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(patches, axis=1)
    patches = (patches[norms > EMPTY] / norms[norms > EMPTY, None])[:SAMPLED]
    centres = patches[rng.permutation(len(patches))[:filters]]
    for _ in range(ROUNDS):
        nearest = (patches @ centres.T).argmax(axis=1)
        sums = np.eye(filters)[nearest].T @ patches
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.maximum(norms, 1e-12), centres)
    return Layer(centres.T, np.full(filters, -THRESHOLD), "none")


def _features(convolution: Model, images: Floats, grid: int) -> Floats:
    patches = patches_of(images)
    return pooled(convolution.forward(patches.reshape(-1, patches.shape[-1])), len(images), grid)


def _chunks(images: Floats) -> Iterator[Floats]:
    return (images[first : first + CHUNK] for first in range(0, len(images), CHUNK))

"""The convolution as a dense layer over patches, on the chip and beside it."""

from __future__ import annotations

import numpy as np

import ohmloom
from ohmloom.demos.convolution import KERNEL, STRIDE, Convolution, learned_filters, patches_of, pooled
from ohmloom.demos.demo import Data
from ohmloom.train import ChipNoise

SIDE = 28


def strokes(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, SIDE * SIDE) of one line, level (0) or upright (1)."""
    kinds = rng.integers(0, 2, count)
    images = np.zeros((count, SIDE, SIDE))
    for image, kind in zip(images, kinds, strict=True):
        row, column = rng.integers(6, 22, 2)
        if kind:
            image[4:24, column - 1 : column + 1] = 1.0
        else:
            image[row - 1 : row + 1, 4:24] = 1.0
    return images.reshape(count, -1), kinds


def test_patches_are_windows_in_order() -> None:
    image = np.random.default_rng(0).random((1, SIDE * SIDE))
    patches = patches_of(image)[0]
    places = [
        (row, column) for row in range(0, SIDE - KERNEL + 1, STRIDE) for column in range(0, SIDE - KERNEL + 1, STRIDE)
    ]
    assert len(patches) == len(places) == 64
    square = image.reshape(SIDE, SIDE)
    for patch, (row, column) in zip(patches, places, strict=True):
        np.testing.assert_array_equal(patch, square[row : row + KERNEL, column : column + KERNEL].ravel())


def test_pooling_by_hand() -> None:
    answers = np.array([[1.0], [-5.0], [3.0], [2.0], *[[0.0]] * 12])  # one filter, 4 x 4 patches, rows first
    assert pooled(answers, 1, 2).tolist() == [[0.25, 1.25, 0.0, 0.0]]
    assert pooled(np.column_stack([answers, 2 * answers]), 1, 1).tolist() == [[6 / 16, 12 / 16]]


def test_filters_are_unit_vectors_without_a_mean_that_repeat_for_a_seed() -> None:
    images, _ = strokes(60, np.random.default_rng(0))
    layers = [learned_filters(images, 4, np.random.default_rng(3)) for _ in range(2)]
    weights = layers[0].weights
    np.testing.assert_array_equal(weights, layers[1].weights)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=0), 1.0)
    np.testing.assert_allclose(weights.sum(axis=0), 0.0, atol=1e-9)


def test_two_networks_share_a_chip_and_agree_with_float32() -> None:
    """On an ideal chip only codes are rounded; the dense layers' tiles and the convolution's are apart."""
    X, y = strokes(200, np.random.default_rng(1))
    held_out, truth = strokes(100, np.random.default_rng(2))
    data = Data(X, y, held_out, truth, (8,), held_out)
    with ohmloom.connect("emu://lab-128x128x4", ideal=True) as chip:
        noise = ChipNoise.of(chip.spec)
        deployment = Convolution.learned(data, noise, 0, lambda done, total: None, filters=6, grid=2)
        compiled = deployment.compiled(chip, "hybrid")
        tiles = [{int(tile) for tile in part.steps["tile"]} for part in (compiled.network, compiled.filters)]
        assert tiles[0].isdisjoint(tiles[1])
        chip.program(compiled.network)
        outputs = compiled.infer(chip, held_out, lambda what, done, total: None)
    software = deployment.forward(held_out)
    assert np.abs(outputs - software).max() < 0.1 * np.abs(software).max()
    assert (
        np.mean(deployment.model.decide(outputs) == truth) >= np.mean(deployment.model.decide(software) == truth) - 0.02
    )
    assert np.mean(deployment.model.decide(software) == truth) > 0.95

"""Handwritten digits: 1,797 images of 8 x 8 pixels, which come with scikit-learn.

Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.demo import Data, Demo, Mode, fits
from ohmloom.errors import Error
from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

SIDE, LEVELS, CLASSES, HIDDEN = 8, 16, 10, 32
TEST_SHARE = 0.25
# Grids of averaged pixel blocks (rows, columns), finest first.
GRIDS = ((8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1), (1, 1))


class Digits(Demo):
    name: ClassVar[str] = "digits"
    tasks: ClassVar[dict[str, str]] = {"digits": "Handwritten digits"}

    def data(self, spec: ChipSpec, seed: int) -> Data:
        try:
            from sklearn.datasets import load_digits
            from sklearn.model_selection import train_test_split
        except ImportError as error:
            raise Error(f"the digits come with scikit-learn ({error}): pip install 'ohmloom[demos]'") from None
        grid, hidden, classes = fitting(spec, self.mode)
        images, labels = load_digits(return_X_y=True)
        images, labels = images.reshape(-1, SIDE, SIDE)[labels < classes], labels[labels < classes]
        train, test = train_test_split(np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=seed)
        X = block_means(images / LEVELS, grid)
        note = ""
        if (grid, hidden, classes) != (GRIDS[0], HIDDEN, CLASSES):
            note = (
                f"{SIDE * SIDE}-{HIDDEN}-{CLASSES} does not fit {spec.name}: taken are {grid[0] * grid[1]} features, "
                f"each the mean of a block of {SIDE // grid[0]} x {SIDE // grid[1]} pixels, {hidden} hidden units and "
                f"the digits 0 to {classes - 1}"
            )
        return Data(X[train], labels[train], X[test], labels[test], (hidden,), images[test], note)

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.report.pictures import sample_images

        return [sample_images(results)]


def fitting(spec: ChipSpec, mode: Mode = "hybrid") -> tuple[tuple[int, int], int, int]:
    """(grid, hidden units, classes) of the network that fits: the whole one, or else one of at most a tile a layer."""
    small = [
        (grid, hidden, min(CLASSES, spec.pairs))
        for grid in GRIDS
        if grid[0] * grid[1] <= spec.rows
        for hidden in range(min(HIDDEN, spec.rows, spec.pairs), 1, -1)
    ]
    for grid, hidden, classes in [(GRIDS[0], HIDDEN, CLASSES), *small]:
        if fits(grid[0] * grid[1], hidden, classes, spec, mode):
            return grid, hidden, classes
    raise Error(
        f"{spec.name}: {spec.tiles} tiles of {spec.rows} rows x {spec.pairs} pairs are too small for the digits"
    )


def block_means(images: NDArray[Any], grid: tuple[int, int]) -> NDArray[np.float64]:
    """(n, grid[0] * grid[1]) means of the blocks of images (n, side, side)."""
    n, height, width = images.shape
    blocks = images.reshape(n, grid[0], height // grid[0], grid[1], width // grid[1])
    means: NDArray[np.float64] = blocks.mean(axis=(2, 4)).reshape(n, -1)
    return means

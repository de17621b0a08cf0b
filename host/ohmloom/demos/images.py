"""Images: digits, MNIST with dense layers, and MNIST with a convolution that runs on the chip as patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ohmloom.demos.convolution import KERNEL, STRIDE, Convolution
from ohmloom.demos.demo import Data, Demo, Steps, fits, fitted_note
from ohmloom.demos.deployment import Deployment
from ohmloom.demos.digits import Digits, block_means
from ohmloom.demos.mnist import FOLDER, SIDE, mnist
from ohmloom.errors import Error
from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

CLASSES = 10
L2 = 1.0  # thousands of samples want more than the trainer's default, which counts a sample's share
HIDDEN = {"mnist": 64, "mnist-conv": 48}
# Pixels cut off each edge, and the grid of block means of the rest, finest first. Digits lie within the middle 20 x 20.
CUTS = ((0, 14), (3, 11), (4, 10), (4, 5), (4, 4), (4, 2))
# Filters and the pooling grid (of 8 x 8 patches), richest first.
CONVOLUTIONS = ((24, 4), (31, 2), (16, 2), (8, 2))


class Images(Demo):
    name: ClassVar[str] = "images"
    tasks: ClassVar[dict[str, str]] = {
        "mnist": "MNIST's handwritten digits",
        "mnist-conv": "MNIST's handwritten digits, with a convolution",
        "digits": Digits.tasks["digits"],
    }
    folders: ClassVar[dict[str, str]] = {"mnist": FOLDER, "mnist-conv": FOLDER}

    @property
    def around_faults(self) -> bool:
        return self.task != "digits"

    def data(self, spec: ChipSpec, seed: int) -> Data:
        if self.task == "digits":
            return Digits(mode=self.mode).data(spec, seed)
        train, y_train, test, y_test, note = mnist(self.folder)
        wanted = HIDDEN[self.task]
        if self.task == "mnist-conv":
            filters, grid = self._convolution(spec)
            features = filters * grid**2
            hidden = self.hidden(features, wanted, CLASSES, _without_last_tile(spec))
            shape = (
                f"{filters} filters of {KERNEL} x {KERNEL} pixels, {STRIDE} apart, averaged over {grid} x {grid} parts"
            )
            X_train, X_test = (images.reshape(len(images), -1) / 255 for images in (train, test))
        else:
            cut, side = self._cut(spec)
            features = side**2
            hidden = self.hidden(features, wanted, CLASSES, spec)
            inner = slice(cut, SIDE - cut)
            shape = f"the middle {SIDE - 2 * cut} x {SIDE - 2 * cut} pixels as {side} x {side} means" if cut else ""
            X_train, X_test = (block_means(images[:, inner, inner] / 255, (side, side)) for images in (train, test))
        notes = [note, shape, fitted_note(wanted, hidden, features, CLASSES, spec)]
        return Data(X_train, y_train, X_test, y_test, (hidden,), test, "; ".join(filter(None, notes)), L2)

    def deployment(self, data: Data, spec: ChipSpec, seed: int, trained: Steps) -> Deployment:
        if self.task != "mnist-conv":
            return super().deployment(data, spec, seed, trained)
        filters, grid = self._convolution(spec)
        return Convolution.learned(data, self.noise(spec), seed, trained, filters=filters, grid=grid)

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.report.pictures import sample_images

        return [sample_images(results)]

    def _cut(self, spec: ChipSpec) -> tuple[int, int]:
        """What fits one tile of a route, and all tiles otherwise."""
        for cut, side in CUTS:
            if fits(side**2, 2, CLASSES, spec, self.mode):
                return cut, side
        raise Error(f"{self.name} {self.task}: {spec.name} is too small: {spec.rows} rows x {spec.pairs} pairs a tile")

    def _convolution(self, spec: ChipSpec) -> tuple[int, int]:
        for filters, grid in CONVOLUTIONS:
            room = spec.rows >= KERNEL**2 and filters <= spec.pairs and spec.tiles > 1
            if room and fits(filters * grid**2, HIDDEN[self.task] // 2, CLASSES, _without_last_tile(spec), self.mode):
                return filters, grid
        raise Error(
            f"{self.name} {self.task}: {spec.name} is too small: {KERNEL**2} rows are wanted, and beside the "
            f"convolution's tile others for {CONVOLUTIONS[-1][0] * CONVOLUTIONS[-1][1] ** 2} features"
        )


def _without_last_tile(spec: ChipSpec) -> ChipSpec:
    """The tiles for the dense layers."""
    return spec.model_copy(update={"tiles": spec.tiles - 1})

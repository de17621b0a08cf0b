"""The digits demo on the gateware, and every byte of it as on the emulator: on the large chip, and on the small one what fits it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.twin.frames import demonstrated

from ohmloom.demos.demo import Data, Steps
from ohmloom.demos.deployment import Deployment
from ohmloom.demos.digits import Digits
from ohmloom.spec import ChipSpec, load_chip

SEED = 0


@cache
def learned(chip: str) -> Deployment:
    """The same for both endpoints."""
    spec, demo = load_chip(chip), Digits()
    return Deployment.trained(demo.data(spec, SEED), demo.noise(spec), SEED, lambda done, total: None)


class Some(Digits):
    """The demo with what it has learned already, and so many of the held-out images."""

    def __init__(self, images: int) -> None:
        super().__init__()
        self._images = images

    def data(self, spec: ChipSpec, seed: int) -> Data:
        whole = super().data(spec, seed)
        some = slice(self._images)
        return replace(whole, X_test=whole.X_test[some], y_test=whole.y_test[some], raw_test=whole.raw_test[some])

    def deployment(self, data: Data, spec: ChipSpec, seed: int, trained: Steps) -> Deployment:
        return learned(spec.name)


@pytest.mark.slow
@pytest.mark.parametrize(("chip", "images", "layers"), [("bench-8x16", 100, [8, 8, 8]), ("lab-128x128x4", 100, [64, 32, 10])])
def test_digits_pass_the_same_frames_on_gateware_and_emulator(
    chip: str, images: int, layers: list[int], tmp_path: Path
) -> None:
    emulated, wanted = demonstrated(Some(images), "emu", chip, tmp_path / "emu.jsonl", SEED)
    gateware, given = demonstrated(Some(images), "rtl", chip, tmp_path / "rtl.jsonl", SEED)
    assert gateware.to_json()["layers"] == layers
    assert given == wanted
    np.testing.assert_array_equal(gateware.chip, emulated.chip)
    np.testing.assert_array_equal(gateware.later, emulated.later)
    assert gateware.meters == emulated.meters

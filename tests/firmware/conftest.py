"""Firmware for the bench chip: built once, and run on the host and on a core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.machines import Machine, compile_core, compile_native

from ohmloom.spec import ChipSpec, core, load_chip
from ohmloom_firmware import Image, build_firmware


@dataclass(frozen=True)
class Built:
    spec: ChipSpec
    image: Image
    native: Sequence[Path]
    core: Sequence[Path]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    spec, folder = load_chip("bench-8x16"), tmp_path_factory.mktemp("firmware")
    image = build_firmware(spec, folder)
    native = compile_native(folder / "build", folder / "native")
    on_core = compile_core(folder / "build", folder / "core")
    return Built(spec, image, [native], [on_core, folder / "rom.bin"])


@pytest.fixture(params=["native", "core"])
def machine(request: pytest.FixtureRequest, built: Built, tmp_path: Path) -> Machine:
    """Not started, with the image in flash."""
    return with_image(Machine(built.spec, getattr(built, request.param), tmp_path), built.image.binary)


@pytest.fixture
def new_machine(built: Built, tmp_path: Path) -> Callable[[str], Machine]:
    """One of a kind in a folder of its own, its flash empty."""

    def create(kind: str) -> Machine:
        folder = tmp_path / f"machine{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Machine(built.spec, getattr(built, kind), folder)

    return create


def with_image(machine: Machine, binary: bytes, at: int = core.FLASH_IMAGE[0]) -> Machine:
    machine.flash[at : at + len(binary)] = np.frombuffer(binary, np.uint8)
    return machine

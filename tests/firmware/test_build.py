"""What the builder writes, and that it fits."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.firmware.conftest import Built, with_image
from tests.firmware.machines import Machine

from ohmloom.cli import main
from ohmloom.errors import Error, SpecError
from ohmloom.spec import core, load_chip
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric
from ohmloom_firmware import Image, build_firmware, compiler


def test_same_bytes_in_any_folder(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "another" / "deeper"
    assert build_firmware(built.spec, folder) == built.image
    assert (folder / "firmware.bin").read_bytes() == built.image.binary
    assert (folder / "firmware.elf").read_bytes() == built.image.elf


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Path]:
    """Of another chip, and the folder it is in."""
    folder = tmp_path_factory.mktemp("lab")
    image = build_firmware(load_chip("lab-128x128x4"), folder)
    assert json.loads((folder / "report.json").read_text("utf-8")) == image.report
    return image, folder


@pytest.mark.parametrize("chip", ["bench", "lab"])
def test_it_fits(chip: str, built: Built, lab: tuple[Image, Path]) -> None:
    image = built.image if chip == "bench" else lab[0]
    report = {name: value for name, value in image.report.items() if isinstance(value, int)}
    assert 0 < len(image.binary) == report["image_bytes"] <= core.IMAGE_BYTES
    assert report["text_bytes"] <= report["image_bytes"]
    assert report["text_bytes"] + report["data_bytes"] + core.STACK_BYTES <= core.STAGE_OFFSET
    assert 0 < report["stack_bytes"] <= core.STACK_BYTES
    assert 0 < 4 * len(image.rom) <= core.ROM_BYTES


def test_header_describes_the_image(built: Built) -> None:
    binary = built.image.binary
    header = np.frombuffer(binary, core.IMAGE_HEADER_DTYPE, count=1)[0]
    assert binary[:4] == b"OLMW"
    assert (header["version"], header["bytes"]) == (core.FIRMWARE_VERSION, len(binary))
    assert header["crc"] == zlib.crc32(binary[core.IMAGE_HEADER_DTYPE.itemsize :])
    assert header["entry"] == core.RAM_BASE + core.IMAGE_HEADER_DTYPE.itemsize
    assert binary in built.image.elf


def test_another_chip_in_the_same_folder(built: Built, lab: tuple[Image, Path]) -> None:
    """It has its own numbers, whatever the compiler's cache holds."""
    image, folder = lab
    assert image.binary != built.image.binary
    assert build_firmware(built.spec, folder) == built.image


def test_a_chip_whose_reports_have_no_room_is_refused(tmp_path: Path) -> None:
    lab = load_chip("lab-128x128x4")
    narrow, enough = (
        lab.model_copy(update={"link": lab.link.model_copy(update={"payload_bytes": size})}) for size in (1024, 1025)
    )
    with pytest.raises(SpecError, match=r"payload_bytes is 1024; .* 1292 bytes, for which it has to be more than 1024"):
        build_firmware(narrow, tmp_path)
    assert build_firmware(enough, tmp_path).binary


def test_stack_bound_holds(built: Built, new_machine: Callable[[str], Machine]) -> None:
    machine = with_image(new_machine("core"), built.image.binary)
    machine.start(Controller(Fabric(built.spec, ideal=True)))
    for frame_type in range(0x30, 0x40):
        machine.request(frame_type, bytes(10))
    used = int(machine.stop().split()[-1])
    assert 0 < used <= int(built.image.report["stack_bytes"])


def test_no_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(compiler.shutil, "which", lambda _: None)
    with pytest.raises(Error, match=r"pip install 'ohmloom\[hdl\]', or ziglang alone, or .* riscv64-unknown-elf-gcc"):
        build_firmware(load_chip("bench-8x16"), tmp_path)


def test_command(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["build", "--firmware", "--chip", "bench-8x16", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["ohmloom", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert (tmp_path / "firmware.bin").read_bytes() == built.image.binary


def test_command_takes_no_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["build", "--firmware", "--board", "icebreaker", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["ohmloom", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def test_sources_are_in_the_wheel() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    for part in ("src", "rom", "include", "firmware.ld", "rom.ld"):
        assert f'"firmware/{part}" = "ohmloom_firmware/sources/{part}"' in text


def test_compiler_errors_are_told(built: Built, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text("int f(void) { return g(); }\n", "utf-8")
    with pytest.raises(Error, match=r"failed to build bad.elf"):
        compiler.find_compiler().link([tmp_path / "bad.c"], [], tmp_path / "none.ld", tmp_path, "bad.elf")

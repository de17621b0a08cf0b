"""Compiles the firmware and the boot ROM for a chip."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohmloom.errors import Error
from ohmloom.spec import ChipSpec, core, load_chip
from ohmloom.spec.generate import chip_header
from ohmloom_firmware.compiler import find_compiler
from ohmloom_firmware.elf import Elf
from ohmloom_firmware.stack import stack_bytes


@dataclass(frozen=True)
class Image:
    """`elf`: with symbols; `binary`: the image with its header, as UPDATE and the flash take it; `rom`: the boot ROM's words.

    report: what report.json says. text_bytes: code and constants; data_bytes: variables, zeroed ones too; stack_bytes: a static bound,
    from the frames and calls of the linked code, interrupt included; image_bytes: of `binary`; rom_bytes.
    """

    elf: bytes
    binary: bytes
    rom: tuple[int, ...]
    report: dict[str, int | str]


def build_firmware(spec: ChipSpec, output: Path) -> Image:
    """Build the firmware for a chip: firmware.elf, firmware.bin, rom.bin and report.json in the folder `output`.

    The same chip, sources and compiler give the same bytes in any folder. Raises ohmloom.Error when there is no compiler, when it
    fails, and when code, variables or stack do not fit.
    """
    rom = build_rom(spec, output)
    _link(spec, "firmware", ("src",), output)
    folder = output / "build"
    elf = Elf((folder / "firmware.elf").read_bytes())
    _complete_header(elf)
    binary = elf.loaded(core.RAM_BASE)
    at = elf.symbols
    report: dict[str, int | str] = {
        "chip": spec.name,
        "compiler": find_compiler().version,
        "text_bytes": at["image_data"] - at["image_base"],
        "data_bytes": at["image_end"] - at["image_data"] + at["bss_end"] - at["bss_start"],
        "stack_bytes": stack_bytes(elf),
        "image_bytes": len(binary),
        "rom_bytes": 4 * len(rom),
    }
    if int(report["stack_bytes"]) > core.STACK_BYTES:
        raise Error(
            f"{spec.name}: the firmware needs {report['stack_bytes']} bytes of stack; {core.STACK_BYTES} is the most"
        )
    (output / "firmware.elf").write_bytes(elf.content)
    (output / "firmware.bin").write_bytes(binary)
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return Image(bytes(elf.content), binary, rom, report)


def build_rom(spec: ChipSpec, output: Path) -> tuple[int, ...]:
    """Build the boot ROM for a chip: rom.bin in the folder `output`; returns its words. Raises as `build_firmware` does."""
    _link(spec, "rom", ("rom",), output)
    binary = Elf((output / "build" / "rom.elf").read_bytes()).loaded(core.ROM_BASE)
    (output / "rom.bin").write_bytes(binary)
    return tuple(np.frombuffer(binary, "<u4").tolist())


def _link(spec: ChipSpec, name: str, parts: tuple[str, ...], output: Path) -> None:
    """NAME.elf in the folder `build` of `output`, of all that lies in `parts`."""
    folder = output / "build"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "chip.h").write_text(chip_header.text(spec), "utf-8")
    files = sorted(path for part in parts for path in (sources() / part).iterdir() if path.suffix in (".c", ".S"))
    includes = [sources() / "include", sources() / "src"]
    find_compiler().link(files, includes, sources() / f"{name}.ld", folder, f"{name}.elf")


def build_chip_firmware(chip: str | Path, output: Path) -> dict[str, int | str]:
    """`build_firmware` of a bundled chip, or of a TOML file's path; returns what report.json says."""
    return build_firmware(load_chip(chip), output).report


def sources() -> Path:
    """The folder with src, rom, include and the linker scripts: in a checkout beside the package, in a wheel within it."""
    package = Path(__file__).resolve().parent
    return package / "sources" if (package / "sources").is_dir() else package.parent


def _complete_header(elf: Elf) -> None:
    """Fill in what depends on the linked image."""
    header = core.IMAGE_HEADER_DTYPE
    image = elf.loaded(core.RAM_BASE)
    record = np.frombuffer(image, header, count=1).copy()
    record["bytes"], record["crc"] = len(image), zlib.crc32(image[header.itemsize :])
    elf.patch(core.RAM_BASE, record.tobytes())

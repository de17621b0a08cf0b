"""The C compiler: ziglang from PyPI, which brings clang and its linker, or a GCC for RISC-V."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmloom.errors import Error

GCC = "riscv64-unknown-elf-gcc"
LANGUAGE = ("-std=c11", "-Os", "-ffreestanding", "-fno-builtin", "-fno-common", "-fno-pic", "-fno-stack-protector")
CODE = ("-fno-jump-tables", "-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables", "-g1")
WARNINGS = (
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wno-sign-conversion",
    "-Wmissing-prototypes",
    "-Wstrict-prototypes",
    "-Werror",
)
LINKING = ("-nostdlib", "-static", "-Wl,--gc-sections,--build-id=none")
FLAGS = (*LANGUAGE, *CODE, *WARNINGS, *LINKING)


@dataclass(frozen=True)
class Compiler:
    command: tuple[str, ...]
    version: str

    def link(self, files: Sequence[Path], includes: Sequence[Path], script: Path, folder: Path, name: str) -> None:
        """Compile and link `files` into `name` in the folder `folder`, where chip.h is. Raises ohmloom.Error with what it says."""
        # Absolute, since zig's cache takes equal arguments for equal files.
        command = [
            *self.command,
            *FLAGS,
            *(f"-I{path.resolve()}" for path in (folder, *includes)),
            f"-Wl,-T,{script}",
            "-o",
            name,
        ]
        done = subprocess.run([*command, *map(str, files)], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Error(f"{self.version} failed to build {name}:\n{done.stderr.strip()}")


def find_compiler() -> Compiler:
    """Raises ohmloom.Error where there is none."""
    if importlib.util.find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang")
        flags = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+relax", "-fno-sanitize=undefined", "-flto")
        return Compiler((*zig, "cc", *flags), f"zig {_output(*zig, 'version')}")
    gcc = shutil.which(GCC)
    if gcc is not None:
        return Compiler((gcc, "-march=rv32i_zicsr", "-mabi=ilp32"), f"gcc {_output(gcc, '-dumpfullversion')}")
    raise Error(
        f"firmware needs a C compiler for RISC-V: pip install 'ohmloom[hdl]', or ziglang alone, or your system's package of {GCC} "
        "(Debian, Ubuntu: gcc-riscv64-unknown-elf)"
    )


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

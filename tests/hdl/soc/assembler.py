"""RV32I programs of the tests, through the C compiler that builds the firmware."""

import subprocess
import sys
import tempfile
from pathlib import Path

from ohmloom.spec import core

PREFIX = "\n".join(
    [f".equ {name}, {getattr(core, name)}" for name in ("RAM_BASE", "STORE_BASE", "REGISTERS_BASE", "SUMS_BASE")]
    + [f".equ {register.name.upper()}, {register.offset}" for register in core.REGISTERS]
)


def assemble(text: str) -> list[int]:
    """Words of a program that begins at address 0."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.S").write_text(f"{PREFIX}\n.text\n.globl _start\n_start:\n{text}\n", "utf-8")
        (folder / "a.ld").write_text("SECTIONS { .text 0 : { *(.text) } }\n", "utf-8")
        zig = [sys.executable, "-m", "ziglang"]
        target = ["-target", "riscv32-freestanding-none", "-mcpu=generic_rv32"]
        subprocess.run([*zig, "cc", *target, "-nostdlib", "-Wl,-T,a.ld", "-o", "a.elf", "a.S"], cwd=folder, check=True)
        subprocess.run([*zig, "objcopy", "-O", "binary", "a.elf", "a.bin"], cwd=folder, check=True)
        content = (folder / "a.bin").read_bytes()
    return [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]

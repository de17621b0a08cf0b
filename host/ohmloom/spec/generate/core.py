"""What firmware needs to know of the core: header, linker scripts, and the page for people."""

from __future__ import annotations

from ohmloom.spec import core
from ohmloom.spec.commands import BootTarget
from ohmloom.spec.core import CoreField, CoreRegister
from ohmloom.spec.generate.markdown import NOTE, prose, records, table
from ohmloom.spec.generate.records import constants, record_fields

NAME = "OHMLOOM_CORE_H"
HEADER = f"""/* The RISC-V core's memory map and registers.
 * Generated from the spec by `python -m ohmloom.spec.generate`: do not edit. SPDX-License-Identifier: BSD-2-Clause
 * Register addresses are absolute. */
#ifndef {NAME}
#define {NAME}

#include <stdint.h>
"""


def header() -> str:
    """core.h."""
    lines = [f"#define CORE_{name} 0x{value:X}u" for name, value in constants(core).items() if isinstance(value, int)]
    lines += [f"#define CORE_FLASH_IMAGE_{letter} 0x{at:X}u" for letter, at in zip("AB", core.FLASH_IMAGE, strict=True)]
    lines += [
        f"#define CORE_IMAGE_{field.name.upper()}_OFFSET {field.offset}u"
        for field in record_fields(core.IMAGE_HEADER_DTYPE)
    ]
    lines.append(f"#define CORE_IMAGE_HEADER_BYTES {core.IMAGE_HEADER_DTYPE.itemsize}u")
    for register in core.REGISTERS:
        name = f"CORE_{_register_name(register)}"
        lines.append(
            f"#define {name} 0x{core.REGISTERS_BASE + register.offset:X}u /* {register.access}: {register.doc} */"
        )
        for field in register.fields:
            note = f" /* {field.doc} */" if field.doc else ""
            lines.append(f"#define {name}_{field.name.upper()}_SHIFT {field.lsb}u{note}")
            lines.append(f"#define {name}_{field.name.upper()}_MASK UINT32_C(0x{_mask(field):08X})")
    return HEADER + "\n" + "\n".join(lines) + f"\n\n#endif /* {NAME} */\n"


def _register_name(register: CoreRegister) -> str:
    return f"REGISTER_{register.name.upper()}"


def _mask(field: CoreField) -> int:
    return ((1 << field.width) - 1) << field.lsb


SCRIPT = "/* {title} Generated from the spec by `python -m ohmloom.spec.generate`: do not edit. */\n"
DISCARDED = "  /DISCARD/ : { *(.eh_frame*) *(.comment) *(.note*) *(.riscv.attributes) *(.debug*) }\n"


def firmware_script() -> str:
    """firmware.ld: one image of header, code and data, run where it lies; zeroed memory behind it, then the stack."""
    stack_top = core.RAM_BASE + core.STAGE_OFFSET
    return (
        SCRIPT.format(title="The firmware in the core's RAM.")
        + "ENTRY(_start)\n"
        + f"image_base = 0x{core.RAM_BASE:X};\n"
        + f"stack_top = 0x{stack_top:X};\n"
        + f"""SECTIONS
{{
  . = image_base;
  .image : {{
    KEEP(*(.image_header))
    KEEP(*(.start))
    *(.text .text.*)
    *(.rodata .rodata.* .srodata .srodata.*)
    image_data = ALIGN(4);
    . = image_data;
    *(.data .data.* .sdata .sdata.*)
    . = ALIGN(4);
    image_end = .;
  }}
  .bss (NOLOAD) : {{
    bss_start = .;
    *(.bss .bss.* .sbss .sbss.* COMMON)
    . = ALIGN(4);
    bss_end = .;
  }}
{DISCARDED}}}
ASSERT(image_end - image_base <= 0x{core.IMAGE_BYTES:X}, "the image is larger than IMAGE_BYTES")
ASSERT(bss_end <= stack_top - 0x{core.STACK_BYTES:X}, "variables reach into the stack")
"""
    )


def rom_script() -> str:
    """rom.ld: code and constants only; its stack ends where the RAM ends, so that neither image is in its way."""
    return (
        SCRIPT.format(title="The boot ROM.")
        + "ENTRY(_start)\n"
        + f"stack_top = 0x{core.RAM_BASE + core.RAM_BYTES:X};\n"
        + f"""SECTIONS
{{
  . = 0x{core.ROM_BASE:X};
  .rom : {{
    KEEP(*(.start))
    *(.text .text.*)
    *(.rodata .rodata.* .srodata .srodata.*)
    . = ALIGN(4);
    rom_end = .;
  }}
  .variables (NOLOAD) : {{ *(.data .data.* .sdata .sdata.* .bss .bss.* .sbss .sbss.* COMMON) }}
{DISCARDED}}}
ASSERT(rom_end <= 0x{core.ROM_BASE + core.ROM_BYTES:X}, "the boot ROM is larger than ROM_BYTES")
ASSERT(SIZEOF(.variables) == 0, "the boot ROM has no variables")
"""
    )


def page() -> str:
    """core.md."""
    ram = core.RAM_BASE
    areas = [
        (core.ROM_BASE, core.ROM_BYTES, "boot ROM"),
        (ram, core.IMAGE_BYTES, "RAM: the firmware image, header first; its zeroed variables may lie behind it"),
        (ram + core.STAGE_OFFSET - core.STACK_BYTES, core.STACK_BYTES, "RAM: the firmware's stack"),
        (ram + core.STAGE_OFFSET, core.IMAGE_BYTES, "RAM: the image that UPDATE brings"),
        (core.STORE_BASE, None, "the controller's store: slots, memories, events"),
        (core.REGISTERS_BASE, None, "registers"),
        (core.SUMS_BASE, None, "the probe's sums, one word a column, signed"),
    ]
    rows: list[tuple[str, ...]] = []
    for register in core.REGISTERS:
        rows.append((f"`0x{register.offset:02X}`", f"`{register.name}`", register.access, register.doc))
        for field in register.fields:
            bits = f"{field.lsb + field.width - 1}:{field.lsb}" if field.width > 1 else str(field.lsb)
            rows.append(("", f"`{register.name}.{field.name}`", f"bit {bits}", field.doc))
    flash = [
        *((at, f"image {letter}") for letter, at in zip("AB", core.FLASH_IMAGE, strict=True)),
        (core.FLASH_JOURNAL, "the runs' journal"),
    ]
    return (
        f"{NOTE}# The RISC-V core\n\n{prose(core)}## Memory\n\n"
        + table(
            ("address", "bytes", "what"),
            [(f"`0x{at:05X}`", f"`0x{size:X}`" if size else "", what) for at, size, what in areas],
        )
        + f"## Registers\n\nOffsets from `0x{core.REGISTERS_BASE:05X}`.\n\n"
        + table(("offset", "name", "access", "meaning"), rows)
        + f"## Flash\n\nSectors of {core.FLASH_SECTOR_BYTES} bytes, pages of {core.FLASH_PAGE_BYTES}.\n\n"
        + table(("address", "what"), [(f"`0x{at:06X}`", what) for at, what in flash])
        + "## Firmware images\n\n"
        + f"At most {core.IMAGE_BYTES} bytes. The header, {core.IMAGE_HEADER_DTYPE.itemsize} bytes; `magic` is "
        + f"`0x{core.FIRMWARE_MAGIC:08X}`, `crc` the CRC-32 of all that follows the header:\n\n"
        + records(record_fields(core.IMAGE_HEADER_DTYPE))
        + "At reset the boot ROM copies the valid image with the highest version from flash to RAM, checks it there and "
        + f"starts it; of two with one version, image A. With no valid image it answers {', '.join(ROM_COMMANDS)} itself, "
        + f"BOOT for {BootTarget.RAM.name} only, and refuses all else with NO_FIRMWARE.\n"
    )


ROM_COMMANDS = ("UPDATE", "BOOT", "FIRMWARE (version 0)")

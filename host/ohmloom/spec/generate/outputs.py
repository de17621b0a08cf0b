"""Which file has which text."""

from __future__ import annotations

from ohmloom.spec.generate import core, header, pages, registers

REFERENCE = "docs/reference"


def generate() -> dict[str, str]:
    """Text of each generated file by its path in the checkout. The same spec always gives the same text."""
    bank = registers.read()
    return {
        "host/ohmloom/spec/registers.py": registers.module(bank),
        "firmware/include/ohmloom.h": header.text(bank),
        "firmware/include/core.h": core.header(),
        "firmware/firmware.ld": core.firmware_script(),
        "firmware/rom.ld": core.rom_script(),
        f"{REFERENCE}/registers.md": pages.registers(bank),
        f"{REFERENCE}/commands.md": pages.commands(),
        f"{REFERENCE}/chips.md": pages.chips(),
        f"{REFERENCE}/policies.md": pages.policies(),
        f"{REFERENCE}/network.md": pages.network_page(),
        f"{REFERENCE}/core.md": core.page(),
    }

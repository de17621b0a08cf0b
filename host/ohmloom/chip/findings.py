"""What a self-test finds, in words."""

from __future__ import annotations

from dataclasses import dataclass

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS
from ohmloom.spec.commands import Finding
from ohmloom.spec.reference import reference_q4


@dataclass(frozen=True)
class SelftestFinding:
    """One fault. row or column is where it is, the other one is None; value: as `Finding` says; text: one sentence for people."""

    kind: Finding
    tile: int
    row: int | None
    column: int | None
    value: int
    text: str


def finding(spec: ChipSpec, kind: Finding, tile: int, index: int, value: int) -> SelftestFinding:
    """A finding of SELFTEST's answer on a chip."""
    codes = value / (1 << FRACTION_BITS)
    wanted = reference_q4(spec, spec.verify_range) / (1 << FRACTION_BITS)
    text = {
        Finding.MEMORY: f"the core's RAM does not keep what is written: word {index}, bits 0x{value & 0xFFFFFFFF:x}",
        Finding.ADC_CHANNEL: f"tile {tile}, column {index}: reads {codes:.1f} codes with no row connected; is its converter channel dead?",
        Finding.REFERENCE: f"tile {tile}, column {index}: the reference resistor reads {codes:.1f} codes, not {wanted:.1f}; is it missing?",
        Finding.ROW_SHORT: f"tile {tile}, row {index}: drives its cells by {codes:.1f} codes while its DAC rests; is its line shorted?",
    }[kind]
    in_column = kind in (Finding.ADC_CHANNEL, Finding.REFERENCE)
    return SelftestFinding(
        kind, tile, index if kind is Finding.ROW_SHORT else None, index if in_column else None, value, text
    )

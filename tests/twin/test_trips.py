"""Over-current on the emulator and on the compiled gateware: the same cells are left in the same state."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.twin.requests import packed

from ohmloom.spec import chip as chip_spec
from ohmloom.spec import commands as table
from ohmloom.spec import registers

BUNDLED = Path(chip_spec.__file__).parent / "chips" / "bench-8x16.toml"


@pytest.mark.slow  # compiles another chip
def test_pulses_over_the_rails_current(check, tmp_path: Path) -> None:
    chip = tmp_path / "delicate.toml"
    text = BUNDLED.read_text("utf-8")
    assert "over_current_a = 0.006" in text
    chip.write_text(
        text.replace("over_current_a = 0.006", "over_current_a = 1e-6").replace("bench-8x16", "delicate"), "utf-8"
    )
    pulse = {"tile": 1, "row": 3, "column": 7, "polarity": 0, "rail": 3000, "gate": 3000, "width_ns": 1000}
    clear = packed(table.WRITE_REGISTERS, address=registers.TRIP_CLEAR.address, values=[registers.TRIP_CLEAR.key])
    arm = packed(table.WRITE_REGISTERS, address=registers.ARM.address, values=[registers.ARM.key])
    state = packed(table.READ_REGISTERS, address=registers.STATUS.address, count=2)
    boards = check(
        [
            packed(table.PULSE, **pulse),
            arm,
            packed(table.FORM, tile=1, row=3, mask=[1] * 16),
            state,
            packed(table.PULSE, **pulse),
            clear,
            packed(table.PROGRAM, tile=1, row=2, cells=[(300, 20)] * 16),
            state,
            packed(table.READ, tile=1, row=0, rows=8, samples=1),
            clear,
            packed(table.READ, tile=1, row=0, rows=8, samples=1),
            packed(table.SERVICE, after=0),
            packed(table.READ_REGISTERS, address=registers.PULSES.address, count=3),
        ],
        chip=str(chip),
    )
    assert boards.twin.fabric.time_ns == boards.emulated.fabric.time_ns

"""Front end, safety block and pads under Icarus, with pin-level models of the parts and the emulator's fabric."""

from __future__ import annotations

import pytest
from designs import AnalogFrontEnd

from ohmloom.spec import load_chip


@pytest.mark.parametrize("chip", ["bench-8x16", "lab-128x128x4"])
def test_front_end(simulation, chip) -> None:
    run = simulation(f"front_end_{chip.partition('-')[0]}", lambda: AnalogFrontEnd(load_chip(chip)))
    run("front_end_tests", OHMLOOM_CHIP=chip)

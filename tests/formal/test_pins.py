"""The analog front end's pins, other than the ADCs', come from the safety block and from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec, load_chip
from ohmloom_hdl.interfaces import AfePins, OutputPort, SafetyControl
from ohmloom_hdl.safety import Safety
from ohmloom_hdl.top import Controller

from .netlist import Netlist

GUARDED = ("row_dac", "rail_dac", "switch", "switch_reset_n", "pulse_gate")


def strangers(top: wiring.Component, folder: Path) -> dict[str, str]:
    """Guarded pins of `top`'s port `pins` that anything but its one safety block drives, and what does."""
    netlist = Netlist(top, folder)
    guards = {
        path for path, origins in netlist.origins.items() if any(isinstance(origin, Safety) for origin in origins)
    }
    assert len(guards) == 1, f"safety blocks: {guards}"
    found, guarded = {}, [port for port in netlist.ports if port.removeprefix("pins__").startswith(GUARDED)]
    assert len(guarded) == 3 * 4 + 2, guarded
    for port in guarded:
        for index, bit in enumerate(netlist.ports[port]):
            driver = netlist.driver(bit, guards)
            # SCLK is high in the first half of every cycle: amaranth has this constant in the top.
            if driver not in guards and not (port.endswith("clock_high") and bit == "1"):
                found[f"{port}[{index}]"] = driver
    return found


class Stand(wiring.Component):
    """A controller of nothing but the safety block. wrong: a pin that also something else has a say in."""

    def __init__(self, spec: ChipSpec, wrong: str = "") -> None:
        self._spec, self._wrong = spec, wrong
        super().__init__({"pins": Out(AfePins(spec)), "out": In(OutputPort(spec)), "control": In(SafetyControl())})

    def elaborate(self, platform) -> Module:
        m, pins = Module(), self.pins
        m.submodules.safety = safety = Safety(self._spec)
        connect(m, flipped(self.out), safety.out)
        connect(m, flipped(self.control), safety.control)
        for path, _, pin in AfePins(self._spec).flatten(pins):
            if path[0] in GUARDED:
                source = safety
                for name in path:
                    source = getattr(source, name)
                m.d.comb += pin.eq(source ^ self.control.arm if "__".join(path) == self._wrong else source)
        m.d.comb += safety.over_current.eq(pins.over_current)
        return m


def test_a_stand_in_is_accepted(tmp_path) -> None:
    assert strangers(Stand(load_chip("bench-8x16")), tmp_path) == {}


@pytest.mark.parametrize(
    "wrong", ["pulse_gate", "switch_reset_n", "row_dac__data", "rail_dac__select_n", "switch__clock_low"]
)
def test_a_pin_that_something_else_has_a_say_in_is_found(wrong: str, tmp_path) -> None:
    found = strangers(Stand(load_chip("bench-8x16"), wrong), tmp_path)
    assert {pin.split("[")[0] for pin in found} == {f"pins__{wrong}"}
    assert all("$xor" in driver for driver in found.values()), found


@pytest.mark.parametrize("chip", ["bench-8x16", pytest.param("lab-128x128x4", marks=pytest.mark.slow)])
def test_pins_of_the_controller_come_from_its_safety_block(chip: str, tmp_path) -> None:
    assert strangers(Controller(load_chip(chip)), tmp_path) == {}

"""Board files: pins that exist and are used once, enough of them, clocks that the PLLs can make, pages that say the same."""

from dataclasses import replace
from pathlib import Path

import pytest

from ohmloom.errors import ArgumentError
from ohmloom.spec import load_chip
from ohmloom_boards import board, board_names, wiring
from ohmloom_hdl.pads import PadPins
from ohmloom_hdl.platform import Ecp5Pll, Ice40Pll, check_pins, create_platform

DOCS = Path(__file__).parents[2] / "docs" / "boards"


@pytest.mark.parametrize("name", board_names())
def test_pins_are_on_the_connectors_and_used_once(name):
    layout, platform = board(name), create_platform(board(name))
    used = []
    for connector, pins in layout.afe.values():
        mapping = platform.connectors[connector].mapping
        used += [mapping[pin] for pin in pins.split()]
    used += platform.lookup(layout.clock).ios[0].names
    for line in platform.lookup("uart", layout.uart).ios:
        used += line.ios[0].names
    used += list(layout.levels)
    assert len(used) == len(set(used))


@pytest.mark.parametrize("name", board_names())
def test_every_line_of_the_board_s_chip_has_a_pin(name):
    layout = board(name)
    spec = load_chip(layout.chip)
    check_pins(spec, layout)
    assert set(layout.afe) == set(PadPins(spec).members)


def test_a_chip_with_more_lines_than_pins_is_refused():
    with pytest.raises(
        ArgumentError, match=r"iCEBreaker has 1 pins for \w+, chip lab-128x128x4 needs \d+; build its chip"
    ):
        check_pins(load_chip("lab-128x128x4"), board("icebreaker"))


def test_unknown_boards_are_named_with_the_known_ones():
    with pytest.raises(ArgumentError, match="unknown board 'nonsense'; known: icebreaker, icepi_zero, ulx3s"):
        board("nonsense")
    with pytest.raises(ArgumentError, match="unknown board 'wiring'"):
        board("wiring")


@pytest.mark.parametrize("name", board_names())
def test_pages_are_what_the_boards_say(name):
    assert (DOCS / f"{name}.md").read_text("utf-8") == wiring.page(name)


def test_check_tells_a_stale_page(tmp_path, capsys):
    assert wiring.main([str(tmp_path)]) == 0
    assert wiring.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "ulx3s.md").write_text("old", "utf-8")
    assert wiring.main(["--check", str(tmp_path)]) == 1
    assert "ulx3s.md is not what its board says" in capsys.readouterr().err


def test_wiring_names_the_switch_of_each_bit():
    """Bit 0 of a chain goes in first, so it ends in the last part, at S8 (ADG714: the last 8 bits are kept, S8 first)."""
    text = wiring.page("icebreaker")
    assert "| S*n*.2 | word_line 7 | word_line 6 | word_line 5 |" in text
    assert "| S2.0 |  |  |  |  |  |  | polarity | write |" in text


@pytest.mark.parametrize(
    ("source_hz", "clock_hz"), [(12_000_000, 18_000_000), (12_000_000, 24_000_000), (48_000_000, 18_000_000)]
)
def test_ice40_pll(source_hz, clock_hz):
    """The formula of FPGA-TN-02052 and its limits."""
    pll = Ice40Pll.of(source_hz, clock_hz)
    detector_hz = source_hz / (pll.divr + 1)
    oscillator_hz = detector_hz * (pll.divf + 1)
    assert oscillator_hz / 2**pll.divq == clock_hz
    assert 10e6 <= detector_hz <= 133e6
    assert 533e6 <= oscillator_hz <= 1066e6
    assert 0 <= pll.divr < 16
    assert 0 <= pll.divf < 128
    assert 1 <= pll.filter_range <= 6


@pytest.mark.parametrize(
    ("source_hz", "clock_hz"), [(25_000_000, 20_000_000), (50_000_000, 18_000_000), (25_000_000, 33_000_000)]
)
def test_ecp5_pll(source_hz, clock_hz):
    pll = Ecp5Pll.of(source_hz, clock_hz)
    oscillator_hz = source_hz / pll.input * pll.feedback * pll.primary
    assert oscillator_hz / pll.secondary == pytest.approx(clock_hz, rel=1e-12)
    assert 400e6 <= oscillator_hz <= 800e6
    assert source_hz / pll.input >= 3.125e6
    assert 1 <= pll.primary <= 128
    assert 1 <= pll.secondary <= 128


def test_a_clock_that_no_pll_makes_is_refused():
    with pytest.raises(ArgumentError, match="cannot make 18000001 Hz of 12000000 Hz; change"):
        Ice40Pll.of(12_000_000, 18_000_001)
    with pytest.raises(ArgumentError, match="cannot make 20000001 Hz of 25000000 Hz"):
        Ecp5Pll.of(25_000_000, 20_000_001)


def test_a_board_with_another_fpga_is_refused():
    other = replace(board("icebreaker"), platform="amaranth_boards.icestick:ICEStickPlatform")
    with pytest.raises(ArgumentError, match="no support for its FPGA iCE40HX1K"):
        create_platform(other)

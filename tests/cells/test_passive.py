"""Arrays without transistors: half-select voltages, what they do to other cells, sneak paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.spec import load_chip
from ohmloom.spec.commands import Polarity
from ohmloom_emulator.array.crossbar import Crossbar
from ohmloom_emulator.array.lines import Lines
from ohmloom_emulator.fabric import Fabric

LINEAR_DRIFT: dict[str, Any] = {
    "model": "linear-drift", "g_min_siemens": 11e-6, "g_max_siemens": 40e-6, "r_on_ohm": 2e4, "r_off_ohm": 1e5,
    "thickness_nm": 3, "initial_siemens": 2e-5, "max_spread": 0, "set_spread": 0, "reset_spread": 0, "cycle_noise": 0,
    "access": "none",
}  # fmt: skip


@pytest.mark.parametrize("is_set", [True, False])
@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_every_cell_sees_its_share(scheme: str, is_set: bool) -> None:
    lines = Lines(rows=5, row_ohm=0.0, column_ohm=0.0, driver_ohm=0.0, sense_ohm=0.0, passive=True)
    selected = np.array([True, False, False, True])
    cell_v, current = lines.write_point(lambda v: 1e-5 * v, 2, selected, 3.0, scheme, is_set=is_set)
    sign = -1.0 if is_set else 1.0  # row over column
    beside, other = {"V/2": (1.5, 0.0), "V/3": (1.0, -1.0)}[scheme]
    expected = np.full((5, 4), sign * other)
    expected[:, selected] = sign * beside
    expected[2] = np.where(selected, sign * 3.0, sign * beside)
    np.testing.assert_allclose(cell_v, expected, atol=1e-9)
    assert current == pytest.approx(1e-5 * np.abs(expected[2]).sum())


@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_half_selected_cells_move_by_the_models_law(make_chip: Any, scheme: str) -> None:
    """Linear drift in closed form: Roff x - (Roff - Ron) x^2 / 2 grows by mobility Ron / D^2 times volt-seconds."""
    ohms = dict.fromkeys(("row_ohm", "column_ohm", "driver_ohm", "sense_ohm"), 0.0)
    spec = load_chip(make_chip({**LINEAR_DRIFT, "write_scheme": scheme}, **ohms))
    fabric = Fabric(spec, stuck=0.0)
    tile = fabric.tiles[0]
    code = spec.rail_code(3.0)
    column = np.arange(16) == 6
    fabric.pulse(0, 3, column[None, :], Polarity.SET, np.array([code]), 0, 10_000)
    volts = np.zeros((8, 16)) if scheme == "V/2" else np.full((8, 16), -1 / 3)
    volts[3], volts[:, 6] = (0.5, 0.5) if scheme == "V/2" else (1 / 3, 1 / 3)
    volts[3, 6] = 1.0
    volts *= code * spec.rail_dac.lsb_v
    x0 = (1e5 - 1 / 2e-5) / 8e4
    flux = 1e5 * x0 - 4e4 * x0**2 + 1e-14 * 2e4 / 9e-18 * volts * 1e-5
    x = (1e5 - np.sqrt(1e10 - 1.6e5 * flux)) / 8e4
    expected = 1 / (1e5 - 8e4 * x)
    np.testing.assert_allclose(tile.conductance, expected, rtol=1e-7)


def test_rows_that_are_not_driven_still_load_the_columns(make_chip: Any) -> None:
    """A reading of one row: through 1 kilo-ohm senses currents sneak into the other rows."""
    spec = load_chip(make_chip(LINEAR_DRIFT, sense_ohm=1000.0, driver_ohm=100.0))
    fabric = Fabric(spec)
    tile = fabric.tiles[0]
    tile.conductance[:] = np.random.default_rng(1).uniform(11e-6, 40e-6, (8, 16))
    tile.forget()
    whole = Crossbar(tile.conductance, r_row=0.2, r_column=0.2, r_driver=100.0, r_sense=1000.0)
    volts = np.array([[0.1], [-0.2]])
    np.testing.assert_allclose(tile.currents(volts, 5)[0], volts * whole.transfer.T[5], rtol=1e-9)
    alone = Crossbar(tile.conductance[5:6], r_row=0.2, r_column=0.2, r_driver=100.0, r_sense=1000.4).transfer[:, 0]
    assert np.all(tile.currents(volts, 5)[0][0] < 0.95 * 0.1 * alone)


def test_a_tripped_pulse_leaves_the_others_undone(make_chip: Any) -> None:
    spec = load_chip(make_chip(LINEAR_DRIFT, over_current_a=1e-4, driver_ohm=0.0))
    groups = np.arange(16) == np.array([[1], [2], [3]])
    rails = np.array([spec.rail_code(volts) for volts in (0.5, 4.0, 0.6)])
    one, other = Fabric(spec, stuck=0.0), Fabric(spec, stuck=0.0)
    assert one.pulse(0, 0, groups, Polarity.SET, rails, 0, 1000) == 1
    assert other.pulse(0, 0, groups[:1], Polarity.SET, rails[:1], 0, 1000) == 1
    assert other.pulse(0, 0, groups[1:2], Polarity.SET, rails[1:2], 0, 1000) == 0
    for key, value in one.state().items():
        np.testing.assert_array_equal(value, other.state()[key], err_msg=key)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_bundled_passive_chip_programs(seed: int) -> None:
    with ohmloom.connect("emu://bench-8x16-passive", seed=seed, stuck=0.0) as chip:
        target = np.full((8, 16), np.nan)
        target[:, ::2] = np.random.default_rng(seed).uniform(1e-6, 40e-6, (8, 8))
        report = chip.program_conductance(0, target)
        assert report.converged_fraction >= 0.95
        error = (chip.read_conductance(0, samples=16) - target)[:, ::2]
        assert np.mean(np.abs(error) < 2e-6) >= 0.95  # after all half-selects

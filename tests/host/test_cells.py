"""Forming, programming and reading cells through the link."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import ChipError
from ohmloom.spec.commands import CellStatus, EventKind

STEP = 65.07e-9  # siemens a verify code


@pytest.fixture
def still():
    """A chip whose cells all work and keep their conductances between pulses."""
    with ohmloom.connect(
        "emu://bench-8x16", seed=1, stuck=0, effects="spread,stuck,read_noise,wires,dac,tia,adc"
    ) as chip:
        yield chip


def random_target(seed=0, shape=(8, 16)):
    return np.random.default_rng(seed).uniform(1e-6, 40e-6, shape)


def test_programmed_cells_are_at_their_targets(chip, truth, board_of):
    target = random_target()
    report = chip.program_conductance(0, target)
    working = board_of(chip).fabric.tiles[0].devices.stuck == 0
    assert report.selected.all()
    assert report.formed >= working.sum() > 100
    assert report.converged[working].mean() > 0.99
    assert (np.abs(report.conductance - target)[report.converged] <= 1e-6 + STEP).all()
    # Read noise passes a few cells that lie a little outside.
    assert np.abs(truth(chip, 0) - target)[report.converged].max() < 3e-6
    assert report.pulses_per_cell == pytest.approx(report.pulses.mean())
    assert report.converged_fraction == pytest.approx(report.converged.mean())


def test_nan_leaves_cells_alone(still, truth):
    chip = still
    chip.program_conductance(0, random_target())
    chip.program_conductance(1, random_target(1))
    before, other = truth(chip, 0), truth(chip, 1)
    target = np.full((8, 16), np.nan)
    target[2, 3:7], target[6, 0] = 25e-6, 3e-6
    report = chip.program_conductance(0, target)
    np.testing.assert_array_equal(report.selected, np.isfinite(target))
    np.testing.assert_array_equal(report.status == CellStatus.SKIPPED, np.isnan(target))
    np.testing.assert_array_equal(report.pulses[np.isnan(target)], 0)
    np.testing.assert_array_equal(truth(chip, 0)[np.isnan(target)], before[np.isnan(target)])
    np.testing.assert_array_equal(truth(chip, 1), other)
    assert report.converged[report.selected].all()


def test_all_nan_is_nothing_to_do(still, truth):
    chip = still
    before = truth(chip, 0)
    report = chip.program_conductance(0, np.nan)
    assert not report.selected.any()
    assert report.converged_fraction == 1.0
    assert report.pulses_per_cell == 0.0
    np.testing.assert_array_equal(truth(chip, 0), before)


def test_scalar_target_is_for_all_cells(chip):
    assert chip.program_conductance(0, 20e-6).converged_fraction > 0.95


def test_narrow_tolerance_is_kept(chip):
    target = random_target(3)
    report = chip.program_conductance(0, target, 0.2e-6)
    assert (np.abs(report.conductance - target)[report.converged] <= 0.2e-6 + STEP).all()
    assert report.converged_fraction > 0.5


def test_read_conductance_is_close_to_the_truth(still, truth):
    chip = still
    chip.program_conductance(0, random_target())
    g = truth(chip, 0)
    error = chip.read_conductance(0, samples=64) - g
    assert np.abs(error).max() < 0.02 * 40e-6
    assert np.sqrt(np.mean(error**2)) < 0.25e-6
    single = chip.read_conductance(0) - g
    assert np.sqrt(np.mean(single**2)) > np.sqrt(np.mean(error**2))


def test_forming_forms_all_working_cells_or_those_of_the_mask(chip, truth, board_of):
    working = board_of(chip).fabric.tiles[1].devices.stuck == 0
    mask = np.zeros((8, 16), dtype=bool)
    mask[1:3, ::2] = True
    report = chip.form(1, mask)
    np.testing.assert_array_equal(truth(chip, 1)[working] > 0.5e-6, mask[working])
    np.testing.assert_array_equal(report.selected, mask)
    again = chip.form(1)
    assert (truth(chip, 1)[working] > 0.5e-6).all()
    assert (again.pulses[mask] == 0).all()
    assert sum(kind is EventKind.FORM for _, kind, _ in chip.events()) == 2 + 8


@pytest.mark.parametrize("seed", range(4))
def test_forming_comes_first_on_a_chip_that_was_never_calibrated(seed, truth):
    """A column's offset, 5 codes and more, must not pass for a formed cell."""
    with ohmloom.connect("emu://bench-8x16", seed=seed, stuck=0) as chip:
        report = chip.form(0)
        assert (report.pulses > 0).all()
        assert (truth(chip, 0) > 0.5e-6).all()


def test_stuck_cells_are_reported(board_of):
    with ohmloom.connect("emu://bench-8x16", seed=2, stuck=0.2) as chip:
        target = np.where(truth_is_high(board_of(chip), 0), 2e-6, 38e-6)
        report = chip.program_conductance(0, target)
        stuck = board_of(chip).fabric.tiles[0].devices.stuck != 0
        np.testing.assert_array_equal(report.converged, ~stuck)
        assert set(report.status[stuck]) <= {CellStatus.STUCK, CellStatus.EXHAUSTED}
        assert report.stuck[stuck].mean() > 0.5


def truth_is_high(board, tile):
    return board.fabric.state()[f"tile{tile}_conductance"] > 20e-6


def test_pulse_and_iv(still, truth):
    chip = still
    chip.program_conductance(0, 20e-6)
    before = truth(chip, 0)[4, 5]
    assert chip.pulse(0, 4, 5, -2.2) == pytest.approx(truth(chip, 0)[4, 5], abs=1.5e-6)
    assert truth(chip, 0)[4, 5] < before - 1e-6
    volts = np.linspace(-0.19, 0.19, 21)
    current = chip.iv_sweep(0, 4, 5, volts)
    np.testing.assert_allclose(current, volts * truth(chip, 0)[4, 5], atol=0.3e-6)


def test_over_current_is_one_clear_error_and_latches(tmp_path):
    path = tmp_path / "weak.toml"
    text = (
        (files("ohmloom.spec") / "chips" / "bench-8x16.toml")
        .read_text()
        .replace("over_current_a = 0.006", "over_current_a = 100e-6")
    )
    path.write_text(text)
    with ohmloom.connect(f"emu://{path}", stuck=0) as chip:
        with pytest.raises(ChipError, match="over-current"):
            chip.program_conductance(0, 38e-6)
        assert chip.info()["tripped"]
        with pytest.raises(ChipError, match="safety latch"):
            chip.mvm(0, [0] * 8)
        chip.clear_trip()
        chip.mvm(0, [0] * 8)


def test_many_events_are_all_told(chip):
    for _ in range(100):
        chip.stop()
    numbers = [number for number, _, _ in chip.events()]
    assert numbers == list(range(37, 101))  # the controller keeps 64
    assert chip.events(after=99) == [(100, EventKind.TRIP, 4)]


def test_stop_and_clear(chip):
    chip.stop()
    with pytest.raises(ChipError, match="safety latch"):
        chip.mvm(0, [0] * 8)
    chip.clear_trip()
    chip.mvm(0, [0] * 8)


def test_progress_is_told_to_the_end(chip):
    told = []
    chip.program_conductance(0, 10e-6, progress=lambda *step: told.append(step))
    assert [step for step in told if step[0] == "programming"] == [("programming", done, 8) for done in range(9)]
    assert [step for step in told if step[0] == "forming"] == [("forming", done, 8) for done in range(9)]


def test_time_energy_and_meters_agree(chip):
    chip.program_conductance(0, 10e-6)
    meters = chip.meters
    assert chip.energy_j == pytest.approx(sum(joules for joules, _ in meters.values()), rel=1e-9)
    assert chip.fabric_time_s == pytest.approx(sum(seconds for _, seconds in meters.values()), rel=1e-9)
    before = chip.fabric_time_s
    chip.advance(12.5)
    assert chip.fabric_time_s - before == pytest.approx(12.5, abs=1e-8)

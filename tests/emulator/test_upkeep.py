"""Calibration against the fabric's true, hidden parameters, and what the self-test finds."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.spec import load_chip
from ohmloom.spec.commands import CALIBRATE, READ, SELFTEST, Finding
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.fabric import Fabric

# The reference row's own DAC channel is 0.1 % off: a factor that all columns share and that no measurement of theirs can show.
EFFECTS = ALL_EFFECTS - {Effect.DAC}


def true_errors(fabric, tile, tia_range):
    """(gain relative to nominal, offset in codes) of every column."""
    columns, spec = fabric._columns[tile], fabric.spec
    return columns.codes_per_ampere[tia_range] * spec.column_adc.lsb_v / spec.afe.tia_ohm[tia_range], columns.offset


def left(controller, tile, tia_range):
    gain, offset = true_errors(controller.fabric, tile, tia_range)
    record = controller.controller.memories.correction[tile, tia_range]
    return record["gain"] / 32768 * gain - 1, record["offset"] / 16 - offset


@pytest.fixture(scope="module")
def calibrated(asked):
    controllers = []
    for seed in range(10):
        controller = asked(Fabric(load_chip("bench-8x16"), seed=seed, effects=EFFECTS))
        for tile in range(2):
            controller(CALIBRATE, tile=tile)
        controllers.append(controller)
    return controllers


@pytest.mark.parametrize("tia_range", [0, 1])
def test_calibration_finds_gain_within_a_thousandth_and_offset_within_half_a_code(calibrated, tia_range):
    """From 2 % and 5 codes; noise left is 0.6 codes / sqrt(256) on 67 and 465 codes of the reference."""
    true = np.array([true_errors(controller.fabric, tile, tia_range) for controller in calibrated for tile in range(2)])
    assert np.std(true[:, 0] - 1) > 0.015
    assert np.std(true[:, 1]) > 4
    gain, offset = np.moveaxis(
        [left(controller, tile, tia_range) for controller in calibrated for tile in range(2)], 1, 0
    )
    assert np.sqrt(np.mean(gain**2)) < (7e-4, 1.5e-4)[tia_range]
    assert np.abs(gain).max() < (3e-3, 1e-3)[tia_range]
    assert np.abs(offset).max() < 0.5


def test_the_report_tells_what_was_found_and_left(bench, asked):
    controller = asked(Fabric(bench, seed=3, effects=EFFECTS))
    report = controller(CALIBRATE, tile=1)
    errors = [true_errors(controller.fabric, 1, tia_range) for tia_range in range(2)]
    assert report["offset_max"] / 16 == pytest.approx(max(np.abs(offset).max() for _, offset in errors), abs=0.3)
    assert report["gain_error_max"] / 32768 == pytest.approx(
        max(np.abs(1 / gain - 1).max() for gain, _ in errors), abs=2e-3
    )
    assert report["residual_max"] / 16 < 0.5
    assert report["failed"] == 0


def test_one_tiles_calibration_leaves_the_others_alone(bench, asked):
    controller = asked(Fabric(bench))
    before = controller.controller.memories.correction.copy()
    controller(CALIBRATE, tile=1)
    after = controller.controller.memories.correction
    np.testing.assert_array_equal(after[0], before[0])
    assert (after[1]["gain"] != before[1]["gain"]).mean() > 0.9


def test_calibrated_reads_are_close_to_the_conductances(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, seed=4, effects=EFFECTS - {Effect.READ_NOISE, Effect.WIRES})))
    g = controller.fabric.state()["tile0_conductance"]
    step = bench.siemens_per_code(1)
    errors = []
    for _ in range(2):
        errors.append(controller(READ, tile=0, row=0, rows=8, samples=64)["codes"].reshape(8, 16) * step - g)
        controller(CALIBRATE, tile=0)
    assert np.abs(errors[0]).max() > 5 * step
    assert np.abs(errors[1]).max() < 1.0 * step


class BrokenFabric(Fabric):
    """Has one converter channel that sits at an end, and no reference resistor at some columns of one tile."""

    dead = 5, (1,)  # column, tiles
    missing = 9, 0  # column, tile

    def drive(self, codes):
        super().drive(codes)
        column, tile = self.missing
        if self._row == self.reference_row and self._tile == tile:
            self._current[:, column] = 0.0

    def sample(self, columns):
        raw, saturated = super().sample(columns)
        column, tiles = self.dead
        if self._tile in tiles:
            raw[:, columns == column] = -2047
        return raw, saturated


@pytest.mark.parametrize("seed", range(4))
def test_sound_chip_has_no_findings(bench, asked, seed):
    controller = asked(Fabric(bench, seed=seed))
    assert controller(SELFTEST)["findings"].size == 0
    for tile in range(2):
        controller(CALIBRATE, tile=tile)
    assert controller(SELFTEST)["findings"].size == 0


@pytest.mark.parametrize("calibrate", [False, True])
def test_selftest_names_the_dead_channel_and_the_missing_reference(bench, asked, calibrate):
    controller = asked(BrokenFabric(bench, seed=1))
    if calibrate:
        failed = [controller(CALIBRATE, tile=tile)["failed"] for tile in range(2)]
        assert failed == [2, 2]  # one column each, in both ranges
    findings = controller(SELFTEST)["findings"].tolist()
    assert [finding[:3] for finding in findings] == [(Finding.REFERENCE, 0, 9), (Finding.ADC_CHANNEL, 1, 5)]
    assert abs(findings[0][3]) < 20 * 16
    assert findings[1][3] == -2047 * 16


def test_columns_that_cannot_be_calibrated_keep_the_neutral_correction(bench, asked):
    controller = asked(BrokenFabric(bench, seed=1))
    controller(CALIBRATE, tile=1)
    record = controller.controller.memories.correction[1]
    assert (record[:, 5]["offset"] == 0).all()
    assert (record[:, 5]["gain"] == 32768).all()
    assert (record[:, 6]["gain"] != 32768).all()


def test_selftest_and_calibration_do_not_touch_cells(bench, asked):
    controller = asked(Fabric(bench, seed=2))
    before = controller.fabric.state()
    controller(CALIBRATE, tile=0)
    controller(SELFTEST)
    after = controller.fabric.state()
    for key in before:
        if key.startswith("tile") and not key.endswith("strain"):
            np.testing.assert_array_equal(before[key], after[key])

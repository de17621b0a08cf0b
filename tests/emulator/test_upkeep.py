"""Calibration against the fabric's true, hidden parameters, and what the self-test finds."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.spec import load_chip
from ohmloom.spec.commands import (
    CALIBRATE,
    IV,
    PULSE,
    PULSE_TRIPPED,
    READ,
    SELFTEST,
    WRITE_REGISTERS,
    Finding,
    Polarity,
)
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom.spec.registers import TRIP_CLEAR
from ohmloom_emulator.afe import Faults
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


@pytest.mark.parametrize("tia_range", [0, 1])
@pytest.mark.parametrize(("chip", "seeds"), [("bench-8x16", 5), ("lab-128x128x4", 1)])
def test_calibration_leaves_a_thousandth_of_gain_and_half_a_code_of_offset(asked, chip, seeds, tia_range):
    """Of every column, from 2 % and 5 codes. What is left is noise: 0.66 codes a sample on 67 and 466 codes of the reference."""
    spec = load_chip(chip)
    true, rest = [], []
    for seed in range(seeds):
        controller = asked(Fabric(spec, seed=seed, effects=EFFECTS))
        for tile in range(spec.tiles):
            assert controller(CALIBRATE, tile=tile)["failed"] == 0
            true.append(true_errors(controller.fabric, tile, tia_range))
            rest.append(left(controller, tile, tia_range))
    gain, offset = np.concatenate(rest, axis=1)
    assert np.std(np.concatenate(true, axis=1), axis=1) == pytest.approx([0.02, 5], rel=0.15)
    assert np.abs(gain).max() < 1e-3
    assert np.sqrt(np.mean(gain**2)) < (3e-4, 1e-4)[tia_range]
    assert np.abs(offset).max() < 0.5
    assert np.sqrt(np.mean(offset**2)) < 0.1


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


@pytest.mark.parametrize("seed", range(4))
def test_sound_chip_has_no_findings(bench, asked, seed):
    controller = asked(Fabric(bench, seed=seed))
    assert controller(SELFTEST)["findings"].size == 0
    for tile in range(2):
        controller(CALIBRATE, tile=tile)
    assert controller(SELFTEST)["findings"].size == 0


@pytest.mark.parametrize("calibrate", [False, True])
def test_selftest_names_every_fault(bench, asked, with_cells, calibrate):
    faults = Faults(bench, ["reference:0:9", "adc:1:5", "row:0:6", "row:1:0:0.05"])
    controller = asked(with_cells(Fabric(bench, seed=1, faults=faults)))
    if calibrate:
        failed = [controller(CALIBRATE, tile=tile)["failed"] for tile in range(2)]
        assert failed == [2, 2]  # one column each, in both ranges
    findings = controller(SELFTEST)["findings"].tolist()
    assert [finding[:3] for finding in findings] == [
        (Finding.REFERENCE, 0, 9), (Finding.ROW_SHORT, 0, 6), (Finding.ADC_CHANNEL, 1, 5), (Finding.ROW_SHORT, 1, 0),
    ]  # fmt: skip
    (_, _, _, reference), (_, _, _, low), (_, _, _, dead), (_, _, _, high) = findings
    assert abs(reference) < 20 * 16
    assert dead == 2047 * 16
    assert low < -2000 * 16  # 1.25 V below Vmid on 40 uS: to the converter's end
    conductance = controller.fabric.tiles[1].conductance[0].max()
    assert high == pytest.approx(16 * 0.05 * conductance * 47000 / bench.column_adc.lsb_v, rel=0.1)


@pytest.mark.parametrize("tile", [0, 1])
@pytest.mark.parametrize(("kind", "finding", "count"), [
    ("adc", Finding.ADC_CHANNEL, 16), ("reference", Finding.REFERENCE, 16), ("row", Finding.ROW_SHORT, 8),
])  # fmt: skip
def test_each_fault_is_found_wherever_it_is(bench, asked, with_cells, kind, finding, count, tile):
    for index in range(count):
        controller = asked(with_cells(Fabric(bench, seed=index, faults=Faults(bench, [f"{kind}:{tile}:{index}"]))))
        assert [found[:3] for found in controller(SELFTEST)["findings"].tolist()] == [(finding, tile, index)]


def test_findings_end_with_the_payload(bench, asked, with_cells):
    """48 records of 8 bytes in 512, and in 256."""
    everything = [f"{kind}:{tile}:{index}" for kind in ("adc", "row") for tile in (0, 1) for index in range(8)]
    everything += [f"reference:{tile}:{index}" for tile in (0, 1) for index in range(8, 16)]
    whole = asked(with_cells(Fabric(bench, faults=Faults(bench, everything))))(SELFTEST)["findings"].tolist()
    assert len(whole) == 48
    small = bench.model_copy(update={"link": bench.link.model_copy(update={"payload_bytes": 256})})
    cut = asked(with_cells(Fabric(small, faults=Faults(small, everything))))
    assert cut(SELFTEST)["findings"].tolist() == whole[:32]


def test_shorted_row_trips_where_it_is_reset_and_moves_no_cell(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, faults=Faults(bench, ["row:0:3"]))))
    before = controller.fabric.tiles[0].conductance.copy()
    pulse = {"tile": 0, "column": 2, "rail": 3000, "gate": 4095, "width_ns": 1000}
    assert controller(PULSE, row=3, polarity=Polarity.RESET, **pulse)["code"] == PULSE_TRIPPED
    np.testing.assert_array_equal(controller.fabric.tiles[0].conductance, before)
    controller(WRITE_REGISTERS, address=TRIP_CLEAR.address, values=[TRIP_CLEAR.key])
    assert controller(PULSE, row=4, polarity=Polarity.RESET, **pulse)["code"] != PULSE_TRIPPED


@pytest.mark.parametrize("text", [
    "", "adc", "adc:0", "adc:0:1:2", "adc:2:0", "adc:-1:0", "adc:0:16", "adc:x:0", "row:0:8", "row:0:1:x", "row:0:1:2.0", "row:0:1:nan",
    "row:0:1:0.1:0", "reference:0:16", "tia:0:0",
])  # fmt: skip
def test_what_is_no_fault_is_refused(bench, text):
    with pytest.raises(ValueError):  # noqa: PT011 - whoever reads the option says where it stood
        Faults(bench, [text])


def test_passive_chips_take_no_shorted_rows():
    with pytest.raises(ValueError, match="transistors"):
        Faults(load_chip("bench-8x16-passive"), ["row:0:3"])


def test_columns_that_cannot_be_calibrated_keep_the_neutral_correction(bench, asked):
    controller = asked(Fabric(bench, seed=1, faults=Faults(bench, ["adc:1:5"])))
    controller(CALIBRATE, tile=1)
    record = controller.controller.memories.correction[1]
    assert (record[:, 5]["offset"] == 0).all()
    assert (record[:, 5]["gain"] == 32768).all()
    assert (record[:, 6]["gain"] != 32768).all()


@pytest.mark.parametrize("cell", [(0, 0, 0), (3, 77, 127), (2, 127, 64)])
def test_iv_is_sums_of_16_drives_of_the_cells_slot_corrected_once(lab, asked, with_cells, cell):
    """The events one by one, on a fabric of the same seed."""
    tile, row, column = cell
    controller, fabric = asked(with_cells(Fabric(lab, seed=5))), with_cells(Fabric(lab, seed=5))
    controller(CALIBRATE, tile=tile)
    fabric.restore(controller.fabric.state())
    offset, gain = (int(value) for value in controller.controller.memories.correction[tile, 1, column])
    codes, wanted = [327, 0, -327, 11], []
    slot = np.arange(column // 8 * 8, column // 8 * 8 + 8)
    for code in codes:
        total = 0
        for _ in range(16):
            fabric.select(tile, row, 1, 1)
            fabric.drive(np.array([[code]]))
            total += int(fabric.sample(slot)[0][0, column % 8])
        wanted.append(((total - offset) * gain + 2**14) >> 15)
    answer = controller(IV, tile=tile, row=row, column=column, range=1, codes=codes)
    assert answer["codes"].tolist() == wanted
    assert controller.fabric.state()["time_ns"].tolist() == fabric.state()["time_ns"].tolist()


def test_iv_counts_all_saturated_samples_of_the_slot(bench, lab, asked, with_cells):
    """Cells of 300 uS pass the converter's end; a slot has 8 columns on the lab chip and one on the bench chip."""
    for spec, columns in ((bench, 1), (lab, 8)):
        controller = asked(with_cells(Fabric(spec, ideal=True), 300e-6))
        answer = controller(IV, tile=0, row=1, column=3, range=1, codes=[327, 0, -327])
        assert answer["saturated"] == 2 * 16 * columns


def test_selftest_and_calibration_do_not_touch_cells(bench, asked):
    controller = asked(Fabric(bench, seed=2))
    before = controller.fabric.state()
    controller(CALIBRATE, tile=0)
    controller(SELFTEST)
    after = controller.fabric.state()
    for key in before:
        if key.startswith("tile") and not key.endswith("strain"):
            np.testing.assert_array_equal(before[key], after[key])

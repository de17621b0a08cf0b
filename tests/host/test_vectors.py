"""MVM and inference through the link, and how a network is found again."""

from __future__ import annotations

import os
import re
from importlib.resources import files

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import ArgumentError, ChipError
from ohmloom.spec.commands import Memory

URL = "emu://bench-8x16"


def test_ideal_mvm_is_gt_v(ideal, truth):
    """In steps of the converter; the ideal chip's cells are programmed to within a verify step."""
    rng = np.random.default_rng(0)
    ideal.program_conductance(1, rng.uniform(1e-6, 40e-6, (8, 16)))
    codes = rng.integers(-300, 300, (50, 8))
    lsb_v = 2.5 / 4096
    for tia_range, tia_ohm in enumerate((6800.0, 47000.0)):
        wanted = np.clip((codes * lsb_v) @ truth(ideal, 1) * tia_ohm / lsb_v, -2047, 2047)
        np.testing.assert_allclose(ideal.mvm(1, codes, tia_range=tia_range), wanted, atol=0.51)


def test_currents_are_gt_v_in_amperes(truth):
    """With the columns' offsets (5 LSB) and gains (2 %), which have to be corrected, and their noise."""
    rng, lsb_v = np.random.default_rng(0), 2.5 / 4096
    with ohmloom.connect(URL, seed=1, effects="tia,adc") as chip:
        chip.program_conductance(1, rng.uniform(10e-6, 40e-6, (8, 16)))
        volts = rng.uniform(-0.2, 0.2, (50, 8))
        for tia_range, tia_ohm in enumerate((6800.0, 47000.0)):
            code_a = lsb_v / tia_ohm
            wanted = np.rint(volts / lsb_v) * lsb_v @ truth(chip, 1)
            inside = np.abs(wanted) < 2000 * code_a
            assert inside.mean() > 0.5
            error = chip.currents(1, volts, tia_range=tia_range) - wanted
            np.testing.assert_array_less(np.abs(error[inside]), 5 * code_a)
            assert np.sqrt(np.mean(error[inside] ** 2)) < 1.5 * code_a
        assert chip.currents(0, volts[0]).shape == (16,)


def test_one_vector_a_batch_and_no_vector(chip):
    assert chip.mvm(0, [10] * 8).shape == (16,)
    assert chip.mvm(0, np.full((1, 8), 10)).shape == (1, 16)
    assert chip.mvm(0, np.empty((0, 8), int)).shape == (0, 16)
    np.testing.assert_array_equal(chip.mvm(0, np.full((2, 8), 3.0)).shape, (2, 16))  # whole numbers as floats


def test_batch_longer_than_many_frames_is_the_vectors_one_by_one():
    codes = np.random.default_rng(1).integers(-327, 328, (301, 8))
    with ohmloom.connect(URL, seed=2) as chip:
        batch = chip.mvm(0, codes)
    with ohmloom.connect(URL, seed=2) as chip:
        singles = [chip.mvm(0, vector) for vector in codes]
    np.testing.assert_array_equal(batch, singles)


# Networks


def programmed(chip, model, X, **options):
    network = ohmloom.compile(model, chip.spec, X, **options)
    chip.program(network)
    return network


@pytest.mark.parametrize(
    ("widths", "copies"), [([3, 2], 1), ([3, 2], 4), ([8, 8], 1), ([6, 5, 3], 1), ([4, 4, 2], 2), ([12, 3], 1)]
)
def test_ideal_chip_infers_as_the_model_within_quantisation(ideal, board_of, random_model, widths, copies):
    """Cells exactly at their targets leave codes of 1/327 of the inputs and of an LSB a column."""
    model = random_model(widths, seed=3)
    X = np.random.default_rng(4).uniform(-1, 1, (200, widths[0]))
    network = ohmloom.compile(model, ideal.spec, X, copies=copies)
    ideal.load(network)
    fabric = board_of(ideal).fabric
    arrays = fabric.state()
    for tile, target in enumerate(network.targets):
        arrays[f"tile{tile}_conductance"] = np.nan_to_num(target)
    fabric.restore(arrays)
    wanted = model.forward(X, np.float64)
    error = np.sqrt(np.mean((ideal.infer(X) - wanted) ** 2))
    print(widths, copies, error / np.abs(wanted).max())
    assert error < 0.006 * np.abs(wanted).max()


def test_copies_average_errors_away(random_model):
    model = random_model([4, 2], seed=5)
    X = np.random.default_rng(6).uniform(-1, 1, (100, 4))
    wanted, errors = model.forward(X, np.float64), {1: [], 8: []}
    for copies, found in errors.items():
        for seed in range(6):
            with ohmloom.connect(URL, seed=seed, stuck=0) as chip:
                programmed(chip, model, X, copies=copies)
                found.append(np.sqrt(np.mean((chip.infer(X) - wanted) ** 2)))
    assert np.mean(errors[8]) < 0.7 * np.mean(errors[1])


def test_classes_are_predicted(ideal, random_model):
    model = random_model([5, 3], task="classification", classes=np.array(["ant", "bee", "cow"]))
    X = np.random.default_rng(1).uniform(0, 1, (60, 5))
    programmed(ideal, model, X)
    assert (ideal.predict(X) == model.predict(X)).mean() > 0.9
    assert set(ideal.predict(X)) <= {"ant", "bee", "cow"}


def test_inputs_beyond_the_calibration_datas_range_are_clipped(ideal, random_model):
    X = np.random.default_rng(1).uniform(-1, 1, (50, 3))
    programmed(ideal, random_model([3, 2]), X)
    np.testing.assert_array_equal(ideal.infer(np.full((1, 3), 1e6)), ideal.infer(np.full((1, 3), 1e300)))


def test_no_vectors_and_odd_batches(ideal, random_model):
    X = np.random.default_rng(1).uniform(-1, 1, (501, 3))
    programmed(ideal, random_model([3, 2]), X)
    assert ideal.infer(np.empty((0, 3))).shape == (0, 2)
    told = []
    whole = ideal.infer(X, progress=lambda *step: told.append(step))
    assert told[-1] == ("inference", 501, 501)
    np.testing.assert_array_equal(whole[17:20], ideal.infer(X[17:20]))


def test_second_connection_infers_without_programming(random_model, tmp_path):
    path, model = tmp_path / "chip.npz", random_model([5, 3], task="classification", classes=np.array([3, 5, 8]))
    X = np.random.default_rng(1).uniform(0, 1, (40, 5))
    with ohmloom.connect(URL, seed=4, state=path) as chip:
        network = programmed(chip, model, X)
        first = chip.infer(X)
        cells = chip.fabric_time_s
    with ohmloom.connect(URL, state=path) as chip:
        assert chip.info()["network"]
        second = chip.infer(X)
        np.testing.assert_allclose(second, first, atol=0.1 * np.abs(first).max())  # noise goes on
        np.testing.assert_array_equal(chip.predict(X[:0]), np.array([], dtype=int))
        assert set(chip.predict(X)) <= {3, 5, 8}
        assert vars(chip.interface)["inputs"] == network.interface.inputs
        assert chip.fabric_time_s - cells < 0.1
    assert os.path.getsize(path) > 0


def test_load_brings_a_network_to_a_chip_that_is_programmed(random_model, tmp_path):
    X = np.random.default_rng(1).uniform(-1, 1, (40, 5))
    path = tmp_path / "chip.npz"
    with ohmloom.connect(URL, ideal=True, state=path) as chip:
        network = ohmloom.compile(random_model([5, 3]), chip.spec, X)
        chip.program(network)
        first = chip.infer(X)
        chip._write_memory(Memory.NETWORK, bytes(200))
    with ohmloom.connect(URL, ideal=True, state=path) as chip:
        with pytest.raises(ohmloom.Error, match="no network"):
            chip.infer(X)
        pulses = chip.info()["registers"]["pulses"]
        chip.load(network)
        np.testing.assert_array_equal(chip.infer(X), first)
        assert chip.info()["registers"]["pulses"] == pulses


def test_damaged_notes_are_an_error_and_load_repairs_them(random_model, tmp_path):
    path = tmp_path / "chip.npz"
    with ohmloom.connect(URL, ideal=True, state=path) as chip:
        network = ohmloom.compile(random_model([3, 2]), chip.spec, np.eye(3))
        chip.load(network)
    for notes in (b"\xff\xff\xff\xff", b"\x05\0\0\0hello", b"\x02\0\0\0[]", b"\x04\0\0\0\xff\xff\xff\xff", b"\0\0\0\0"):
        with ohmloom.connect(URL, state=path) as chip:
            chip._write_memory(Memory.NOTES, notes)
            with pytest.raises(ohmloom.Error, match=r"load\(\) the network again"):
                chip.infer(np.eye(3))
            chip.load(network)
            chip.infer(np.eye(3))


@pytest.mark.parametrize("widths", [[17, 8], [8, 17], [16, 9], [8, 8, 8, 8], [32, 5], [4, 8, 4, 8, 8]])
def test_network_too_large_is_refused_and_the_chip_is_as_before(ideal, random_model, widths):
    with pytest.raises(ArgumentError, match="too large for bench-8x16"):
        ohmloom.compile(random_model(widths), ideal.spec, np.ones((2, widths[0])))
    ideal.mvm(0, [0] * 8)


def test_analog_network_is_the_model_too(ideal, random_model):
    model = random_model([4, 5, 3], seed=8)
    X = np.random.default_rng(4).uniform(-1, 1, (100, 4))
    programmed(ideal, model, X, mode="analog", copies=1)
    wanted = model.forward(X, np.float64)
    assert np.corrcoef(ideal.infer(X).ravel(), wanted.ravel())[0, 1] > 0.98


def test_tripped_chip_does_not_infer(ideal, random_model):
    programmed(ideal, random_model([3, 2]), np.eye(3))
    ideal.stop()
    with pytest.raises(ChipError, match="safety latch"):
        ideal.infer(np.eye(3))
    ideal.clear_trip()
    ideal.infer(np.eye(3))


def test_vectors_that_fill_a_frame(tmp_path):
    """336 rows take 504 of the 508 bytes that this chip's frames hold."""
    text = (files("ohmloom.spec") / "chips" / "bench-8x16.toml").read_text()
    for key, value in (("rows", 336), ("columns", 2), ("row_dacs", 42), ("payload_bytes", 508)):
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    path = tmp_path / "tall.toml"
    path.write_text(text)
    with ohmloom.connect(f"emu://{path}", ideal=True) as chip:
        assert chip.mvm(0, np.zeros((5, 336), int)).shape == (5, 2)


# A noisy line


def job(ber, model, X):
    with ohmloom.connect(URL, seed=6, ber=ber) as chip:
        network = ohmloom.compile(model, chip.spec, X)
        report = chip.program(network)
        chip.advance(100.0)
        result = {
            "outputs": chip.infer(X),
            "codes": chip.mvm(1, np.full((41, 8), 77)),
            "status": report.status,
            "pulses": report.pulses,
            "read": chip.read_conductance(0),
            "energy": chip.energy_j,
            "time": chip.fabric_time_s,
            "events": chip.events(),
        }
        board = chip._session._wire._port.board
        return result | board.fabric.state(), chip.info()["link"]


def test_noisy_line_changes_nothing(random_model):
    """Three bits in 10,000 flip, both ways; all frames are retried until they arrive, and nothing happens twice."""
    model = random_model([7, 6, 3], seed=1)
    X = np.random.default_rng(2).uniform(-1, 1, (300, 7))
    (clean, clean_link), (noisy, link) = job(0.0, model, X), job(3e-4, model, X)
    assert clean_link["repeats"] == 0
    assert link["repeats"] > 20
    assert clean.keys() == noisy.keys()
    for name, value in clean.items():
        np.testing.assert_array_equal(noisy[name], value, err_msg=name)

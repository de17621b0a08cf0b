"""Runs through the link: what the journal keeps, and what goes on after an interruption."""

from __future__ import annotations

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import ChipError, Error
from ohmloom.spec import commands
from ohmloom.spec.commands import CellStatus, ErrorCode, EventKind, RunKind

URL = "emu://bench-8x16"


def random_target(seed=0, shape=(8, 16)):
    return np.random.default_rng(seed).uniform(2e-6, 38e-6, shape)


def interrupt(chip, after):
    """Progress that stops the program, as a lost line or an impatient user does."""

    def progress(what, done, total):
        if what == "programming" and done == after:
            raise KeyboardInterrupt

    return progress


def test_journalled_programming_is_programming(board_of):
    """Without retries' luck, of the same chip: the same cells work, and their codes are as good."""
    target = random_target()
    with ohmloom.connect(URL, seed=2) as plain, ohmloom.connect(URL, seed=2) as kept:
        one, other = plain.program_conductance(1, target), kept.program_conductance(1, target, journal=True)
        np.testing.assert_array_equal(one.selected, other.selected)
        assert one.formed == other.formed > 100
        working = board_of(kept).fabric.tiles[1].devices.stuck == 0
        assert other.converged[working].all()
        assert (np.abs(other.conductance - target)[other.converged] <= 1.07e-6).all()
        status = kept.run_status()
        assert (status.kind, status.rows, status.loaded, status.done, status.begun) == (RunKind.PROGRAM, 8, 8, 8, 0)
        assert status.left == 0
        assert status.bad == other.failed.sum() == kept.bad_cells().sum()
        np.testing.assert_array_equal(kept.bad_cells()[1], other.failed)
        assert not kept.bad_cells()[0].any()


def test_interrupted_run_goes_on_with_its_rows(chip):
    target = random_target()
    with pytest.raises(KeyboardInterrupt):
        chip.program_conductance(0, target, journal=True, progress=interrupt(chip, 3))
    told = []
    status = chip.run_status()
    assert 0 < status.left < 8  # requests in flight were executed
    report = chip.resume(progress=lambda *step: told.append(step))
    assert told == [("programming", done, 8) for done in range(8 - status.left, 9)]
    assert chip.run_status().left == 0
    rows = (report.pulses[0] > 0).any(axis=1)
    assert rows.sum() == status.left
    assert report.failed.sum() == chip.run_status().bad
    done = ~chip.bad_cells()[0]
    error = np.abs(chip.read_conductance(0, samples=64) - target)[done]
    assert (error > 1.5e-6).mean() < 0.1
    assert error.max() < 8e-6  # cells that have relaxed since


def test_resumed_report_has_the_bad_cells_from_before():
    with ohmloom.connect(URL, seed=5, stuck=0.08) as chip:
        with pytest.raises(KeyboardInterrupt):
            chip.program_conductance(0, random_target(), journal=True, progress=interrupt(chip, 6))
        before = chip.bad_cells()
        report = chip.resume()
        assert before.any()
        assert (report.status[before] == CellStatus.EXHAUSTED).all()
        assert np.isnan(report.conductance[before]).all()
        np.testing.assert_array_equal(report.failed, chip.bad_cells())


def test_there_may_be_nothing_to_resume_or_refresh(chip):
    with pytest.raises(Error, match="nothing to resume"):
        chip.resume()
    with pytest.raises(Error, match="no programmed rows"):
        chip.refresh()
    chip.program_conductance(0, random_target(), journal=True)
    assert not chip.resume().selected.sum() - chip.bad_cells().sum()
    with pytest.raises(Error, match="no programmed rows"):
        chip.refresh(1)


def test_run_whose_targets_did_not_all_arrive_is_named(chip, truth):
    before = truth(chip, 0)
    stream, loads = chip._session.stream, []

    def cut(requests):
        for command, values in requests:
            if command is commands.RUN_LOAD:
                loads.append(command)
                if len(loads) == 4:
                    raise KeyboardInterrupt
            yield from stream([(command, values)])

    chip._session.stream = cut
    with pytest.raises(KeyboardInterrupt):
        chip.program_conductance(0, random_target(), form=False, journal=True)
    chip._session.stream = stream
    with pytest.raises(Error, match="3 of 8 rows"):
        chip.resume()
    np.testing.assert_array_equal(truth(chip, 0), before)


def test_forming_is_a_run_of_its_own_and_resumes(chip, truth, board_of):
    def progress(what, done, total):
        if what == "forming" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chip.program_conductance(0, random_target(), journal=True, progress=progress)
    assert chip.run_status().kind is RunKind.FORM
    report = chip.resume()
    working = board_of(chip).fabric.tiles[0].devices.stuck == 0
    assert (truth(chip, 0)[working] > 0.5e-6).all()
    assert report.converged[0].any()
    assert sum(kind is EventKind.FORM for _, kind, _ in chip.events()) >= 8
    with pytest.raises(Error, match="no programmed rows"):
        chip.refresh()


def test_trip_stops_a_run_that_goes_on_after_it(tmp_path):
    """A row that is shorted to a high level."""
    url = f"{URL}?state={tmp_path / 'chip.npz'}&seed=3"
    with ohmloom.connect(url, stuck=0) as chip:
        chip.form(0)
    target = random_target()
    with ohmloom.connect(url, faults=["row:0:4:0.2"]) as chip:
        with pytest.raises(ChipError, match=r"row 4 tripped .* clear_trip"):
            chip.program_conductance(0, target, form=False, journal=True)
        assert chip.run_status().begun == 1
        with pytest.raises(ChipError, match="safety latch"):
            chip.resume()
    with ohmloom.connect(url) as chip:  # repaired
        assert chip.run_status().begun == 1
        report = chip.resume()
        assert report.converged[0, 4:].all()
        assert not report.selected[0, :4].any()
        assert chip.run_status().done == 8


def test_refresh_brings_back_what_drifted(board_of):
    target = random_target()
    with ohmloom.connect(URL, seed=4) as chip:
        chip.program_conductance(0, target, journal=True)
        chip.advance(1e7)
        good = ~chip.bad_cells()[0]
        before = np.abs(chip.read_conductance(0, samples=64) - target)[good]
        told = []
        report = chip.refresh(samples=64, progress=lambda *step: told.append(step))
        assert told == [("refreshing", done, 8) for done in range(9)]
        drifted = report.selected[0]
        assert 0 < drifted.sum() < good.sum()
        assert abs(int(drifted.sum()) - int((before > 1e-6).sum())) < 0.1 * good.sum()
        assert report.converged[0][drifted].all()
        assert (report.pulses[0][~drifted] == 0).all()
        assert not drifted[~good].any()
        after = np.abs(chip.read_conductance(0, samples=64) - target)[good]
        assert (after > 1.5e-6).mean() < 0.5 * (before > 1.5e-6).mean()
        np.testing.assert_array_equal(chip.refresh(0, samples=64).selected.shape, (2, 8, 16))


def test_network_programmed_in_a_run_is_on_the_chip(random_model):
    X, model = np.random.default_rng(0).uniform(-1, 1, (50, 6)), random_model([6, 4])
    wanted = X @ model.layers[0].weights + model.layers[0].bias
    correlation = []
    for journal in (False, True):
        with ohmloom.connect(URL, seed=6, stuck=0.1) as chip:
            network = ohmloom.compile(model, chip.spec, X)
            report = chip.program(network, journal=journal)
            correlation.append(np.corrcoef(chip.infer(X).ravel(), wanted.ravel())[0, 1])
            if journal:
                # The second run, for the repair, has all cells of the network.
                status = chip.run_status()
                assert (status.left, status.rows) == (0, np.isfinite(network.targets).any(axis=2).sum())
                assert report.failed.any()
                np.testing.assert_array_equal(chip.bad_cells(), report.failed)
    assert correlation[1] == pytest.approx(correlation[0], abs=0.01)
    assert correlation[1] > 0.9


def test_the_number_of_a_run_is_its_targets(chip):
    runs = []
    for seed in (0, 0, 1):
        chip.program_conductance(0, random_target(seed), journal=True)
        runs.append(chip.run_status().run)
    assert runs[0] == runs[1] != runs[2]
    assert all(run & 0xFFFF == 8 for run in runs)


# Without firmware


@pytest.fixture
def bare():
    """A chip whose controller runs no firmware."""
    with ohmloom.connect(URL, seed=1, stuck=0) as chip:
        controller = chip._session._wire._port.board.controller

        def refuse(_values):
            from ohmloom_emulator.controller.memories import Refusal

            raise Refusal(ErrorCode.NO_FIRMWARE)

        for code in controller.firmware.handlers:
            controller._handlers[code] = refuse
        yield chip


def test_without_firmware_programming_goes_on_and_warns_once(bare):
    with pytest.warns(UserWarning, match="no firmware") as told:
        report = bare.program_conductance(0, random_target())
    assert len(told) == 1
    assert report.converged.any()  # offsets hide some virgin cells, which then do not converge
    bare.form(1)  # no second warning: it would be an error here


def test_without_firmware_a_journal_is_refused(bare):
    with pytest.warns(UserWarning, match="no firmware"), pytest.raises(ChipError, match="firmware") as refused:
        bare.program_conductance(0, random_target(), form=False, journal=True)
    assert refused.value.code == ErrorCode.NO_FIRMWARE


def test_self_test_names_findings():
    with ohmloom.connect(URL, seed=1, faults=["adc:0:5", "reference:1:9"]) as chip:
        dead, missing = chip.selftest()
    assert (dead.kind.name, dead.tile, dead.row, dead.column) == ("ADC_CHANNEL", 0, None, 5)
    assert "tile 0, column 5" in dead.text
    assert (missing.kind.name, missing.tile, missing.row, missing.column) == ("REFERENCE", 1, None, 9)
    with ohmloom.connect(URL, seed=1, stuck=0, faults=["row:1:3"]) as chip:
        chip.program_conductance(1, 10e-6)
        (short,) = chip.selftest()
    assert (short.kind.name, short.tile, short.row, short.column) == ("ROW_SHORT", 1, 3, None)
    assert "tile 1, row 3" in short.text


def test_long_iv_sweeps_go_in_parts(chip):
    volts = np.linspace(-0.199, 0.199, 700)
    current = chip.iv_sweep(0, 1, 2, volts)
    assert current.shape == (700,)
    short = chip.iv_sweep(0, 1, 2, volts[::100])
    np.testing.assert_allclose(short, current[::100], atol=30e-9)

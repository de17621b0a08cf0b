"""Power that fails in the middle of a run: the board comes back as its cells and its flash were left, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import Error
from ohmloom.spec.commands import RunKind

URL = "emu://bench-8x16?seed=17&stuck=0.08&effects=spread,stuck,wires,dac,tia,adc"  # cells stay where they are put
MOMENTS = 200
PARTS = 20
TOLERANCE = 1e-6
# Of a verify code's rounding, converter noise, and what calibration leaves.
MARGIN = 0.4e-6


class PowerCutError(Exception):
    """The power has failed."""


class Cut:
    """Counts a board's events, and fails at the moment before one of them: a drive, a conversion, a single pulse, a write to the flash."""

    def __init__(self, board, moment=None):
        self.events, self._moment = 0, moment
        fabric, journal = board.fabric, board.controller.firmware.journal
        for target, names in ((fabric, ("drive", "sample")), (journal, ("begin", "load", "start", "finish"))):
            for name in names:
                setattr(target, name, self._counting(getattr(target, name)))
        self._pulse = fabric.pulse
        fabric.pulse = self._pulses

    def _count(self):
        self.events += 1
        if self.events == self._moment:
            raise PowerCutError

    def _counting(self, function):
        def call(*arguments):
            self._count()
            return function(*arguments)

        return call

    def _pulses(self, tile, row, groups, polarity, rails, gate, width_ns):
        for index in range(len(groups)):
            self._count()
            one = slice(index, index + 1)
            if not self._pulse(tile, row, groups[one], polarity, rails[one], gate, width_ns):
                return index
        return len(groups)


def board_of(chip):
    return chip._session._wire._port.board


def power_off(chip):
    """The board's state goes to its file as it is now, without a word to the controller."""
    port = chip._session._wire._port
    port.board.save()
    port._finalizer.detach()


def target_of_tiles():
    """Three rows, 10 cells in each."""
    random = np.random.default_rng(7)
    targets = np.full((2, 8, 16), np.nan)
    for tile, row in ((0, 2), (1, 2), (1, 5)):
        targets[tile, row, random.permutation(16)[:10]] = random.uniform(2e-6, 38e-6, 10)
    return targets


def program(chip):
    return chip._program_tiles(target_of_tiles(), TOLERANCE, lambda *_: None, form=False, journal=True)


@pytest.fixture(scope="module")
def formed(tmp_path_factory):
    """The state of a chip that is calibrated and formed, and whose journal holds an older run."""
    path = tmp_path_factory.mktemp("cut") / "formed.npz"
    with ohmloom.connect(URL, state=path) as chip:
        for tile in range(2):
            chip.form(tile)
        chip.program_conductance(1, np.where(np.isnan(target_of_tiles()[1]), np.nan, 20e-6), journal=True)
    return path


def conductances(chip):
    return np.stack([tile.conductance for tile in board_of(chip).fabric.tiles])


def copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target


@pytest.fixture(scope="module")
def uncut(formed, tmp_path_factory):
    """Events of the whole run, its cells' conductances, and its bad cells."""
    path = copied(formed, tmp_path_factory.mktemp("cut") / "uncut.npz")
    with ohmloom.connect(URL, state=path) as chip:
        counter = Cut(board_of(chip))
        report = program(chip)
        events = counter.events
        np.testing.assert_array_equal(report.failed, chip.bad_cells())
        assert 0 < report.failed.sum() < 5
        return events, conductances(chip), report.failed


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
def test_a_run_that_loses_its_power_ends_as_one_that_does_not(formed, uncut, tmp_path, part):
    """At 200 random moments: resumed where all targets had arrived, begun again where they had not; no cell is lost or left unreported."""
    events, wanted, bad = uncut
    target = target_of_tiles()
    moments = np.random.default_rng(3).permutation(np.arange(1, events + 1))[:MOMENTS]
    assert len(moments) == MOMENTS
    for moment in moments[part::PARTS].tolist():
        path = copied(formed, tmp_path / "cut.npz")
        chip = ohmloom.connect(URL, state=path)
        Cut(board_of(chip), moment)
        with pytest.raises(PowerCutError):
            program(chip)
        power_off(chip)
        with ohmloom.connect(URL, state=path) as chip:
            status = chip.run_status()
            mine = status.rows == 3  # the older run has 2
            try:
                report = chip.resume()
                assert status.loaded == status.rows
            except Error:
                assert status.loaded < status.rows
            if not mine or status.loaded < 3:
                report = program(chip)
            status = chip.run_status()
            assert (status.kind, status.rows, status.done, status.begun) == (RunKind.PROGRAM, 3, 3, 0), moment
            np.testing.assert_array_equal(report.failed, bad, err_msg=str(moment))
            np.testing.assert_array_equal(chip.bad_cells(), bad, err_msg=str(moment))
            left = np.abs(conductances(chip) - target)[np.isfinite(target) & ~bad]
            assert left.max() < TOLERANCE + MARGIN, moment
            difference = np.abs(conductances(chip) - wanted)[~bad]
            assert difference.max() < 2 * (TOLERANCE + MARGIN), moment


def test_programming_the_same_again_goes_on_where_the_power_failed(formed, uncut, tmp_path):
    events, _, bad = uncut
    path = copied(formed, tmp_path / "cut.npz")
    chip = ohmloom.connect(URL, state=path)
    Cut(board_of(chip), events - 10)
    with pytest.raises(PowerCutError):
        program(chip)
    power_off(chip)
    with ohmloom.connect(URL, state=path) as chip:
        assert chip.run_status().left == 1
        report = program(chip)
        assert (report.pulses.sum(axis=2) > 0).sum() == 1  # no row that was done is written again
        assert report.selected.sum() == 30
        np.testing.assert_array_equal(report.failed, bad)
        assert not np.isnan(report.conductance[report.failed]).any()
        assert chip.run_status().left == 0

"""Runs over rows: their journal, retries, trips and refreshes."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.spec.commands import (
    ADVANCE,
    FORM,
    NO_ROW,
    PROGRAM,
    READ,
    READ_REGISTERS,
    REFRESH,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    SERVICE,
    WRITE_REGISTERS,
    CellStatus,
    ErrorCode,
    EventKind,
    RowState,
    RunKind,
)
from ohmloom.spec.registers import ARM, STATUS, TRIP_CLEAR, TRIP_SET
from ohmloom_emulator.afe import Faults
from ohmloom_emulator.fabric import Fabric

PLAIN = {"run": 7, "kind": RunKind.PROGRAM, "key": 0, "retries": 0}
FORMING = {"run": 8, "kind": RunKind.FORM, "key": ARM.key, "retries": 0}
TOLERANCE = 12


def targets(seed=0):
    """(2 tiles, 8 rows, 16 columns) targets and tolerances, some cells of each row left alone."""
    random = np.random.default_rng(seed)
    cells = np.zeros((2, 8, 16, 2), dtype=np.int64)
    cells[..., 0] = random.integers(100, 1100, (2, 8, 16))
    cells[..., 1] = np.where(random.random((2, 8, 16)) < 0.8, TOLERANCE, 0)
    return cells


@pytest.fixture
def controller(bench, asked, with_cells):
    return asked(with_cells(Fabric(bench, seed=3)))


def load(controller, rows, cells, **begin):
    controller(RUN_BEGIN, **{**PLAIN, **begin})
    for tile, row in rows:
        controller(RUN_LOAD, tile=tile, row=row, cells=cells[tile, row].ravel())


def finish(controller):
    answers = []
    while (answer := controller(RUN_NEXT))["row"] != NO_ROW:
        answers.append(answer)
    return answers


def states(controller):
    return {
        (tile, row): RowState(controller(RUN_ROW, tile=tile, row=row)["state"]) for tile in range(2) for row in range(8)
    }


def test_nothing_is_known_before_the_first_run(controller):
    assert controller(RUN_STATUS) == {"run": 0, "kind": 0, "loaded": 0, "done": 0, "begun": 0, "bad": 0}
    answer = controller(RUN_NEXT)
    assert (answer["tile"], answer["row"], answer["attempts"], answer["left"]) == (0, NO_ROW, 0, 0)
    assert answer["cells"].size == 0
    answer = controller(RUN_ROW, tile=1, row=2)
    assert answer["state"] == RowState.EMPTY
    assert answer["bad"].tolist() == [0] * 16


def test_rows_are_programmed_in_order_as_program_does(bench, asked, with_cells):
    """Loaded out of order; the second controller gets the same rows by PROGRAM."""
    cells, rows = targets(), [(1, 3), (0, 6), (1, 0), (0, 2)]
    run, plain = (asked(with_cells(Fabric(bench, seed=3))) for _ in range(2))
    load(run, rows, cells)
    for left, (tile, row) in zip((3, 2, 1, 0), sorted(rows), strict=True):
        answer = run(RUN_NEXT)
        assert (answer["tile"], answer["row"], answer["attempts"], answer["left"]) == (tile, row, 1, left)
        wanted = plain(PROGRAM, tile=tile, row=row, cells=cells[tile, row].ravel())["cells"]
        np.testing.assert_array_equal(answer["cells"], wanted)
    assert run(RUN_NEXT)["row"] == NO_ROW
    np.testing.assert_array_equal(run.fabric.tiles[0].conductance, plain.fabric.tiles[0].conductance)
    assert {place: state for place, state in states(run).items() if state} == dict.fromkeys(rows, RowState.DONE)


def test_status_counts_rows_and_bad_cells(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, seed=3, stuck=0.2)))
    rows = [(0, 0), (0, 1), (1, 4)]
    load(controller, rows, targets())
    assert controller(RUN_STATUS) == {"run": 7, "kind": 0, "loaded": 3, "done": 0, "begun": 0, "bad": 0}
    first = controller(RUN_NEXT)
    status = controller(RUN_STATUS)
    bad = np.isin(first["cells"]["status"], (CellStatus.EXHAUSTED, CellStatus.STUCK))
    assert bad.any()
    assert status == {"run": 7, "kind": 0, "loaded": 3, "done": 1, "begun": 0, "bad": int(bad.sum())}
    assert controller(RUN_ROW, tile=0, row=0)["bad"].tolist() == bad.astype(int).tolist()
    assert controller(RUN_ROW, tile=0, row=1)["bad"].tolist() == [0] * 16


def test_cells_that_did_not_converge_are_tried_again_alone(bench, asked, with_cells):
    """What the attempts are, done by hand with PROGRAM on a twin."""
    cells = targets()
    run, plain = (asked(with_cells(Fabric(bench, seed=3, stuck=0.3))) for _ in range(2))
    load(run, [(0, 0)], cells, retries=3)
    answer = run(RUN_NEXT)
    assert answer["attempts"] == 4
    target, tolerance = cells[0, 0].T
    total = plain(PROGRAM, tile=0, row=0, cells=cells[0, 0].ravel())["cells"].copy()
    for _ in range(3):
        again = np.isin(total["status"], (CellStatus.EXHAUSTED, CellStatus.STUCK))
        only = np.column_stack([target, np.where(again, tolerance, 0)])
        later = plain(PROGRAM, tile=0, row=0, cells=only.ravel())["cells"]
        for key in ("status", "code"):
            total[key][again] = later[key][again]
        total["pulses"] += later["pulses"]
    np.testing.assert_array_equal(answer["cells"], total)


def test_pulses_of_all_attempts_end_at_their_16_bits(controller, monkeypatch):
    firmware = controller.controller.firmware
    program = controller.controller._engine.program

    def many(*arguments):
        report = program(*arguments)
        report.status[0], report.pulses[0] = CellStatus.STUCK, 40_000
        return report

    monkeypatch.setattr(controller.controller._engine, "program", many)
    cells = targets()
    cells[0, 0, 0] = 500, TOLERANCE
    load(controller, [(0, 0)], cells, retries=1)
    assert controller(RUN_NEXT)["cells"]["pulses"][0] == 65535
    assert firmware.journal.bad[0, 0, 0]


@pytest.mark.parametrize(("change", "detail"), [
    ({"tile": 2}, 2), ({"row": 8}, 8), ({"cells": [0] * 30}, 30), ({"cells": [5, -1] * 16}, -1), ({"cells": [-9, 2] * 16}, -9),
])  # fmt: skip
def test_loading_is_checked_as_program_is(controller, change, detail):
    good = {"tile": 0, "row": 0, "cells": targets()[0, 0].ravel()}
    controller(RUN_BEGIN, **PLAIN)
    assert controller.refusal(RUN_LOAD, **{**good, **change}) is controller.refusal(PROGRAM, **{**good, **change})
    assert controller.error["detail"] == detail


def test_a_row_is_loaded_once_in_a_run(controller):
    good = {"tile": 1, "row": 1, "cells": targets()[0, 0].ravel()}
    assert controller.refusal(RUN_LOAD, **good) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == 0
    load(controller, [(1, 1)], targets())
    assert controller.refusal(RUN_LOAD, **good) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == RowState.LOADED
    finish(controller)
    assert controller.refusal(RUN_LOAD, **good) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == RowState.DONE
    controller(RUN_BEGIN, **PLAIN)
    controller(RUN_LOAD, **good)


@pytest.mark.parametrize(("change", "detail"), [
    ({"kind": 2}, 2), ({"retries": 9}, 9), ({"kind": 1}, 0), ({"kind": 1, "key": 5}, 5), ({"kind": 3, "retries": 99, "key": 5}, 3),
])  # fmt: skip
def test_a_run_that_cannot_be_leaves_the_one_before(controller, change, detail):
    load(controller, [(1, 1)], targets())
    assert controller.refusal(RUN_BEGIN, **{**PLAIN, **change}) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == detail
    assert controller(RUN_STATUS)["loaded"] == 1


def test_number_0_forgets_the_run_before(controller):
    load(controller, [(1, 1)], targets())
    controller(RUN_BEGIN, **{**PLAIN, "run": 0})
    assert not any(controller(RUN_STATUS).values())


def test_forming_runs_arm_each_row_and_log_it(bench, asked):
    run, plain = (asked(Fabric(bench, seed=4, stuck=0.1)) for _ in range(2))
    cells = np.zeros((2, 8, 16, 2), dtype=np.int64)
    cells[..., ::2, 1] = 1
    load(run, [(0, 5), (1, 0)], cells, **FORMING)
    answers = finish(run)
    for answer, (tile, row) in zip(answers, [(0, 5), (1, 0)], strict=True):
        plain(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])
        wanted = plain(FORM, tile=tile, row=row, mask=[1, 0] * 8)["cells"]
        np.testing.assert_array_equal(answer["cells"], wanted)
        assert (wanted["status"][1::2] == CellStatus.SKIPPED).all()
    events = run(SERVICE, after=0)["events"].tolist()
    assert events == [(1, EventKind.FORM, 5), (2, EventKind.FORM, 1 << 16)]
    assert run.refusal(FORM, tile=0, row=0, mask=[1] * 16) is ErrorCode.NOT_ARMED


def test_forming_is_tried_again_and_leaves_nothing_armed(bench, asked):
    controller = asked(Fabric(bench, seed=4, stuck=0.4))
    controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])
    cells = np.zeros((2, 8, 16, 2), dtype=np.int64)
    cells[..., 1] = 1
    load(controller, [(0, 0)], cells, **{**FORMING, "retries": 2})
    answer = controller(RUN_NEXT)
    assert answer["attempts"] == 3
    assert len(controller(SERVICE, after=0)["events"]) == 3
    assert controller(RUN_STATUS)["bad"] == np.isin(answer["cells"]["status"], (2, 3)).sum() > 0
    assert not controller(READ_REGISTERS, address=STATUS.address, count=1)["values"][0] & 2


def test_a_trip_leaves_the_row_begun_and_the_run_goes_on_after_it(bench, asked, with_cells):
    """A row shorted to a high level reads high, and its first RESET trips."""
    fabric = with_cells(Fabric(bench, seed=3, faults=Faults(bench, ["row:0:1:0.2"])))
    controller = asked(fabric)
    load(controller, [(0, 0), (0, 1), (0, 2)], targets(), retries=4)
    assert controller(RUN_NEXT)["row"] == 0
    answer = controller(RUN_NEXT)
    assert (answer["row"], answer["attempts"], answer["left"]) == (1, 1, 2)
    assert (answer["cells"]["status"] == CellStatus.TRIPPED).any()
    assert states(controller)[0, 1] is RowState.BEGUN
    assert controller(RUN_ROW, tile=0, row=1)["bad"].tolist() == [0] * 16
    status = controller(RUN_STATUS)
    assert (status["loaded"], status["done"], status["begun"]) == (3, 1, 1)
    assert controller(SERVICE, after=0)["events"].tolist() == [(1, EventKind.TRIP, 1)]
    assert controller.refusal(RUN_NEXT) is ErrorCode.TRIPPED
    fabric._faults = Faults(bench)  # repaired
    controller(WRITE_REGISTERS, address=TRIP_CLEAR.address, values=[TRIP_CLEAR.key])
    assert [answer["row"] for answer in finish(controller)] == [1, 2]
    assert controller(RUN_STATUS)["done"] == 3


def test_a_run_may_be_prepared_while_the_latch_is_set(controller):
    controller(WRITE_REGISTERS, address=TRIP_SET.address, values=[1])
    load(controller, [(0, 0)], targets())
    assert controller(RUN_STATUS)["loaded"] == 1
    assert controller.refusal(RUN_NEXT) is ErrorCode.TRIPPED
    assert controller.refusal(REFRESH, tile=0, row=0, samples=1) is ErrorCode.TRIPPED


# Refresh


def test_refresh_programs_only_the_cells_that_drifted(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, ideal=True)))
    cells = targets()
    cells[0, 0, 0, 1] = TOLERANCE
    load(controller, [(0, 0)], cells)
    finish(controller)
    target, tolerance = cells[0, 0].T
    assert controller(REFRESH, tile=0, row=0, samples=64)["drifted"] == 0
    arrays = controller.fabric.state()
    arrays["tile0_conductance"][0, 0] *= 0.7
    arrays["tile0_written"][0, 0] *= 0.7
    controller.fabric.restore(arrays)
    before = controller(READ, tile=0, row=0, rows=1, samples=64)["codes"]
    bad = controller(RUN_ROW, tile=0, row=0)["bad"] != 0
    wanted = (np.abs(before - target) > tolerance) & (tolerance > 0) & ~bad
    answer = controller(REFRESH, tile=0, row=0, samples=64)
    assert wanted[0]
    assert answer["drifted"] == wanted.sum()
    np.testing.assert_array_equal(answer["cells"]["status"] != CellStatus.SKIPPED, wanted)
    assert answer["cells"]["status"][0] == CellStatus.CONVERGED
    assert answer["cells"]["pulses"][0] > 0
    assert (answer["cells"]["pulses"][~wanted] == 0).all()


def test_refresh_of_a_row_in_tolerance_only_reads(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, ideal=True)))
    cells = targets()
    cells[..., 1] = np.where(cells[..., 1] > 0, 400, 0)
    load(controller, [(1, 2)], cells)
    finish(controller)
    pulses = controller.controller._engine.pulses
    answer = controller(REFRESH, tile=1, row=2, samples=16)
    assert answer["drifted"] == 0
    assert (answer["cells"]["status"] == CellStatus.SKIPPED).all()
    assert (answer["cells"]["pulses"] == 0).all()
    np.testing.assert_array_equal(answer["cells"]["code"], controller(READ, tile=1, row=2, rows=1, samples=1)["codes"])
    assert controller.controller._engine.pulses == pulses


def test_refresh_leaves_bad_cells_and_the_journal_alone(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, seed=3, stuck=0.3)))
    load(controller, [(0, row) for row in range(4)], targets())
    bad = np.array([np.isin(answer["cells"]["status"], (2, 3)) for answer in finish(controller)])
    assert bad.sum() > 5
    controller(ADVANCE, duration_ns=10**15)
    journal = controller.controller.firmware.arrays()
    drifted = 0
    for row in range(4):
        answer = controller(REFRESH, tile=0, row=row, samples=16)
        drifted += answer["drifted"]
        assert (answer["cells"]["status"][bad[row]] == CellStatus.SKIPPED).all()
    assert drifted > 0
    for key, value in controller.controller.firmware.arrays().items():
        np.testing.assert_array_equal(value, journal[key])


def test_refresh_that_cannot_be_is_refused(controller):
    good = {"tile": 0, "row": 0, "samples": 1}
    for change, code, detail in (
        ({"tile": 2}, ErrorCode.BAD_ADDRESS, 2), ({"row": 8}, ErrorCode.BAD_ADDRESS, 8), ({"samples": 0}, ErrorCode.BAD_VALUE, 0),
        ({"samples": 65}, ErrorCode.BAD_VALUE, 65), ({}, ErrorCode.BAD_VALUE, RowState.EMPTY),
    ):  # fmt: skip
        assert controller.refusal(REFRESH, **{**good, **change}) is code
        assert controller.error["detail"] == detail
    load(controller, [(0, 0)], targets())
    assert controller.refusal(REFRESH, **good) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == RowState.LOADED
    load(controller, [(0, 0)], targets(), **FORMING)
    finish(controller)
    assert controller.refusal(REFRESH, **good) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == RunKind.FORM


# Power


def test_the_journal_outlives_the_power(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, seed=3, stuck=0.2)))
    load(controller, [(0, 0), (1, 1), (1, 2)], targets(), retries=1)
    controller(RUN_NEXT)
    after = asked(Fabric(bench, seed=3, stuck=0.2))
    after.fabric.restore(controller.fabric.state())
    after.controller.restore(controller.controller.arrays())
    assert after(RUN_STATUS) == controller(RUN_STATUS)
    for place in ((0, 0), (0, 1), (1, 1)):
        first, second = (each(RUN_ROW, tile=place[0], row=place[1]) for each in (controller, after))
        assert first["state"] == second["state"]
        np.testing.assert_array_equal(first["bad"], second["bad"])
    for one, other in zip(finish(controller), finish(after), strict=True):
        np.testing.assert_array_equal(one["cells"], other["cells"])


@pytest.mark.parametrize("key", ["run", "state", "target", "tolerance", "bad"])
def test_a_damaged_journal_is_refused_whole(controller, key):
    load(controller, [(1, 1)], targets())
    arrays = controller.everything()
    for value in (None, arrays[f"journal_{key}"][:1], arrays[f"journal_{key}"].astype(np.float32)):
        broken = {name: array for name, array in arrays.items() if name != f"journal_{key}"}
        if value is not None:
            broken[f"journal_{key}"] = value
        with pytest.raises(ValueError, match=f"journal_{key}"):
            controller.controller.restore(broken)
    assert controller(RUN_STATUS)["loaded"] == 1


@pytest.mark.parametrize(("key", "value"), [("run", [7, 2, 0]), ("run", [7, 0, 9]), ("run", [-1, 0, 0]), ("state", 4)])
def test_a_journal_that_no_run_leaves_is_refused(controller, key, value):
    arrays = controller.everything()
    arrays[f"journal_{key}"][...] = value
    with pytest.raises(ValueError, match=r"run|RunKind"):
        controller.controller.restore(arrays)


def test_a_state_of_a_board_without_firmware_has_no_run(controller, asked, bench):
    arrays = {
        key: value for key, value in controller.everything().items() if "journal" not in key and "firmware" not in key
    }
    other = asked(Fabric(bench))
    other.controller.restore(arrays)
    assert other(RUN_STATUS)["run"] == 0

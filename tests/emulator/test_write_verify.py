"""The write-verify engine against a slow one, cell by cell, written from `ohmloom.spec.policy`'s definition."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import pytest

from ohmloom.spec import load_policy
from ohmloom.spec.commands import (
    CALIBRATE,
    FORM,
    MEM_READ,
    MEM_WRITE,
    PROGRAM,
    READ_REGISTERS,
    WRITE_REGISTERS,
    CellStatus,
    ErrorCode,
    Memory,
    Polarity,
)
from ohmloom.spec.registers import ARM, PULSES, STATUS, STATUS_ARMED, STATUS_TRIPPED, TRIP_CAUSE
from ohmloom_emulator.fabric import Fabric

FORMED_SIEMENS = 0.5e-6


@dataclass
class Cell:
    status: CellStatus | None = None  # None: still running
    direction: Polarity | None = None
    amplitude: int = 0
    pulses: int = 0
    reversals: int = 0
    top_pulses: int = 0
    code: int = 0


def volts_to_code(volts):
    return min(int(volts * 4096 / 5.0 + 1e-9), 4095)


def bucket(value, edges):
    return sum(value >= edge for edge in edges)


def slow_engine(fabric, correction, policy, tile, row, targets, tolerances, *, forming=False):
    """The rounds 1 to 5 for one row. targets and tolerances in verify codes; correction: (offset, gain) a column."""
    spec = fabric.spec
    step = spec.siemens_per_code(1)
    edges = [
        [round(edge / step) for edge in policy.error_edges_siemens],
        [round(edge / step) for edge in policy.conductance_edges_siemens],
    ]
    tables = {Polarity.SET: policy.form if forming else policy.set, Polarity.RESET: policy.reset}
    grid = 0 if forming else max(volts_to_code(policy.grid_v).bit_length() - 1, 0)
    cells = [Cell(None if tolerance else CellStatus.SKIPPED) for tolerance in tolerances]
    while True:
        fabric.select(tile, row, 1, 1)
        fabric.drive(np.array([[327]]))
        raw = fabric.sample(np.arange(spec.columns))[0][0].tolist()
        codes = [
            (((code * 16 - offset) * gain + 2**14 >> 15) + 8) >> 4
            for code, (offset, gain) in zip(raw, correction, strict=True)
        ]
        for cell, code, target, tolerance in zip(cells, codes, targets, tolerances, strict=True):
            if cell.status is None or cell.status is CellStatus.SKIPPED:
                cell.code = code
            if cell.status is not None:
                continue
            error = target - cell.code
            if (error <= 0) if forming else (abs(error) <= tolerance):
                cell.status = CellStatus.CONVERGED
                continue
            if cell.pulses >= policy.max_pulses:
                cell.status = CellStatus.EXHAUSTED
                continue
            wanted = Polarity.SET if error > 0 else Polarity.RESET
            table = tables[wanted]
            error_bucket, level_bucket = bucket(abs(error), edges[0]), bucket(cell.code, edges[1])
            if wanted is not cell.direction:
                if cell.pulses:
                    cell.reversals += 1
                if cell.reversals > policy.max_reversals:
                    cell.status = CellStatus.EXHAUSTED
                    continue
                cell.amplitude = (
                    volts_to_code(table.first_v[error_bucket])
                    + volts_to_code(table.level_v[level_bucket])
                    - volts_to_code(policy.backoff_v) * min(cell.reversals, 8)
                )
            else:
                cell.amplitude += volts_to_code(table.step_v[error_bucket])
            cell.direction = wanted
            cell.amplitude = min(max(cell.amplitude, 0), volts_to_code(table.top_v))
            if cell.amplitude == volts_to_code(table.top_v):
                cell.top_pulses += 1
                if cell.top_pulses > policy.max_top_pulses:
                    cell.status = CellStatus.STUCK
        if all(cell.status is not None for cell in cells):
            return cells
        for polarity in (Polarity.SET, Polarity.RESET):
            due = [
                (cell.amplitude >> grid << grid, column)
                for column, cell in enumerate(cells)
                if cell.status is None and cell.direction is polarity
            ]
            table = tables[polarity]
            for level in sorted({level for level, _ in due}):
                columns = [column for other, column in due if other == level]
                for first in range(0, len(columns), spec.limits.cells_per_pulse):
                    group = np.zeros((1, spec.columns), dtype=bool)
                    group[0, columns[first : first + spec.limits.cells_per_pulse]] = True
                    for column in np.flatnonzero(group[0]):
                        cells[column].pulses += 1
                    if not fabric.pulse(
                        tile, row, group, polarity, np.array([level]), volts_to_code(table.gate_v), table.pulse_ns
                    ):
                        for cell in cells:
                            cell.status = CellStatus.TRIPPED if cell.status is None else cell.status
                        return cells


def arm(controller):
    controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])


def register(controller, which):
    return int(controller(READ_REGISTERS, address=which.address, count=1)["values"][0])


def calibrated(controller, tile=1):
    controller(CALIBRATE, tile=tile)
    return controller


def corrections(controller, tile=1):
    """(offset, gain) of each column in the verify range: tiles x 2 ranges x 16 columns of int16 and uint16."""
    data = controller(MEM_READ, memory=Memory.CORRECTION, offset=(tile * 2 + 1) * 64, length=64)["data"].tobytes()
    return list(struct.iter_unpack("<hH", data))


def assert_reported(answer, cells):
    np.testing.assert_array_equal(answer["cells"]["status"], [cell.status for cell in cells])
    np.testing.assert_array_equal(answer["cells"]["pulses"], [cell.pulses for cell in cells])
    np.testing.assert_array_equal(answer["cells"]["code"], [cell.code for cell in cells])


def compare_tile(spec, asked, same, policy, *, seed, stuck, target_siemens=None, tolerance=15):
    """Forms and programs a whole tile on both engines; returns all statuses of programming."""
    controller, twin = (calibrated(asked(Fabric(spec, seed=seed, stuck=stuck))) for _ in range(2))
    reference, correction = twin.fabric, corrections(twin)
    assert len(set(correction)) > 8
    controller(MEM_WRITE, memory=Memory.POLICY, offset=0, data=policy.pack(spec))
    rng, step = np.random.default_rng(seed), spec.siemens_per_code(1)
    formed_code, statuses, pulses = round(FORMED_SIEMENS / step), [], 0
    for row in range(spec.rows):
        arm(controller)
        answer = controller(FORM, tile=1, row=row, mask=np.ones(spec.columns, int))
        cells = slow_engine(
            reference, correction, policy, 1, row, [formed_code] * spec.columns, [1] * spec.columns, forming=True
        )
        assert_reported(answer, cells)
        pulses += sum(cell.pulses for cell in cells)
    for row in range(spec.rows):
        siemens = (
            rng.uniform(1e-6, 40e-6, spec.columns) if target_siemens is None else np.full(spec.columns, target_siemens)
        )
        target, tolerances = np.rint(siemens / step).astype(int), np.full(spec.columns, tolerance)
        tolerances[rng.random(spec.columns) < 0.1] = 0
        answer = controller(PROGRAM, tile=1, row=row, cells=np.stack([target, tolerances], axis=1).ravel())
        cells = slow_engine(reference, correction, policy, 1, row, target.tolist(), tolerances.tolist())
        assert_reported(answer, cells)
        statuses += [cell.status for cell in cells]
        pulses += sum(cell.pulses for cell in cells)
    same(controller.fabric.state(), reference.state())
    assert 0 < register(controller, PULSES) <= pulses
    return statuses


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["default", "neurram"])
def test_a_whole_tile_is_programmed_as_the_policy_says(bench, asked, same, name, seed):
    statuses = compare_tile(bench, asked, same, load_policy(name), seed=seed, stuck=0.05)
    assert statuses.count(CellStatus.CONVERGED) > 0.85 * (len(statuses) - statuses.count(CellStatus.SKIPPED))
    assert CellStatus.SKIPPED in statuses


def test_few_pulses_exhaust(bench, asked, same):
    policy = load_policy("default").model_copy(update={"max_pulses": 2})
    assert compare_tile(bench, asked, same, policy, seed=3, stuck=0.0).count(CellStatus.EXHAUSTED) > 10


def test_many_reversals_exhaust(bench, asked, same):
    policy = load_policy("neurram").model_copy(update={"max_reversals": 1})
    assert compare_tile(bench, asked, same, policy, seed=3, stuck=0.0, tolerance=3).count(CellStatus.EXHAUSTED) > 10


def test_stuck_cells_end_as_stuck(bench, asked, same):
    policy = load_policy("neurram").model_copy(update={"max_top_pulses": 4})
    assert compare_tile(bench, asked, same, policy, seed=3, stuck=0.4).count(CellStatus.STUCK) > 20


def test_backoff_counts_up_to_eight_reversals(bench, asked, same):
    policy = load_policy("default").model_copy(update={"backoff_v": 0.06})
    compare_tile(bench, asked, same, policy, seed=4, stuck=0.0, tolerance=2)


@pytest.mark.parametrize("grid_v", [0.0, 0.01, 0.04, 0.3])
def test_amplitudes_on_a_grid(bench, asked, same, grid_v):
    compare_tile(bench, asked, same, load_policy("default").model_copy(update={"grid_v": grid_v}), seed=5, stuck=0.02)


def test_narrow_rail_takes_few_cells_a_pulse(bench, changed, asked, same):
    spec = changed(bench, limits={"cells_per_pulse": 3})
    compare_tile(spec, asked, same, load_policy("neurram"), seed=6, stuck=0.05)


def test_default_policy_needs_fewer_pulses_than_neurrams(bench, asked):
    means = {}
    for name in ("default", "neurram"):
        controller = calibrated(asked(Fabric(bench, seed=7, stuck=0.0)), tile=0)
        controller(MEM_WRITE, memory=Memory.POLICY, offset=0, data=load_policy(name).pack(bench))
        rng, counts = np.random.default_rng(7), []
        for row in range(8):
            arm(controller)
            controller(FORM, tile=0, row=row, mask=np.ones(16, int))
            target = rng.integers(15, 615, 16)
            cells = np.stack([target, np.full(16, 15)], axis=1).ravel()
            counts.append(controller(PROGRAM, tile=0, row=row, cells=cells)["cells"]["pulses"])
        means[name] = np.mean(counts)
    assert means["default"] < means["neurram"]


# Forming and the latch


def test_each_form_needs_the_arm_key(bench, asked):
    controller = asked(Fabric(bench))
    mask = np.ones(16, int)
    assert controller.refusal(FORM, tile=0, row=0, mask=mask) is ErrorCode.NOT_ARMED
    arm(controller)
    assert STATUS_ARMED.get(register(controller, STATUS)) == 1
    controller(FORM, tile=0, row=0, mask=mask)
    assert STATUS_ARMED.get(register(controller, STATUS)) == 0
    assert controller.refusal(FORM, tile=0, row=1, mask=mask) is ErrorCode.NOT_ARMED
    arm(controller)
    controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key + 1])
    assert controller.refusal(FORM, tile=0, row=1, mask=mask) is ErrorCode.NOT_ARMED


def test_a_refused_form_does_not_use_the_arm_key_up(bench, asked):
    controller = asked(Fabric(bench))
    arm(controller)
    assert controller.refusal(FORM, tile=0, row=8, mask=np.ones(16, int)) is ErrorCode.BAD_ADDRESS
    assert controller.refusal(FORM, tile=0, row=0, mask=np.ones(15, int)) is ErrorCode.BAD_LENGTH
    controller(FORM, tile=0, row=0, mask=np.ones(16, int))


def test_forming_forms_only_masked_virgin_cells(bench, asked):
    controller = calibrated(asked(Fabric(bench, stuck=0.0)), tile=0)
    mask = np.zeros(16, int)
    mask[::3] = 1
    for masks, pulsed in ((mask, mask > 0), (np.ones(16, int), mask == 0)):
        arm(controller)
        cells = controller(FORM, tile=0, row=2, mask=masks)["cells"]
        np.testing.assert_array_equal(cells["status"], np.where(masks, CellStatus.CONVERGED, CellStatus.SKIPPED))
        np.testing.assert_array_equal(cells["pulses"] > 0, pulsed)


def test_over_current_trips_latches_and_reports(bench, changed, asked, same):
    """Also the pulses before the trip, and nothing after it, are the reference's."""
    spec = changed(bench, limits={"over_current_a": 50e-6})
    controller, reference = asked(Fabric(spec, seed=1, stuck=0.0)), Fabric(spec, seed=1, stuck=0.0)
    for fabric in (controller.fabric, reference):
        arrays = fabric.state()
        arrays["tile0_conductance"] = arrays["tile0_written"] = np.linspace(1e-6, 30e-6, 128).reshape(8, 16)
        fabric.restore(arrays)
    target, tolerances = np.full(16, 600), np.full(16, 10)
    target[:4] = 5
    answer = controller(PROGRAM, tile=0, row=4, cells=np.stack([target, tolerances], axis=1).ravel())
    cells = slow_engine(
        reference, [(0, 32768)] * 16, load_policy(spec.cell.policy), 0, 4, target.tolist(), tolerances.tolist()
    )
    assert_reported(answer, cells)
    same(controller.fabric.state(), reference.state())
    assert CellStatus.TRIPPED in answer["cells"]["status"]
    assert STATUS_TRIPPED.get(register(controller, STATUS)) == 1
    assert register(controller, TRIP_CAUSE) == 1
    assert register(controller, PULSES) < 16
    for _ in range(2):
        assert controller.refusal(PROGRAM, tile=1, row=0, cells=np.zeros(32, int)) is ErrorCode.TRIPPED

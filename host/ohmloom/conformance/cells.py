"""Cells of the device's tile: forming, programming, reading and single pulses, and their limits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ohmloom.conformance.check import Skip, check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.errors import ChipError
from ohmloom.spec import registers
from ohmloom.spec.commands import FORM, PROGRAM, PULSE, READ, CellStatus, ErrorCode, EventKind, Polarity
from ohmloom.spec.policy import FORMED_SIEMENS

YIELD = 0.9  # share of cells that a chip worth using forms and programs
ROWS = 4  # that are programmed


@check(writes=True)
def forming(device: Device) -> None:
    """A tile is formed row by row, each with the arm key, which is used up; forming is logged"""
    spec, tile = device.spec, device.tile
    last = device.chip.events()[-1][0] if device.chip.events() else 0
    report = device.chip.form(tile)
    expect(report.converged_fraction >= YIELD, f"{report.converged_fraction:.0%} of the cells are formed")
    mask = np.ones(spec.columns, np.uint8)
    equal(device.refusal(FORM, tile=tile, row=0, mask=mask), ErrorCode.NOT_ARMED, "a second FORM with one key")
    logged = [argument for _, kind, argument in device.chip.events(last) if kind is EventKind.FORM]
    wanted = [tile << 16 | row for row in range(spec.rows)]
    equal(logged, wanted[-len(logged) :], "rows in the log")
    again = device.chip.form(tile)
    formed = report.conductance >= 2 * FORMED_SIEMENS
    equal(int(again.pulses[formed].sum()), 0, "pulses at cells that are formed")


@check(writes=True)
def forming_is_masked(device: Device) -> None:
    """FORM leaves alone what its mask leaves out, and answers each column"""
    device.write(registers.ARM, registers.ARM.key or 0)
    pulses = device.read(registers.PULSES)
    cells = device.ask(FORM, tile=device.tile, row=0, mask=np.zeros(device.spec.columns, np.uint8))["cells"]
    equal(cells["status"], np.full(device.spec.columns, CellStatus.SKIPPED), "status of masked cells")
    equal(device.read(registers.PULSES), pulses, "pulses")


@check(writes=True)
def programming(device: Device) -> None:
    """Write-verify brings rows to their targets; what it answers is what READ finds; pulses are counted"""
    spec, tile = device.spec, device.tile
    rows = min(ROWS, spec.rows)
    step = spec.siemens_per_code(spec.verify_range)
    span = np.linspace(0.2, 0.8, spec.columns) * (spec.cell.g_max_siemens - spec.cell.g_min_siemens)
    target = np.rint((spec.cell.g_min_siemens + span) / step).astype(np.int64)
    tolerance = round(1e-6 / step)
    converged = 0
    for row in range(rows):
        pulses = device.read(registers.PULSES)
        cells = device.ask(
            PROGRAM, tile=tile, row=row, cells=np.stack([target, np.full_like(target, tolerance)], axis=1)
        )["cells"]
        good = cells["status"] == CellStatus.CONVERGED
        converged += int(good.sum())
        off = np.abs(cells["code"].astype(np.int64) - target)[good]
        expect(
            off.size == 0 or off.max() <= tolerance,
            f"row {row}: a converged cell is {off.max(initial=0)} codes off its target",
        )
        counted = device.read(registers.PULSES) - pulses
        expect(
            0 <= counted <= int(cells["pulses"].sum()),
            f"row {row}: {counted} pulses, but cells had {cells['pulses'].sum()}",
        )
        read = device.ask(READ, tile=tile, row=row, rows=1, samples=16)["codes"].astype(np.int64)
        middle = float(np.median(np.abs(read - target)[good])) if good.any() else 0.0
        expect(middle <= 3 * tolerance, f"row {row}: cells read {middle} codes off their targets")
    share = converged / (rows * spec.columns)
    expect(share >= YIELD, f"{share:.0%} of the cells converge")


@check(writes=True)
def cells_left_alone(device: Device) -> None:
    """A cell with tolerance 0 is not written, whatever its target says"""
    spec = device.spec
    pulses = device.read(registers.PULSES)
    cells = device.ask(PROGRAM, tile=device.tile, row=0, cells=np.tile([-5, 0], spec.columns))["cells"]
    equal(cells["status"], np.full(spec.columns, CellStatus.SKIPPED), "status")
    equal(device.read(registers.PULSES), pulses, "pulses")


@check()
def program_limits(device: Device) -> None:
    """PROGRAM is refused for a wrong tile, row or number of cells, and negative targets or tolerances"""
    spec = device.spec
    good = np.tile([0, 0], spec.columns)
    negative, bad = np.tile([0, 0], spec.columns), np.tile([0, 0], spec.columns)
    negative[-2:] = -1, 3
    bad[1] = -1
    pulses = device.read(registers.PULSES)
    for changes, wanted in (
        ({"tile": spec.tiles}, ErrorCode.BAD_ADDRESS),
        ({"row": spec.rows}, ErrorCode.BAD_ADDRESS),
        ({"row": 0xFFFF}, ErrorCode.BAD_ADDRESS),
        ({"cells": good[2:]}, ErrorCode.BAD_LENGTH),
        ({"cells": np.concatenate([good, [0, 0]])}, ErrorCode.BAD_LENGTH),
        ({"cells": negative}, ErrorCode.BAD_VALUE),
        ({"cells": bad}, ErrorCode.BAD_VALUE),
    ):
        refusal = device.refusal(PROGRAM, **{"tile": device.tile, "row": 0, "cells": good, **changes})
        equal(refusal, wanted, f"PROGRAM with {list(changes)}")
    equal(device.read(registers.PULSES), pulses, "pulses")


@check()
def reading(device: Device) -> None:
    """READ answers rows of codes, in one request or many; it is refused beyond the tile and for wrong samples"""
    spec, tile = device.spec, device.tile
    rows = max(1, (spec.link.payload_bytes * 2 // 3) // spec.columns)
    equal(device.ask(READ, tile=tile, row=0, rows=1, samples=64)["codes"].size, spec.columns, "codes of a row")
    for values, wanted in (
        ({"rows": 0}, ErrorCode.BAD_VALUE),
        ({"samples": 0}, ErrorCode.BAD_VALUE),
        ({"samples": 65}, ErrorCode.BAD_VALUE),
        ({"row": spec.rows}, ErrorCode.BAD_ADDRESS),
        ({"row": 1, "rows": spec.rows}, ErrorCode.BAD_ADDRESS),
        ({"row": 0xFFFF, "rows": 0xFFFF}, ErrorCode.BAD_ADDRESS),
        ({"tile": spec.tiles}, ErrorCode.BAD_ADDRESS),
        *([({"rows": rows + 1}, ErrorCode.ANSWER_TOO_LONG)] if rows < spec.rows else []),
    ):
        equal(
            device.refusal(READ, **{"tile": tile, "row": 0, "rows": 1, "samples": 1, **values}),
            wanted,
            f"READ with {values}",
        )


def _pulse(device: Device, **changes: Any) -> dict[str, Any]:
    return {
        "tile": device.tile, "row": 0, "column": 0, "polarity": Polarity.SET, "rail": 0, "gate": 0, "width_ns": 1000, **changes,
    }  # fmt: skip


@check(writes=True)
def pulse_limits(device: Device) -> None:
    """PULSE is taken up to clamps and caps, and refused beyond them without a pulse"""
    spec, limits = device.spec, device.spec.limits
    rails = [spec.rail_code(volts) for volts in (limits.set_v, limits.reset_v)]
    pulses = device.read(registers.PULSES)
    for changes, wanted in (
        ({"rail": rails[Polarity.SET] + 1}, ErrorCode.BAD_CODE),
        ({"rail": rails[Polarity.RESET] + 1, "polarity": Polarity.RESET}, ErrorCode.BAD_CODE),
        ({"rail": 0xFFFF}, ErrorCode.BAD_CODE),
        ({"gate": spec.rail_code(limits.gate_v) + 1}, ErrorCode.BAD_CODE),
        ({"width_ns": 0}, ErrorCode.BAD_VALUE),
        ({"width_ns": limits.pulse_ns + 1}, ErrorCode.BAD_VALUE),
        ({"width_ns": 0xFFFFFFFF}, ErrorCode.BAD_VALUE),
        ({"polarity": 2}, ErrorCode.BAD_VALUE),
        ({"tile": spec.tiles}, ErrorCode.BAD_ADDRESS),
        ({"row": spec.rows}, ErrorCode.BAD_ADDRESS),
        ({"column": spec.columns}, ErrorCode.BAD_ADDRESS),
    ):
        equal(device.refusal(PULSE, **_pulse(device, **changes)), wanted, f"PULSE with {changes}")
    equal(device.read(registers.PULSES), pulses, "pulses after refused ones")
    # A closed transistor lets nothing through: the highest rail and longest width are taken, and harm no cell.
    for polarity, rail in zip(Polarity, rails, strict=True):
        device.ask(PULSE, **_pulse(device, polarity=polarity, rail=rail, width_ns=limits.pulse_ns))
    equal(device.read(registers.PULSES), pulses + 2, "pulses")


@check(writes=True)
def pulses_move_cells(device: Device) -> None:
    """SET pulses raise a cell's conductance, RESET pulses lower it: in most cells of a row"""
    spec, limits = device.spec, device.spec.limits
    moved = 0
    device.chip.form(device.tile, np.arange(spec.rows)[:, None] == np.zeros(spec.columns))
    try:
        for column in range(spec.columns):
            codes = {}
            for polarity, volts in ((Polarity.RESET, limits.reset_v), (Polarity.SET, limits.set_v)):
                rail, gate = spec.rail_code(0.75 * volts), spec.rail_code(0.8 * limits.gate_v)
                for _ in range(3):
                    answer = device.ask(PULSE, **_pulse(device, column=column, polarity=polarity, rail=rail, gate=gate))
                codes[polarity] = int(answer["code"])
            moved += codes[Polarity.SET] > codes[Polarity.RESET]
    except ChipError as error:
        if error.code == ErrorCode.TRIPPED:
            raise Skip("a cell draws more than the rail gives") from None
        raise
    expect(moved >= YIELD * spec.columns, f"{moved} of {spec.columns} cells move with the pulses' sign")

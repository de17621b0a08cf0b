"""The safety latch, the forming key, the event log, and time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ohmloom.conformance.check import check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.spec import registers
from ohmloom.spec.commands import (
    ADVANCE,
    FORM,
    INFER,
    MVM,
    PROGRAM,
    PULSE,
    READ,
    SERVICE,
    WRITE_REGISTERS,
    Cause,
    Command,
    ErrorCode,
    EventKind,
)
from ohmloom.spec.registers import STATUS_ARMED, STATUS_TRIPPED


def _jobs(device: Device) -> list[tuple[Command, dict[str, Any]]]:
    """One request of each command that drives lines."""
    spec, where = device.spec, {"tile": device.tile, "row": 0}
    return [
        (MVM, {"tile": device.tile, "range": 0, "count": 1, "codes": np.zeros(spec.rows, np.int64)}),
        (INFER, {"count": 1, "codes": [0]}),
        (PROGRAM, {**where, "cells": np.zeros(2 * spec.columns, np.int64)}),
        (READ, {**where, "rows": 1, "samples": 1}),
        (PULSE, {**where, "column": 0, "polarity": 0, "rail": 0, "gate": 0, "width_ns": 100}),
        (FORM, {**where, "mask": np.zeros(spec.columns, np.uint8)}),
    ]


@check()
def trip(device: Device) -> None:
    """A set safety latch refuses all that drives lines, until the key clears it; it is logged"""
    last = device.chip.events()[-1][0] if device.chip.events() else 0
    device.chip.stop()
    expect(bool(STATUS_TRIPPED.get(device.read(registers.STATUS))), "status does not show the trip")
    equal(device.read(registers.TRIP_CAUSE), registers.TRIP_CAUSE_HOST.mask, "trip cause")
    for command, values in _jobs(device):
        equal(device.refusal(command, **values), ErrorCode.TRIPPED, f"{command.name} while tripped")
    device.write(registers.ARM, registers.ARM.key or 0)
    expect(not STATUS_ARMED.get(device.read(registers.STATUS)), "forming is armed while tripped")
    refusal = device.refusal(WRITE_REGISTERS, address=registers.TRIP_CLEAR.address, values=[1])
    equal(refusal, ErrorCode.BAD_VALUE, "clearing with a wrong key")
    expect(bool(STATUS_TRIPPED.get(device.read(registers.STATUS))), "a wrong key clears the trip")
    device.chip.clear_trip()
    equal(device.read(registers.TRIP_CAUSE), 0, "trip cause after clearing")
    equal(device.refusal(*_jobs(device)[0][:1], **_jobs(device)[0][1]), None, "MVM after clearing")
    expect(
        (last + 1, EventKind.TRIP, registers.TRIP_CAUSE_HOST.mask) in device.chip.events(last),
        "the trip is not in the log",
    )


@check()
def arming(device: Device) -> None:
    """Forming needs the arm key, which a trip and any other value take back"""
    form = {"tile": device.tile, "row": 0, "mask": np.zeros(device.spec.columns, np.uint8)}
    equal(device.refusal(FORM, **form), ErrorCode.NOT_ARMED, "FORM without the key")
    for by_trip in (False, True):
        device.write(registers.ARM, registers.ARM.key or 0)
        expect(bool(STATUS_ARMED.get(device.read(registers.STATUS))), "the key does not arm")
        if by_trip:
            device.chip.stop()
            device.chip.clear_trip()
        else:
            device.write(registers.ARM, 1)
        equal(device.refusal(FORM, **form), ErrorCode.NOT_ARMED, "FORM after the key was taken back")


@check()
def events(device: Device) -> None:
    """Events are numbered one after the other, and listed from any number on"""
    known = device.chip.events()
    last = known[-1][0] if known else 0
    for _ in range(3):
        device.chip.stop()
    device.chip.clear_trip()
    numbers = [number for number, _, _ in device.chip.events(last)]
    equal(numbers, [last + 1, last + 2, last + 3], "numbers of three trips")
    equal([number for number, _, _ in device.chip.events(last + 2)], [last + 3], "events after the second")
    equal(device.ask(SERVICE, after=0xFFFFFFFF)["events"].size, 0, "events after the last number")


@check()
def time(device: Device) -> None:
    """Time passes by ADVANCE for an emulated fabric, with a meter for each cause; a board refuses it"""
    if not device.emulated:
        equal(device.refusal(ADVANCE, duration_ns=0), ErrorCode.NOT_EMULATED, "ADVANCE")
        return
    before = device.ask(ADVANCE, duration_ns=0)
    after = device.ask(ADVANCE, duration_ns=1_000_000_007)
    equal(int(after["time_ns"]) - int(before["time_ns"]), 1_000_000_007, "ns that passed")
    equal(len(after["meters"]), len(Cause), "meters")
    equal(int(after["meters"]["time_ns"].sum()), int(after["time_ns"]), "sum of the causes' times")
    spent = after["meters"]["time_ns"].astype(np.int64) - before["meters"]["time_ns"].astype(np.int64)
    equal(int(spent[Cause.IDLE]), 1_000_000_007, "ns charged to idling")
    equal(device.refusal(ADVANCE, duration_ns=(1 << 64) - 1), ErrorCode.BAD_VALUE, "584 years")

"""The firmware answers what the emulator's controller answers, byte for byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.conftest import Built, with_image
from tests.firmware.machines import Machine

from ohmloom.spec import registers
from ohmloom.spec.commands import (
    CALIBRATE,
    COMMANDS,
    FIRMWARE,
    IV,
    MEM_READ,
    REFRESH,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    SELFTEST,
    TYPE_ERROR,
    UPDATE,
    WRITE_REGISTERS,
    Command,
    Memory,
    RunKind,
)
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric

COLUMNS = 16


class Both:
    """One machine and one emulated controller, each with a fabric of its own."""

    def __init__(self, machine: Machine, **options: Any) -> None:
        self.machine = machine
        self.controller = Controller(Fabric(machine.spec, **options))
        machine.start(Controller(Fabric(machine.spec, **options)))

    def ask(self, command: Command, **values: Any) -> dict[str, Any]:
        frame_type, payload = self.same(command.code, command.request.pack(**values))
        assert frame_type != TYPE_ERROR, payload.hex()
        return command.answer.unpack(payload)

    def same(self, frame_type: int, payload: bytes) -> tuple[int, bytes]:
        answer = self.machine.execute(frame_type, payload)
        assert answer == self.controller.execute(frame_type, payload), (frame_type, payload.hex())
        return answer


def cells(rng: np.random.Generator, tolerance: int) -> Any:
    targets, tolerances = rng.integers(50, 1500, COLUMNS), rng.integers(0, tolerance + 1, COLUMNS)
    return np.stack([targets, tolerances], axis=1).ravel()


def test_program_run(machine: Machine) -> None:
    both, rng = Both(machine, seed=3), np.random.default_rng(1)
    both.ask(RUN_BEGIN, run=8, kind=RunKind.PROGRAM, key=0, retries=2)
    for tile, row in ((1, 2), (0, 5), (0, 1)):
        both.ask(RUN_LOAD, tile=tile, row=row, cells=cells(rng, 20))
    tried = [both.ask(RUN_NEXT) for _ in range(3)]
    assert [(int(answer["tile"]), int(answer["row"])) for answer in tried] == [(0, 1), (0, 5), (1, 2)]
    assert max(answer["attempts"] for answer in tried) > 1
    both.ask(RUN_NEXT)
    status = both.ask(RUN_STATUS)
    assert (status["loaded"], status["done"], status["begun"]) == (3, 3, 0)
    for row in range(8):
        both.ask(RUN_ROW, tile=0, row=row)
    for row in (1, 5):
        both.ask(REFRESH, tile=0, row=row, samples=8)
    both.same(REFRESH.code, REFRESH.request.pack(tile=0, row=2, samples=8))
    machine.stop()
    machine.start(machine.controller)
    both.ask(RUN_STATUS)
    both.ask(RUN_ROW, tile=0, row=5)
    machine.stop()


def test_form_run(machine: Machine) -> None:
    both, rng = Both(machine, seed=2), np.random.default_rng(2)
    both.ask(RUN_BEGIN, run=9, kind=RunKind.FORM, key=registers.ARM_KEY, retries=1)
    for row in (0, 3):
        both.ask(RUN_LOAD, tile=1, row=row, cells=cells(rng, 2))
    for _ in range(3):
        both.ask(RUN_NEXT)
    both.same(REFRESH.code, REFRESH.request.pack(tile=1, row=0, samples=8))
    machine.stop()


def test_measurements(machine: Machine) -> None:
    both = Both(machine, seed=1)
    both.ask(IV, tile=1, row=2, column=15, range=0, codes=[-327, -100, 0, 1, 327])
    both.ask(SELFTEST)
    both.ask(FIRMWARE)
    machine.stop()


@pytest.mark.slow
def test_calibration(machine: Machine) -> None:
    both = Both(machine, seed=1)
    both.ask(CALIBRATE, tile=1)
    size = machine._correction[1]
    both.ask(MEM_READ, memory=Memory.CORRECTION, offset=0, length=size)
    both.ask(SELFTEST)
    machine.stop()


def test_set_latch_refuses_what_needs_the_array(machine: Machine) -> None:
    both = Both(machine)
    both.ask(RUN_BEGIN, run=1, kind=RunKind.PROGRAM, key=0, retries=0)
    both.ask(WRITE_REGISTERS, address=registers.TRIP_SET.address, values=[1])
    for command in (IV, CALIBRATE, SELFTEST, RUN_NEXT, REFRESH, RUN_STATUS):
        both.same(command.code, b"\x07")
    both.ask(RUN_STATUS)
    both.ask(WRITE_REGISTERS, address=registers.TRIP_CLEAR.address, values=[registers.TRIP_CLEAR_KEY])
    both.ask(RUN_NEXT)
    machine.stop()


def test_any_payload_gets_the_same_refusal(built: Built, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Payloads that are almost right. BOOT's and UPDATE's good ones change the machine: `test_update`."""
    machine = with_image(Machine(built.spec, built.native, tmp_path_factory.mktemp("any")), built.image.binary)
    both = Both(machine, ideal=True)
    small = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 64, 65, 255])
    heads = st.lists(small, min_size=0, max_size=10).map(bytes)
    tails = st.one_of(st.binary(max_size=8), st.sampled_from([bytes(48), bytes(47) + b"\x80", b"\x00\xf0\xff" * 16]))
    types = st.sampled_from([0x30, *range(0x33, 0x40)])

    @settings(max_examples=200, deadline=None)
    @given(types, heads, tails)
    def check(frame_type: int, head: bytes, tail: bytes) -> None:
        both.same(frame_type, (head + tail)[: built.spec.link.payload_bytes])

    check()
    both.ask(UPDATE, offset=4, data=b"abcdefg")
    assert {command.code for command in COMMANDS.values() if command.by == "firmware"} <= set(range(0x30, 0x40))
    machine.stop()

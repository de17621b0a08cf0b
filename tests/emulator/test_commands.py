"""Every command: done when it is good, else refused with the right code and nothing changed."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.spec import load_policy
from ohmloom.spec.commands import (
    ADVANCE,
    BOOT,
    CALIBRATE,
    COMMANDS,
    FIRMWARE,
    FORM,
    HELLO,
    INFER,
    INFO,
    IV,
    MEM_READ,
    MEM_WRITE,
    MVM,
    PROGRAM,
    PULSE,
    PULSE_TRIPPED,
    RATE,
    READ,
    READ_REGISTERS,
    REFRESH,
    ROUTE,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    SELFTEST,
    SERVICE,
    TYPE_ERROR,
    UPDATE,
    WRITE_REGISTERS,
    BootTarget,
    Cause,
    ErrorCode,
    EventKind,
    Memory,
    Polarity,
    RunKind,
)
from ohmloom.spec.core import IMAGE_BYTES
from ohmloom.spec.policy import POLICY_DTYPE
from ohmloom.spec.registers import (
    ARM,
    ID,
    PULSE_CAP_NS,
    READ_CLAMP,
    REGISTERS,
    SCRATCH,
    STATUS,
    TRIP_CAUSE,
    TRIP_CLEAR,
    TRIP_SET,
    VERSION,
)
from ohmloom_emulator.fabric import Fabric

ROW = np.tile([200, 15], 16)
STAGE = {"tile": 0, "range": 0, "attenuator": 0, "relu": 1, "bias": 0}


def stages(*changes):
    return [tuple({**STAGE, **change}.values()) for change in changes]


GOOD = {
    INFO: {},
    READ_REGISTERS: {"address": 0, "count": 15},
    WRITE_REGISTERS: {"address": SCRATCH.address, "values": [5]},
    MEM_WRITE: {"memory": Memory.NOTES, "offset": 12287, "data": b"x"},
    MEM_READ: {"memory": Memory.NOTES, "offset": 11776, "length": 512},
    MVM: {"tile": 1, "range": 1, "count": 2, "codes": [327, -327] * 8},
    ROUTE: {"stages": stages({}, {"tile": 1})},
    PROGRAM: {"tile": 1, "row": 7, "cells": ROW},
    READ: {"tile": 1, "row": 0, "rows": 8, "samples": 64},
    PULSE: {
        "tile": 1,
        "row": 7,
        "column": 15,
        "polarity": Polarity.RESET,
        "rail": 3276,
        "gate": 4095,
        "width_ns": 10_000,
    },
    IV: {"tile": 1, "row": 7, "column": 15, "range": 1, "codes": [-327, 0, 327]},
    CALIBRATE: {"tile": 1},
    SELFTEST: {},
    RUN_BEGIN: {"run": 1, "kind": RunKind.PROGRAM, "key": 0, "retries": 8},
    RUN_LOAD: {"tile": 1, "row": 7, "cells": ROW},
    RUN_NEXT: {},
    RUN_STATUS: {},
    RUN_ROW: {"tile": 1, "row": 7},
    REFRESH: {"tile": 1, "row": 7, "samples": 64},
    UPDATE: {"offset": IMAGE_BYTES - 4, "data": bytes(4)},
    FIRMWARE: {},
    SERVICE: {"after": 0},
    ADVANCE: {"duration_ns": 1000},
}
FORM_GOOD = {"tile": 1, "row": 7, "mask": [1] * 16}
BOOT_GOOD = {"target": BootTarget.RAM, "bytes": 20, "crc": 0}  # good in form; nothing has been staged

REFUSED = [
    (READ_REGISTERS, {"count": 0}, ErrorCode.BAD_VALUE),
    (READ_REGISTERS, {"count": 65}, ErrorCode.BAD_VALUE),
    (READ_REGISTERS, {"count": 16}, ErrorCode.BAD_ADDRESS),
    (READ_REGISTERS, {"address": 0xFFFF, "count": 1}, ErrorCode.BAD_ADDRESS),
    (WRITE_REGISTERS, {"address": 0x0F}, ErrorCode.BAD_ADDRESS),
    (WRITE_REGISTERS, {"address": 0xFFFF, "values": [1, 2]}, ErrorCode.BAD_ADDRESS),
    (WRITE_REGISTERS, {"address": STATUS.address}, ErrorCode.READ_ONLY),
    (WRITE_REGISTERS, {"address": SCRATCH.address, "values": [1, 2]}, ErrorCode.READ_ONLY),
    (WRITE_REGISTERS, {"address": TRIP_CLEAR.address}, ErrorCode.BAD_VALUE),
    (MEM_WRITE, {"memory": 5}, ErrorCode.BAD_ADDRESS),
    (MEM_WRITE, {"offset": 12288}, ErrorCode.BAD_ADDRESS),
    (MEM_WRITE, {"offset": 2**32 - 1}, ErrorCode.BAD_ADDRESS),
    (MEM_READ, {"memory": 255}, ErrorCode.BAD_ADDRESS),
    (MEM_READ, {"offset": 65025}, ErrorCode.BAD_ADDRESS),
    (MEM_READ, {"offset": 0, "length": 513}, ErrorCode.ANSWER_TOO_LONG),
    (MVM, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (MVM, {"range": 2}, ErrorCode.BAD_VALUE),
    (MVM, {"count": 1}, ErrorCode.BAD_LENGTH),
    (MVM, {"count": 0, "codes": []}, ErrorCode.BAD_LENGTH),
    (MVM, {"codes": [0] * 15}, ErrorCode.BAD_LENGTH),
    (MVM, {"codes": [0] * 15 + [328]}, ErrorCode.BAD_CODE),
    (MVM, {"codes": [-328] + [0] * 15}, ErrorCode.BAD_CODE),
    (MVM, {"codes": [-2048] + [0] * 15}, ErrorCode.BAD_CODE),
    (MVM, {"count": 22, "codes": [0] * 176}, ErrorCode.ANSWER_TOO_LONG),
    (ROUTE, {"stages": stages({})}, ErrorCode.BAD_VALUE),
    (ROUTE, {"stages": stages({}, {})}, ErrorCode.BAD_VALUE),
    (ROUTE, {"stages": stages({}, {"tile": 2})}, ErrorCode.BAD_ADDRESS),
    (ROUTE, {"stages": stages({"range": 2}, {"tile": 1})}, ErrorCode.BAD_VALUE),
    (ROUTE, {"stages": stages({"attenuator": 5}, {"tile": 1})}, ErrorCode.BAD_VALUE),
    (INFER, {"count": 1, "codes": [0] * 8}, ErrorCode.NO_NETWORK),
    (PROGRAM, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (PROGRAM, {"row": 8}, ErrorCode.BAD_ADDRESS),
    (PROGRAM, {"cells": ROW[:-2]}, ErrorCode.BAD_LENGTH),
    (PROGRAM, {"cells": [200, -1] * 16}, ErrorCode.BAD_VALUE),
    (PROGRAM, {"cells": [-1, 5] * 16}, ErrorCode.BAD_VALUE),
    (READ, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (READ, {"row": 1}, ErrorCode.BAD_ADDRESS),
    (READ, {"row": 65535, "rows": 65535}, ErrorCode.BAD_ADDRESS),
    (READ, {"rows": 0}, ErrorCode.BAD_VALUE),
    (READ, {"samples": 0}, ErrorCode.BAD_VALUE),
    (READ, {"samples": 65}, ErrorCode.BAD_VALUE),
    (PULSE, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (PULSE, {"row": 8}, ErrorCode.BAD_ADDRESS),
    (PULSE, {"column": 16}, ErrorCode.BAD_ADDRESS),
    (PULSE, {"polarity": 2}, ErrorCode.BAD_VALUE),
    (PULSE, {"rail": 3277}, ErrorCode.BAD_CODE),
    (PULSE, {"polarity": Polarity.SET, "rail": 3277}, ErrorCode.BAD_CODE),
    (PULSE, {"gate": 4096}, ErrorCode.BAD_CODE),
    (PULSE, {"width_ns": 0}, ErrorCode.BAD_VALUE),
    (PULSE, {"width_ns": 10_001}, ErrorCode.BAD_VALUE),
    (FORM, {**FORM_GOOD, "tile": 2}, ErrorCode.BAD_ADDRESS),
    (FORM, {**FORM_GOOD, "row": 8}, ErrorCode.BAD_ADDRESS),
    (FORM, {**FORM_GOOD, "mask": [1] * 17}, ErrorCode.BAD_LENGTH),
    (FORM, FORM_GOOD, ErrorCode.NOT_ARMED),
    (IV, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (IV, {"row": 8}, ErrorCode.BAD_ADDRESS),
    (IV, {"column": 16}, ErrorCode.BAD_ADDRESS),
    (IV, {"range": 2}, ErrorCode.BAD_VALUE),
    (IV, {"codes": []}, ErrorCode.BAD_LENGTH),
    (IV, {"codes": [0, -328]}, ErrorCode.BAD_CODE),
    (IV, {"codes": [0] * 256}, ErrorCode.ANSWER_TOO_LONG),
    (CALIBRATE, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (RUN_BEGIN, {"kind": 2}, ErrorCode.BAD_VALUE),
    (RUN_BEGIN, {"retries": 9}, ErrorCode.BAD_VALUE),
    (RUN_BEGIN, {"kind": RunKind.FORM, "key": 1}, ErrorCode.BAD_VALUE),
    (RUN_LOAD, {}, ErrorCode.BAD_VALUE),
    (RUN_ROW, {"tile": 2}, ErrorCode.BAD_ADDRESS),
    (RUN_ROW, {"row": 8}, ErrorCode.BAD_ADDRESS),
    (UPDATE, {"offset": 2}, ErrorCode.BAD_ADDRESS),
    (UPDATE, {"offset": IMAGE_BYTES}, ErrorCode.BAD_ADDRESS),
    (UPDATE, {"offset": 0xFFFFFFFC}, ErrorCode.BAD_ADDRESS),
    (ADVANCE, {"duration_ns": 2**64 - 1}, ErrorCode.BAD_VALUE),
    (ADVANCE, {"duration_ns": 2**60 + 1}, ErrorCode.BAD_VALUE),
]
NEEDS_FABRIC = [MVM, INFER, PROGRAM, READ, PULSE, FORM, IV, CALIBRATE, SELFTEST, RUN_NEXT, REFRESH]


def name(value):
    return value.name if hasattr(value, "name") else str(value)[:40]


@pytest.fixture
def controller(bench, asked):
    return asked(Fabric(bench))


def register(controller, which):
    return int(controller(READ_REGISTERS, address=which.address, count=1)["values"][0])


@pytest.mark.parametrize("command", GOOD, ids=name)
def test_good_request_is_answered(controller, command):
    if command in (RUN_LOAD, REFRESH):
        controller(RUN_BEGIN, **GOOD[RUN_BEGIN])
    if command is REFRESH:
        controller(RUN_LOAD, **GOOD[RUN_LOAD])
        controller(RUN_NEXT)
    controller(command, **GOOD[command])


@pytest.mark.parametrize(("command", "change", "code"), REFUSED, ids=name)
def test_bad_request_gets_its_error_and_changes_nothing(controller, command, change, code):
    assert controller.refusal(command, **{**GOOD.get(command, {}), **change}) is code
    assert register(controller, SCRATCH) == 0
    controller(MVM, **GOOD[MVM])


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS.values() if command not in (HELLO, RATE)], ids=name
)
def test_wrong_lengths(controller, command):
    good = command.request.pack(
        **{**GOOD, FORM: FORM_GOOD, BOOT: BOOT_GOOD, INFER: {"count": 1, "codes": [0] * 8}}[command]
    )
    if command.request.header_bytes:
        assert controller.refusal(command, good[: command.request.header_bytes - 1]) is ErrorCode.BAD_LENGTH
        assert controller.refusal(command, b"") is ErrorCode.BAD_LENGTH
    if command.request.array is None:
        assert controller.refusal(command, good + b"\0") is ErrorCode.BAD_LENGTH
    elif command.request.array.kind != "u8":
        # 12-bit codes: one byte more than whole triples is cut; records and words: one byte less.
        cut = good[: command.request.header_bytes] + bytes(4 if command.request.array.kind == "i12" else 7 * 4 + 1)
        assert controller.refusal(command, cut) is ErrorCode.BAD_LENGTH


@pytest.mark.parametrize("frame_type", [0x00, 0x60, 0x7F, 0x80, 0x90, 0xFE, 0xFF])
def test_unknown_commands(controller, frame_type):
    assert controller.refusal(frame_type, b"\1\2\3") is ErrorCode.UNKNOWN_COMMAND


def test_tripped_chip_refuses_all_that_drives_the_fabric(controller):
    controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])
    controller(WRITE_REGISTERS, address=TRIP_SET.address, values=[0])
    assert register(controller, TRIP_CAUSE) == 4
    for command in NEEDS_FABRIC:
        assert controller.refusal(command, b"anything") is ErrorCode.TRIPPED
    for command in [
        command for command in GOOD if command not in NEEDS_FABRIC
    ]:  # in order: a run begins before it is loaded
        controller(command, **GOOD[command])
    controller(WRITE_REGISTERS, address=TRIP_CLEAR.address, values=[TRIP_CLEAR.key])
    assert register(controller, TRIP_CAUSE) == 0
    assert controller.refusal(FORM, **FORM_GOOD) is ErrorCode.NOT_ARMED  # the trip has disarmed
    controller(MVM, **GOOD[MVM])


def test_tripped_chip_cannot_be_armed(controller):
    controller(WRITE_REGISTERS, address=TRIP_SET.address, values=[0])
    controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])
    controller(WRITE_REGISTERS, address=TRIP_CLEAR.address, values=[TRIP_CLEAR.key])
    assert controller.refusal(FORM, **FORM_GOOD) is ErrorCode.NOT_ARMED


def test_pulse_over_the_rails_current_trips(bench, changed, asked):
    controller = asked(Fabric(changed(bench, limits={"over_current_a": 1e-9})))
    assert controller(PULSE, **GOOD[PULSE])["code"] == PULSE_TRIPPED
    assert register(controller, TRIP_CAUSE) == 1
    assert controller.refusal(PULSE, **GOOD[PULSE]) is ErrorCode.TRIPPED


def test_registers_read_what_the_spec_says(controller, bench):
    assert register(controller, ID) == int.from_bytes(b"OMLM", "little")
    assert register(controller, VERSION) == VERSION.reset
    assert register(controller, READ_CLAMP) == 327
    assert register(controller, PULSE_CAP_NS) == 10_000
    controller(WRITE_REGISTERS, address=SCRATCH.address, values=[0xFFFFFFFF])
    assert register(controller, SCRATCH) == 0xFFFFFFFF
    for word, which in REGISTERS.items():
        if "w" not in which.access:
            assert controller.refusal(WRITE_REGISTERS, address=word, values=[1]) is ErrorCode.READ_ONLY


def test_memories_keep_bytes(controller):
    data = bytes(range(256))
    for memory in (Memory.NETWORK, Memory.BIAS, Memory.CORRECTION, Memory.NOTES):
        size = 256 if memory is not Memory.CORRECTION else 200
        controller(MEM_WRITE, memory=memory, offset=3, data=data[:size])
        assert controller(MEM_READ, memory=memory, offset=3, length=size)["data"].tobytes() == data[:size]


@pytest.mark.parametrize(("key", "field", "value", "code"), [
    ("set", "top", 3277, ErrorCode.BAD_CODE), ("reset", "top", 3277, ErrorCode.BAD_CODE), ("form", "top", 3687, ErrorCode.BAD_CODE),
    ("set", "gate", 4096, ErrorCode.BAD_CODE), ("set", "pulse_ns", 10_001, ErrorCode.BAD_VALUE), ("reset", "pulse_ns", 0, ErrorCode.BAD_VALUE),
    ("form", "pulse_ns", 1_000_001, ErrorCode.BAD_VALUE),
])  # fmt: skip
def test_policy_beyond_the_clamps_is_refused(controller, bench, key, field, value, code):
    record = np.frombuffer(load_policy("default").pack(bench), POLICY_DTYPE).copy()
    controller(MEM_WRITE, memory=Memory.POLICY, offset=0, data=record.tobytes())
    record[key][field] = value
    assert controller.refusal(MEM_WRITE, memory=Memory.POLICY, offset=0, data=record.tobytes()) is code


def test_meters_are_the_fabrics(controller):
    controller(PROGRAM, **GOOD[PROGRAM])
    answer = controller(ADVANCE, duration_ns=5)
    assert answer["time_ns"] == controller.fabric.now_ns
    for cause in Cause:
        assert answer["meters"]["energy_fj"][cause] == controller.fabric.energy_fj[cause]
        assert answer["meters"]["time_ns"][cause] == controller.fabric.time_ns[cause]
    assert answer["meters"]["time_ns"][Cause.IDLE] == 5


def test_events_are_told_in_order_and_none_is_told_twice(controller):
    for row in range(3):
        controller(WRITE_REGISTERS, address=ARM.address, values=[ARM.key])
        controller(FORM, tile=1, row=row, mask=[0] * 16)
    controller(WRITE_REGISTERS, address=TRIP_SET.address, values=[1])
    events = controller(SERVICE, after=0)["events"].tolist()
    assert events == [(n, EventKind.FORM, 1 << 16 | n - 1) for n in (1, 2, 3)] + [(4, EventKind.TRIP, 4)]
    assert controller(SERVICE, after=3)["events"].tolist() == events[3:]
    assert controller(SERVICE, after=4)["events"].size == 0


def test_many_events_are_told_in_frames_that_fit(controller):
    """100 events, 9 bytes each, where the payload has 512; the controller keeps the last 64."""
    for _ in range(100):
        controller(WRITE_REGISTERS, address=TRIP_SET.address, values=[1])
    after, numbers = 0, []
    while (events := controller(SERVICE, after=after)["events"]).size:
        numbers += events["number"].tolist()
        after = numbers[-1]
    assert numbers == list(range(37, 101))


def test_iv_reads_ohms_law(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, ideal=True)))
    g = controller.fabric.state()["tile1_conductance"][7, 15]
    codes = np.arange(-327, 328, 6)
    answer = controller(IV, tile=1, row=7, column=15, range=1, codes=codes)
    np.testing.assert_allclose(answer["codes"], codes * g * 47000.0 * 16, atol=8.01)
    assert answer["saturated"] == 0


def test_read_averages_samples(bench, asked, with_cells):
    controller = asked(with_cells(Fabric(bench, seed=1, effects=frozenset({"adc", "read_noise"}))))
    g = controller.fabric.state()["tile0_conductance"]
    errors = {}
    for samples in (1, 64):
        codes = controller(READ, tile=0, row=0, rows=8, samples=samples)["codes"].reshape(8, 16)
        errors[samples] = np.std(codes * bench.siemens_per_code(1) - g)
    assert errors[64] < 0.35 * errors[1]


def test_error_answers_are_errors(controller):
    assert controller.raw(MVM, b"")[0] == TYPE_ERROR

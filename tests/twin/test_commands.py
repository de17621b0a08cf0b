"""The compiled gateware against the emulator: the same requests through the same frames, the same bytes back."""

from __future__ import annotations

import numpy as np
import pytest
from tests.twin.requests import network, packed, read_register, step, write_register

from ohmloom.spec import commands as table
from ohmloom.spec import load_chip, load_policy, registers
from ohmloom.spec.commands import COMMANDS, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import StepFlag
from ohmloom.spec.policy import POLICY_DTYPE

CHIP = "bench-8x16"


def test_info_and_registers(check) -> None:
    check([
        packed(table.INFO),
        packed(table.READ_REGISTERS, address=0, count=15),
        packed(table.READ_REGISTERS, address=16, count=8),
        packed(table.READ_REGISTERS, address=14, count=3),  # 15 is none
        packed(table.READ_REGISTERS, address=0, count=0),
        packed(table.READ_REGISTERS, address=0, count=65),
        packed(table.READ_REGISTERS, address=65535, count=2),
        packed(table.WRITE_REGISTERS, address=7, values=[0x89ABCDEF]),
        read_register(registers.SCRATCH),
        packed(table.WRITE_REGISTERS, address=7, values=[1, 2]),  # 8 is read-only
        packed(table.WRITE_REGISTERS, address=300, values=[1]),
        packed(table.WRITE_REGISTERS, address=3, values=[]),
        read_register(registers.SCRATCH),
        (table.INFO.code, b"x"),
        (table.WRITE_REGISTERS.code, b"x"),
        (table.WRITE_REGISTERS.code, b"\x07\x00abc"),
        (0x77, b""),
        (table.HELLO.code, b""),
    ])  # fmt: skip


def test_a_request_is_counted_before_it_is_executed(check) -> None:
    """At whatever point of its loop the command processor sees it."""
    check([read_register(registers.FRAMES_GOOD)] * 150)


def test_trips_and_arming(check) -> None:
    check([
        write_register(registers.ARM, registers.ARM.key),
        read_register(registers.STATUS),
        write_register(registers.ARM, 5),
        read_register(registers.STATUS),
        write_register(registers.ARM, registers.ARM.key),
        write_register(registers.TRIP_SET, 0),
        read_register(registers.STATUS),
        read_register(registers.TRIP_CAUSE),
        write_register(registers.ARM, registers.ARM.key),
        *((command.code, b"") for command in (table.MVM, table.INFER, table.PROGRAM, table.READ, table.PULSE, table.FORM)),
        write_register(registers.TRIP_CLEAR, 0xCAFE0001),
        write_register(registers.TRIP_CLEAR, registers.TRIP_CLEAR.key),
        read_register(registers.STATUS),
        packed(table.FORM, tile=0, row=0, mask=[1] * 16),  # not armed
        write_register(registers.TRIP_SET, 0),
        write_register(registers.TRIP_SET, 0),
        packed(table.SERVICE, after=0),
        packed(table.SERVICE, after=2),
        packed(table.SERVICE, after=3),
        packed(table.SERVICE, after=0xFFFFFFFF),
    ])  # fmt: skip


def test_event_log_keeps_the_last_ones(check) -> None:
    trips = [write_register(registers.TRIP_SET, 0)] * 70
    check([*trips, *(packed(table.SERVICE, after=after) for after in (0, 5, 6, 7, 40, 69, 70))])


def test_memories(check) -> None:
    rng = np.random.default_rng(1)
    requests = []
    sizes = MemoryMap(load_chip(CHIP)).sizes
    for memory in (Memory.NETWORK, Memory.BIAS, Memory.CORRECTION, Memory.NOTES):
        for _ in range(3):
            length = int(rng.integers(0, 200))
            offset = int(rng.integers(0, sizes[memory] - length + 1))
            requests.append(packed(table.MEM_WRITE, memory=memory, offset=offset, data=rng.bytes(length)))
        requests.append(packed(table.MEM_READ, memory=memory, offset=0, length=min(sizes[memory], 512)))
    requests += [
        packed(table.MEM_READ, memory=memory, offset=offset, length=length)
        for memory, offset, length in (
            (5, 0, 1),
            (0, 1 << 31, 1),
            (3, 310, 6),
            (3, 310, 7),
            (3, 0, 0),
            (3, 316, 0),
            (3, 317, 0),
            (3, 0, 513),
            (9, 0, 600),
            (4, 0xFFFFFFFF, 0xFFFF),
            (4, 0xFFFFFFFF, 512),
            (255, 0, 0),
        )
    ]
    requests.append(packed(table.MEM_WRITE, memory=4, offset=0xFFFFFFFF, data=b"1234"))
    requests.append((table.MEM_WRITE.code, b"1234"))
    check(requests)


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("set", "top", 3276), ("set", "top", 3277), ("reset", "top", 3277), ("form", "top", 3686), ("form", "top", 3687),
        ("set", "gate", 4095), ("set", "gate", 4096), ("set", "pulse_ns", 10_000), ("set", "pulse_ns", 10_001),
        ("reset", "pulse_ns", 0), ("form", "pulse_ns", 1_000_000), ("form", "pulse_ns", 1_000_001), ("form", "pulse_ns", 1 << 31),
    ],
)  # fmt: skip
def test_policies_within_the_clamps_only(key: str, field: str, value: int, check) -> None:
    record = np.frombuffer(load_policy("neurram").pack(load_chip(CHIP)), POLICY_DTYPE).copy()
    record[key][field] = value
    whole = record.tobytes()
    place = POLICY_DTYPE.fields[key][1] + POLICY_DTYPE.fields[key][0].fields[field][1]
    read = packed(table.MEM_READ, memory=Memory.POLICY, offset=0, length=len(whole))
    check([
        packed(table.MEM_WRITE, memory=Memory.POLICY, offset=0, data=whole),
        read,
        packed(table.MEM_WRITE, memory=Memory.POLICY, offset=place + 1, data=whole[place + 1 : place + 3]),
        packed(table.MEM_WRITE, memory=Memory.POLICY, offset=place, data=whole[place : place + 2]),
        read,
    ])  # fmt: skip


def test_edges_in_no_order_are_found_by_bisection(check) -> None:
    rng = np.random.default_rng(8)
    requests = [write_register(registers.ARM, registers.ARM.key), packed(table.FORM, tile=0, row=2, mask=[1] * 16)]
    for _ in range(4):
        record = np.frombuffer(load_policy("neurram").pack(load_chip(CHIP)), POLICY_DTYPE).copy()
        record["max_pulses"] = 30
        for name in ("error_edges", "conductance_edges"):
            record[name] = rng.integers(0, 400, record[name].shape)
        cells = np.stack([rng.integers(50, 400, 16), np.full(16, 10)], axis=1)
        requests.append(packed(table.MEM_WRITE, memory=Memory.POLICY, offset=0, data=record.tobytes()))
        requests.append(packed(table.PROGRAM, tile=0, row=2, cells=cells))
    check(requests)


def mvm(rng: np.random.Generator, count: int, length: int, **changes) -> tuple[int, bytes]:
    values = rng.integers(-327, 328, length)
    return packed(table.MVM, **{"tile": 1, "range": 0, "count": count, "codes": values, **changes})


def test_mvm(check) -> None:
    rng = np.random.default_rng(2)
    beyond = np.array([3, -327, 327, 328, -500, 500, -1, 0])
    check([
        mvm(rng, 1, 8), mvm(rng, 3, 24), mvm(rng, 21, 168), mvm(rng, 22, 176),
        mvm(rng, 1, 16), mvm(rng, 2, 8), mvm(rng, 0, 0), mvm(rng, 1, 9), mvm(rng, 8193, 8), mvm(rng, 65535, 8),
        mvm(rng, 1, 8, tile=2), mvm(rng, 1, 8, range=2), mvm(rng, 1, 8, tile=255, range=9),
        mvm(rng, 1, 8, codes=beyond), mvm(rng, 1, 8, codes=-beyond), mvm(rng, 1, 8, codes=[-2048] * 8),
        mvm(rng, 1, 8, codes=[2047, -2048] * 4),
        (table.MVM.code, b"\0\0\1"), (table.MVM.code, b"\0\0\1\0x"), (table.MVM.code, b"\0\0\1\0wxyz"),
        packed(table.READ_REGISTERS, address=12, count=3),
    ])  # fmt: skip


def test_routes(check) -> None:
    rng = np.random.default_rng(3)
    good = [(1, 1, 3, 7, 0), (0, 0, 0, 0, 1)]

    def route(*stages: tuple[int, ...]) -> tuple[int, bytes]:
        return packed(table.ROUTE, stages=list(stages))

    check([
        route(*good), mvm(rng, 2, 16), mvm(rng, 2, 16, tile=0), route(good[0]), route(*good, good[0]), route(good[0], good[0]),
        route((2, 0, 0, 0, 0), good[1]), route((1, 2, 0, 0, 0), good[1]), route((1, 1, 5, 0, 0), good[1]),
        (table.ROUTE.code, b"abc"), mvm(rng, 2, 16), route(), mvm(rng, 2, 16),
    ])  # fmt: skip


NETWORKS = {
    "one layer": network(step()),
    "bad magic": network(step(), magic=1),
    "bad crc": network(step(), crc=5),
    "no steps": network(steps=0),
    "too many steps": network(step(), steps=17),
    "too wide": network(step(), inputs=65),
    "two layers": network(
        step(flags=StepFlag.FIRST | StepFlag.LAST | StepFlag.RELU, outputs=4, width=4),
        step(tile=1, rows=4, inputs=4, outputs=2, width=2, pairs=2),
        outputs=2,
    ),
    "inputs that are not there": network(step(flags=StepFlag.FIRST | StepFlag.LAST), step(inputs=5), outputs=4),
    "no last step": network(step(flags=StepFlag.FIRST | StepFlag.OUTPUT)),
    "two outputs": network(step(), step(inputs=4)),
    "other outputs": network(step(), outputs=5),
    "accumulated": network(
        step(flags=StepFlag.FIRST, rows=4, inputs=4),
        step(flags=StepFlag.LAST | StepFlag.OUTPUT, rows=4, inputs=4, input=4, row=4),
    ),
    "sums of another width": network(step(flags=StepFlag.FIRST), step(flags=StepFlag.LAST | StepFlag.OUTPUT, width=5)),
    "analog": network(
        step(flags=StepFlag.ANALOG | StepFlag.LEVEL, shift=2, level=300, pairs=8, outputs=8, width=8),
        step(tile=1, inputs=8),
    ),
    "analog with two levels": network(
        step(flags=StepFlag.ANALOG | StepFlag.LEVEL, shift=2, level=300, pairs=8, outputs=8, width=8),
        step(flags=StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT | StepFlag.LEVEL, tile=1, inputs=8, level=299),
    ),
    "analog onto itself": network(step(flags=StepFlag.ANALOG, pairs=8, outputs=8, width=8, shift=0), step()),
    "analog at the end": network(step(flags=StepFlag.ANALOG | StepFlag.OUTPUT, shift=0)),
    **{
        f"{key} {value}": network(step(**{key: value}))
        for key, value in (
            ("tile", 2),
            ("range", 2),
            ("shift", 0),
            ("shift", 47),
            ("shift", 48),
            ("row", 1),
            ("row", 65535),
            ("rows", 0),
            ("pair", 4),
            ("pair", 5),
            ("pairs", 0),
            ("inputs", 0),
            ("inputs", 9),
            ("input", 1),
            ("outputs", 0),
            ("output", 1),
            ("bias", 252),
            ("bias", 253),
            ("width", 65),
            ("level", 327),
            ("level", -327),
            ("level", 328),
            ("level", -328),
            ("level", -32768),
        )
    },
}


def test_networks_are_taken_or_refused_as_a_whole(check) -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(-327, 328, 24)
    requests = [packed(table.INFER, count=3, codes=codes)]
    for steps in NETWORKS.values():
        requests += [*steps, packed(table.INFER, count=3, codes=codes)]
    check([
        *requests,
        *NETWORKS["one layer"],
        read_register(registers.STATUS),
        packed(table.INFER, count=2, codes=codes),
        packed(table.INFER, count=3, codes=[*codes[:-1], 328]),
    ])  # fmt: skip


def test_infer_answers_that_do_not_fit(check) -> None:
    check(
        [
            *NETWORKS["two layers"],
            packed(table.INFER, count=41, codes=[1] * 328),
            packed(table.INFER, count=40, codes=[1] * 320),
        ]
    )


def test_cells(check) -> None:
    rng = np.random.default_rng(5)
    cells = np.stack([rng.integers(50, 400, 16), np.full(16, 20)], axis=1)
    bad = cells.copy()
    bad[3] = -7, -1
    negative = cells.copy()
    negative[9, 0] = -100
    skipped = negative.copy()
    skipped[9, 1] = 0
    arm = write_register(registers.ARM, registers.ARM.key)
    form = packed(table.FORM, tile=1, row=3, mask=[1] * 16)
    pulse = {"tile": 1, "row": 3, "column": 7, "polarity": 0, "rail": 1500, "gate": 3000, "width_ns": 1000}
    check([
        arm, form, form, packed(table.SERVICE, after=0),
        packed(table.PROGRAM, tile=1, row=3, cells=cells), read_register(registers.PULSES),
        *(packed(table.PROGRAM, tile=tile, row=row, cells=values) for tile, row, values in (
            (1, 3, bad), (1, 3, negative), (1, 3, skipped), (2, 3, cells), (1, 8, cells), (1, 65535, cells), (1, 3, cells[:-1]),
        )),
        (table.PROGRAM.code, b"\1\3\0x"),
        *(packed(table.READ, tile=tile, row=row, rows=rows, samples=samples) for tile, row, rows, samples in (
            (1, 0, 8, 1), (1, 3, 2, 64), (1, 3, 0, 1), (1, 3, 1, 0), (1, 3, 1, 65), (1, 3, 0, 0), (1, 3, 65535, 200),
            (1, 1, 8, 1), (1, 65535, 65535, 1), (2, 0, 1, 1), (1, 65535, 1, 1),
        )),
        *(packed(table.PULSE, **{**pulse, **change}) for change in (
            {}, {"polarity": 1}, {"polarity": 2}, {"column": 16}, {"row": 8}, {"tile": 2}, {"rail": 3276}, {"rail": 3277},
            {"rail": 65535, "gate": 0}, {"gate": 4096}, {"width_ns": 0}, {"width_ns": 10_000}, {"width_ns": 10_001},
            {"width_ns": 1 << 31},
        )),
        (table.FORM.code, b"\1\3\0" + bytes(15)),
        read_register(registers.PULSES),
    ])  # fmt: skip


def test_advance_reads_and_passes_time(check) -> None:
    check([
        packed(table.ADVANCE, duration_ns=0), packed(table.ADVANCE, duration_ns=123_456_789_012),
        packed(table.ADVANCE, duration_ns=1 << 62), packed(table.ADVANCE, duration_ns=(1 << 64) - 1),
        (table.ADVANCE.code, b"1234567"), packed(table.ADVANCE, duration_ns=1),
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_random_requests(seed: int, check) -> None:
    """Payloads of random bytes, and of the right length with random bytes: no hang, the same answers."""
    rng = np.random.default_rng(seed)
    spec = load_chip(CHIP)
    codes = [
        code for code in COMMANDS if COMMANDS[code].by != "firmware" and code not in (table.HELLO.code, table.RATE.code)
    ]
    requests = []
    for _ in range(60):
        code = int(rng.choice(codes))
        layout = COMMANDS[code].request
        length = int(rng.choice([layout.header_bytes, layout.header_bytes + rng.integers(0, 60), rng.integers(0, 80)]))
        payload = bytearray(rng.bytes(length))
        for place in range(min(length, 6)):  # small numbers pass more checks
            if rng.random() < 0.7:
                payload[place] = int(rng.integers(0, 3))
        requests.append((code, bytes(payload[: spec.link.payload_bytes])))
    check(requests, seed=seed)

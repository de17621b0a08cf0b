"""The command processor against the emulator's controller: the same requests, the same answers, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from ohmloom.spec import commands as table
from ohmloom.spec import load_chip, registers
from ohmloom.spec.commands import COMMANDS, ERROR_LAYOUT, TYPE_ERROR, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric, Stage
from ohmloom_hdl.commands.processor import CommandProcessor
from ohmloom_hdl.interfaces import SETTINGS, STAGE_NUMBER, JobKind, stage_layout

CHIP = "bench-8x16"
ENGINE_COMMANDS = {
    JobKind.MVM: table.MVM, JobKind.INFER: table.INFER, JobKind.PROGRAM: table.PROGRAM,
    JobKind.FORM: table.FORM, JobKind.READ: table.READ, JobKind.PULSE: table.PULSE,
}  # fmt: skip
TIMEOUT_CYCLES = 60_000


class Bench:
    """The processor between a link, a store, a safety block and an engine that the emulator's controller computes.

    `reference` sees every request whole; the engine's answers come from its twin `engine`, so that the processor's own work is
    to parse, check, count and log.
    """

    def __init__(self, chip: str = CHIP, *, seed: int = 0, head: int = 0, upper: int = 0, requests: list[tuple[int, bytes]]) -> None:
        self.spec, self.head, self.upper = load_chip(chip), head, upper
        self.places = MemoryMap(self.spec)
        self.reference, self.engine = (Controller(Fabric(self.spec, seed=seed)) for _ in range(2))
        self.requests = requests
        self.answers: list[tuple[int, bytes]] = []
        self.jobs: list[dict[str, int]] = []
        self.cycles: list[int] = []
        self.rng = np.random.default_rng(seed)
        self.store = bytearray(-(-self.places.bytes // 2) * 2)
        for memory in Memory:
            content = self.reference.memories.read(memory, 0, self.places.sizes[memory])
            self.store[self.places.base[memory] : self.places.base[memory] + len(content)] = content
        self.cause = self.armed = 0
        self.settings: dict[str, int] = {}
        self.stages: dict[int, Stage] = {}

    def run(self) -> list[tuple[int, bytes]]:
        self.dut = CommandProcessor(self.spec, emulated=True)
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._link)
        simulator.add_testbench(self._memory, background=True)
        simulator.add_testbench(self._safety, background=True)
        simulator.add_testbench(self._set, background=True)
        simulator.add_testbench(self._work, background=True)
        simulator.add_testbench(self._fabric, background=True)
        simulator.run()
        assert len(self.answers) == len(self.requests)
        return self.answers

    async def _link(self, ctx):
        port = self.dut.requests
        for number, (kind, payload) in enumerate(self.requests):
            slot, answer_slot = number % self.places.slots, (number + 1) % self.places.slots
            place = self.places.request(slot)
            self.store[place : place + len(payload)] = payload
            self.payload = payload
            for signal, value in (
                (port.type, kind), (port.length, len(payload)), (port.slot, slot), (port.answer_slot, answer_slot),
                (port.head, self.head), (port.upper, self.upper), (port.valid, 1),
            ):  # fmt: skip
                ctx.set(signal, value)
            for cycles in range(TIMEOUT_CYCLES):  # noqa: B007
                if ctx.get(port.done):
                    break
                await ctx.tick()
            else:
                raise AssertionError(f"request {number}, type {kind:#x}, is not answered")
            self.cycles.append(cycles)
            before = 2 * self.head + self.upper * self.places.slot_bytes // 2
            answer, length = self.places.answer(answer_slot) + before, ctx.get(port.answer_length) - before
            self.answers.append((ctx.get(port.answer_type), bytes(self.store[answer : answer + length])))
            await ctx.tick()
            ctx.set(port.valid, 0)
            await ctx.tick().repeat(int(self.rng.integers(1, 5)))

    async def _memory(self, ctx):
        port = self.dut.store
        while True:
            ready = bool(self.rng.random() < 0.7)
            ctx.set(port.ready, ready)
            await ctx.delay(1e-9)
            if ready and ctx.get(port.valid):
                place = 2 * ctx.get(port.address)
                enables = ctx.get(port.write)
                data = ctx.get(port.data_w).to_bytes(2, "little")
                assert place + 1 < len(self.store)
                for byte in range(2):
                    if enables >> byte & 1:
                        self.store[place + byte] = data[byte]
                value = int.from_bytes(self.store[place : place + 2], "little")
                await ctx.tick()
                ctx.set(port.data_r, value if not enables else 0xDEAD)
            else:
                await ctx.tick()

    async def _safety(self, ctx):
        control = self.dut.safety
        while True:
            await ctx.delay(2e-9)
            trip, clear, arm, disarm, begin = (
                ctx.get(signal) for signal in (control.trip, control.clear, control.arm, control.disarm, control.form_begin)
            )  # fmt: skip
            if trip:
                self.cause |= 4
            if clear:
                self.cause = 0
            self.armed = int(((self.armed or arm) and not (disarm or begin)) and not self.cause)
            await ctx.tick()
            ctx.set(control.cause, self.cause)
            ctx.set(control.tripped, self.cause != 0)
            ctx.set(control.armed, self.armed)

    async def _work(self, ctx):
        """An engine: its answer is what the emulator's controller says."""
        port = self.dut.engine
        ctx.set(port.job.ready, 1)
        while True:
            await ctx.delay(3e-9)
            if not ctx.get(port.job.valid):
                await ctx.tick()
                continue
            job = port.job.payload
            kind = JobKind(ctx.get(job.kind))
            fields = {name: ctx.get(getattr(job, name)) for name, _ in job.shape() if name != "kind"}
            self.jobs.append({"kind": kind, **fields})
            await ctx.tick()
            ctx.set(port.job.ready, 0)
            for memory in Memory:  # what the processor has written
                base, size = self.places.base[memory], self.places.sizes[memory]
                self.engine.memories._bytes[memory][:] = self.store[base : base + size]
            self.engine.memories._network = None
            if fields["routed"]:
                self.engine._route = [self.stages[number] for number in range(self.settings["stages"])]
            else:
                self.engine._route = []
            if kind is JobKind.PULSE:
                pulse = table.PULSE.request.unpack(self.payload)
                width = self.settings["width_high"] << 16 | self.settings["width_low"]
                assert (self.settings["rail"], self.settings["gate"], width) == (
                    pulse["rail"],
                    pulse["gate"],
                    pulse["width_ns"],
                )
            self.engine._armed = kind is JobKind.FORM
            before = self.engine._engine.pulses, self.engine._sequencer.drives
            saturated_before = self.engine._saturations
            self.engine._trip_cause = 0
            answer_type, answer = self.engine.execute(ENGINE_COMMANDS[kind].code, self.payload)
            assert answer_type != TYPE_ERROR
            self.store[fields["answer"] : fields["answer"] + len(answer)] = answer
            for signal, now, then in (
                (port.count_pulse, self.engine._engine.pulses, before[0]),
                (port.count_drive, self.engine._sequencer.drives, before[1]),
            ):
                for _ in range(now - then):
                    ctx.set(signal, 1)
                    await ctx.tick()
                    ctx.set(signal, 0)
                    await ctx.tick().repeat(150)  # real ones are farther apart
            ctx.set(port.saturated, self.engine._saturations - saturated_before)
            if self.engine._trip_cause:
                self.cause |= self.engine._trip_cause
            await ctx.tick().repeat(int(self.rng.integers(1, 20)))
            ctx.set(port.done, 1)
            await ctx.tick()
            ctx.set(port.done, 0)
            ctx.set(port.job.ready, 1)

    async def _set(self, ctx):
        """What is set in the engine."""
        port, layout = self.dut.engine, stage_layout(self.spec)
        while True:
            _, _, word, sets = await ctx.tick().sample(port.word, port.sets)
            for name in SETTINGS.members:
                if sets[name]:
                    self.settings[name] = word
            if sets.stage:
                stage = layout.from_bits(word & (1 << layout.size) - 1)
                self.stages[word >> STAGE_NUMBER] = Stage(
                    *(getattr(stage, name) for name in ("tile", "tia_range", "attenuator", "relu", "bias"))
                )

    async def _fabric(self, ctx):
        """Takes ADVANCE's bytes and gives the answer's."""
        to_fabric, from_fabric = self.dut.to_fabric, self.dut.from_fabric
        received = bytearray()
        while True:
            await ctx.delay(4e-9)
            if ctx.get(to_fabric.valid):
                received.append(ctx.get(to_fabric.payload))
            await ctx.tick()
            if len(received) == 8:
                kind, answer = self.engine.execute(table.ADVANCE.code, bytes(received))
                received.clear()
                for byte in bytes([kind != TYPE_ERROR]) + (b"" if kind == TYPE_ERROR else answer):
                    ctx.set(from_fabric.payload, byte)
                    ctx.set(from_fabric.valid, 1)
                    await ctx.tick().until(from_fabric.ready)
                    ctx.set(from_fabric.valid, 0)
                    await ctx.tick().repeat(2)


def check(requests: list[tuple[int, bytes]], *, chip: str = CHIP, seed: int = 0, head: int = 0, upper: int = 0) -> Bench:
    """Runs the requests on both and compares every answer."""
    bench = Bench(chip, seed=seed, head=head, upper=upper, requests=requests)
    answers = bench.run()
    for number, ((kind, payload), answer) in enumerate(zip(requests, answers, strict=True)):
        wanted = bench.reference.execute(kind, payload)
        if answer != wanted:
            name = COMMANDS[kind].name if kind in COMMANDS else hex(kind)
            raise AssertionError(
                f"request {number}, {name} {payload[:40].hex()}: {said(answer)}, wanted {said(wanted)}"
            )
    return bench


def said(answer: tuple[int, bytes]) -> str:
    if answer[0] == TYPE_ERROR:
        return str(ERROR_LAYOUT.unpack(answer[1])) if len(answer[1]) == 10 else answer[1].hex()
    return f"{answer[0]:#x} {answer[1].hex()}"


def packed(command: table.Command, **values) -> tuple[int, bytes]:
    return command.code, command.request.pack(**values)


def read_register(register: registers.Register) -> tuple[int, bytes]:
    return packed(table.READ_REGISTERS, address=register.address, count=1)


def write_register(register: registers.Register, value: int) -> tuple[int, bytes]:
    return packed(table.WRITE_REGISTERS, address=register.address, values=[value])


def test_info_and_registers() -> None:
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


@pytest.mark.parametrize(("head", "upper"), [(3, 0), (1, 1)])
def test_an_answer_goes_where_the_request_says(head: int, upper: int) -> None:
    cells = np.zeros((16, 2), int)
    cells[3] = 0, 5
    bench = check(
        [
            packed(table.READ_REGISTERS, address=0, count=15),
            packed(table.READ, tile=0, row=1, rows=1, samples=2),
            packed(table.PROGRAM, tile=0, row=1, cells=cells.ravel()),
            packed(table.PROGRAM, tile=9, row=1, cells=cells.ravel()),
        ],
        head=head,
        upper=upper,
    )
    assert {job["answer"] % bench.places.slot_bytes for job in bench.jobs} == {
        2 * head + upper * bench.places.slot_bytes // 2
    }


def mvm(rng: np.random.Generator, count: int, length: int, **changes) -> tuple[int, bytes]:
    values = rng.integers(-327, 328, length)
    return packed(table.MVM, **{"tile": 1, "range": 0, "count": count, "codes": values, **changes})


def test_mvm() -> None:
    rng = np.random.default_rng(2)
    beyond = np.array([3, -327, 327, 328, -500, 500, -1, 0])
    bench = check([
        mvm(rng, 1, 8), mvm(rng, 3, 24), mvm(rng, 21, 168), mvm(rng, 22, 176),
        mvm(rng, 1, 16), mvm(rng, 2, 8), mvm(rng, 0, 0), mvm(rng, 1, 9), mvm(rng, 8193, 8), mvm(rng, 65535, 8),
        mvm(rng, 1, 8, tile=2), mvm(rng, 1, 8, range=2), mvm(rng, 1, 8, tile=255, range=9),
        mvm(rng, 1, 8, codes=beyond), mvm(rng, 1, 8, codes=-beyond), mvm(rng, 1, 8, codes=[-2048] * 8),
        mvm(rng, 1, 8, codes=[2047, -2048] * 4),
        mvm(rng, 1, 8, codes=[0, 328] * 4), mvm(rng, 1, 8, codes=[-328, 0] * 4),
        (table.MVM.code, b"\0\0\1"), (table.MVM.code, b"\0\0\1\0x"), (table.MVM.code, b"\0\0\1\0wxyz"),
        packed(table.READ_REGISTERS, address=12, count=3),
    ])  # fmt: skip
    assert [job["count"] for job in bench.jobs] == [1, 3, 21]
    assert all(job["tile"] == 1 and not job["routed"] for job in bench.jobs)


def test_routes() -> None:
    rng = np.random.default_rng(3)
    good = [(1, 1, 3, 7, 0), (0, 0, 0, 0, 1)]

    def route(*stages: tuple[int, ...]) -> tuple[int, bytes]:
        return packed(table.ROUTE, stages=list(stages))

    bench = check([
        route(*good), mvm(rng, 2, 16), mvm(rng, 2, 16, tile=0), route(good[0]), route(*good, good[0]), route(good[0], good[0]),
        route((2, 0, 0, 0, 0), good[1]), route((1, 2, 0, 0, 0), good[1]), route((1, 1, 5, 0, 0), good[1]),
        (table.ROUTE.code, b"abc"), mvm(rng, 2, 16), route(), mvm(rng, 2, 16),
    ])  # fmt: skip
    assert [job["routed"] for job in bench.jobs] == [1, 0, 1, 0]


def test_advance_reads_and_passes_time() -> None:
    check([
        packed(table.ADVANCE, duration_ns=0), packed(table.ADVANCE, duration_ns=123_456_789_012),
        packed(table.ADVANCE, duration_ns=1 << 62), packed(table.ADVANCE, duration_ns=(1 << 64) - 1),
        (table.ADVANCE.code, b"1234567"), packed(table.ADVANCE, duration_ns=1),
    ])  # fmt: skip

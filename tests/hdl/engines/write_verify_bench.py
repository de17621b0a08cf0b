"""The write-verify engine beside the emulator's controller: the same requests, on two chips of the same seed."""

import random

import numpy as np
from tests.hdl.helpers import Store, simulate, wait

from ohmloom.spec.commands import ANSWER, FORM, PROGRAM, PULSE, READ, Cause, CellStatus, Memory, Polarity
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric
from ohmloom_hdl.engines.write_verify import WriteVerify
from ohmloom_hdl.interfaces import JobKind

from .afe_pulse_model import AfeModel

KINDS = {PROGRAM: JobKind.PROGRAM, FORM: JobKind.FORM, READ: JobKind.READ, PULSE: JobKind.PULSE}


class Bench:
    """`run` gives requests to both; their answers, the fabrics and their clocks have to agree after each one."""

    def __init__(self, spec, *, seed=0, stuck=None, stall=0.0, **times):
        self.spec, self.rng = spec, random.Random(seed)
        self.controller = Controller(Fabric(spec, seed=seed, stuck=stuck))
        self.fabric = Fabric(spec, seed=seed, stuck=stuck)
        self.dut, self.places = WriteVerify(spec), MemoryMap(spec)
        self.store = Store(self.dut.store, self.places.bytes, self.rng, stall)
        self.afe = AfeModel(self.dut.afe, self.fabric, self.rng, **times)
        self.cycles = []  # of each job

    def form_cells(self, tile, row):
        """Forms a row of both chips, through the emulator alone."""
        other = Controller(self.fabric)
        other.memories.restore(self.controller.memories.arrays())
        for controller in (self.controller, other):
            arm(controller)
            payload = FORM.request.pack(tile=tile, row=row, mask=np.ones(self.spec.columns, np.uint8))
            controller.execute(FORM.code, payload)

    def policy(self, data):
        self.controller.memories.write(Memory.POLICY, 0, data)

    def corrections(self, spread):
        """Random offsets (1/16 codes) and gains within +- spread."""
        records = self.controller.memories.correction
        rng = np.random.default_rng(self.rng.getrandbits(32))
        records["offset"] = rng.integers(-spread, spread + 1, records.shape)
        records["gain"] = 32768 + rng.integers(-spread, min(spread, 32767) + 1, records.shape)

    def run(self, *requests, timeout_cycles=60_000):
        """Requests: (command, values). Returns the answers' values."""
        answers = []

        async def main(ctx):
            for command, values in requests:
                answers.append(await self._execute(ctx, command, values))

        simulate(self.dut, main, background=(self.store.serve, self.afe.serve), timeout_cycles=timeout_cycles)
        return answers

    def run_latched(self, command, values, cycles, timeout_cycles=20_000):
        """A request during which something else sets the safety latch, after so many cycles. Returns the answer's values."""
        answers = []
        length = command.answer.header_bytes + (
            values["rows"] * self.spec.columns * 12 // 8 if command is READ else self.spec.columns * 5
        )

        async def trip(ctx):
            await wait(ctx, cycles)
            self.afe.latched = True

        async def main(ctx):
            answer, _, tripped = await self._job(ctx, command, values, length)
            answers.append((command.answer.unpack(answer), tripped))

        simulate(self.dut, main, background=(self.store.serve, self.afe.serve, trip), timeout_cycles=timeout_cycles)
        return answers[0]

    async def _execute(self, ctx, command, values):
        controller = self.controller
        if command is FORM:
            arm(controller)
        before = controller._engine.pulses
        kind, wanted = controller.execute(command.code, command.request.pack(**values))
        assert kind == command.code | ANSWER, "the emulator refused the request"
        got, pulses, tripped = await self._job(ctx, command, values, len(wanted))
        wanted_values = command.answer.unpack(wanted)
        np.testing.assert_equal(command.answer.unpack(got), wanted_values)
        assert (pulses, tripped) == (controller._engine.pulses - before, controller._trip_cause != 0)
        self.compare()
        return wanted_values

    async def _job(self, ctx, command, values, length):
        """Has the engine do a job. Returns the answer, the pulses counted, and whether it tripped."""
        engine, places, memory = self.dut.engine, self.places, self.store.memory
        request = command.request.pack(**values)
        begin = places.request(self.rng.randrange(places.slots))
        answer = places.answer(self.rng.randrange(places.slots))
        memory[begin : begin + len(request)] = request
        memory[answer : answer + length] = self.rng.randbytes(length)
        for name, content in self.controller.memories._bytes.items():
            memory[places.base[name] : places.base[name] + len(content)] = content
        before = bytes(memory)
        fields = {
            "kind": KINDS[command],
            "data": begin + command.request.header_bytes,
            "answer": answer,
            **{key: value for key, value in values.items() if np.ndim(value) == 0 and key != "polarity"},
            "reset": values.get("polarity", 0) == Polarity.RESET,
        }
        settings = {name: values.get(name, 0) for name in ("rail", "gate")}
        settings |= {"width_low": values.get("width_ns", 0) & 0xFFFF, "width_high": values.get("width_ns", 0) >> 16}
        for name, word in settings.items():
            ctx.set(engine.word, word)
            ctx.set(engine.sets[name], 1)
            await ctx.tick()
            ctx.set(engine.sets[name], 0)
        ctx.set(engine.word, 0xFFFF)
        names = engine.job.payload.shape().members
        for name in names:
            ctx.set(engine.job.payload[name], fields.get(name, 0))
        ctx.set(engine.job.valid, 1)
        counted, cycles, taken, done, ended = 0, 0, False, 0, []
        while not done:
            _, _, ready, done, pulse, drive, cell, failed, cut, tripped, saturated = await ctx.tick().sample(
                engine.job.ready, engine.done, engine.count_pulse, engine.count_drive, engine.count_cell, engine.failed, engine.cut,
                engine.tripped, engine.saturated,
            )  # fmt: skip
            if cell:
                ended.append((failed, cut))
            assert not drive  # the emulator counts the sequencer's only
            counted += pulse
            cycles += 1
            if ready and not taken:
                taken = True
                ctx.set(engine.job.valid, 0)
                for name in names:
                    ctx.set(engine.job.payload[name], 0)
        assert taken
        assert saturated == 0
        self.cycles.append(cycles)
        after = bytearray(memory)
        after[answer : answer + length] = before[answer : answer + length]
        assert bytes(after) == before, "something else in the store has changed"
        got = bytes(memory[answer : answer + length])
        statuses = command.answer.unpack(got)["cells"]["status"] if command in (PROGRAM, FORM) else []
        assert ended == [
            (status in (CellStatus.EXHAUSTED, CellStatus.STUCK), status == CellStatus.TRIPPED) for status in statuses
        ]
        return got, counted, bool(tripped)

    def compare(self):
        """Everything in the fabrics is the same, and so are the times and energies spent."""
        mine, other = self.fabric.state(), self.controller.fabric.state()
        for key in other:
            np.testing.assert_array_equal(mine[key], other[key], err_msg=key)
        assert [self.fabric.energy_fj[cause] for cause in Cause] == [
            self.controller.fabric.energy_fj[cause] for cause in Cause
        ]


def arm(controller):
    controller._armed = True


def targets(spec, rng, *, tolerance=(8, 24), skip=0.1, top=None):
    """Random cells of PROGRAM: targets over the chip's range, some columns left alone."""
    per_code = spec.siemens_per_code(spec.verify_range)
    low, high = (siemens / per_code for siemens in (spec.cell.g_min_siemens, spec.cell.g_max_siemens))
    cells = np.zeros((spec.columns, 2), np.int64)
    cells[:, 0] = rng.integers(int(low), int(top or high), spec.columns)
    cells[:, 1] = rng.integers(*tolerance, spec.columns)
    cells[rng.random(spec.columns) < skip, 1] = 0
    return cells.ravel()

"""The write-verify engine beside the emulator's controller: the same requests, on two chips of the same seed."""

import random

import numpy as np
from tests.hdl.helpers import Store, simulate

from ohmloom.spec.commands import ANSWER, FORM, PROGRAM, PULSE, READ, Cause, Memory, Polarity
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

    async def _execute(self, ctx, command, values):
        controller, dut, places = self.controller, self.dut, self.places
        request = command.request.pack(**values)
        if command is FORM:
            arm(controller)
        pulses = controller._engine.pulses
        kind, wanted = controller.execute(command.code, request)
        assert kind == command.code | ANSWER, "the emulator refused the request"
        pulses = controller._engine.pulses - pulses

        slot = self.rng.randrange(places.slots)
        begin, answer = places.request(slot), places.answer(self.rng.randrange(places.slots))
        memory = self.store.memory
        memory[begin : begin + len(request)] = request
        memory[answer : answer + len(wanted)] = bytes(self.rng.getrandbits(8) for _ in wanted)
        for name, content in controller.memories._bytes.items():
            memory[places.base[name] : places.base[name] + len(content)] = content
        before = bytes(memory)
        fields = {
            "kind": KINDS[command],
            "data": begin + command.request.header_bytes,
            "answer": answer,
            **{key: value for key, value in values.items() if np.ndim(value) == 0 and key != "polarity"},
            "reset": values.get("polarity", 0) == Polarity.RESET,
        }
        for name in dut.engine.job.payload.shape().members:
            ctx.set(dut.engine.job.payload[name], fields.get(name, 0))
        ctx.set(dut.engine.job.valid, 1)
        counted, cycles, taken, done = 0, 0, False, 0
        while not done:
            _, _, ready, done, pulse, drive, tripped, saturated = await ctx.tick().sample(
                dut.engine.job.ready, dut.engine.done, dut.engine.count_pulse, dut.engine.count_drive,
                dut.engine.tripped, dut.engine.saturated,
            )  # fmt: skip
            if ready and not taken:
                taken = True
                ctx.set(dut.engine.job.valid, 0)
                for name in dut.engine.job.payload.shape().members:
                    ctx.set(dut.engine.job.payload[name], 0)
            counted += pulse
            cycles += 1
            assert not drive  # the emulator counts the sequencer's only
        assert taken
        self.cycles.append(cycles)
        got = bytes(memory[answer : answer + len(wanted)])
        got_values, wanted_values = command.answer.unpack(got), command.answer.unpack(wanted)
        np.testing.assert_equal(got_values, wanted_values)
        after = bytearray(memory)
        after[answer : answer + len(wanted)] = before[answer : answer + len(wanted)]
        assert bytes(after) == before, "something else in the store has changed"
        assert (counted, bool(tripped), saturated) == (pulses, controller._trip_cause != 0, 0)
        self.compare()
        return wanted_values

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

"""The safety block with its parts, and a watch that holds its rules against what the parts see, in every cycle."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from fractions import Fraction

from amaranth.sim import Simulator

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.switches import Rail, SwitchMap
from ohmloom_hdl.afe.parts import cycles
from ohmloom_hdl.safety import Safety

from .parts import VMID, Ad5628Model, Adg714ChainModel

Testbench = Callable[..., Awaitable[None]]


def chip(name: str = "bench-8x16", **limits: object) -> ChipSpec:
    """A chip, with other limits."""
    spec = load_chip(name)
    return spec.model_copy(update={"limits": spec.limits.model_copy(update=limits)})


class Bench:
    """`run` simulates a testbench. Its other coroutines do what the front end does."""

    def __init__(self, spec: ChipSpec) -> None:
        self.spec, self.dut = spec, Safety(spec)
        self.rows = [Ad5628Model() for _ in range(spec.afe.row_dacs)]
        self.rails = Ad5628Model()
        switches = SwitchMap(spec)
        self.chains = [Adg714ChainModel(switches.bits) for _ in range(switches.chains)]
        self.cycle = 0
        self.pulses: list[tuple[int, int, bool]] = []  # first cycle, cycles, forming
        self.trips: list[int] = []
        self.over_current_at: int | None = None  # gate cycle of a pulse from which its current is too high
        self._gate_was = self._tripped_was = 0
        self._taken: tuple[int, int] = (0, 0)
        self._forming = False
        self._settled_at = 0
        self.settling = cycles(spec.rail_settle_ns, spec.controller.clock_hz)

    def run(self, testbench: Testbench, *background: Testbench, timeout: int = 20_000) -> None:
        """Simulates until `testbench` returns; fails after `timeout` cycles. Waves go to the folder OHMLOOM_WAVES."""

        async def time_out(ctx) -> None:
            for _ in range(timeout):
                await ctx.tick()  # not repeat(): it cannot be left unfinished
            raise AssertionError(f"not finished after {timeout} cycles")

        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(self._watch, background=True)  # first, so that the others see what it saw
        sim.add_testbench(testbench)
        for process in (*background, time_out):
            sim.add_testbench(process, background=True)
        waves = os.environ.get("OHMLOOM_WAVES")
        with sim.write_vcd(f"{waves}/safety.vcd") if waves else nullcontext():
            sim.run()

    # What the front end does

    async def boot(self, ctx) -> None:
        await ctx.tick().until(self.dut.out.ready)

    async def row(self, ctx, channel: int, codes: dict[int, int], *, update: bool) -> None:
        out = self.dut.out
        for dac, code in codes.items():
            ctx.set(out.row_code_dac, dac)
            ctx.set(out.row_code, code)
            ctx.set(out.row_code_write, 1)
            await ctx.tick()
        ctx.set(out.row_code_write, 0)
        await self._offer(ctx, out.row_frame, {"update": update, "channel": channel})

    async def rail(self, ctx, channel: int, code: int, *, update: bool = True, form: bool = False) -> None:
        out = self.dut.out
        await self._offer(ctx, out.rail_frame, {"update": update, "channel": channel, "code": code, "form": form})
        if update:
            await ctx.tick().until(out.rail_updated)

    async def shift(self, ctx, pattern: list[list[int]]) -> None:
        out = self.dut.out
        for bits in zip(*pattern, strict=True):
            await self._offer(ctx, out.switch_bits, sum(bit << chain for chain, bit in enumerate(bits)))
        ctx.set(out.switch_latch, 1)
        await ctx.tick()
        ctx.set(out.switch_latch, 0)
        await ctx.tick()

    async def pulse(self, ctx, width_ns: int, *, reset: bool = False, form: bool = False) -> bool:
        """Whether the pulse went well."""
        out = self.dut.out
        await self._offer(ctx, out.pulse, {"width_ns": width_ns, "reset": reset, "form": form})
        (tripped,) = await ctx.tick().sample(out.pulse_tripped).until(out.pulse_done)
        return not tripped

    async def strobe(self, ctx, *names: str) -> None:
        for name in names:
            ctx.set(getattr(self.dut.control, name), 1)
        await ctx.tick()
        for name in names:
            ctx.set(getattr(self.dut.control, name), 0)

    @staticmethod
    async def _offer(ctx, stream, payload) -> None:
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        taken = False
        while not taken:  # not until(): it cannot be left unfinished at the end of a simulation
            _, _, taken = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)

    # The rules

    async def _watch(self, ctx) -> None:
        dut = self.dut
        rows, rails, switch, out = dut.row_dac, dut.rail_dac, dut.switch, dut.out
        signals = [
            *(
                port
                for pins in (rows, rails, switch)
                for port in (pins.clock_high, pins.clock_low, pins.select_n, pins.data)
            ),
            dut.switch_reset_n,
            dut.pulse_gate,
            dut.control.tripped,
            out.pulse.valid & out.pulse.ready,
            out.pulse.p.form,
            out.pulse.p.width_ns,
            dut.control.form_begin & dut.control.armed,
            dut.control.form_end,
        ]
        while True:
            _, _, *values = await ctx.tick().sample(*signals)
            row, rail, chain, state = values[0:4], values[4:8], values[8:12], values[12:]
            reset_n, gate, tripped, taken, form, width_ns, form_begin, form_end = state
            before = list(self.rails.outputs)
            for dac, part in enumerate(self.rows):
                part.cycle(*row[:3], row[3] >> dac & 1)
            acted = self.rails.cycle(*rail)
            assert not (gate and acted), "no rail frame ends in a pulse"
            closed = [list(part.closed) for part in self.chains]
            for index, part in enumerate(self.chains):
                part.cycle(*chain[:3], chain[3] >> index & 1, reset_n)
            self._check_clamps()
            self._check_open(ctx, reset_n, gate, tripped)
            self._check_still(gate, before, closed)
            self._check_pulse(gate, form, width_ns, taken)
            self._drive_over_current(ctx, gate)
            # What holds from the next cycle on.
            self._forming = (self._forming or bool(form_begin)) and not form_end and not tripped
            if tripped and not self._tripped_was:
                self.trips.append(self.cycle)
            self._tripped_was, self._gate_was = tripped, gate
            self.cycle += 1

    def _check_clamps(self) -> None:
        spec, limits = self.spec, self.spec.limits
        for part in self.rows:
            for code in part.inputs + part.outputs:
                assert code == 0 or abs(code - VMID) <= spec.read_clamp, f"row code {code} (0: before the first frame)"
        clamp_v = {
            Rail.SET: limits.form_v,
            Rail.RESET: limits.reset_v,
            Rail.GATE: limits.gate_v,
            Rail.READ_GATE: limits.gate_v,
        }
        for channel, code in enumerate(self.rails.inputs):
            assert code <= spec.rail_code(clamp_v.get(channel, 0.0)), f"channel {channel}: {code}"

    def _check_open(self, ctx, reset_n: int, gate: int, tripped: int) -> None:
        assert not (tripped and reset_n), "switches stay open while the latch is set"
        assert not (gate and not reset_n), "no pulse while the switches are open"
        if reset_n:
            for part in self.rows:
                assert part.reference
                assert 0 not in part.outputs, "no channel was left at its level of power-up"
            assert self.rails.reference

    def _check_still(self, gate: int, rails: list[int], closed: list[list[int]]) -> None:
        if rails != self.rails.outputs:
            self._settled_at = self.cycle + self.settling
            assert not gate, "no rail moves in a pulse"
        if gate:
            assert closed == [part.closed for part in self.chains], "no switch moves in a pulse"
            assert self.cycle > self._settled_at, "rails have settled"

    def _check_pulse(self, gate: int, form: int, width_ns: int, taken: int) -> None:
        spec, limits = self.spec, self.spec.limits
        if gate and not self._gate_was:
            width_ns, form = self._taken
            assert not form or self._forming, "a forming pulse only while forming is open"
            self.pulses.append((self.cycle, 0, bool(form)))
        if gate:
            start, length, forms = self.pulses[-1]
            length += 1
            self.pulses[-1] = start, length, forms
            assert length <= spec.pulse_cycles(limits.form_pulse_ns if forms else limits.pulse_ns)
            assert length <= spec.pulse_cycles(self._taken[0])
            if not forms:
                assert self.rails.outputs[Rail.SET] <= spec.rail_code(limits.set_v), "no forming level without forming"
            rest = start - (sum(self.pulses[-2][:2]) if len(self.pulses) > 1 else -1)
            assert rest >= length * (1 / Fraction(limits.duty) - 1), "the duty's rest"
        if taken:
            self._taken = width_ns, form

    def _drive_over_current(self, ctx, gate: int) -> None:
        if self.over_current_at is not None:
            over = bool(gate) and self.pulses[-1][1] >= self.over_current_at
            ctx.set(self.dut.over_current, over)

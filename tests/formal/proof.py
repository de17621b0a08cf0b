"""The safety block with all its inputs free, reset included, under its properties and their invariants."""

from __future__ import annotations

from collections.abc import Callable

from amaranth import C, Elaboratable, Module, Signal, Value
from amaranth.asserts import AnyConst
from amaranth.back import rtlil
from amaranth.hdl import Assume
from amaranth.lib.wiring import In

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.parts import cycles
from ohmloom_hdl.safety import Safety

from .monitors import (
    RAILS_TO_ZERO,
    REFERENCE_ON,
    ROWS_TO_VMID,
    DacMonitor,
    KeyMonitor,
    PulseMonitor,
    RailMonitor,
    Stages,
)

Rule = Callable[[Module, "Proof"], None]


class Proof(Elaboratable):
    """A safety block with its monitors and what `rules` assert of them; `rtlil()` is the text to prove.

    dut: the block, if it is not `Safety(spec)`.
    """

    def __init__(self, spec: ChipSpec, *rules: Rule, dut: Safety | None = None) -> None:
        self.spec, self.dut, self.rules = spec, dut or Safety(spec), rules
        limits, clock_hz = spec.limits, spec.controller.clock_hz
        self.settling = cycles(max(spec.row_dac.settling_ns, spec.rail_dac.settling_ns), clock_hz)
        self.rails_to_reading = 0x02000000 | Rail.READ_GATE << 20 | spec.rail_code(limits.gate_v) << 8
        # Any one of the row DACs stands for all.
        self.line = AnyConst(range(spec.afe.row_dacs)) if spec.afe.row_dacs > 1 else C(0)
        self.row, self.rail = DacMonitor(), DacMonitor()
        self.row_stages = Stages([REFERENCE_ON, ROWS_TO_VMID])
        self.rail_stages = Stages([REFERENCE_ON, RAILS_TO_ZERO, self.rails_to_reading])
        self.set_rail = RailMonitor(Rail.SET, self.settling)
        # Time in parts of a nanosecond that make whole halves of a cycle; longer than any rest that the gate counts.
        self.per_ns, self.per_cycle = self.dut.gate.time.per_ns, self.dut.gate.time.per_cycle
        assert self.per_ns * 10**9 == self.per_cycle * clock_hz
        width_bits = len(self.dut.out.pulse.p.width_ns)
        self.pulse = PulseMonitor(width_bits, self.per_cycle, self.per_ns << width_bits + 2)
        self.key = KeyMonitor()

    def rtlil(self) -> str:
        inputs = [signal for _, member, signal in self.dut.signature.flatten(self.dut) if member.flow is In]
        return rtlil.convert(self, ports=[Value.cast(signal) for signal in inputs], name="proof")

    def elaborate(self, platform) -> Module:
        m = Module()
        dut, out, control = self.dut, self.dut.out, self.dut.control
        for name in ("dut", "row", "rail", "row_stages", "rail_stages", "set_rail", "pulse", "key"):
            m.submodules[name] = getattr(self, name)
        for monitor, pins, data in (
            (self.row, dut.row_dac, dut.row_dac.data.bit_select(self.line, 1)),
            (self.rail, dut.rail_dac, dut.rail_dac.data),
        ):
            m.d.comb += [
                monitor.select_n.eq(pins.select_n),
                monitor.clock_high.eq(pins.clock_high),
                monitor.clock_low.eq(pins.clock_low),
                monitor.data.eq(data),
            ]
        for stages, monitor in ((self.row_stages, self.row), (self.rail_stages, self.rail)):
            m.d.comb += [
                stages.restart.eq(control.tripped),
                stages.frozen.eq(dut.switch_reset_n),
                stages.acts.eq(monitor.acts),
                stages.word.eq(monitor.word),
            ]
        m.d.comb += [
            Assume(self.line < self.spec.afe.row_dacs),
            self.set_rail.acts.eq(self.rail.acts),
            self.set_rail.word.eq(self.rail.word),
            self.pulse.gate.eq(dut.pulse_gate),
            self.pulse.taken.eq(out.pulse.valid & out.pulse.ready),
            self.pulse.form.eq(out.pulse.p.form),
            self.pulse.width_ns.eq(out.pulse.p.width_ns),
            self.key.arm.eq(control.arm),
            self.key.disarm.eq(control.disarm),
            self.key.begin.eq(control.form_begin),
            self.key.end.eq(control.form_end),
            self.key.tripped.eq(control.tripped),
        ]
        for rule in self.rules:
            rule(m, self)
        return m

    def past(self, m: Module, value: Value, by: int = 1, *, init: int = 0) -> Value:
        """`value` as it was `by` cycles ago; `init` after a reset."""
        for _ in range(by):
            before = Signal(len(Value.cast(value)), init=init)
            m.d.sync += before.eq(value)
            value = before
        return value

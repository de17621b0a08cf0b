"""The safety block."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.dac import ALL_CHANNELS, Ad5628, DacCommand
from ohmloom_hdl.afe.parts import DacTiming
from ohmloom_hdl.afe.switches import SwitchChains
from ohmloom_hdl.interfaces import CODE, AfePins, OutputPort, SafetyControl
from ohmloom_hdl.safety.clamps import RailClamp, RailLevel, RowClamp
from ohmloom_hdl.safety.interlocks import FormKey, TripLatch, Watchdog
from ohmloom_hdl.safety.pulse import PulseGate
from ohmloom_hdl.safety.start_up import StartUp

PINS = ("row_dac", "rail_dac", "switch", "switch_reset_n", "pulse_gate", "over_current")


class Safety(wiring.Component):
    """Owns every pin that can put energy into the array. Whatever comes at `out` and `control`:

    - No row DAC is sent a code beyond +-spec.read_clamp around Vmid, no rail one beyond the clamp of its channel; SET
      goes up to the forming clamp while forming is open. Codes beyond are sent as the clamp.
    - No pulse is longer than limits.pulse_ns, or in forming limits.form_pulse_ns; all rest as limits.duty asks for;
      rails and switches stand still meanwhile and rails have settled. Without forming no pulse uses a SET rail beyond
      the SET clamp.
    - From the clock edge that latches a trip until the latch is cleared and the DACs hold Vmid again, all switches are
      open (their reset is low), and the gate is closed. The same after power-up.
    - Forming needs the key to be armed each time, and ends with a trip.

    While `ready` is low frames, bits and pulses are taken and nothing comes of them; *_updated strobe for them all the
    same, in the cycle after they were taken, and pulses end as tripped.

    A rail frame or switch bits wait for the end of a pulse, a pulse waits for the end of those.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self.spec = spec
        pins = AfePins(spec).members
        super().__init__(
            {
                "out": In(OutputPort(spec)),
                "control": In(SafetyControl()),
                **{name: pins[name] for name in PINS},
            }
        )
        clock_hz = spec.controller.clock_hz
        self.rows = Ad5628(spec.row_dac, clock_hz, spec.afe.row_dacs)
        self.rails = Ad5628(spec.rail_dac, clock_hz, 1)
        self.switches = SwitchChains(spec.switch, clock_hz, spec.tiles + 1)
        self.row_clamp = RowClamp(spec)
        self.rail_clamp = RailClamp(spec)
        self.rail_level = RailLevel()
        self.gate = PulseGate(spec)
        self.latch = TripLatch()
        self.watchdog = Watchdog(spec)
        self.key = FormKey()
        self.start_up = StartUp()
        # Codes of the next row frame; cycles until the DACs have settled.
        self.row_codes = Signal(data.ArrayLayout(CODE, spec.afe.row_dacs), init=[1 << (CODE - 1)] * spec.afe.row_dacs)
        settling = max(DacTiming.of(part, clock_hz).settling for part in (spec.row_dac, spec.rail_dac))
        self._settling = settling
        self.unsettled = Signal(range(settling + 1))

    def elaborate(self, platform) -> Module:
        m = Module()
        for name in ("rows", "rails", "switches", "row_clamp", "rail_clamp", "rail_level", "gate", "latch", "watchdog"):
            m.submodules[name] = getattr(self, name)
        m.submodules.key, m.submodules.start_up = self.key, self.start_up
        out, ready = self.out, self.start_up.ready
        for pins, driver in ((self.row_dac, self.rows), (self.rail_dac, self.rails), (self.switch, self.switches)):
            wiring.connect(m, wiring.flipped(pins), driver.pins)
        m.d.comb += [
            out.ready.eq(ready),
            self.switch_reset_n.eq(ready),
            self.pulse_gate.eq(self.gate.gate),
            self.start_up.idle.eq(self.rows.frame.ready & self.rails.frame.ready),
            self.start_up.settled.eq(self.unsettled == 0),
        ]
        self._connect_interlocks(m)
        self._connect_rows(m)
        self._connect_rails(m)
        self._connect_switches(m)
        self._connect_gate(m)
        return m

    def _connect_interlocks(self, m: Module) -> None:
        control, out, latch = self.control, self.out, self.latch
        over_current, blocked = Signal(), Signal()
        m.submodules.over_current = FFSynchronizer(self.over_current, over_current)
        m.d.comb += [
            self.watchdog.operating.eq(out.operating),
            self.watchdog.progress.eq(
                (out.row_frame.valid & out.row_frame.ready)
                | (out.rail_frame.valid & out.rail_frame.ready)
                | out.switch_latch
                | out.pulse_done
            ),
            latch.over_current.eq(over_current),
            latch.watchdog.eq(self.watchdog.expired),
            latch.host.eq(control.trip),
            latch.clear.eq(control.clear),
            blocked.eq(latch.trips | latch.tripped),
            self.start_up.run.eq(~blocked),
            self.key.arm.eq(control.arm),
            self.key.disarm.eq(control.disarm),
            self.key.begin.eq(control.form_begin),
            self.key.end.eq(control.form_end),
            self.key.trip.eq(blocked),
            control.tripped.eq(latch.tripped),
            control.cause.eq(latch.cause),
            control.armed.eq(self.key.armed),
        ]

    def _connect_rows(self, m: Module) -> None:
        out, start_up, ready = self.out, self.start_up, self.start_up.ready
        frame, dropped = out.row_frame, Signal()
        m.d.comb += [
            self.row_clamp.code.eq(out.row_code),
            self.rows.codes.eq(self.row_codes),
            self.rows.frame.valid.eq(Mux(ready, frame.valid, start_up.frame)),
            self.rows.frame.p.command.eq(Mux(ready, _command(frame), start_up.command)),
            self.rows.frame.p.address.eq(Mux(ready, frame.p.channel, start_up.row_address)),
            self.rows.release.eq(out.row_release | ~ready),
            frame.ready.eq(self.rows.frame.ready | ~ready),
            out.row_updated.eq((self.rows.updated & ~start_up.active) | dropped),
        ]
        m.d.sync += dropped.eq(frame.valid & frame.p.update & ~ready)
        with m.If(~ready):
            m.d.sync += self.row_codes.eq(self.row_codes.as_value().init)
        with m.Elif(out.row_code_write):
            m.d.sync += self.row_codes[out.row_code_dac].eq(self.row_clamp.dac_code)

    def _connect_rails(self, m: Module) -> None:
        out, start_up, ready = self.out, self.start_up, self.start_up.ready
        frame, dropped, clamp, level = out.rail_frame, Signal(), self.rail_clamp, self.rail_level
        driver = self.rails.frame
        m.d.comb += [
            clamp.channel.eq(Mux(ready, frame.p.channel, start_up.rail_address)),
            clamp.code.eq(frame.p.code | ~ready.replicate(len(clamp.code))),
            clamp.form.eq(frame.p.form & self.key.forming),
            driver.valid.eq(Mux(ready, frame.valid & ~self.gate.hold, start_up.frame)),
            driver.p.command.eq(Mux(ready, _command(frame), start_up.command)),
            driver.p.address.eq(clamp.channel),
            self.rails.codes[0].eq(clamp.clamped),
            self.rails.release.eq(1),
            frame.ready.eq((driver.ready & ~self.gate.hold) | ~ready),
            out.rail_updated.eq((self.rails.updated & ~start_up.active) | dropped),
            level.frame.eq(driver.valid & driver.ready & (driver.p.command != DacCommand.REFERENCE)),
            level.writes_set.eq((driver.p.address == Rail.SET) | (driver.p.address == ALL_CHANNELS)),
            level.above.eq(clamp.forming_level),
            level.update.eq(driver.p.command == DacCommand.WRITE_UPDATE_ALL),
        ]
        m.d.sync += dropped.eq(frame.valid & frame.p.update & ~ready)
        # The row DACs' frames of a start end together with the rails'.
        with m.If(self.rails.updated):
            m.d.sync += self.unsettled.eq(self._settling)
        with m.Elif(self.unsettled != 0):
            m.d.sync += self.unsettled.eq(self.unsettled - 1)

    def _connect_switches(self, m: Module) -> None:
        out, bits, ready = self.out, self.switches.bits, self.start_up.ready
        m.d.comb += [
            bits.payload.eq(out.switch_bits.payload),
            bits.valid.eq(out.switch_bits.valid & ready & ~self.gate.hold),
            out.switch_bits.ready.eq((bits.ready & ~self.gate.hold) | ~ready),
            self.switches.latch.eq(out.switch_latch),
            self.switches.abort.eq(~ready),
            out.switch_updated.eq(self.switches.updated),
        ]

    def _connect_gate(self, m: Module) -> None:
        out, gate = self.out, self.gate
        m.d.comb += [
            gate.pulse.payload.eq(out.pulse.payload),
            gate.pulse.valid.eq(out.pulse.valid),
            out.pulse.ready.eq(gate.pulse.ready),
            gate.enable.eq(self.start_up.ready & ~self.latch.trips),
            gate.forming.eq(self.key.forming),
            gate.forming_level.eq(self.rail_level.forming_level),
            gate.steady.eq(self.rails.frame.ready & (self.unsettled == 0) & ~self.switches.selected),
            out.pulse_done.eq(gate.done),
            out.pulse_tripped.eq(gate.tripped),
        ]


def _command(frame) -> Value:
    return Mux(frame.p.update, DacCommand.WRITE_UPDATE_ALL, DacCommand.WRITE)

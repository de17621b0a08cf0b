"""The safety block."""

from amaranth import C, Cat, Module, Mux, Signal, Value
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

    A rail frame or switch bits wait for the end of a pulse, a pulse waits for the end of those. Row and rail frames wait
    for each other.
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
        self.dacs = Ad5628((spec.row_dac, spec.rail_dac), clock_hz, (spec.afe.row_dacs, 1))
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
        for name in ("dacs", "switches", "row_clamp", "rail_clamp", "rail_level", "gate", "latch", "watchdog"):
            m.submodules[name] = getattr(self, name)
        m.submodules.key, m.submodules.start_up = self.key, self.start_up
        out, ready = self.out, self.start_up.ready
        drivers = *self.dacs.pins, self.switches.pins
        for pins, driver in zip((self.row_dac, self.rail_dac, self.switch), drivers, strict=True):
            wiring.connect(m, wiring.flipped(pins), driver)
        m.d.comb += [
            out.ready.eq(ready),
            self.switch_reset_n.eq(ready),
            self.pulse_gate.eq(self.gate.gate),
            self.start_up.idle.eq(self.dacs.frame.ready),
            self.start_up.settled.eq(self.unsettled == 0),
        ]
        self._connect_interlocks(m)
        self._connect_dacs(m)
        self._connect_rail_level(m)
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

    def _connect_dacs(self, m: Module) -> None:
        """Rows and rails take turns, rows first. A row frame that waits for its release keeps the rails waiting: the front
        end never sees that, since it sets rails for pulses, when no drive is under way. Whoever would have the release
        wait for the rails in turn is stopped by the watchdog, since a trip releases the frame."""
        out, start_up, ready, dacs = self.out, self.start_up, self.start_up.ready, self.dacs
        row, rail, clamp = out.row_frame, out.rail_frame, self.rail_clamp
        to_rows, rails_wait, update = Signal(), Signal(), Signal()
        row_under_way, rail_under_way = dacs.selected

        def upper(code: Value) -> Value:
            return Cat(C(0, dacs.bits - len(code)), code)

        m.d.comb += [
            self.row_clamp.code.eq(out.row_code),
            clamp.channel.eq(Mux(ready, rail.p.channel, start_up.address)),
            clamp.code.eq(rail.p.code),
            clamp.most.eq(~ready),
            clamp.form.eq(rail.p.form & self.key.forming),
            to_rows.eq(Mux(ready, row.valid, start_up.rows)),
            rails_wait.eq(row.valid | self.gate.hold),
            update.eq(Mux(row.valid, row.p.update, rail.p.update)),
            dacs.frame.valid.eq(Mux(ready, row.valid | (rail.valid & ~self.gate.hold), start_up.frame)),
            dacs.frame.p.buses.eq(Cat(to_rows, Mux(ready, ~row.valid, start_up.rails))),
            dacs.frame.p.command.eq(
                Mux(ready, Mux(update, DacCommand.WRITE_UPDATE_ALL, DacCommand.WRITE), start_up.command)
            ),
            dacs.frame.p.address.eq(Mux(ready & row.valid, row.p.channel, clamp.channel)),
            *(dacs.codes[line].eq(upper(code)) for line, code in enumerate(self.row_codes)),
            dacs.codes[0].eq(Mux(to_rows, upper(self.row_codes[0]), upper(clamp.clamped))),
            dacs.release.eq(out.row_release | rail_under_way | ~ready),
            row.ready.eq(dacs.frame.ready | ~ready),
            rail.ready.eq((dacs.frame.ready & ~rails_wait) | ~ready),
        ]
        for frame, updated, under_way in (
            (row, out.row_updated, row_under_way),
            (rail, out.rail_updated, rail_under_way),
        ):
            dropped = Signal()
            m.d.sync += dropped.eq(frame.valid & frame.p.update & ~ready)
            m.d.comb += updated.eq((dacs.updated & under_way & ~start_up.active) | dropped)
        with m.If(~ready):
            m.d.sync += self.row_codes.eq(self.row_codes.as_value().init)
        with m.Elif(out.row_code_write):
            m.d.sync += self.row_codes[out.row_code_dac].eq(self.row_clamp.dac_code)

    def _connect_rail_level(self, m: Module) -> None:
        frame, level = self.dacs.frame, self.rail_level
        channel = self.rail_clamp.channel
        m.d.comb += [
            level.frame.eq(frame.valid & frame.ready & frame.p.buses[1] & (frame.p.command != DacCommand.REFERENCE)),
            level.writes_set.eq((channel == Rail.SET) | (channel == ALL_CHANNELS)),
            level.above.eq(self.rail_clamp.forming_level),
            level.update.eq(frame.p.command == DacCommand.WRITE_UPDATE_ALL),
        ]
        # The row DACs' frame of a start comes before the rails'.
        with m.If(self.dacs.updated & self.dacs.selected[1]):
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
            gate.steady.eq(~self.dacs.selected[1] & (self.unsettled == 0) & ~self.switches.selected),
            out.pulse_done.eq(gate.done),
            out.pulse_tripped.eq(gate.tripped),
        ]

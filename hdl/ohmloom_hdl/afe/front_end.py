"""The front end: what is shifted, latched, settled and sampled when, for drives and pulses."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.adc import AdcDriver
from ohmloom_hdl.afe.parts import Settling
from ohmloom_hdl.afe.pattern import SwitchPattern
from ohmloom_hdl.afe.row_codes import RowCodes
from ohmloom_hdl.interfaces import AfePort, OutputPort, SpiPort, count_bits, index_bits
from ohmloom_hdl.pads import PADS_CYCLES


class FrontEnd(wiring.Component):
    """Carries out the drives and pulses of an `AfePort`.

    Drives overlap: while one settles and is converted, the row DACs' input registers and the switch chains take the next
    one. Both come into force in the cycle after the fall of CS that takes the last sample of the drive before; the first
    sample is taken as soon as the array has settled for the data sheets' time from the later of the two. A pattern that
    is in force is not shifted again, unless it is a route's.

    Pulses: rails and switches are set and settle; then the safety block opens the gate, and `pulse` is taken. A routed
    drive is taken when its pattern has been shifted, so that `route` may change with that.

    tripped: the safety latch is set. Nothing waits for the parts any more, and no pattern is in force.
    """

    def __init__(self, spec: ChipSpec, pads_cycles: int = PADS_CYCLES) -> None:
        self._spec, self._pads_cycles = spec, pads_cycles
        super().__init__(
            {
                "afe": In(AfePort(spec)),
                "out": Out(OutputPort(spec)),
                "adc": Out(SpiPort(1)),
                "sdo": In(spec.afe.column_adcs),
                "tripped": In(1),
            }
        )
        # What the switches show, once they have taken over the pattern that was made for it.
        self._held = Signal(
            data.StructLayout(
                {
                    "tile": index_bits(spec.tiles),
                    "first_row": count_bits(spec.rows),
                    "stop": count_bits(spec.rows + 1),
                    "tia_range": index_bits(len(spec.afe.tia_ohm)),
                    "routed": 1,
                    "writing": 1,
                }
            ),
            reset_less=True,
        )
        self._in_force = Signal()  # the switches show `held`, a drive that is not routed
        self._pending = Signal()  # a pattern has not been latched yet
        self._prepared = Signal()  # all has been shifted, and may come into force
        self._begin = Signal()  # all is in force: settling begins
        self._settling = settling = Settling.of(spec)
        self._timer = Signal(range(max(settling.drive, settling.rail, settling.stage) + 1))
        # Of the drive that comes into force next: its conversions, and the tiles of its route after the first.
        slots = index_bits(spec.column_adc.channels)
        self._slots = {name: Signal(slots, name=name, reset_less=True) for name in ("first_slot", "last_slot")}
        self._further = Signal(range(spec.tiles), reset_less=True)
        # Several ADCs hand over the last samples for a while; then a drive may be taken before they know the slots of the one in
        # force, which are kept.
        self._kept = {name: Signal.like(slot, name=f"kept_{name}") for name, slot in self._slots.items()}
        self._handing = Signal()
        self._keeps = spec.afe.column_adcs > 1
        # Of the drive in force: tiles that settle after the one that `timer` is for; the ADCs know its slots, and wait to
        # start; its last sample has not been taken.
        self._stages, self._loaded, self._sampling = Signal.like(self._further), Signal(), Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, afe, out, held = self._spec, self.afe, self.out, self._held
        m.submodules.adc = adc = AdcDriver(spec, self._pads_cycles)
        m.submodules.codes = codes = RowCodes(spec)
        m.submodules.pattern = pattern = SwitchPattern(spec)
        self._wire(m, adc, codes, pattern)

        updated, latched = Signal(), Signal()
        m.d.comb += [
            out.switch_latch.eq(self._prepared & self._pending),
            self._begin.eq(
                self._prepared
                & (updated | out.row_updated | out.rail_updated | self.tripped)
                & (latched | out.switch_updated | self.tripped)
            ),
            out.operating.eq(~afe.idle),
        ]
        m.d.sync += [updated.eq(updated | out.row_updated | out.rail_updated), latched.eq(latched | out.switch_updated)]
        with m.If(out.switch_latch):
            m.d.sync += [self._pending.eq(0), self._in_force.eq(~held.routed & ~held.writing)]
        self._settle(m, adc)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += afe.idle.eq(~self._sampling & ~adc.busy & ~self._handing)
                m.d.sync += [updated.eq(0), latched.eq(~pattern.start)]
                with m.If(pattern.start):
                    m.d.sync += self._pending.eq(1)
                with m.If(out.ready | self.tripped):
                    m.d.comb += afe.drive.ready.eq(~afe.drive.payload.routed)
                    with m.If(afe.drive.valid):
                        self._take_drive(m, codes, pattern)
                    with m.Elif(afe.pulse.valid & afe.idle):
                        self._take_pulse(m, pattern)
            self._drive_states(m, adc, codes, pattern)
            self._pulse_states(m, pattern)

        with m.If(self.tripped):
            m.d.sync += [self._pending.eq(0), self._in_force.eq(0)]
        return m

    def _settle(self, m: Module, adc: AdcDriver) -> None:
        """Frames of the ADCs start as their latency asks for before the drive in force has settled."""
        timer, stages = self._timer, self._stages
        m.d.comb += adc.start.eq(self._loaded & (timer == 0) & (stages == 0))
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(stages != 0):
            m.d.sync += [timer.eq(self._settling.stage - 1), stages.eq(stages - 1)]
        with m.If(adc.start):
            m.d.sync += self._loaded.eq(0)
        with m.If(adc.sampled):
            m.d.sync += self._sampling.eq(0)
        if self._keeps:
            with m.If(self._handing & ~adc.busy):
                m.d.comb += adc.load.eq(1)
                m.d.sync += [self._loaded.eq(1), self._handing.eq(0)]

    # Drives

    def _take_drive(self, m: Module, codes: RowCodes, pattern: SwitchPattern) -> None:
        held, drive, stop = self._held, self.afe.drive, Signal.like(self._held.stop)
        request, same = drive.payload, Signal()
        m.d.comb += [
            stop.eq(request.first_row + request.rows),
            same.eq(
                self._in_force
                & ~request.routed
                & (request.tile == held.tile)
                & (request.first_row == held.first_row)
                & (stop == held.stop)
                & (request.tia_range == held.tia_range)
            ),
            codes.start.eq(1),
            pattern.start.eq(~same),
        ]
        m.d.sync += [
            *[held[name].eq(request[name]) for name in ("tile", "first_row", "tia_range", "routed")],
            held.stop.eq(stop),
            held.writing.eq(0),
            *[slot.eq(request[name]) for name, slot in self._slots.items()],
            self._further.eq(0),
        ]
        m.next = "DRIVE"
        with m.If(request.routed):
            m.next = "ROUTE"

    def _drive_states(self, m: Module, adc: AdcDriver, codes: RowCodes, pattern: SwitchPattern) -> None:
        with m.State("ROUTE"), m.If(pattern.done):
            m.d.comb += self.afe.drive.ready.eq(1)
            m.d.sync += self._further.eq(self.afe.route.stages - 1)
            m.next = "DRIVE"
        with m.State("DRIVE"):
            m.d.comb += [
                self._prepared.eq(codes.done & pattern.done & ~self._sampling),
                self.out.row_release.eq(self._prepared),
            ]
            with m.If(self._begin):
                m.d.sync += [
                    self._timer.eq(max(self._settling.drive - adc.lead, 0)),
                    self._stages.eq(self._further),
                    self._sampling.eq(1),
                ]
                m.next = "IDLE" if self._keeps else "HAND OVER"
                if self._keeps:
                    m.d.sync += [
                        self._handing.eq(1),
                        *(kept.eq(self._slots[name]) for name, kept in self._kept.items()),
                    ]
        if not self._keeps:
            with m.State("HAND OVER"), m.If(~adc.busy):  # the drive before has left the ADCs
                m.d.comb += adc.load.eq(1)
                m.d.sync += self._loaded.eq(1)
                m.next = "IDLE"

    # Pulses

    def _take_pulse(self, m: Module, pattern: SwitchPattern) -> None:
        held, request = self._held, self.afe.pulse.payload
        m.d.comb += pattern.start.eq(1)
        m.d.sync += [
            held.tile.eq(request.tile),
            held.first_row.eq(request.row),
            held.stop.eq(request.row + 1),
            held.routed.eq(0),
            held.writing.eq(1),
        ]
        m.next = "RAIL"

    def _pulse_states(self, m: Module, pattern: SwitchPattern) -> None:
        out, pulse, rail_frame = self.out, self.afe.pulse, self.out.rail_frame
        request, gate = pulse.payload, Signal()
        # A forming pulse may leave the SET rail above its clamp, under which nothing but forming is allowed: SET writes it
        # itself, before RESET it is lowered.
        raised, lower = Signal(), Signal()
        m.d.comb += [
            rail_frame.payload.update.eq(gate),
            lower.eq(raised & request.reset & ~request.form),
            rail_frame.payload.channel.eq(Mux(gate, Rail.GATE, Mux(request.reset & ~lower, Rail.RESET, Rail.SET))),
            rail_frame.payload.code.eq(Mux(gate, request.gate, Mux(lower, 0, request.rail))),
            rail_frame.payload.form.eq(request.form),
            *[out.pulse.payload[name].eq(request[name]) for name in ("reset", "form", "width_ns")],
        ]
        with m.State("RAIL"):
            m.d.comb += rail_frame.valid.eq(1)
            with m.If(rail_frame.ready):
                m.d.sync += raised.eq(request.form | (raised & request.reset & ~lower))
                with m.If(~lower):
                    m.next = "GATE"
        with m.State("GATE"):
            m.d.comb += [rail_frame.valid.eq(1), gate.eq(1)]
            with m.If(rail_frame.ready):
                m.next = "WRITE"
        with m.State("WRITE"):
            m.d.comb += self._prepared.eq(pattern.done)
            with m.If(self._begin):
                m.d.sync += self._timer.eq(self._settling.rail)
                m.next = "SETTLE"
        with m.State("SETTLE"):
            m.d.comb += [out.pulse.valid.eq(self._timer == 0), pulse.ready.eq(out.pulse.valid & out.pulse.ready)]
            with m.If(pulse.ready):
                m.next = "PULSE"
        with m.State("PULSE"), m.If(out.pulse_done):
            m.next = "IDLE"

    def _wire(self, m: Module, adc: AdcDriver, codes: RowCodes, pattern: SwitchPattern) -> None:
        """What goes straight through."""
        afe, out, held = self.afe, self.out, self._held
        slots = self._kept if self._keeps else self._slots
        m.d.comb += [
            codes.write.eq(afe.code_write),
            codes.row.eq(afe.code_row),
            codes.code.eq(afe.code),
            codes.follow.eq(afe.drive.payload.follow),
            codes.first_row.eq(held.first_row),
            codes.stop.eq(held.stop),
            *[getattr(out, name).eq(getattr(codes, name)) for name in ("row_code_write", "row_code_dac", "row_code")],
            *[getattr(codes, name).eq(getattr(afe, name)) for name in ("mask_write", "mask_column", "mask")],
            codes.read_column.eq(pattern.mask_column),
            pattern.mask.eq(codes.masked),
            pattern.route.eq(afe.route),
            *[getattr(pattern, name).eq(held[name]) for name in ("tile", "first_row", "stop", "tia_range", "routed")],
            pattern.writing.eq(held.writing),
            pattern.reset.eq(afe.pulse.payload.reset),
            pattern.abort.eq(self.tripped),
            adc.first.eq(slots["first_slot"]),
            adc.last.eq(slots["last_slot"]),
            adc.sdo.eq(self.sdo),
            afe.pulse_done.eq(out.pulse_done),
            afe.pulse_tripped.eq(out.pulse_tripped),
        ]
        connect(m, codes.row_frame, flipped(out.row_frame))
        connect(m, pattern.bits, flipped(out.switch_bits))
        connect(m, adc.pins, flipped(self.adc))
        connect(m, adc.samples, flipped(afe.samples))

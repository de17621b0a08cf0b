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

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, afe, out = self._spec, self.afe, self.out
        drive, pulse = afe.drive.payload, afe.pulse.payload
        m.submodules.adc = adc = AdcDriver(spec, self._pads_cycles)
        m.submodules.codes = codes = RowCodes(spec)
        m.submodules.pattern = pattern = SwitchPattern(spec)
        settling = Settling.of(spec)

        held = Signal(  # what the switches show once the pattern has been latched
            data.StructLayout(
                {
                    "tile": index_bits(spec.tiles),
                    "first_row": count_bits(spec.rows),
                    "stop": count_bits(spec.rows + 1),
                    "tia_range": index_bits(len(spec.afe.tia_ohm)),
                    "routed": 1,
                    "writing": 1,
                }
            )
        )
        first, last = Signal.like(adc.first), Signal.like(adc.last)
        in_force = Signal()  # the switches show `held`, a drive that is not routed
        pending = Signal()  # a pattern is not latched yet
        updated, latched = Signal(), Signal()
        settles, timer = Signal(), Signal(range(max(settling.drive, settling.rail, settling.stage) + 1))
        further, stages = Signal(range(spec.tiles)), Signal(range(spec.tiles))  # that settle after the first
        sampling = Signal()  # from coming into force to the last sample
        stop, same = Signal.like(held.stop), Signal()
        prepared, begin = Signal(), Signal()
        m.d.comb += [
            stop.eq(drive.first_row + drive.rows),
            same.eq(
                in_force
                & ~drive.routed
                & (drive.tile == held.tile)
                & (drive.first_row == held.first_row)
                & (stop == held.stop)
                & (drive.tia_range == held.tia_range)
            ),
            out.switch_latch.eq(prepared & pending),
            begin.eq(
                prepared
                & (updated | out.row_updated | out.rail_updated | self.tripped)
                & (latched | out.switch_updated | self.tripped)
            ),
            afe.idle.eq(0),
            out.operating.eq(~afe.idle),
            afe.pulse_done.eq(out.pulse_done),
            afe.pulse_tripped.eq(out.pulse_tripped),
        ]
        m.d.sync += [updated.eq(updated | out.row_updated | out.rail_updated), latched.eq(latched | out.switch_updated)]
        with m.If(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif(stages != 0):
            m.d.sync += [timer.eq(settling.stage - 1), stages.eq(stages - 1)]
        with m.If(adc.start):
            m.d.sync += settles.eq(0)
        with m.If(adc.sampled):
            m.d.sync += sampling.eq(0)
        with m.If(out.switch_latch):
            m.d.sync += [pending.eq(0), in_force.eq(~held.routed & ~held.writing)]
        with m.If(self.tripped):
            m.d.sync += [pending.eq(0), in_force.eq(0)]

        with m.FSM() as states:
            with m.State("IDLE"):
                m.d.comb += afe.idle.eq(~sampling & ~adc.busy)
                m.d.sync += [updated.eq(0), latched.eq(1)]
                with m.If(out.ready | self.tripped):
                    with m.If(afe.drive.valid):
                        m.d.comb += [codes.start.eq(1), pattern.start.eq(~same), afe.drive.ready.eq(~drive.routed)]
                        m.d.sync += [
                            held.tile.eq(drive.tile),
                            held.first_row.eq(drive.first_row),
                            held.stop.eq(stop),
                            held.tia_range.eq(drive.tia_range),
                            held.routed.eq(drive.routed),
                            held.writing.eq(0),
                            first.eq(drive.first_slot),
                            last.eq(drive.last_slot),
                            further.eq(0),
                        ]
                        m.next = "DRIVE"
                        with m.If(drive.routed):
                            m.next = "ROUTE"
                    with m.Elif(afe.pulse.valid & afe.idle):
                        m.d.comb += pattern.start.eq(1)
                        m.d.sync += [
                            held.tile.eq(pulse.tile),
                            held.first_row.eq(pulse.row),
                            held.stop.eq(pulse.row + 1),
                            held.routed.eq(0),
                            held.writing.eq(1),
                        ]
                        m.next = "RAIL"
                with m.If(pattern.start):
                    m.d.sync += [pending.eq(~self.tripped), latched.eq(0)]

            with m.State("ROUTE"), m.If(pattern.done):
                m.d.comb += afe.drive.ready.eq(1)
                m.d.sync += further.eq(afe.route.stages - 1)
                m.next = "DRIVE"
            with m.State("DRIVE"):
                m.d.comb += [prepared.eq(codes.done & pattern.done & ~sampling), out.row_release.eq(prepared)]
                with m.If(begin):
                    m.d.sync += [timer.eq(max(settling.drive - adc.lead, 0)), stages.eq(further)]
                    m.d.sync += [settles.eq(1), sampling.eq(1)]
                    m.next = "HAND OVER"
            with m.State("HAND OVER"), m.If(~adc.busy):  # the drive before has left the ADCs
                m.d.comb += adc.load.eq(1)
                m.next = "IDLE"
            m.d.comb += adc.start.eq(settles & (timer == 0) & (stages == 0) & ~states.ongoing("HAND OVER"))

            with m.State("RAIL"):
                m.d.comb += out.rail_frame.valid.eq(1)
                with m.If(out.rail_frame.ready):
                    m.next = "GATE"
            with m.State("GATE"):
                m.d.comb += out.rail_frame.valid.eq(1)
                with m.If(out.rail_frame.ready):
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += prepared.eq(pattern.done)
                with m.If(begin):
                    m.d.sync += timer.eq(settling.rail)
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                m.d.comb += [out.pulse.valid.eq(timer == 0), afe.pulse.ready.eq(out.pulse.valid & out.pulse.ready)]
                with m.If(afe.pulse.ready):
                    m.next = "PULSE"
            with m.State("PULSE"), m.If(out.pulse_done):
                m.next = "IDLE"

        gate = states.ongoing("GATE")
        m.d.comb += [
            out.rail_frame.payload.update.eq(gate),
            out.rail_frame.payload.channel.eq(Mux(gate, Rail.GATE, Mux(pulse.reset, Rail.RESET, Rail.SET))),
            out.rail_frame.payload.code.eq(Mux(gate, pulse.gate, pulse.rail)),
            out.rail_frame.payload.form.eq(pulse.form),
            *[out.pulse.payload[name].eq(pulse[name]) for name in ("reset", "form", "width_ns")],
        ]
        m.d.comb += [adc.first.eq(first), adc.last.eq(last)]
        self._wire(m, adc, codes, pattern, held)
        return m

    def _wire(self, m: Module, adc: AdcDriver, codes: RowCodes, pattern: SwitchPattern, held: data.View) -> None:
        """What goes straight through."""
        afe, out = self.afe, self.out
        m.d.comb += [
            codes.write.eq(afe.code_write),
            codes.row.eq(afe.code_row),
            codes.code.eq(afe.code),
            codes.first_row.eq(held.first_row),
            codes.stop.eq(held.stop),
            *[getattr(out, name).eq(getattr(codes, name)) for name in ("row_code_write", "row_code_dac", "row_code")],
            *[getattr(pattern, name).eq(getattr(afe, name)) for name in ("mask_write", "mask_column", "mask", "route")],
            *[getattr(pattern, name).eq(held[name]) for name in ("tile", "first_row", "stop", "tia_range", "routed")],
            pattern.writing.eq(held.writing),
            pattern.reset.eq(afe.pulse.payload.reset),
            pattern.abort.eq(self.tripped),
            adc.sdo.eq(self.sdo),
        ]
        connect(m, codes.row_frame, flipped(out.row_frame))
        connect(m, pattern.bits, flipped(out.switch_bits))
        connect(m, adc.pins, flipped(self.adc))
        connect(m, adc.samples, flipped(afe.samples))

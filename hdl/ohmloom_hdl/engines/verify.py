"""Reads a row at the verify voltage: one drive a sample, each column corrected, samples averaged."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.engines.correct import CORRECTED, Corrector, correction_address
from ohmloom_hdl.interfaces import CODE, StorePort, count_bits, drive_layout, index_bits, sample_layout

MAX_SAMPLES = 64
SAMPLES = MAX_SAMPLES.bit_length()
# A sample is kept as corrected + 2**17, so that neither it nor a sum is negative.
SUM = CORRECTED + SAMPLES - 1


class Verify(wiring.Component):
    """The verify codes of a row, averaged over `samples` drives as `WriteVerify.verify` of the emulator defines them.

    `tile`, `row` and `samples` (1..64) are held from `start` until `busy` has fallen. Then, and with one sample already as
    soon as `finished` columns include it, a column may be fetched: `column` picks it in the cycle before `fetch`, and `code`
    stays from the cycle after `fetch`, or from the fall of `dividing` when there are several samples, until the next `fetch`.

    Ends whatever happens: a drive's last sample ends its row.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {
                "start": In(1),
                "tile": In(index_bits(spec.tiles)),
                "row": In(index_bits(spec.rows)),
                "samples": In(SAMPLES),
                "busy": Out(1),
                "available": Out(1),
                "column": In(index_bits(spec.columns)),
                "fetch": In(1),
                "dividing": Out(1),
                "code": Out(signed(CODE)),
                "corrections": Out(StorePort(spec)),
                "code_write": Out(1),
                "drive": Out(stream.Signature(drive_layout(spec))),
                "received": In(stream.Signature(sample_layout(spec), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, store, sample, drive = self._spec, self.corrections, self.received, self.drive.payload
        m.submodules.corrector = corrector = Corrector()
        m.submodules.raw = raw = BlockRam(shape=signed(CODE), depth=spec.columns)
        m.submodules.sums = sums = BlockRam(shape=SUM, depth=spec.columns)
        converted, looked_up, finished = (Signal(count_bits(spec.columns)) for _ in range(3))  # columns
        left = Signal(SAMPLES)  # samples, the one under way included
        adding, gain = Signal(), Signal()

        m.d.comb += [
            drive.tile.eq(self.tile),
            drive.first_row.eq(self.row),
            drive.rows.eq(1),
            drive.tia_range.eq(spec.verify_range),
            drive.last_slot.eq((spec.columns - 1) // spec.afe.column_adcs),
            raw.address_w.eq(sample.payload.column),
            raw.data_w.eq(sample.payload.raw),
            raw.write.eq(sample.valid),
            raw.address_r.eq(looked_up),
            corrector.raw.eq(raw.data_r),
            corrector.word.eq(store.data_r),
            corrector.gain.eq(gain),
            sums.address_r.eq(Mux(adding, finished, self.column)),
            sums.address_w.eq(finished),
            sums.data_w.eq(
                (adding.replicate(SUM) & sums.data_r) + Cat(corrector.corrected[:-1], ~corrector.corrected[-1])
            ),
            sums.write.eq(corrector.valid),
            self.available.eq(finished != self.column),
        ]
        with m.If(sample.valid):
            m.d.sync += converted.eq(Mux(sample.payload.last, spec.columns, converted + 1))
        with m.If(corrector.valid):
            m.d.sync += finished.eq(finished + 1)
        m.d.sync += gain.eq(0)

        with m.FSM() as states:
            address = correction_address(spec, self.tile, spec.verify_range, looked_up)
            m.d.comb += store.address.eq(address + states.ongoing("GAIN"))
            m.d.comb += self.busy.eq(~states.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [left.eq(self.samples), adding.eq(0)]
                with m.If(self.start):
                    m.next = "CODE"
            with m.State("CODE"):
                m.d.comb += self.code_write.eq(1)
                m.d.sync += [converted.eq(0), looked_up.eq(0)]
                m.next = "DRIVE"
            with m.State("DRIVE"):
                m.d.comb += self.drive.valid.eq(1)
                with m.If(self.drive.ready):
                    m.next = "OFFSET"
            with m.State("OFFSET"):
                with m.If(finished == spec.columns):
                    m.next = "IDLE"
                    with m.If(left != 1):
                        m.d.sync += [left.eq(left - 1), adding.eq(1), finished.eq(0)]
                        m.next = "CODE"
                with m.Elif(looked_up != converted):
                    m.d.comb += store.valid.eq(1)
                    with m.If(store.ready):
                        m.next = "GAIN"
            with m.State("GAIN"):
                m.d.comb += store.valid.eq(1)
                with m.If(store.ready):
                    m.d.comb += corrector.offset.eq(1)
                    m.d.sync += [gain.eq(1), looked_up.eq(looked_up + 1)]
                    m.next = "OFFSET"
        with m.If(self.start):
            m.d.sync += finished.eq(0)

        self._average(m, sums.data_r)
        return m

    def _average(self, m: Module, total: Signal) -> None:
        """Divides the fetched sum bit by bit, and rounds and clips the quotient to a code."""
        rest = Signal(SUM)  # the sum; bit by bit, remainder above and quotient below
        steps = Signal(range(CORRECTED + 1))
        dividend = Signal(SAMPLES)
        fits = Signal()
        m.d.comb += [
            dividend.eq(rest[CORRECTED - 1 :]),
            fits.eq(dividend >= self.samples),
            self.dividing.eq(steps != 0),
        ]
        with m.If(self.dividing):
            remainder = Mux(fits, dividend - self.samples, dividend)
            m.d.sync += [rest.eq(Cat(fits, rest[: CORRECTED - 1], remainder)), steps.eq(steps - 1)]
        with m.If(self.fetch):
            m.d.sync += [rest.eq(total), steps.eq(Mux(self.samples == 1, 0, CORRECTED))]

        rounded = Signal(CORRECTED - FRACTION_BITS + 1)
        m.d.comb += rounded.eq((rest[FRACTION_BITS - 1 : CORRECTED] + 1) >> 1)
        above = rounded[CODE - 1 :]  # of a code between its ends: that of the zero point, or one less
        zero = 1 << CORRECTED - 1 - FRACTION_BITS >> CODE - 1
        with m.If((above == zero) | (above == zero - 1)):
            m.d.comb += self.code.eq(rounded[:CODE])
        with m.Else():
            m.d.comb += self.code.eq(Cat(rounded[CODE + 1 :].any().replicate(CODE - 1), ~rounded[CODE + 1 :].any()))

"""Drives a row at the verify voltage, and corrects its columns one after the other."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import FRACTION_BITS
from ohmloom_hdl.engines.correct import CORRECTED, Corrector, correction_address
from ohmloom_hdl.engines.samples import SampleMemoryPort
from ohmloom_hdl.interfaces import CODE, StorePort, count_bits, drive_layout, index_bits, sample_layout


class VerifyRow(wiring.Component):
    """`start` drives `row` of `tile` once. `fetch`, in a cycle with `available`, makes its next column, from the first on, the one
    that `corrected` (1/16 codes) and `code` (rounded and clipped) are of, from the next cycle on. Once all have been fetched, `rewind`
    begins with the first column again, `start` with that of a new drive.

    `memory` keeps the samples. A column is looked up ahead, also while samples are still coming. A drive always ends: its
    last sample ends the row.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {
                "start": In(1),
                "rewind": In(1),
                "tile": In(index_bits(spec.tiles)),
                "row": In(index_bits(spec.rows)),
                "available": Out(1),
                "fetch": In(1),
                "corrected": Out(signed(CORRECTED)),
                "code": Out(signed(CODE)),
                "store": Out(StorePort(spec)),
                "drive": Out(stream.Signature(drive_layout(spec))),
                "samples": In(stream.Signature(sample_layout(spec), always_ready=True)),
                "memory": Out(SampleMemoryPort(spec)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, store, sample, drive = self._spec, self.store, self.samples, self.drive.payload
        m.submodules.corrector = corrector = Corrector()
        converted, column = Signal(count_bits(spec.columns)), Signal(count_bits(spec.columns))
        looks_up = Signal()  # the gain, else the offset

        m.d.comb += [
            drive.tile.eq(self.tile),
            drive.first_row.eq(self.row),
            drive.rows.eq(1),
            drive.tia_range.eq(spec.verify_range),
            drive.last_slot.eq((spec.columns - 1) // spec.afe.column_adcs),
            self.memory.address_w.eq(converted),
            self.memory.data_w.raw.eq(sample.payload.raw.as_unsigned()),
            self.memory.data_w.end.eq(sample.payload.end),
            self.memory.data_w.last.eq(sample.payload.last),
            self.memory.write.eq(sample.valid),
            self.memory.address_r.eq(column),
            corrector.raw.eq(self.memory.data_r.raw.as_signed()),
            corrector.word.eq(store.data_r),
            corrector.gain.eq(self.fetch),
            self.corrected.eq(corrector.corrected),
            store.address.eq(correction_address(spec, self.tile, spec.verify_range, column) + looks_up),
        ]
        with m.If(sample.valid):
            m.d.sync += converted.eq(Mux(sample.payload.last, spec.columns, converted + 1))
        with m.If(self.start):
            m.d.sync += [converted.eq(0), self.drive.valid.eq(1)]
        with m.Elif(self.drive.ready):
            m.d.sync += self.drive.valid.eq(0)

        with m.FSM():
            with m.State("OFFSET"), m.If(column != converted):
                m.d.comb += store.valid.eq(1)
                with m.If(store.ready):
                    m.next = "GAIN"
            with m.State("GAIN"):
                m.d.comb += [store.valid.eq(1), looks_up.eq(1)]
                with m.If(store.ready):
                    m.d.comb += corrector.offset.eq(1)
                    m.next = "AVAILABLE"
            with m.State("AVAILABLE"):  # the store's port keeps the gain
                m.d.comb += self.available.eq(1)
                with m.If(self.fetch):
                    m.d.sync += column.eq(column + 1)
                    m.next = "OFFSET"
        with m.If(self.start | self.rewind):
            m.d.sync += column.eq(0)

        rounded = Signal(signed(CORRECTED - FRACTION_BITS + 1))
        m.d.comb += rounded.eq((self.corrected[FRACTION_BITS - 1 :].as_signed() + 1) >> 1)
        sign = self.corrected[-1]
        m.d.comb += self.code.eq(Mux(corrector.beyond, Cat((~sign).replicate(CODE - 1), sign).as_signed(), rounded))
        return m

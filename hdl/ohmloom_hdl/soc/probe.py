"""Measurements for the firmware: one row, the reference row or none is driven, and each column's raw codes are summed."""

from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.core import PROBE_COUNT
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, AfePort, count_bits, drive_layout, index_bits

SUM_BITS = CODE + (PROBE_COUNT - 1).bit_length()


class Probe(wiring.Component):
    """`start` drives `drive` with `code` `count` times, 1 .. PROBE_COUNT; `busy` until the last sample has been added.

    All three stay while it is busy. `sum` is, in the next cycle, the sum of column `column`'s raw codes; columns that were not
    converted keep theirs. `saturated`: samples at a converter's end. It has the front end to itself while it is busy, and always
    ends, as drives do.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {
                "drive": In(drive_layout(spec)),
                "code": In(signed(CODE)),
                "count": In(count_bits(PROBE_COUNT)),
                "start": In(1),
                "busy": Out(1),
                "column": In(index_bits(spec.columns)),
                "sum": Out(signed(SUM_BITS)),
                "saturated": Out(count_bits(PROBE_COUNT * spec.columns)),
                "afe": Out(AfePort(spec)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        spec, afe, sample = self._spec, self.afe, self.afe.samples
        m.submodules.sums = sums = BlockRam(shape=signed(SUM_BITS), depth=spec.columns)
        left, under_way = Signal.like(self.count), Signal.like(self.count)  # drives not taken; not converted
        first, fresh = Signal(), Signal()  # samples of the first drive begin their sums
        column, raw, arrived = Signal.like(self.column), Signal(signed(CODE)), Signal()

        reference = self.drive.first_row == spec.rows  # on the first row's driver
        m.d.comb += [
            afe.code.eq(self.code),
            afe.code_row.eq(self.drive.first_row),
            afe.drive.payload.eq(self.drive),
            sums.address_r.eq(self.column),
            sums.address_w.eq(column),
            sums.data_w.eq(raw),
            sums.write.eq(arrived),
            self.sum.eq(sums.data_r),
        ]
        if spec.rows & (spec.rows - 1):
            with m.If(reference):
                m.d.comb += afe.code_row.eq(0)
        m.d.sync += [
            arrived.eq(sample.valid & self.busy),
            column.eq(sample.payload.column),
            raw.eq(sample.payload.raw),
            fresh.eq(first),
        ]
        with m.If(sample.valid):
            m.d.comb += sums.address_r.eq(sample.payload.column)
            with m.If(sample.payload.end):
                m.d.sync += self.saturated.eq(self.saturated + 1)
            with m.If(sample.payload.last):
                m.d.sync += [first.eq(0), under_way.eq(under_way - 1)]
        with m.If(~fresh):
            m.d.comb += sums.data_w.eq(sums.data_r + raw)

        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [left.eq(self.count), under_way.eq(self.count), first.eq(1), self.saturated.eq(0)]
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.busy.eq(1), afe.code_write.eq(1)]
                m.next = "DRIVE"
            with m.State("DRIVE"):
                m.d.comb += [self.busy.eq(1), afe.drive.valid.eq(1)]
                with m.If(afe.drive.ready):
                    m.d.sync += left.eq(left - 1)
                    m.next = "WRITE"
                    with m.If(left == 1):
                        m.next = "END"
            with m.State("END"):
                m.d.comb += self.busy.eq((under_way != 0) | arrived)
                with m.If(~self.busy):
                    m.next = "IDLE"
        return m

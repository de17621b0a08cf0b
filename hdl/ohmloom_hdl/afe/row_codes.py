"""Row codes: written for the next drive while the words of the one before it go to the row DACs."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, OutputPort, count_bits, index_bits


class RowCodes(wiring.Component):
    """Two banks of row codes: one is written, the other sent to the row DACs' input registers.

    `start` swaps the banks and sends channels first_row // row_dacs .. (stop - 1) // row_dacs, at least one, the last
    with an update; `first_row` and `stop` are held from the cycle after `start` until `done`, which is high when all
    frames have been taken. Rows beside first_row .. stop - 1 get code 0 where a frame reaches them; on a chip without
    access transistors, where they are not isolated, frames reach them all.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        frames = OutputPort(spec).members
        super().__init__(
            {
                "write": In(1),
                "row": In(index_bits(spec.rows)),
                "code": In(signed(CODE)),
                "start": In(1),
                "first_row": In(count_bits(spec.rows)),
                "stop": In(count_bits(spec.rows + 1)),
                "done": Out(1),
                **{name: frames[name] for name in ("row_code_write", "row_code_dac", "row_code", "row_frame")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, dacs = self._spec, self._spec.afe.row_dacs
        isolated = spec.cell.access != "none"
        m.submodules.memory = memory = BlockRam(shape=signed(CODE), depth=2 << len(self.row))
        bank, channel, dac = Signal(), Signal.like(self.row_frame.payload.channel), Signal.like(self.row_code_dac)
        row, advance = Signal(len(self.stop)), Signal()
        reference = self.first_row == spec.rows  # on the first row's driver
        m.d.comb += [
            memory.address_w.eq(Cat(self.row, bank)),
            memory.data_w.eq(self.code),
            memory.write.eq(self.write),
            row.eq(channel * dacs + dac),
            # The next one, so that it is there in the next cycle.
            memory.address_r.eq(Cat((row + advance)[: len(self.row)], ~bank)),
            self.row_code_dac.eq(dac),
            self.row_code.eq(memory.data_r),
        ]
        first, stop = Mux(reference, 0, self.first_row), Mux(reference, self.stop - spec.rows, self.stop)
        if dacs > 1 or not isolated:
            m.d.comb += self.row_code.eq(Mux((row >= first) & (row < stop), memory.data_r, 0))
        end = stop if isolated else spec.rows
        m.d.comb += [
            self.row_frame.payload.channel.eq(channel),
            self.row_frame.payload.update.eq((channel + 1) * dacs >= end),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.done.eq(~self.start)
                with m.If(self.start):
                    m.d.sync += [bank.eq(~bank), dac.eq(0)]
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.sync += channel.eq(first // dacs if isolated else 0)
                m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "FILL"
            with m.State("FILL"):
                m.d.comb += [self.row_code_write.eq(1), advance.eq(1)]
                m.d.sync += dac.eq(dac + 1)
                with m.If(dac == dacs - 1):
                    m.d.sync += dac.eq(0)
                    m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.row_frame.valid.eq(1)
                with m.If(self.row_frame.ready):
                    m.d.sync += channel.eq(channel + 1)
                    m.next = "FETCH"
                    with m.If(self.row_frame.payload.update):
                        m.next = "IDLE"
        return m

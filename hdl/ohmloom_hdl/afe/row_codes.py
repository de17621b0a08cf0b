"""Row codes: written for the next drive while the words of the one before it go to the row DACs; and the column mask."""

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, OutputPort, count_bits, index_bits


class RowCodes(wiring.Component):
    """Two banks of row codes: one is written, the other sent to the row DACs' input registers.

    `start` swaps the banks and sends channels first_row // row_dacs .. (stop - 1) // row_dacs, at least one, the last
    with an update; `first_row` and `stop` are held from the cycle after `start` until `done`, which is high from the cycle after
    all frames have been taken to that of the next `start`. Rows beside first_row .. stop - 1 get code 0 where a frame reaches
    them; on a chip without access transistors, where they are not isolated, frames reach them all. follow: the codes are written
    from the cycle after `start` on, in order of rows, `row` being the next one that comes; each frame waits for its codes.

    The columns' mask is in the same memory, since pulses and drives take turns. In a cycle after one in which `done` is high and nothing
    starts, `masked` is the bit of `read_column` in the cycle before. `write` and `mask_write` are never high together.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        frames = OutputPort(spec).members
        super().__init__(
            {
                "write": In(1),
                "row": In(index_bits(spec.rows)),
                "code": In(signed(CODE)),
                "mask_write": In(1),
                "mask_column": In(index_bits(spec.columns)),
                "mask": In(1),
                "read_column": In(index_bits(spec.columns)),
                "masked": Out(1),
                "start": In(1),
                "follow": In(1),
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
        below = max(len(self.row) + 1, len(self.mask_column))  # bits of an address in the codes, or in the mask
        word = data.StructLayout({"code": signed(CODE), "mask": 1})
        m.submodules.memory = memory = BlockRam(shape=word, depth=2 << below)
        bank = Signal()
        channel, dac = (
            Signal.like(port, name=name, reset_less=True)
            for name, port in (("channel", self.row_frame.payload.channel), ("dac", self.row_code_dac))
        )
        row, advance, reads_code = Signal(len(self.stop)), Signal(), Signal()
        following, missing = Signal.like(row), Signal()
        behind = Signal()  # codes are still written into the bank that is sent

        def code_at(row: Value, bank: Value) -> Value:
            return Cat(row[: len(self.row)], bank, C(0, below - len(self.row)))

        def mask_at(column: Value) -> Value:
            return Cat(column, C(0, below - len(column)), 1)

        reference = self.first_row == spec.rows  # on the first row's driver
        m.d.comb += [
            memory.address_w.eq(Mux(self.mask_write, mask_at(self.mask_column), code_at(self.row, bank ^ behind))),
            memory.data_w.code.eq(self.code),
            memory.data_w.mask.eq(self.mask),
            memory.write.eq(self.write | self.mask_write),
            row.eq(channel * dacs + dac),
            # The next one, so that it is there in the next cycle.
            following.eq(row + advance),
            missing.eq(behind & (following[: len(self.row)] == self.row)),
            memory.address_r.eq(Mux(reads_code, code_at(following, ~bank), mask_at(self.read_column))),
            self.masked.eq(memory.data_r.mask),
            self.row_code_dac.eq(dac),
            self.row_code.eq(memory.data_r.code),
        ]
        first, stop = Mux(reference, 0, self.first_row), Mux(reference, self.stop - spec.rows, self.stop)
        if dacs > 1 or not isolated:
            m.d.comb += self.row_code.eq(Mux((row >= first) & (row < stop), memory.data_r.code, 0))
        end = stop if isolated else spec.rows
        m.d.comb += [
            self.row_frame.payload.channel.eq(channel),
            self.row_frame.payload.update.eq((channel + 1) * dacs >= end),
        ]
        with m.If(self.start):
            m.d.sync += behind.eq(self.follow)
        with m.Elif(self.write & (self.stop[: len(self.row)] == (self.row + 1)[: len(self.row)])):
            m.d.sync += behind.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.done.eq(1)
                with m.If(self.start):
                    m.d.sync += [bank.eq(~bank), dac.eq(0)]
                    m.next = "FIRST"
            with m.State("FIRST"):
                m.d.sync += channel.eq(first // dacs if isolated else 0)
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += reads_code.eq(1)
                with m.If(~missing):
                    m.next = "FILL"
            with m.State("FILL"):
                m.d.comb += [self.row_code_write.eq(1), advance.eq(1), reads_code.eq(1)]
                if dacs > 1:  # else it is never another one
                    m.d.sync += dac.eq(dac + 1)
                with m.If(missing):
                    m.next = "FETCH"
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

"""Consistent overhead byte stuffing (Cheshire and Baker, 1999): zero ends a frame and occurs nowhere in it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.counters import loaded_or_counted

RUN_MAX = 0xFF  # the code of 254 bytes that no zero follows


class CobsDecoder(wiring.Component):
    """What `data`, a byte of the line, means after those that were taken; `take` takes it.

    is_body: it brings `body`, a byte of the frame's content. is_end: it ends a frame; `whole` then says that the frame was
    not cut short. Neither: a code that stands for no byte, or a 0x00 with nothing before it.
    """

    data: In(8)
    take: In(1)
    is_body: Out(1)
    body: Out(8)
    is_end: Out(1)
    whole: Out(1)

    def elaborate(self, _platform):
        m = Module()
        left = Signal(8)  # bytes until the next code, that one included; 0 for a frame's first
        zero = Signal()  # the next code stands for a zero: it is neither a frame's first nor comes after RUN_MAX
        begun = Signal()
        is_code, is_zero, load = left[1:] == 0, self.data == 0, Signal()
        m.d.comb += [
            load.eq(is_code | is_zero),
            self.is_body.eq(~is_zero & (~is_code | zero)),
            self.body.eq(Mux(is_code, 0, self.data)),
            self.is_end.eq(is_zero & begun),
            self.whole.eq(is_code),
        ]
        with m.If(self.take):
            m.d.sync += [begun.eq(~is_zero), left.eq(loaded_or_counted(left, -1, load, self.data))]
            with m.If(is_code):
                m.d.sync += zero.eq(self.data != RUN_MAX)
            with m.If(is_zero):
                m.d.sync += zero.eq(0)
        return m


class CobsEncoder(wiring.Component):
    """Content in, bytes of the line out; an item with `end` carries no byte and ends the frame.

    A run's code, which goes before it, is known only after it. So runs are written to a ring of block RAM and sent once
    their code is filled in: up to 255 bytes lie between content and line, and frames follow each other without a gap.
    `room`: the ring is not full. `empty`: nothing waits to be sent, an unfinished run apart.
    """

    content: In(stream.Signature(data.StructLayout({"byte": 8, "end": 1})))
    line: Out(stream.Signature(8))
    room: Out(1)
    empty: Out(1)

    def elaborate(self, _platform):
        m = Module()
        m.submodules.ring = ring = BlockRam(shape=8, depth=256)
        write, code, read = Signal(8), Signal(8), Signal(8)  # next byte, code of the open run, next to send
        after, run = (write + 1)[:8], Signal(8)  # run: its code if it ended now, 0 when none is open
        byte, end = self.content.payload.byte, self.content.payload.end
        opened, close, advance, ended = run != 0, Signal(), Signal(), Signal()
        m.d.comb += self.room.eq(after != read)

        # Closing fills in the run's code; of no run, 0 is the frame's end.
        with m.If(run == RUN_MAX):
            m.d.comb += close.eq(1)
        with m.Elif(self.content.valid & (self.room | ended)):
            m.d.comb += [
                close.eq(Mux(end, ~ended, opened & (byte == 0))),
                advance.eq(Mux(end, ~opened, 1)),
                self.content.ready.eq(Mux(end, ended, opened)),
            ]
        with m.If(advance):
            m.d.sync += [write.eq(after), run.eq(run + 1)]
        with m.If(ended | (close & opened)):
            m.d.sync += [code.eq(write), run.eq(advance)]
        m.d.sync += ended.eq(close & ~opened)
        m.d.comb += [
            ring.address_w.eq(Mux(close, code, write)),
            ring.data_w.eq(Mux(close, run, byte)),
            ring.write.eq(close | (advance & ~end)),
        ]

        loaded = Signal()
        m.d.comb += [
            self.empty.eq(read == code),
            ring.address_r.eq(read),
            self.line.valid.eq(loaded),
            self.line.payload.eq(ring.data_r),
        ]
        taken = self.line.valid & self.line.ready
        m.d.sync += [loaded.eq((read != code) & ~taken), read.eq(read + taken)]
        return m

"""Consistent overhead byte stuffing (Cheshire and Baker, 1999): zero ends a frame and occurs nowhere in it."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

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
        left = Signal(8)  # bytes before the next code
        zero = Signal()  # the next code stands for a zero: it is neither a frame's first nor comes after RUN_MAX
        begun = Signal()
        is_code = left == 0
        m.d.comb += [
            self.is_body.eq((self.data != 0) & (~is_code | zero)),
            self.body.eq(Mux(is_code, 0, self.data)),
            self.is_end.eq((self.data == 0) & begun),
            self.whole.eq(is_code),
        ]
        with m.If(self.take):
            m.d.sync += begun.eq(self.data != 0)
            with m.If(self.data == 0):
                m.d.sync += [left.eq(0), zero.eq(0)]
            with m.Elif(is_code):
                m.d.sync += [left.eq(self.data - 1), zero.eq(self.data != RUN_MAX)]
            with m.Else():
                m.d.sync += left.eq(left - 1)
        return m


class CobsEncoder(wiring.Component):
    """Content in, bytes of the line out; an item with `end` carries no byte and ends the frame.

    A run's code, which goes before it, is known only after it. So runs are written to a ring of block RAM and sent once
    their code is filled in: up to RING bytes lie between content and line, and frames follow each other without a gap.
    `room`: the ring is not full. `empty`: nothing waits to be sent, an unfinished run apart.
    """

    RING = 512  # one block RAM; more than a whole run

    content: In(stream.Signature(data.StructLayout({"byte": 8, "end": 1})))
    line: Out(stream.Signature(8))
    room: Out(1)
    empty: Out(1)

    def elaborate(self, _platform):
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=8, depth=self.RING, init=[])
        store, load = ring.write_port(), ring.read_port()
        write, code, read = (Signal(range(self.RING)) for _ in range(3))  # next byte, open run's code, next to send
        run = (write - code)[:9]  # the code of the open run, 0 when none is open
        ended = Signal()
        after = (write + 1)[:9]
        m.d.comb += [self.room.eq(after != read), store.addr.eq(write), store.data.eq(self.content.payload.byte)]

        with m.If(run == RUN_MAX):
            self._close(m, store, code, write, run)
        with m.Elif(self.content.valid & self.room):
            with m.If(self.content.payload.end):
                with m.If(ended):
                    m.d.comb += self.content.ready.eq(1)
                    m.d.sync += [code.eq(write), ended.eq(0)]
                with m.Elif(run != 0):
                    self._close(m, store, code, write, run)
                with m.Else():
                    m.d.comb += [store.data.eq(0), store.en.eq(1)]
                    m.d.sync += [write.eq(after), ended.eq(1)]
            with m.Elif(run == 0):
                m.d.sync += write.eq(after)
            with m.Else():
                m.d.comb += self.content.ready.eq(1)
                m.d.sync += write.eq(after)
                with m.If(self.content.payload.byte == 0):  # a run ends before a zero, and one always follows it
                    self._close(m, store, code, write, run)
                with m.Else():
                    m.d.comb += store.en.eq(1)

        loaded = Signal()
        m.d.comb += [
            self.empty.eq((read == code) & ~loaded),
            load.addr.eq(read),
            load.en.eq(~loaded),
            self.line.valid.eq(loaded),
            self.line.payload.eq(load.data),
        ]
        with m.If(~loaded):
            with m.If(read != code):
                m.d.sync += [loaded.eq(1), read.eq(read + 1)]
        with m.Elif(self.line.ready):
            m.d.sync += loaded.eq(0)
        return m

    @staticmethod
    def _close(m, store, code, write, run):
        m.d.comb += [store.addr.eq(code), store.data.eq(run[:8]), store.en.eq(1)]
        m.d.sync += code.eq(write)

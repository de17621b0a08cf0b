"""CRC-16/IBM-3740: polynomial 0x1021, start 0xFFFF, check value 0x29B1 for b"123456789"."""

from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

START = 0xFFFF


class Crc16(wiring.Component):
    """`value` takes in `data` in a cycle with `update` and begins anew in one with `clear`. A byte takes one cycle."""

    clear: In(1)
    update: In(1)
    data: In(8)
    value: Out(16, init=START)

    def elaborate(self, _platform):
        m = Module()
        # Eight shifts at once. All feedback of the byte falls on 12 bits, so nothing has to be fed back twice but its
        # upper half.
        fed = self.value[8:] ^ self.data
        fed = fed ^ (fed >> 4)
        shifted = Cat((fed ^ (fed << 5))[:8], self.value[:8] ^ (fed << 4)[:8] ^ (fed >> 3))
        with m.If(self.clear):
            m.d.sync += self.value.eq(START)
        with m.Elif(self.update):
            m.d.sync += self.value.eq(shifted)
        return m

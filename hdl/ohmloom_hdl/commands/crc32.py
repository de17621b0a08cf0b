"""CRC-32 of bytes, a bit a cycle."""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

POLYNOMIAL = 0xEDB88320  # reflected: zlib's


class Crc32(wiring.Component):
    """`value` is zlib.crc32 of the bytes that were written since `start`, eight cycles after the last one.

    A byte may be written every eight cycles.
    """

    start: In(1)
    write: In(1)
    byte: In(8)
    value: Out(32)

    def elaborate(self, platform):
        m = Module()
        register = Signal(32)
        left = Signal(range(9))
        m.d.comb += self.value.eq(~register)
        with m.If(self.start):
            m.d.sync += [register.eq(0xFFFFFFFF), left.eq(0)]
        with m.Elif(self.write):
            m.d.sync += [register.eq(register ^ self.byte), left.eq(8)]
        with m.Elif(left != 0):
            m.d.sync += [register.eq((register >> 1) ^ (register[0].replicate(32) & POLYNOMIAL)), left.eq(left - 1)]
        return m

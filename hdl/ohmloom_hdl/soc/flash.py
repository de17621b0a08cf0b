"""Bytes to and from a serial flash, SPI mode 0, at half the clock."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class FlashPins(wiring.Signature):
    """The flash's pins, seen from the gateware."""

    def __init__(self) -> None:
        super().__init__({"sclk": Out(1), "select_n": Out(1, init=1), "mosi": Out(1), "miso": In(1)})


class FlashShifter(wiring.Component):
    """`start` shifts the eight bits of `data_w` out and `data_r` in, unless `select` is low: it then only deselects."""

    data_w: In(8)
    select: In(1)
    start: In(1)
    busy: Out(1)
    data_r: Out(8)
    pins: Out(FlashPins())

    def elaborate(self, platform):
        m = Module()
        pins, bits = self.pins, Signal(4)
        m.d.comb += [self.busy.eq(bits != 0), pins.mosi.eq(self.data_r[7])]
        with m.If(self.start):
            m.d.sync += [
                pins.select_n.eq(~self.select),
                self.data_r.eq(self.data_w),
                bits.eq(Cat(0, 0, 0, self.select)),
            ]
        with m.Elif(self.busy):
            m.d.sync += pins.sclk.eq(~pins.sclk)
            with m.If(pins.sclk):  # at its fall: the flash has had half a period since its last change
                m.d.sync += [self.data_r.eq(Cat(pins.miso, self.data_r)), bits.eq(bits - 1)]
        return m

"""UART, 8 data bits, no parity, one stop bit, at a rate that may change while it runs.

`step` is the rate: baud / STEP_BAUD, rounded down.
"""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

STEP_BAUD = 64  # divides all usual rates and clocks, so that the phase is exact and needs no multiplication


def step_bits(baud_max):
    """Width of `step`."""
    return (baud_max // STEP_BAUD).bit_length()


class Phase(wiring.Component):
    """`tick` is high in one cycle a bit while `run` is high, the first time after `first` bits.

    Adds step every cycle and, a bit later, takes away clock_hz / STEP_BAUD: no bit's length is more than one cycle off,
    and nothing adds up. Raises ValueError for a clock that makes fewer than five cycles a bit.
    """

    def __init__(self, clock_hz, baud_max, first=1.0):
        if clock_hz < 5 * baud_max:
            raise ValueError(f"{baud_max} baud needs a clock of at least {5 * baud_max} Hz, not {clock_hz} Hz")
        self._bit = clock_hz // STEP_BAUD
        self._first = int(first * self._bit)
        super().__init__({"step": In(step_bits(baud_max)), "run": In(1), "tick": Out(1)})

    def elaborate(self, _platform):
        m = Module()
        left = Signal(signed(self._bit.bit_length() + 1), init=-self._first)
        back = self.step - Const(self._bit)
        m.d.comb += self.tick.eq(~left[-1])
        with m.If(self.run):
            m.d.sync += left.eq(left + Mux(self.tick, back, self.step))
        with m.Else():
            m.d.sync += left.eq(left.init)
        return m


class UartReceiver(wiring.Component):
    """`valid` strobes with each received byte; `data` stays until the next start bit is over.

    Bits are sampled in their middle. A byte without its stop bit is not shown, and a start bit shorter than half a
    bit is none.
    """

    def __init__(self, clock_hz, baud_max):
        self._clock_hz, self._baud_max = clock_hz, baud_max
        super().__init__({"step": In(step_bits(baud_max)), "rx": In(1, init=1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.phase = phase = Phase(self._clock_hz, self._baud_max, first=0.5)
        line = Signal(init=1)
        m.submodules.line = cdc.FFSynchronizer(self.rx, line, init=1)
        bits = Signal(range(11))  # still to sample
        m.d.comb += [phase.step.eq(self.step), phase.run.eq((bits != 0) | ~line)]
        with m.If(bits == 0):
            with m.If(~line):
                m.d.sync += bits.eq(10)
        with m.Elif(phase.tick):
            m.d.sync += bits.eq(bits - 1)
            with m.If(bits == 10):
                with m.If(line):
                    m.d.sync += bits.eq(0)
            with m.Elif(bits == 1):
                m.d.comb += self.valid.eq(line)
            with m.Else():
                m.d.sync += self.data.eq(Cat(self.data[1:], line))
        return m


class UartTransmitter(wiring.Component):
    """Sends `bytes`, one right after the other as long as they come. `idle`: the last stop bit is over."""

    def __init__(self, clock_hz, baud_max):
        self._clock_hz, self._baud_max = clock_hz, baud_max
        super().__init__(
            {
                "step": In(step_bits(baud_max)),
                "bytes": In(stream.Signature(8)),
                "tx": Out(1, init=1),
                "idle": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.phase = phase = Phase(self._clock_hz, self._baud_max)
        shift = Signal(9, init=0x1FF)
        bits = Signal(range(11))  # still to end
        m.d.comb += [
            phase.step.eq(self.step),
            phase.run.eq(1),
            self.tx.eq(shift[0]),
            self.idle.eq(bits == 0),
            self.bytes.ready.eq(phase.tick & (bits[1:] == 0)),
        ]
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += [shift.eq(Cat(Const(0, 1), self.bytes.payload)), bits.eq(10)]
        with m.Elif(phase.tick & (bits != 0)):
            m.d.sync += [shift.eq(Cat(shift[1:], Const(1, 1))), bits.eq(bits - 1)]
        return m

"""UART, 8 data bits, no parity, one stop bit, at a rate that may change while it runs.

`step` is the rate: bits a clock cycle in units of 2**-PHASE_BITS. Rounded to the nearest it is less than 0.4 % off at 9600
baud and 18 MHz, and 10 ppm at 3 Mbaud.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

PHASE_BITS = 18
STEP_BITS = 16
CYCLES_MIN = 5  # a bit


def step_of(baud: int, clock_hz: int) -> int:
    """`step` for a rate. Raises ValueError for a clock that makes fewer than CYCLES_MIN cycles a bit."""
    if clock_hz < CYCLES_MIN * baud:
        raise ValueError(f"{baud} baud needs a clock of at least {CYCLES_MIN * baud} Hz, not {clock_hz} Hz")
    return ((baud << PHASE_BITS) + clock_hz // 2) // clock_hz


class Phase(wiring.Component):
    """`tick` is high in one cycle a bit while `run` is high, the first time after `first` bits."""

    def __init__(self, first=1.0):
        self._start = int((1 - first) * (1 << PHASE_BITS))
        super().__init__({"step": In(STEP_BITS), "run": In(1), "tick": Out(1)})

    def elaborate(self, _platform):
        m = Module()
        phase = Signal(PHASE_BITS, init=self._start)
        following = phase + self.step
        m.d.comb += self.tick.eq(self.run & following[PHASE_BITS])
        m.d.sync += phase.eq(following)
        with m.If(~self.run):
            m.d.sync += phase.eq(self._start)
        return m


class UartReceiver(wiring.Component):
    """`valid` strobes with each received byte; `data` stays until the next start bit is over.

    Bits are sampled in their middle. A byte without its stop bit is shown as 0, which ends its frame: a bad one, then, which is
    counted. At a rate that is not the line's this is all that may end one. A start bit shorter than half a bit is none.
    """

    def __init__(self):
        super().__init__({"step": In(STEP_BITS), "rx": In(1, init=1), "data": Out(8), "valid": Out(1)})

    def elaborate(self, _platform):
        m = Module()
        # A little late, for the line is seen up to a cycle late; a start with few bits set, for each costs an inverter.
        m.submodules.phase = phase = Phase(first=0.5 + 1 / 16)
        line = Signal(init=1)
        m.submodules.line = cdc.FFSynchronizer(self.rx, line, init=1)
        bits = Signal(4)  # still to sample
        data = Signal(8, reset_less=True)  # its flip-flops' reset is what clears it below
        m.d.comb += [phase.step.eq(self.step), phase.run.eq((bits != 0) | ~line), self.data.eq(data)]
        with m.If(bits == 0):
            m.d.sync += bits.eq(Mux(line, 0, 10))
        with m.Elif(phase.tick):
            m.d.sync += bits.eq(bits - 1)
            with m.If(bits == 10):
                m.d.sync += bits.eq(Mux(line, 0, 9))
            with m.Elif(bits == 1):
                m.d.comb += self.valid.eq(1)
                with m.If(~line):
                    m.d.sync += data.eq(0)
            with m.Else():
                m.d.sync += data.eq(Cat(data[1:], line))
        return m


class UartTransmitter(wiring.Component):
    """Sends `bytes`, one right after the other as long as they come. `idle`: the last stop bit is over."""

    def __init__(self):
        super().__init__(
            {"step": In(STEP_BITS), "bytes": In(stream.Signature(8)), "tx": Out(1, init=1), "idle": Out(1)}
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.phase = phase = Phase()
        shift = Signal(9, init=0x1FF)
        bits = Signal(4)  # still to end
        m.d.comb += [
            phase.step.eq(self.step),
            phase.run.eq(1),
            self.tx.eq(shift[0]),
            self.idle.eq(bits == 0),
            self.bytes.ready.eq(phase.tick & (bits[1:] == 0)),
        ]
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += [shift.eq(Cat(Const(0, 1), self.bytes.payload)), bits.eq(10)]
        with m.Elif(phase.tick & ~self.idle):
            m.d.sync += [shift.eq(Cat(shift[1:], Const(1, 1))), bits.eq(bits - 1)]
        return m

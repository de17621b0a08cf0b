"""Serial DACs of the AD5628 family (data sheet Rev. J: serial interface, input shift register, command table)."""

from amaranth import C, Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec.chip import Dac
from ohmloom_hdl.afe.parts import DacTiming
from ohmloom_hdl.interfaces import SpiPort


class DacCommand(enum.Enum, shape=4):
    """Bits 27:24 of a frame: those commands that are used here."""

    WRITE = 0  # the channel's input register
    WRITE_UPDATE_ALL = 2  # the same, then all channels take over their input registers
    REFERENCE = 8  # bit 0: the internal reference is on; it is off after power-up


ALL_CHANNELS = 0xF  # as a frame's address
CODE_TOP = 19  # a code's highest bit, for every width in the family

FrameLayout = data.StructLayout({"command": DacCommand, "address": 4})


class Ad5628(wiring.Component):
    """DACs that share SCLK and SYNC and have a DIN each: all get a frame of the same command and address at once.

    A frame is 32 bits, MSB first: four zeros, command, address, code, and zeros but for bit 0 of REFERENCE. DIN changes
    with the rising clock edge and is sampled by the falling one in the middle of a cycle; while nothing moves, the
    clock is high.

    frame: taken while SYNC is high, together with `codes`, one a line. The part acts on the last falling edge; that of
    a WRITE_UPDATE_ALL waits for `release`, with SYNC low and the last bit on the line, and `updated` strobes in the
    cycle that has it.
    """

    def __init__(self, part: Dac, clock_hz: int, lines: int) -> None:
        self._part, self._timing = part, DacTiming.of(part, clock_hz)
        super().__init__(
            {
                "frame": In(stream.Signature(FrameLayout)),
                "codes": In(data.ArrayLayout(part.bits, lines)),
                "release": In(1),
                "updated": Out(1),
                "pins": Out(SpiPort(lines)),
            }
        )

        # What is still to be sent: cycles of the frame and of SYNC high after it, and each line's bits, next one on
        # top. Idle takes one cycle of SYNC high.
        self.gap = max(self._timing.sync_high - 1, 0)
        self.left = Signal(range(self._timing.clocks + self.gap + 1))
        self.words = [Signal(self._timing.clocks, name=f"word_{line}") for line in range(lines)]
        self.waits = Signal()

    def elaborate(self, platform) -> Module:
        m = Module()
        clocks, pins = self._timing.clocks, self.pins
        shifting, last, held = Signal(), Signal(), Signal()
        m.d.comb += [
            shifting.eq(self.left > self.gap),
            last.eq(self.left == self.gap + 1),
            held.eq(last & self.waits & ~self.release),
            self.frame.ready.eq(self.left == 0),
            self.updated.eq(last & self.waits & self.release),
            pins.select_n.eq(~shifting),
            pins.clock_high.eq(1),
            pins.clock_low.eq(~shifting | held),
            pins.data.eq(Cat(word[-1] for word in self.words)),
        ]

        with m.If(self.frame.valid & self.frame.ready):
            command, address = self.frame.p.command, self.frame.p.address
            reference = command == DacCommand.REFERENCE
            m.d.sync += [self.left.eq(clocks + self.gap), self.waits.eq(command == DacCommand.WRITE_UPDATE_ALL)]
            for line, word in enumerate(self.words):
                code = Mux(reference, 0, self.codes[line])
                below = CODE_TOP - self._part.bits
                m.d.sync += word.eq(Cat(reference, C(0, below), code, address, command.as_value()))
        with m.Elif((self.left != 0) & ~held):
            m.d.sync += self.left.eq(self.left - 1)
            m.d.sync += [word.eq(word << 1) for word in self.words]
        return m

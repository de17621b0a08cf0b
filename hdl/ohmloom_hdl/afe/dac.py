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
        # top. Idle takes one cycle of SYNC high. Of the bits only those from the command to the code are kept, and bit 0.
        self.gap = max(self._timing.sync_high - 1, 0)
        self.left = Signal(range(self._timing.clocks + self.gap + 1))
        self.words = [Signal(self._timing.clocks, name=f"word_{line}") for line in range(lines)]
        self.waits = Signal()
        self._kept = [Signal(part.bits + 8, name=f"kept_{line}") for line in range(lines)]
        self._switch = Signal()

    def elaborate(self, platform) -> Module:
        m = Module()
        clocks, pins = self._timing.clocks, self.pins
        shifting, last, held, zeros = Signal(), Signal(), Signal(), Signal()
        below, in_front = CODE_TOP + 1 - self._part.bits, clocks - (CODE_TOP + 9)
        sent = (clocks + self.gap - self.left)[: clocks.bit_length()]
        m.d.comb += [
            shifting.eq(self.left > self.gap),
            last.eq(self.left == self.gap + 1),
            zeros.eq(self.left.matches(*range(self.gap + clocks - in_front + 1, self.gap + clocks + 1))),
            held.eq(last & self.waits & ~self.release),
            self.frame.ready.eq(self.left == 0),
            self.updated.eq(last & self.waits & self.release),
            pins.select_n.eq(~shifting),
            pins.clock_high.eq(1),
            pins.clock_low.eq(~shifting | held),
            pins.data.eq(Cat((kept[-1] & ~zeros) | (last & self._switch) for kept in self._kept)),
            *(
                word.eq((Cat(C(0, below), kept) << Mux(zeros, sent, in_front)) | (self._switch << sent))
                for word, kept in zip(self.words, self._kept, strict=True)
            ),
        ]

        with m.If(self.frame.valid & self.frame.ready):
            command, address = self.frame.p.command, self.frame.p.address
            reference = command == DacCommand.REFERENCE
            m.d.sync += [self.left.eq(clocks + self.gap), self.waits.eq(command == DacCommand.WRITE_UPDATE_ALL)]
            m.d.sync += self._switch.eq(reference)
            for line, kept in enumerate(self._kept):
                code = Mux(reference, 0, self.codes[line])
                m.d.sync += kept.eq(Cat(code, address, command.as_value()))
        with m.Elif((self.left != 0) & ~held):
            m.d.sync += self.left.eq(self.left - 1)
            with m.If(~zeros):
                m.d.sync += [kept.eq(kept << 1) for kept in self._kept]
        return m

"""Serial DACs of the AD5628 family (data sheet Rev. J: serial interface, input shift register, command table)."""

from collections.abc import Sequence

from amaranth import Cat, Module, Mux, Signal, Value
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
FRAME_BITS = 32
# Bits of a frame: 1 for the reference's command, 1 for an update; a code's highest, for every width in the family.
REFERENCE_BIT, UPDATE_BIT, CODE_TOP = 27, 25, 19
HEAD = 8  # bits before the address: four zeros and the command


def frame_layout(buses: int) -> data.StructLayout:
    """buses: a bit for each one that the frame goes to."""
    return data.StructLayout({"command": DacCommand, "address": 4, "buses": buses})


class Ad5628(wiring.Component):
    """Buses of DACs, one frame at a time for them all: what does not move at the same time shares what moves it.

    DACs of a bus share SCLK and SYNC and have a DIN each: all get a frame of the same command and address at once. A
    bus that a frame is not for has SYNC and SCLK high all through it; its DIN moves, which its parts do not look at.

    A frame is 32 bits, MSB first: four zeros, command, address, code, and zeros but for bit 0 of REFERENCE. DIN changes
    with the rising clock edge and is sampled by the falling one in the middle of a cycle; while nothing moves, the
    clock is high.

    parts, lines: of each bus, the part and how many of it. frame: taken while SYNC is high, together with `codes`, one a
    line, which REFERENCE does not look at; they have the widest part's bits, of which others look at the upper ones. The
    part acts on the last falling edge; that of a WRITE_UPDATE_ALL waits for `release`, with SYNC low and the last bit on
    the line, and `updated` strobes in the cycle that has it.
    """

    def __init__(self, parts: Sequence[Dac], clock_hz: int, lines: Sequence[int]) -> None:
        timings = [DacTiming.of(part, clock_hz) for part in parts]
        self.bits = max(part.bits for part in parts)
        assert all(timing.clocks == FRAME_BITS for timing in timings)
        self._lines = lines
        super().__init__(
            {
                "frame": In(stream.Signature(frame_layout(len(lines)))),
                "codes": In(data.ArrayLayout(self.bits, max(lines))),
                "release": In(1),
                "updated": Out(1),
                **{f"pins_{bus}": Out(SpiPort(count)) for bus, count in enumerate(lines)},
            }
        )
        self.pins = [getattr(self, f"pins_{bus}") for bus in range(len(lines))]

        # The buses that a frame is under way to, how many of its bits have been sent, and whether it updates.
        self.selected = Signal(len(lines))
        self.sent = Signal(range(FRAME_BITS))
        self.waits = Signal()
        # Cycles of SYNC high that are left after a frame; that which takes the next one is not counted.
        self._gap = max(*(timing.sync_high for timing in timings), 1) - 1
        self.high = Signal(range(self._gap + 1))
        # What is still to be sent on each line, next bit on top. Only the address and the code are kept for that.
        self.words = [Signal(FRAME_BITS, name=f"word_{line}") for line in range(max(lines))]
        self._kept = [Signal(self.bits + 4, name=f"kept_{line}") for line in range(max(lines))]
        self._reference = Signal()

    def elaborate(self, platform) -> Module:
        m = Module()
        sent, waits, reference, command = self.sent, self.waits, self._reference, self.frame.p.command
        last, held, head, set_bit = Signal(), Signal(), Signal(), Signal()

        def at(bit: int) -> Value:
            return sent == FRAME_BITS - 1 - bit

        m.d.comb += [
            last.eq(self.selected.any() & at(0)),
            held.eq(last & waits & ~self.release),
            head.eq(sent < HEAD),
            set_bit.eq((waits & at(UPDATE_BIT)) | (reference & (at(REFERENCE_BIT) | at(0)))),
            self.frame.ready.eq((self.selected == 0) & (self.high == 0)),
            self.updated.eq(last & waits & self.release),
        ]
        bits = [(kept[-1] & ~head & ~reference) | set_bit for kept in self._kept]
        for pins, selected, count in zip(self.pins, self.selected, self._lines, strict=True):
            m.d.comb += [
                pins.select_n.eq(~selected),
                pins.clock_high.eq(1),
                pins.clock_low.eq(~selected | held),
                pins.data.eq(Cat(bits[:count])),
            ]
        once = waits << UPDATE_BIT | reference << REFERENCE_BIT | reference
        for word, kept in zip(self.words, self._kept, strict=True):
            below = (kept & ~reference.replicate(len(kept))) << CODE_TOP + 1 - self.bits
            m.d.comb += word.eq((once << sent) | (below << Mux(head, sent, HEAD)))

        with m.If(self.frame.valid & self.frame.ready):
            m.d.sync += [
                self.selected.eq(self.frame.p.buses),
                waits.eq(command == DacCommand.WRITE_UPDATE_ALL),
                reference.eq(command == DacCommand.REFERENCE),
                *(kept.eq(Cat(code, self.frame.p.address)) for kept, code in zip(self._kept, self.codes, strict=True)),
            ]
        with m.Elif(self.selected.any() & ~held):
            m.d.sync += sent.eq(sent + 1)  # 0 again after the last one
            with m.If(~head):
                m.d.sync += [kept.eq(kept << 1) for kept in self._kept]
            with m.If(last):
                m.d.sync += [self.selected.eq(0), self.high.eq(self._gap)]
        with m.Elif(self.high != 0):
            m.d.sync += self.high.eq(self.high - 1)
        return m

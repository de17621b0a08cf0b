"""Offset and gain of a column: `ohmloom.spec.arithmetic.correct` in gateware, on one unsigned 16 x 16 multiplier."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import CORRECTION_DTYPE, FRACTION_BITS, GAIN_BITS
from ohmloom.spec.commands import Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.interfaces import CODE

WORD = 16
CORRECTED = 18  # bits of a corrected code: (raw * 16 - offset) has 17, and a gain is below 2


def correction_address(spec: ChipSpec, tile, tia_range, column):
    """Word address in the store of a column's offset; its gain is in the next word."""
    entry = (tile * len(spec.afe.tia_ohm) + tia_range) * spec.columns + column
    return MemoryMap(spec).base[Memory.CORRECTION] // 2 + entry * (CORRECTION_DTYPE.itemsize // 2)


class Corrector(wiring.Component):
    """Corrects one raw code after the other.

    `word` is the column's offset in a cycle with `offset`, and `raw` its code; in a later cycle with `gain`, the next one at
    the earliest, `word` is its gain. `corrected`, in 1/16 codes, stays from the cycle after that, which has `valid`, until after
    the next `gain`. So a code may be corrected every two cycles. beyond: rounded, it is not within CODE bits.
    """

    raw: In(signed(CODE))
    word: In(WORD)
    offset: In(1)
    gain: In(1)
    corrected: Out(signed(CORRECTED))
    beyond: Out(1)
    valid: Out(1)

    def elaborate(self, platform):
        m = Module()
        value = Signal(signed(WORD + 1), reset_less=True)
        with m.If(self.offset):
            m.d.sync += value.eq((self.raw << FRACTION_BITS) - self.word.as_signed())

        # The multiplier is unsigned: of a negative value it sees value + 2**16, which is gain * 2**16 too much.
        product = Signal(2 * WORD)
        surplus = Signal(WORD)
        m.d.comb += [
            product.eq(
                value[:WORD] * self.word + (1 << GAIN_BITS - 1)
            ),  # rounds; an adder within the iCE40's multiplier
            surplus.eq(Mux(value[WORD], self.word, 0)),
        ]
        corrected = Signal.like(self.corrected, name="corrected_next")
        m.d.comb += corrected.eq(product[GAIN_BITS:] - (surplus << (WORD - GAIN_BITS)))
        # From half a code below a power of two on it is rounded up to that. Found here, since who takes the code has a long way to go.
        bits = CODE + FRACTION_BITS - 1
        sign, above, up = corrected[-1], corrected[bits:-1], corrected[FRACTION_BITS - 1 : bits].all()
        beyond = Mux(sign, ~(above[1:].all() & (above[0] | up)), above.any() | up)
        with m.If(self.gain):
            m.d.sync += [self.corrected.eq(corrected), self.beyond.eq(beyond)]
        m.d.sync += self.valid.eq(self.gain)
        return m

"""Packed 12-bit codes in 16-bit words: `ohmloom.spec.layout` in gateware.

Four codes take three words. Both ways one code is remembered, so that a code may come or go in every cycle.
"""

from amaranth import C, Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom_hdl.interfaces import CODE

NIBBLES = CODE // 4
WORD = 16


class Unpacker(wiring.Component):
    """Takes codes out of words.

    `start` begins with the next word, or with its upper byte when `odd` is set. A word is taken together with the last code that
    needs no later one, so up to three codes may come of two words, and no word is taken ahead of its codes. `wanted`: the next code
    does not come without another word.
    """

    start: In(1)
    odd: In(1)
    wanted: Out(1)
    words: In(stream.Signature(WORD))
    codes: Out(stream.Signature(signed(CODE)))

    def elaborate(self, platform):
        m = Module()
        word = self.words.payload
        rest = Signal(CODE)  # the word before without its lowest nibble
        held = Signal(range(NIBBLES + 1))  # nibbles of `rest` that no code had yet: its upper ones
        skip = Signal()
        full = held == NIBBLES

        with m.Switch(held):
            for nibbles in range(NIBBLES + 1):
                with m.Case(nibbles):
                    m.d.comb += self.codes.payload.eq(Cat(rest[CODE - 4 * nibbles :], word)[:CODE].as_signed())
        m.d.comb += [
            self.wanted.eq(~full),
            self.codes.valid.eq((self.words.valid | full) & ~skip),
            self.words.ready.eq((self.codes.ready | skip) & ~full),
        ]
        with m.If(self.words.valid & self.words.ready):
            m.d.sync += [rest.eq(word[4:]), held.eq(held + 1), skip.eq(0)]
        with m.Elif(self.codes.ready & full):
            m.d.sync += held.eq(0)
        with m.If(self.start):
            # An odd start looks as if a nibble were left: what comes of it and the lower byte is skipped.
            m.d.sync += [held.eq(self.odd), skip.eq(self.odd)]
        return m


class Packer(wiring.Component):
    """Puts codes into words.

    `start` begins with an empty word. A word comes out together with the code that fills it. `flush` in place of a code lets what
    is left come out as a last word, filled up with anything; `empty`: there is nothing left.
    """

    start: In(1)
    codes: In(stream.Signature(signed(CODE)))
    flush: In(1)
    empty: Out(1)
    words: Out(stream.Signature(WORD))

    def elaborate(self, platform):
        m = Module()
        code = self.codes.payload.as_unsigned()
        last = Signal(CODE)
        held = Signal(range(NIBBLES + 1))  # nibbles of the code before that no word had yet: its upper ones

        with m.Switch(held):
            for nibbles in range(NIBBLES + 1):
                with m.Case(nibbles):
                    m.d.comb += self.words.payload.eq(Cat(last[CODE - 4 * nibbles :], code, C(0, 4))[:WORD])
        m.d.comb += [
            self.empty.eq(held == 0),
            self.words.valid.eq((self.codes.valid | self.flush) & ~self.empty),
            self.codes.ready.eq(self.words.ready | self.empty),
        ]
        with m.If(self.codes.valid & self.codes.ready):
            m.d.sync += [last.eq(code), held.eq(held - 1)]  # 0 - 1 is 3: all of the code is left
        with m.If(self.start | self.flush & self.words.ready):
            m.d.sync += held.eq(0)
        return m

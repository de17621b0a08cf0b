"""Packed 12-bit codes in 16-bit words: `ohmloom.spec.layout` in gateware.

Four codes take three words. `Unpacker` and `Packer` remember one code, so that a code may come or go in every cycle;
`NibbleUnpacker` and `NibblePacker` take 4 bits a cycle, at half the size.
"""

from amaranth import C, Cat, Module, Mux, Signal, signed
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


class NibbleUnpacker(wiring.Component):
    """Like `Unpacker`, but a code takes three cycles. A word is taken with its last nibble."""

    start: In(1)
    odd: In(1)
    wanted: Out(1)
    words: In(stream.Signature(WORD))
    codes: Out(stream.Signature(signed(CODE)))

    def elaborate(self, platform):
        m = Module()
        place = Signal(range(WORD // 4), reset_less=True)  # of the nibble in the word
        number = Signal(range(NIBBLES), reset_less=True)  # and in the code
        rest = Signal(CODE - 4, reset_less=True)  # nibbles before it
        nibble = self.words.payload.word_select(place, 4)
        complete, step = number == NIBBLES - 1, Signal()
        m.d.comb += [
            self.wanted.eq(1),
            self.codes.payload.eq(Cat(rest, nibble).as_signed()),
            self.codes.valid.eq(self.words.valid & complete),
            step.eq(~complete | self.codes.ready),
            self.words.ready.eq((place == WORD // 4 - 1) & step),
        ]
        with m.If(self.words.valid & step):
            m.d.sync += [rest.eq(Cat(rest, nibble)[4:]), place.eq(place + 1), number.eq(Mux(complete, 0, number + 1))]
        with m.If(self.start):
            m.d.sync += [place.eq(Cat(C(0, 1), self.odd)), number.eq(0)]
        return m


class NibblePacker(wiring.Component):
    """Like `Packer`, but a code takes three cycles."""

    start: In(1)
    codes: In(stream.Signature(signed(CODE)))
    flush: In(1)
    empty: Out(1)
    words: Out(stream.Signature(WORD))

    def elaborate(self, platform):
        m = Module()
        place = Signal(range(WORD // 4), reset_less=True)  # of the nibble in the word
        number = Signal(range(NIBBLES), reset_less=True)  # and in the code
        rest = Signal(WORD - 4, reset_less=True)  # nibbles before it
        nibble = self.codes.payload.as_unsigned().word_select(number, 4)
        full, step = place == WORD // 4 - 1, Signal()
        m.d.comb += [
            self.empty.eq(place == 0),
            self.words.payload.eq(Cat(rest, nibble)),
            self.words.valid.eq(full & (self.codes.valid | self.flush)),
            step.eq(~full | self.words.ready),
            self.codes.ready.eq((number == NIBBLES - 1) & step),
        ]
        with m.If(step & (self.codes.valid | self.flush & ~self.empty)):
            m.d.sync += [
                rest.eq(Cat(rest, nibble)[4:]),
                place.eq(place + 1),
                number.eq(Mux(number == NIBBLES - 1, 0, number + 1)),
            ]
        with m.If(self.start):
            m.d.sync += [place.eq(0), number.eq(0)]
        return m

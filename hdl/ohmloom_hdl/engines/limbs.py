"""Lanes for chips with few ADCs: one 16-bit adder, one multiplier and a block of memory, told what to do by a small program.

Accumulators have two words (limbs). What is negative is multiplied as its magnitude less 1, which is its complement:
(complement * factor) + (factor - 1) is magnitude * factor - 1, and factor - 1 is the upper half of factor * 65535 (0 for factor 0).
Magnitude and minus 1 round like the definition in `ohmloom.spec.arithmetic`: halves up.
"""

from amaranth import Cat, Const, Module, ResetSignal, Signal
from amaranth.lib import data, enum, memory, wiring
from amaranth.lib.wiring import In

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import OUTPUT_MAX
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.engines.lanes import WORD, LanesPort, Use

COLUMN_CYCLES = 13  # at most, for the words of one column


class Place(enum.Enum, shape=3):
    """A word of the memory. The first four may be written."""

    CODE = 0  # of the lane's index
    LOWER = 1  # limbs of the lane's accumulator
    UPPER = 2
    TEMPORARY = 3  # number `at`
    LIMB = 4  # number `at` from the shift's first limb
    POWER = 5  # 2**(16 - j), for a shift of j in 1..16 within limbs
    LIMIT = 6  # twice the largest result, plus 1
    SCALE = 7


class Invert(enum.Enum, shape=2):
    """When the operand is complemented."""

    NO = 0
    YES = 1
    NEGATIVE = 2
    SUBTRACT = 3


class CarryIn(enum.Enum, shape=3):
    ZERO = 0
    ONE = 1
    CARRY = 2  # of the addition before
    NEGATIVE = 3
    ROUND = 4  # first bit below `middle` (complemented like it)


class When(enum.Enum, shape=2):
    ALWAYS = 0
    OVER = 1  # add and clear only if a result is too large,
    KEPT = 2  # add only if no negative one becomes 0,
    STORED = 3  # write only if results are codes


MICRO = data.StructLayout(
    {
        # The operand is any of these, or 0.
        "memory": 1,  # read with the instruction before
        "word": 1,
        "raw": 1,
        "low": 1,  # lower half of the product
        "middle": 1,  # product >> 15: its lower 16 bits
        "top": 1,  # and the bit above
        "invert": Invert,
        "carry_in": CarryIn,
        "add": 1,  # sum = accumulator + operand + carry in; it is kept there
        "clear": 1,  # the accumulator, afterwards
        "write": 1,  # the sum
        "to": Place,
        "read": Place,
        "at": 4,
        "sign": 1,  # of the sum becomes `negative`
        "note": 1,  # a carry out is remembered: `over`
        "multiply": 1,  # product = accumulator * operand + upper half of product; so 0 after two with a factor 0
        "when": When,
        "more": 1,  # an instruction follows
        "last": 1,  # the word is done with
    }
)
# Temporaries.
FIRST_LIMB = 1  # the product has three, between zeros: 0, 4 .. 6
QUARTER, SUM, LIMITS, POWERS = 7, 8, 12, 16
SCALE = 10


def _program() -> dict[Use, list[dict]]:
    word, low = {"word": 1}, {"low": 1}
    negative, subtract = {"invert": Invert.NEGATIVE}, {"invert": Invert.SUBTRACT}
    load, recall = {"memory": 1, "add": 1}, {"memory": 1}

    def read(place, at=0):
        return {"read": place, "at": at}

    def write(place, at=0):
        return {"write": 1, "to": place, "at": at}

    clear, note, product = {"clear": 1}, {"note": 1}, {"multiply": 1}
    carry = {"carry_in": CarryIn.CARRY}
    s0, s1 = SUM, SUM + 1
    over, kept = {"when": When.OVER}, {"when": When.KEPT}
    return {
        Use.LOAD: [clear, word | write(Place.CODE)],
        Use.CLEAR: [write(Place.LOWER), write(Place.UPPER)],
        Use.OFFSET: [
            product | {"raw": 1, "add": 1},
            word | {"invert": Invert.YES, "carry_in": CarryIn.ONE, "sign": 1} | write(Place.TEMPORARY, s0) | clear,
        ],
        Use.GAIN: [
            product | {"word": 1, "add": 1} | read(Place.TEMPORARY, s0),
            product | negative | read(Place.TEMPORARY, s0),
            product | recall | negative | clear | read(Place.LOWER),
            load | read(Place.UPPER),
            {"middle": 1, "carry_in": CarryIn.ROUND} | subtract | write(Place.LOWER) | clear | read(Place.UPPER),
            load | carry,
            {"top": 1} | subtract | write(Place.UPPER) | clear,
        ],
        Use.SHIFT: [clear],
        Use.SCALE: [word | write(Place.TEMPORARY, SCALE)],
        Use.LOW: [
            clear | read(Place.LOWER),
            load,
            word | write(Place.TEMPORARY, s0) | clear,
        ],
        Use.HIGH: [
            product | read(Place.UPPER),
            product | load | carry,
            word | write(Place.TEMPORARY, s1) | {"sign": 1} | clear | {"read": Place.SCALE},
            # Magnitude times scale, three limbs; times 0, if the sum is to become 0.
            kept | load | read(Place.TEMPORARY, s0),
            product | negative | read(Place.TEMPORARY, s0),
            product | recall | negative | clear,
            low | write(Place.TEMPORARY, FIRST_LIMB) | {"read": Place.SCALE},
            kept | load | read(Place.TEMPORARY, s1),
            product | recall | negative | clear,
            product | low | write(Place.TEMPORARY, FIRST_LIMB + 1),
            product | low | write(Place.TEMPORARY, FIRST_LIMB + 2) | {"read": Place.POWER},
            # Shifted to one bit below the point by a multiplication: the window is `low`.
            load | read(Place.LIMB, 0),
            product | recall | read(Place.LIMB, 1),
            product | recall | clear,
            product | low | write(Place.TEMPORARY, s0),
            # Too large, if anything is left above the window, or the window is above the limit.
            {"invert": Invert.YES, "add": 1} | read(Place.LIMB, 2),
            recall | note | read(Place.LIMB, 3),
            recall | note,
            low | note | clear | read(Place.TEMPORARY, s0),
            load | {"carry_in": CarryIn.ONE} | note | read(Place.LIMIT),
            recall | {"invert": Invert.YES} | note,
            over | clear | read(Place.LIMIT),
            over | load | read(Place.TEMPORARY, QUARTER),
            product | recall | clear,
            {"middle": 1, "carry_in": CarryIn.NEGATIVE, "add": 1, "when": When.STORED} | negative | write(Place.CODE),
        ],
    }


SLOT = 8  # instructions from one use's start to the next; the last may be longer
IDLE = SLOT - 1


def _rom() -> list:
    rom = [MICRO.const({})] * (SLOT * len(Use) * 2)
    for use, routine in _program().items():
        assert use == Use.HIGH or len(routine) < SLOT
        for index, fields in enumerate(routine):
            end = index == len(routine) - 1
            rom[SLOT * use.value + index] = MICRO.const(fields | {"more": not end, "last": end})
    return rom


class LimbLanes(wiring.Component):
    """Takes a column's words in COLUMN_CYCLES, a bias's two in about 30 cycles. One multiplier, four small block RAMs."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({"port": In(LanesPort(spec))})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        use, word = port.words.payload.use, port.words.payload.data

        m.submodules.rom = rom = memory.Memory(shape=MICRO, depth=2 * SLOT * len(Use), init=_rom())
        fetch = rom.read_port()
        micro = fetch.data
        following = Signal(range(rom.depth), reset_less=True)  # address after that of `micro`
        with m.If(ResetSignal()):  # what a block RAM shows before its first read is no instruction
            m.d.comb += fetch.addr.eq(IDLE)
        with m.Elif(micro.more):
            m.d.comb += fetch.addr.eq(following)
        with m.Elif(port.words.valid & ~micro.last):
            m.d.comb += fetch.addr.eq(Cat(Const(0, SLOT.bit_length() - 1), use))
        with m.Else():
            m.d.comb += fetch.addr.eq(IDLE)
        m.d.sync += following.eq(fetch.addr + 1)
        m.d.comb += [
            port.words.ready.eq(micro.last),
            port.idle.eq(~micro.more & ~micro.last & ~port.words.valid),
        ]

        # Memory
        element = Cat(port.index, port.lane)
        bits = max(len(element), 5)
        m.submodules.memory = words = BlockRam(shape=WORD, depth=4 << bits, init=self._constants(bits))
        shift = Signal(6, reset_less=True)
        with m.If(micro.last & (use == Use.SHIFT)):
            m.d.sync += shift.eq(word[8:])
        first = shift[4:] + (shift[:4] >= 2)  # limb of bit shift - 2, counted from the zero below the product
        temporary = Place.TEMPORARY.value << bits
        m.d.comb += words.address_w.eq(Cat(element, Const(0, bits - len(element)), micro.to.as_value()[:2]))
        with m.If(micro.to == Place.TEMPORARY):
            m.d.comb += words.address_w.eq(temporary | micro.at)
        with m.Switch(micro.read):
            with m.Case(Place.TEMPORARY):
                m.d.comb += words.address_r.eq(temporary | micro.at)
            with m.Case(Place.LIMB):
                m.d.comb += words.address_r.eq(temporary | (first + micro.at[:2])[:3])
            with m.Case(Place.POWER):
                m.d.comb += words.address_r.eq(temporary | POWERS | shift[:4])
            with m.Case(Place.LIMIT):
                m.d.comb += words.address_r.eq(temporary | LIMITS | port.output)
            with m.Case(Place.SCALE):
                m.d.comb += words.address_r.eq(temporary | SCALE)
            with m.Default():
                m.d.comb += words.address_r.eq(Cat(element, Const(0, bits - len(element)), micro.read.as_value()[:2]))

        # Operand
        negative, over, carry = (Signal(name=name, reset_less=True) for name in ("negative", "over", "carry"))
        # `keep`: else yosys takes this register of the iCE40's multiplier for one at its input too.
        accumulator, product = Signal(WORD), Signal(2 * WORD, reset_less=True, attrs={"keep": 1})
        subtract = port.odd ^ negative
        invert, carry_in = Signal(), Signal()
        with m.Switch(micro.invert):
            with m.Case(Invert.YES):
                m.d.comb += invert.eq(1)
            with m.Case(Invert.NEGATIVE):
                m.d.comb += invert.eq(negative)
            with m.Case(Invert.SUBTRACT):
                m.d.comb += invert.eq(subtract)
        with m.Switch(micro.carry_in):
            with m.Case(CarryIn.ONE):
                m.d.comb += carry_in.eq(1)
            with m.Case(CarryIn.CARRY):
                m.d.comb += carry_in.eq(carry)
            with m.Case(CarryIn.NEGATIVE):
                m.d.comb += carry_in.eq(negative)
            with m.Case(CarryIn.ROUND):
                m.d.comb += carry_in.eq(product[WORD - 2] ^ subtract)
        sources = [
            (micro.memory, words.data_r),
            (micro.word, word),
            (micro.low, product[:WORD]),
            (micro.raw, port.raw.as_unsigned() << (WORD - len(port.raw))),
            (micro.middle, product[WORD - 1 :][:WORD]),
            (micro.top, product[-1]),
        ]
        operand = Signal(WORD)
        chosen = 0
        for choose, source in sources:
            chosen |= source & choose.replicate(WORD)
        m.d.comb += operand.eq(chosen ^ invert.replicate(WORD))

        # Sum and product
        total = Signal(WORD + 1)
        does = Signal()
        m.d.comb += [
            total.eq((Cat(Const(1, 1), accumulator) + Cat(carry_in, operand))[1:]),  # one adder
            words.data_w.eq(total),
            words.write.eq(micro.write & ~((micro.when == When.STORED) & port.output)),
            port.code.eq(words.data_r),
            port.result.eq(accumulator),
        ]
        with m.Switch(micro.when):
            with m.Case(When.OVER):
                m.d.comb += does.eq(over)
            with m.Case(When.KEPT):
                m.d.comb += does.eq(~(negative & port.rectify))
            with m.Default():
                m.d.comb += does.eq(1)
        with m.If(micro.clear & does):
            m.d.sync += accumulator.eq(0)
        with m.Elif(micro.add & does):
            m.d.sync += accumulator.eq(total)
        with m.If(micro.add | micro.write):
            m.d.sync += carry.eq(total[WORD])
        with m.If(micro.sign):
            m.d.sync += [negative.eq(accumulator[-1] ^ operand[-1] ^ total[WORD]), over.eq(0)]
        with m.Elif(micro.note & total[WORD]):
            m.d.sync += over.eq(1)
        with m.If(micro.multiply):
            m.d.sync += product.eq(accumulator * operand + product[WORD:])
        return m

    def _constants(self, bits: int) -> list[int]:
        """Initial contents: zeros, powers and limits among the temporaries."""
        content = [0] * (4 << bits)
        temporary = Place.TEMPORARY.value << bits
        content[temporary + QUARTER] = 1 << (WORD - 2)
        for output, limit in enumerate((self._spec.read_clamp, OUTPUT_MAX)):
            content[temporary + LIMITS + output] = 2 * limit + 1
        for shift in range(WORD):
            content[temporary + POWERS + shift] = 1 << (WORD - 1 - (shift - 2) % WORD)
        return content

"""What the write-verify engine computes with: one memory of 16-bit words, one accumulator, one column after the other.

The memory holds a copy of the policy, a few constants and four words a column, so that each step of a decision is one word
of it against the accumulator.
"""

from enum import IntEnum

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.policy import DIRECTION_DTYPE, FORMED_SIEMENS, POLICY_DTYPE
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, index_bits

WORD = 16
VALUE = WORD + 1
LANE = 4  # bits of a word that are written together
LANES = WORD // LANE
POLICY_WORDS = POLICY_DTYPE.itemsize // 2


class CellWord(enum.Enum, shape=2):
    """The words of a column. STATE: `FLAGS` and, while the cell runs, its amplitude, or its last code once it has ended."""

    STATE = 0
    TARGET = 1  # the pulses that it took, once it has ended
    TOLERANCE = 2
    COUNTS = 3  # reversals in the lower byte, pulses at the top in the upper


class Flag:
    """Bits of a STATE word above its lowest 12: RUNNING with RESET and PULSED, else a CellStatus."""

    RESET, PULSED, RUNNING = CODE, CODE + 1, CODE + 3


class Constant(IntEnum):
    """Words behind the policy."""

    ROUNDS = POLICY_WORDS  # not constant: pulses that each running cell has had
    ZERO = POLICY_WORDS + 1
    ONE = POLICY_WORDS + 2
    ONE_HIGH = POLICY_WORDS + 3
    FORMED = POLICY_WORDS + 4
    PULSE_TRIPPED = POLICY_WORDS + 5


def policy_word(name: str) -> int:
    """Where a field of the policy is, or begins, in the memory."""
    return int(POLICY_DTYPE.fields[name][1]) // 2


def direction_word(name: str) -> int:
    """Where a field of a direction's table is, behind the table's begin."""
    return int(DIRECTION_DTYPE.fields[name][1]) // 2


class Operand(enum.Enum, shape=3):
    """What of the word, or what else, is added, subtracted or taken."""

    WORD = 0
    SIGNED = 1
    AMPLITUDE = 2
    PULSE_AMPLITUDE = 3  # within the grid
    ENDED_CODE = 4
    CODE = 5


class RowUnit(wiring.Component):
    """Memory, accumulator and column counter.

    A word is in force in the cycle after its address was given: `policy` with `base` + `index`, else `cell_word` of the
    column that follows by `restart` (0), `advance` (the next) or neither. `negative` and `zero` tell of accumulator minus
    operand (minus one, `borrow`), `equal_low` and `equal_high` compare bytes of accumulator and word.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        cells = 4 << index_bits(spec.columns)
        self._depth = 1 << (cells + max(Constant)).bit_length()
        formed = round(FORMED_SIEMENS / spec.siemens_per_code(spec.verify_range))
        constants = {
            Constant.ZERO: 0, Constant.ONE: 1, Constant.ONE_HIGH: 0x100, Constant.FORMED: formed, Constant.PULSE_TRIPPED: 0x8000,
        }  # fmt: skip
        self._init = [constants.get(address, 0) for address in range(max(Constant) + 1)]
        super().__init__(
            {
                "policy": In(1),
                "base": In(8),
                "index": In(8),
                "cell_word": In(CellWord),
                "restart": In(1),
                "advance": In(1),
                "column": Out(index_bits(spec.columns)),
                "following": Out(index_bits(spec.columns)),
                "last": Out(1),
                "word": Out(WORD),
                "code": In(signed(CODE)),
                "grid_mask": In(CODE),
                "operand": In(Operand),
                "adding": In(1),
                "load": In(1),
                "take": In(1),
                "clear": In(1),
                "borrow": In(1),
                "value": Out(signed(VALUE)),
                "negative": Out(1),
                "zero": Out(1),
                "equal_low": Out(1),
                "equal_high": Out(1),
                "write": In(LANES),
                "write_policy": In(1),
                "write_word": In(CellWord),
                "state": In(1),
                "flags": In(LANE),
                "foreign": In(1),
                "foreign_word": In(WORD),
                "rotation": In(2),
                "stored": Out(WORD),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._remember(m)
        self._compute(m)
        return m

    def _remember(self, m: Module) -> None:
        m.submodules.memory = memory = BlockRam(shape=WORD, depth=self._depth, init=self._init, granularity=LANE)
        policy = Signal(8)
        above = len(memory.address_r) - len(self.column) - 2

        def place(column: Value, word: Value) -> Value:
            return Cat(word, column, C((1 << above) - 1, above))

        m.d.comb += [
            self.following.eq(Mux(self.restart, 0, self.column + self.advance)),
            self.last.eq(self.column == self._spec.columns - 1),
            policy.eq(self.base + self.index),
            memory.address_r.eq(Mux(self.policy, policy, place(self.following, self.cell_word.as_value()))),
            self.word.eq(memory.data_r),
            memory.address_w.eq(Mux(self.write_policy, policy, place(self.column, self.write_word.as_value()))),
            memory.write.eq(self.write),
            memory.data_w.eq(self.stored),
        ]
        m.d.sync += self.column.eq(self.following)

        lanes = [self.foreign_word.word_select(lane, LANE) for lane in range(LANES)]
        with m.If(self.foreign):
            with m.Switch(self.rotation):
                for rotation in range(LANES):
                    with m.Case(rotation):
                        m.d.comb += self.stored.eq(Cat(lanes[rotation:], lanes[:rotation]))
        with m.Else():
            m.d.comb += self.stored.eq(self.value)
        with m.If(self.state):
            m.d.comb += self.stored[CODE:].eq(self.flags)

    def _compute(self, m: Module) -> None:
        word, low = self.word, Signal(CODE)
        operand, total = Signal(VALUE), Signal(VALUE)
        high = Signal(VALUE - CODE)
        subtracting = Signal()
        masked = word[:CODE] & (self.grid_mask | (self.operand != Operand.PULSE_AMPLITUDE).replicate(CODE))
        m.d.comb += low.eq(Mux(self.operand == Operand.CODE, self.code.as_unsigned(), masked))
        with m.Switch(self.operand):
            with m.Case(Operand.WORD):
                m.d.comb += high.eq(word[CODE:])
            with m.Case(Operand.SIGNED):
                m.d.comb += high.eq(word[CODE:].as_signed())
            with m.Case(Operand.ENDED_CODE, Operand.CODE):
                m.d.comb += high.eq(low[-1].replicate(len(high)))
        m.d.comb += [
            operand.eq(Cat(low, high)),
            subtracting.eq(~self.adding),
            total.eq(self.value + (operand ^ subtracting.replicate(VALUE)).as_signed() + (subtracting & ~self.borrow)),
            self.negative.eq(total[-1]),
            self.zero.eq(total[:CODE] == 0),
            self.equal_low.eq(self.value[:8] == word[:8]),
            self.equal_high.eq(self.value[8:16] == word[8:]),
        ]
        with m.If(self.clear):
            m.d.sync += self.value.eq(0)
        with m.Elif(self.load | self.take):
            m.d.sync += self.value.eq(Mux(self.load, operand, total).as_signed())

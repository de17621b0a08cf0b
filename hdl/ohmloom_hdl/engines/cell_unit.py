"""What the write-verify engine computes with: a memory of 16-bit words and an accumulator, for one column after the other."""

from functools import reduce
from operator import or_

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.engines.cell_memory import BLOCK, BLOCKS, OWN, Base, CellWord, constants
from ohmloom_hdl.engines.cell_steps import STEP, Access, Action, Cell, Control, Operand, Write
from ohmloom_hdl.engines.correct import CORRECTED
from ohmloom_hdl.interfaces import CODE, index_bits

WORD = 16
VALUE = WORD + 1
LANE = 4  # bits of a word that are written together
LANES = WORD // LANE
LOW = 8  # bits of a 1/16 code in the lower of its two sums
COUNTER = 6  # bits of a counter of a table's words


class CellUnit(wiring.Component):
    """Does what the fields of `step` say with its memory, its accumulator `value` and its column counter.

    `word` is the memory's word at the address that the step before gave: of a column's word, for the column that it left as the
    current one, or of a place (`cell_memory.Base`). It is the operand, unless that is the fetched `code` or a part of it,
    `corrected`. `column` is the current column, `following` the one that the step leaves.

    reading: the job is READ, whose BY_ERROR places are counted. reset: the table in force is RESET's. foreign: the store's word,
    whose upper byte was fetched if `odd`. due, member: the word is the state of a cell that is due for a pulse, or in it. `negative`
    is of the sum or difference, `equal` and `equal_low` of the lower 12 and 8 bits of accumulator and operand.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        cells = len(CellWord) << index_bits(spec.columns)
        self._depth = 1 << (BLOCKS * BLOCK + cells - 1).bit_length()
        self._init = constants(spec)
        columns = index_bits(spec.columns)
        super().__init__(
            {
                "step": In(STEP),
                "reading": In(1),
                "reset": In(1),
                "foreign": In(WORD),
                "odd": In(1),
                "code": In(signed(CODE)),
                "corrected": In(signed(CORRECTED)),
                "grid": In(CODE),
                "due": In(1),
                "member": In(1),
                "counter": In(COUNTER),
                "word": Out(WORD),
                "value": Out(signed(VALUE)),
                "negative": Out(1),
                "equal": Out(1),
                "equal_low": Out(1),
                "column": Out(columns),
                "following": Out(columns),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        step = self.step
        with m.If(step.control.as_value() >= Control.COLUMN_0.value):
            m.d.comb += self.following.eq(0)
        with m.Else():
            m.d.comb += self.following.eq(self.column + (step.access == Access.ADVANCE))
        m.d.sync += self.column.eq(self.following)
        self._remember(m)
        self._compute(m)
        return m

    def _remember(self, m: Module) -> None:
        step = self.step
        m.submodules.memory = memory = BlockRam(shape=WORD, depth=self._depth, init=self._init, granularity=LANE)
        loading = Signal()
        m.d.comb += loading.eq(step.write == Write.FOREIGN)
        place = self._place(m, loading)
        above = len(memory.address_r) - len(self.column) - 2

        def cell(column: Value) -> Value:
            return Cat(step.base[:2], column, C((1 << above) - 1, above))

        m.d.comb += [
            memory.address_r.eq(Mux(step.cell, cell(self.following), place)),
            memory.address_w.eq(Mux(step.cell, cell(self.column), place)),
            self.word.eq(memory.data_r),
        ]

        # What is written
        source, rotation, flags = Signal(WORD), Signal(2), Signal(LANE)
        m.d.comb += [
            source.eq(Mux(step.write == Write.FOREIGN, self.foreign, self.value)),
            flags.eq(Cat(step.flags[0] | (step.flags[-1] & self.reset), step.flags[1:])),
        ]
        with m.If((step.write == Write.LANES) | (step.write == Write.FOREIGN)):
            m.d.comb += rotation.eq(step.operand.as_value() ^ Cat(0, self.odd & (step.write == Write.FOREIGN)))
        lanes = [source.word_select(lane, LANE) for lane in range(LANES)]
        with m.Switch(rotation):
            for count in range(LANES):
                with m.Case(count):
                    m.d.comb += memory.data_w.eq(Cat(lanes[count:], lanes[:count]))
        with m.If((step.write != Write.VALUE) & (step.write != Write.LANES) & (step.write != Write.FOREIGN)):
            m.d.comb += memory.data_w[CODE:].eq(flags)
        with m.Switch(step.write):
            with m.Case(Write.VALUE, Write.STATE):
                m.d.comb += memory.write.eq(-1)
            with m.Case(Write.LANES, Write.FOREIGN):
                m.d.comb += memory.write.eq(step.flags)
            with m.Case(Write.FLAGS):
                m.d.comb += memory.write[-1].eq(1)
            with m.Case(Write.MEMBER):
                m.d.comb += memory.write[-1].eq(self.member)

    def _place(self, m: Module, loading: Signal) -> Value:
        """The address that `base` stands for, while it is not a cell's."""
        step = self.step
        error, conductance = self._search(m, Cell.SEARCH_ERROR, 4), self._search(m, Cell.SEARCH_CONDUCTANCE, 3)
        place, kind = step.base[:6], step.base[6:]
        by_error, by_conductance, is_global = (
            kind == kind_of >> 6 for kind_of in (Base.BY_ERROR, Base.BY_CONDUCTANCE, Base.GLOBAL)
        )
        edges = is_global & place[5]
        counted = loading | (by_error & self.reading)
        indices = (
            (self.counter, counted),
            (error, (by_error & ~counted) | (edges & ~place[4])),
            (conductance, by_conductance | (edges & place[4])),
        )
        index, block = Signal(6), Signal(2)
        m.d.comb += [
            index.eq(reduce(or_, (number & chosen.replicate(6) for number, chosen in indices))),
            block.eq(Cat(Mux(loading, by_error, self.reset & ~is_global & (place < OWN)), is_global)),
        ]
        return Cat((Cat(place[:5], place[5] & ~is_global) + index)[:6], block)

    def _search(self, m: Module, search: Cell, bits: int) -> Signal:
        """A bucket, found bit by bit: the bit in question is set, and kept if its edge is reached."""
        bucket, found = Signal(bits, reset_less=True), Signal(bits, name=f"{search.name.lower()}_next")
        asked = self.step.flags & (self.step.local == search).replicate(LANE)
        m.d.comb += found.eq((bucket & ~(asked & self.negative.replicate(LANE))) | asked[1:])
        m.d.sync += bucket.eq(found)
        with m.If(self.step.local == Cell.FETCH):
            m.d.sync += bucket.eq(1 << bits - 1)
        return found

    def _compute(self, m: Module) -> None:
        step, word = self.step, self.word
        low, high = Signal(CODE), Signal(VALUE - CODE)
        own = Signal(CODE)
        m.d.comb += own.eq(word[:CODE] & (self.grid | (step.operand != Operand.GRID).replicate(CODE)))
        with m.Switch(step.operand):
            with m.Case(Operand.CODE):
                m.d.comb += low.eq(self.code)
            with m.Case(Operand.LOW):
                m.d.comb += low.eq(self.corrected[:LOW])
            with m.Case(Operand.HIGH):
                m.d.comb += low.eq(self.corrected[LOW:].as_signed())
            with m.Default():
                m.d.comb += low.eq(own)
        with m.Switch(step.operand):
            with m.Case(Operand.WORD):
                m.d.comb += high.eq(word[CODE:])
            with m.Case(Operand.SIGNED):
                m.d.comb += high.eq(word[CODE:].as_signed())
            with m.Case(Operand.ENDED_CODE, Operand.CODE, Operand.HIGH):
                m.d.comb += high.eq(low[-1].replicate(len(high)))
        operand, total = Cat(low, high), Signal(VALUE)
        subtract = step.action != Action.ADD
        m.d.comb += [
            # The carry comes in through a bit below, so that one adder does.
            total.eq((Cat(1, self.value) + Cat(subtract, operand ^ subtract.replicate(VALUE)))[1:]),
            self.negative.eq(total[-1]),
            self.equal_low.eq(total[:8] == 0),
            self.equal.eq(self.equal_low & (total[8:CODE] == 0)),
        ]
        load, take = Signal(), Signal()
        with m.Switch(step.action):
            with m.Case(Action.LOAD):
                m.d.comb += load.eq(1)
            with m.Case(Action.ADD, Action.SUBTRACT):
                m.d.comb += take.eq(1)
            with m.Case(Action.LOWER):
                m.d.comb += load.eq(~self.negative)
            with m.Case(Action.LOWER_DUE):
                m.d.comb += load.eq(~self.negative & self.due)
            with m.Case(Action.EXCESS):
                m.d.comb += [take.eq(1), load.eq(self.negative)]
            with m.Case(Action.REDUCE):
                m.d.comb += take.eq(~self.negative)
        with m.If(load | take):
            m.d.sync += self.value.eq(Mux(load, operand, total).as_signed())

"""What the properties speak of, followed at the safety block's ports alone: parts, pulses, the forming key.

The parts keep their state when the controller is reset, and so do their monitors: those signals are `reset_less`.
"""

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

WORD = 32  # bits of an AD5628's frame
VMID = 2048
REFERENCE_ON = 0x08000001
ROWS_TO_VMID = 0x02F80000
RAILS_TO_ZERO = 0x02F00000


def command(word: Value) -> Value:
    return word[24:28]


def address(word: Value) -> Value:
    return word[20:24]


def code(word: Value) -> Value:
    return word[8:20]


class DacMonitor(wiring.Component):
    """One AD5628: the bits it has sampled since SYNC fell, and the word that it acts on at the 32nd falling clock edge.

    begins: the first cycle with SYNC low. acts: in this cycle, on `word`.
    """

    select_n: In(1)
    clock_high: In(1)
    clock_low: In(1)
    data: In(1)
    begins: Out(1)
    acts: Out(1)
    word: Out(WORD)

    def __init__(self) -> None:
        super().__init__()
        self.selected_before = Signal(reset_less=True)
        self.bits = Signal(WORD, reset_less=True)
        self.count = Signal(range(WORD + 1), reset_less=True)

    def elaborate(self, platform) -> Module:
        m = Module()
        sampled = Signal()
        m.d.comb += [
            sampled.eq(~self.select_n & self.clock_high & ~self.clock_low & (self.count != WORD)),
            self.word.eq(Cat(self.data, self.bits[:-1])),
            self.acts.eq(sampled & (self.count == WORD - 1)),
            self.begins.eq(~self.select_n & ~self.selected_before),
        ]
        m.d.sync += self.selected_before.eq(~self.select_n)
        with m.If(self.select_n):
            m.d.sync += self.count.eq(0)
        with m.Elif(sampled):
            m.d.sync += [self.count.eq(self.count + 1), self.bits.eq(self.word)]
        return m


class Stages(wiring.Component):
    """How far DACs have come with the words that bring them to rest after power-up or a trip, in their order.

    Any other word than the next one, or the last one again, ends it; so does `restart`. While `frozen` nothing counts.
    """

    def __init__(self, words: list[int]) -> None:
        self._words = words
        super().__init__(
            {"restart": In(1), "frozen": In(1), "acts": In(1), "word": In(WORD), "stage": Out(range(len(words) + 1))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        with m.If(self.restart):
            m.d.sync += self.stage.eq(0)
        with m.Elif(self.acts & ~self.frozen):
            m.d.sync += self.stage.eq(0)
            for stage, word in enumerate(self._words):
                with m.If((self.word == word) & ((self.stage == stage) | (self.stage == stage + 1))):
                    m.d.sync += self.stage.eq(stage + 1)
        return m


class RailMonitor(wiring.Component):
    """What one channel of the rail DAC holds, and how many cycles ago an update of the DAC was."""

    def __init__(self, channel: int, settling: int) -> None:
        self._channel, self._settling = channel, settling
        super().__init__(
            {
                "acts": In(1),
                "word": In(WORD),
                "written": Out(12),
                "held": Out(12),
                "since": Out(range(settling + 1)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        written, held = Signal(12, reset_less=True), Signal(12, reset_less=True)
        since = Signal(range(self._settling + 1), init=self._settling, reset_less=True)
        writes = (command(self.word) == 0) | (command(self.word) == 2)
        mine = (address(self.word) == self._channel) | (address(self.word) == 15)
        written_next = Mux(writes & mine, code(self.word), written)
        m.d.comb += [
            self.written.eq(written),
            self.held.eq(held),
            self.since.eq(since),
        ]
        with m.If(since < self._settling):
            m.d.sync += since.eq(since + 1)
        with m.If(self.acts):
            m.d.sync += written.eq(written_next)
            with m.If(command(self.word) == 2):
                m.d.sync += [held.eq(written_next), since.eq(0)]
        return m


class PulseMonitor(wiring.Component):
    """The pulse that is under way or was last: how long so far, the rest before it, what was asked for.

    length, rest: in units of which a cycle has `per_cycle`, up to and without this cycle; they stop above `most`. Added
    up rather than multiplied, which solvers find hard.
    """

    def __init__(self, width_bits: int, per_cycle: int, most: int) -> None:
        self._per_cycle, self._most = per_cycle, most
        super().__init__(
            {
                "gate": In(1),
                "taken": In(1),
                "form": In(1),
                "width_ns": In(width_bits),
                "length": Out(range(most + per_cycle)),
                "rest": Out(range(most + per_cycle)),
                "asked_form": Out(1),
                "asked_ns": Out(width_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        with m.If(self.gate), m.If(self.length < self._most):
            m.d.sync += self.length.eq(self.length + self._per_cycle)
        with m.Elif(self.length != 0):
            m.d.sync += [self.length.eq(0), self.rest.eq(self._per_cycle)]
        with m.Elif(self.rest < self._most):
            m.d.sync += self.rest.eq(self.rest + self._per_cycle)
        with m.If(self.taken):
            m.d.sync += [self.asked_form.eq(self.form), self.asked_ns.eq(self.width_ns)]
        return m


class KeyMonitor(wiring.Component):
    """The forming interlock as registers.rdl and interfaces.py say it: a key that each forming uses up.

    was_open: forming was open in the cycle before; a pulse ends with the clock edge after it.
    """

    arm: In(1)
    disarm: In(1)
    begin: In(1)
    end: In(1)
    tripped: In(1)
    armed: Out(1)
    open: Out(1)
    was_open: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += self.was_open.eq(self.open)
        with m.If(self.tripped | self.disarm | self.begin):
            m.d.sync += self.armed.eq(0)
        with m.Elif(self.arm):
            m.d.sync += self.armed.eq(1)
        with m.If(self.tripped | self.end):
            m.d.sync += self.open.eq(0)
        with m.Elif(self.begin & self.armed):
            m.d.sync += self.open.eq(1)
        return m

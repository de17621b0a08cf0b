"""Lanes for chips with many ADCs: whole accumulators at once, in a pipeline."""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from ohmloom.spec import ChipSpec
from ohmloom.spec.arithmetic import OUTPUT_MAX
from ohmloom_hdl.engines.correct import CORRECTED, Corrector
from ohmloom_hdl.engines.lanes import LANES, WORD, LanesPort, Use
from ohmloom_hdl.engines.rows import MadeCodes
from ohmloom_hdl.interfaces import CODE, count_bits

BIASED = 33  # bits of an accumulator with a 32-bit bias


class WideLanes(wiring.Component):
    """Takes a word in every cycle."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({"port": In(LanesPort(spec)), "made": In(MadeCodes(spec))})

    def elaborate(self, platform):
        m = Module()
        spec, port = self._spec, self.port
        use, word = port.words.payload.use, port.words.payload.data
        taken = port.words.valid
        address = Cat(port.index, port.lane)
        depth = LANES << len(port.index)
        # A step adds up to all pairs' differences to one accumulator.
        sum_bits = max(CORRECTED + 1 + (spec.controller.steps * spec.pairs).bit_length(), BIASED)

        m.submodules.sums = sums = memory.Memory(shape=signed(sum_bits), depth=depth, init=[])
        m.submodules.codes = codes = memory.Memory(shape=signed(CODE), depth=depth, init=[])
        read_sum, write_sum = sums.read_port(), sums.write_port()
        read_code, write_code, read_row = codes.read_port(), codes.write_port(), codes.read_port()
        m.d.comb += [
            port.words.ready.eq(1),
            read_sum.addr.eq(address),
            read_code.addr.eq(address),
            port.code.eq(read_code.data),
            read_row.addr.eq(Cat(self.made.index, self.made.lane)),
            self.made.code.eq(read_row.data),
        ]

        # Columns: corrected, their differences added up.
        m.submodules.corrector = corrector = Corrector()
        at, odd, even = Signal.like(address), Signal(), Signal(signed(CORRECTED))
        low, biased, added = Signal(WORD), Signal(signed(BIASED)), Signal(signed(sum_bits))
        high, last = Signal(), Signal()
        m.d.comb += [
            corrector.raw.eq(port.raw),
            corrector.word.eq(word),
            corrector.offset.eq(taken & (use == Use.OFFSET)),
            corrector.gain.eq(taken & (use == Use.GAIN)),
            high.eq(taken & (use == Use.HIGH)),
            biased.eq(Mux(port.fresh & ~port.final, 0, read_sum.data) + Cat(low, word).as_signed()),
            added.eq(read_sum.data + (even - corrector.corrected)),
        ]
        m.d.sync += [at.eq(address), odd.eq(port.odd), last.eq(port.final)]
        with m.If(corrector.valid & odd):
            m.d.comb += [write_sum.en.eq(1), write_sum.addr.eq(at), write_sum.data.eq(added)]
        with m.Elif(taken & (use == Use.CLEAR) | high & ~port.final):
            m.d.comb += [write_sum.en.eq(1), write_sum.addr.eq(address), write_sum.data.eq(Mux(high, biased, 0))]
        with m.If(corrector.valid & ~odd):
            m.d.sync += even.eq(corrector.corrected)

        # Ends of layers: one stage a cycle.
        scale, shift = Signal(WORD), Signal(count_bits(47))
        with m.If(taken), m.Switch(use):
            with m.Case(Use.SHIFT):
                m.d.sync += shift.eq(word[8:])
            with m.Case(Use.SCALE):
                m.d.sync += scale.eq(word)
            with m.Case(Use.LOW):
                m.d.sync += low.eq(word)
        total, product = Signal(signed(BIASED)), Signal(signed(BIASED + WORD))
        shifted = Signal(signed(BIASED + WORD))  # to one bit below the point, for rounding
        limit = Mux(port.output, OUTPUT_MAX, spec.read_clamp)
        stages, ends = Signal(4), corrector.valid & odd & last
        where = [Signal.like(address, name=f"where_{stage}") for stage in range(4)]
        m.d.sync += [
            stages.eq(Cat(high & port.final | ends, stages)),
            Cat(where).eq(Cat(Mux(ends, at, address), *where)),
            total.eq(Mux(ends, added, biased)),
            product.eq(Mux(port.rectify & (total < 0), 0, total) * scale),
            shifted.eq(product >> (shift - 1).as_unsigned()),
        ]
        rounded = (shifted + 1) >> 1
        with m.If(stages[2]):
            with m.If(rounded > limit):
                m.d.sync += port.result.eq(limit)
            with m.Elif(rounded < -limit):
                m.d.sync += port.result.eq(-limit)
            with m.Else():
                m.d.sync += port.result.eq(rounded)
        with m.If(stages[3] & ~port.output):
            m.d.comb += [write_code.en.eq(1), write_code.addr.eq(where[3]), write_code.data.eq(port.result)]
        with m.Elif(taken & (use == Use.LOAD)):
            m.d.comb += [write_code.en.eq(1), write_code.addr.eq(address), write_code.data.eq(word)]
        m.d.comb += [self.made.made.eq(stages[3] & ~port.output), self.made.made_index.eq(where[3][: len(port.index)])]
        m.d.comb += port.idle.eq(~stages.any() & ~corrector.valid & ~taken)
        return m

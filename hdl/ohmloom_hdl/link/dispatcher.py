"""Frames in sequence, each executed exactly once. A very small processor follows the rules in `rules.py`."""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import DEFAULT_BAUD, TYPE_ERROR
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.counters import loaded_or_counted
from ohmloom_hdl.interfaces import RequestPort
from ohmloom_hdl.link.frames import QueuePort, ReplyPort
from ohmloom_hdl.link.instructions import CONDITION, Kind, Strobe
from ohmloom_hdl.link.uart import STEP_BITS, step_of

REFUSED = 7  # bit of the answer length's upper byte: its type is TYPE_ERROR


class Dispatcher(wiring.Component):
    """Takes frames from `queue`, has requests executed and sends one reply a frame, in order.

    An instruction takes three cycles; SEND and EXECUTE wait. `step` is the line's rate; `drained`: all replies have left
    the shift register. program: that of `rules.Rules`, whose notes `queue` has.
    """

    def __init__(self, spec: ChipSpec, program: list[int]) -> None:
        self._spec, self._program, self._slots = spec, program, MemoryMap(spec).slots
        super().__init__(
            {
                "queue": In(QueuePort(spec)),
                "replies": Out(ReplyPort(spec)),
                "requests": Out(RequestPort(spec)),
                "step": Out(STEP_BITS, init=step_of(DEFAULT_BAUD, spec.controller.clock_hz)),
                "drained": In(1),
                "count_good": Out(1),
                "count_bad": Out(1),
                "count_nak": Out(1),
                "count_repeat": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        queue, replies, requests = self.queue, self.replies, self.requests
        depth = max(256, 1 << (len(self._program) - 1).bit_length())  # 256 words are one block RAM
        m.submodules.program = program = BlockRam(shape=16, depth=depth, init=self._program)
        here, slot = Signal(range(depth)), Signal((self._slots - 1).bit_length())
        a, carry, high = Signal(8), Signal(), Signal(8)
        phase = Signal(range(3))  # fetch, read the operand, execute
        code, kind = program.data_r[:14], program.data_r[14:]
        area = Signal(max(3, len(slot)))
        m.d.comb += area.eq(Mux(code[7], slot, code[4:7]))
        indexed = (kind == Kind.ACT) & code[9]
        note = Cat(Mux(indexed, a[:4], code[:4]), area, code[7])
        m.d.comb += [
            program.address_r.eq(here),
            queue.index.eq(note),
            queue.entry.eq(code[8]),
            queue.note.eq(Mux(code[13], high, a)),
        ]

        operand = queue.byte ^ code[10].replicate(8)
        carry_in = Mux(code[11], carry, code[10])
        total = Cat(carry_in, a) + Cat(carry_in, operand)
        condition = Array(
            [
                1,
                a == 0,
                carry,
                a[7],
                queue.waiting,
                replies.busy,
                replies.busy | ~self.drained,
                replies.busy & (replies.busy_slot[: len(slot)] == slot),
            ]
        )[code[CONDITION : CONDITION + 3]]
        m.d.comb += [
            replies.head.payload.eq(operand | code[12] << 7),
            replies.length.eq(a),
            replies.slot.eq(slot),
            requests.type.eq(queue.byte),
            requests.length.eq(Cat(a, high)),
            requests.slot.eq(queue.slot),
            requests.answer_slot.eq(slot),
        ]

        advance, branches, strobes = Signal(), Signal(), Signal(len(Strobe))
        m.d.sync += phase.eq(phase + 1)
        with m.If(phase == 2):
            m.d.comb += advance.eq(1)
            with m.Switch(kind):
                with m.Case(Kind.COMPUTE):
                    m.d.sync += a.eq(Mux(code[9], operand, total[1:9]))
                    with m.If(~code[9]):
                        m.d.sync += carry.eq(total[9])
                with m.Case(Kind.STORE):
                    m.d.comb += queue.write.eq(1)
                with m.Case(Kind.ACT):
                    with m.If(code[13]):
                        m.d.comb += [replies.head.valid.eq(1), advance.eq(replies.head.ready)]
                    with m.Elif(code[12]):
                        m.d.comb += [
                            requests.valid.eq(1),
                            advance.eq(requests.done),
                        ]
                        with m.If(requests.done):
                            m.d.sync += [
                                Cat(a, high).eq(requests.answer_length),
                                high[REFUSED].eq(requests.answer_type == TYPE_ERROR),
                            ]
                    with m.Else():
                        m.d.comb += strobes.eq(code)
            with m.If(~advance):
                m.d.sync += phase.eq(phase)
            with m.Else():
                m.d.comb += branches.eq((kind == Kind.BRANCH) & (condition == code[13]))
                m.d.sync += [phase.eq(0), here.eq(loaded_or_counted(here, 1, branches, code))]

        def strobe(which):
            return strobes[which.bit_length() - 1]

        for register, which in (
            (slot, Strobe.SLOT),
            (self.step[:8], Strobe.STEP_LOW),
            (self.step[8:], Strobe.STEP_HIGH),
            (high, Strobe.LENGTH_HIGH),
        ):
            with m.If(strobe(which)):
                m.d.sync += register.eq(a)
        m.d.comb += [
            replies.load.eq(Cat(strobe(Strobe.LENGTH_LOW), strobe(Strobe.LENGTH_HIGH))),
            replies.finish.eq(strobe(Strobe.FINISH)),
            queue.pop.eq(strobe(Strobe.POP)),
            queue.free.eq(strobe(Strobe.FREE)),
            self.count_good.eq(strobe(Strobe.GOOD)),
            self.count_bad.eq(strobe(Strobe.BAD)),
            self.count_nak.eq(strobe(Strobe.NAK)),
            self.count_repeat.eq(strobe(Strobe.REPEAT)),
        ]
        return m

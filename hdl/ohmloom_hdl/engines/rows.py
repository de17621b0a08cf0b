"""The next drive of a network on its own: it is offered, and once it has been taken its row codes are written as they become known."""

from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import CODE, count_bits, index_bits


class MadeCodes(wiring.Signature):
    """To the codes of `WideLanes`: `code` is that at `index` of `lane` in the cycle before. `made`: the one at `made_index` has been."""

    def __init__(self, spec: ChipSpec) -> None:
        index = index_bits(spec.controller.width)
        super().__init__(
            {
                "index": Out(index),
                "lane": Out(1),
                "code": In(signed(CODE)),
                "made": In(1),
                "made_index": In(index),
            }
        )


class RowWriter(wiring.Component):
    """Offers a drive from the cycle after `offer` until it is `taken`, then writes its `rows` row codes from `first_row` on.

    The rows get the codes first .. end - 1 of `lane`, again from `first` on where there are more rows. `waits`: those codes are still
    to be made, from index 0 on, or all are there at the next `complete`. Another drive may be offered when this one has been
    taken; the rows of one that has been taken are written before those of the next. first_row and rows are held while a drive
    is offered, the others are taken with `offer`. waiting: `complete` is to come. row: the next one that is written while `busy`.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        index = index_bits(spec.controller.width)
        self._window = data.StructLayout({"first": index, "end": index, "lane": 1})
        super().__init__(
            {
                "offer": In(1),
                "window": In(self._window),
                "waits": In(1),
                "first_row": In(count_bits(spec.rows)),
                "rows": In(count_bits(spec.rows)),
                "taken": In(1),
                "complete": In(1),
                "offered": Out(1),
                "waiting": Out(1),
                "busy": Out(1),
                "write": Out(1),
                "row": Out(index_bits(spec.rows)),
                "code": Out(signed(CODE)),
                "codes": Out(MadeCodes(spec)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        codes = self.codes
        next_, window = (Signal(self._window, name=name) for name in ("next_window", "window"))
        next_waits, waits = Signal(), Signal()
        index, left = Signal.like(codes.index), Signal.like(self.rows)
        made = Signal(len(index) + 1)  # codes from index 0 on
        following, fetch = Signal.like(index), Signal()

        m.d.comb += [
            self.waiting.eq(next_waits | waits),
            self.busy.eq((left != 0) | self.write),
            codes.index.eq(index),
            codes.lane.eq(window.lane),
            self.code.eq(codes.code),
            following.eq(index + 1),
            fetch.eq((left != 0) & (~waits | (index < made))),
        ]
        m.d.sync += self.write.eq(fetch)
        with m.If(fetch):
            m.d.sync += [left.eq(left - 1), index.eq(following)]
            with m.If(following == window.end):
                m.d.sync += index.eq(window.first)
        with m.If(self.write):
            m.d.sync += self.row.eq(self.row + 1)
        with m.If(codes.made & (codes.made_index == made)):
            m.d.sync += made.eq(made + 1)

        with m.If(self.offer):
            m.d.sync += [self.offered.eq(1), next_.eq(self.window), next_waits.eq(self.waits)]
            with m.If(self.waits):
                m.d.sync += made.eq(0)
        with m.If(self.offered & self.taken):
            m.d.sync += [
                self.offered.eq(0),
                window.eq(next_),
                waits.eq(next_waits),
                next_waits.eq(0),
                index.eq(next_.first),
                left.eq(self.rows),
                self.row.eq(self.first_row),
            ]
        with m.If(self.complete):
            m.d.sync += [waits.eq(0), next_waits.eq(0)]
        return m

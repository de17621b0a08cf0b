"""The switches' next state, bit by bit, as `ohmloom.spec.switches` lays it out."""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import SwitchMap
from ohmloom_hdl.interfaces import OutputPort, count_bits, index_bits, route_layout


class SwitchPattern(wiring.Component):
    """Makes the pattern of a drive or a pulse and hands it over, one bit of every chain a transfer, bit 0 first.

    Inputs are held from `start` until `done`, which is low from the cycle after `start` on: in that of `start` it would make a way
    from a drive's fields to who offers the next one. Word lines first_row .. stop - 1 of `tile` are on, where spec.rows stands
    for the reference row; `routed`: all word lines of the route's tiles. writing: the columns of the mask are on, rails
    drive the array, and `reset` tells the polarity. `mask` is the mask's bit of the column that `mask_column` was in the
    cycle before. `abort` ends what is under way.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {
                "mask_column": Out(index_bits(spec.columns)),
                "mask": In(1),
                "start": In(1),
                "abort": In(1),
                "done": Out(1),
                "tile": In(index_bits(spec.tiles)),
                "first_row": In(count_bits(spec.rows)),
                "stop": In(count_bits(spec.rows + 1)),
                "tia_range": In(index_bits(len(spec.afe.tia_ohm))),
                "routed": In(1),
                "route": In(route_layout(spec)),
                "writing": In(1),
                "reset": In(1),
                "bits": OutputPort(spec).members["switch_bits"],
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = SwitchMap(self._spec)
        shifting, position, advance = Signal(), Signal(range(layout.bits)), Signal()
        following = Signal.like(position)
        m.d.comb += [
            self.done.eq(~shifting),
            self.bits.valid.eq(shifting),
            advance.eq(shifting & self.bits.ready),
            following.eq(position + advance),
        ]
        m.d.sync += position.eq(following)
        with m.If(self.start):
            m.d.sync += shifting.eq(1)
        with m.If(self.abort | (advance & (position == layout.bits - 1))):
            m.d.sync += [shifting.eq(0), position.eq(0)]

        lines = self._word_lines(m, position, advance)
        fields = [self._stage_bit(m, index, position) for index in range(self._spec.tiles)]
        for chain in range(self._spec.tiles):
            on = [self._tile_of(index) == chain for index in range(self._spec.tiles)]
            shown = [is_on & self._in_use(index) & (lines | fields[index]) for index, is_on in enumerate(on)]
            m.d.comb += self.bits.payload[chain].eq(reduce(or_, shown))
        m.d.comb += [
            self.mask_column.eq(following),
            self.bits.payload[self._spec.tiles].eq(self._write_bit(m, position) & self.writing),
        ]
        return m

    # A drive that is not routed is a route of one stage, the first.

    def _tile_of(self, index: int) -> Value:
        tile = self.route.stage[index].tile
        return tile if index else Mux(self.routed, tile, self.tile)

    def _in_use(self, index: int) -> Value:
        return (self.routed & (self.route.stages > index)) if index else Value.cast(1)

    def _word_lines(self, m: Module, position: Signal, advance: Signal) -> Value:
        """Whether the word line or reference row at this position is on, in the tiles in use."""
        entered, on = Signal(), Signal()
        m.d.comb += on.eq((entered | (position == self.first_row)) & (position != self.stop))
        with m.If(advance | ~self.bits.valid):
            m.d.sync += entered.eq(on & self.bits.valid)
        return Mux(self.routed, position < self._spec.rows, on)

    def _stage_bit(self, m: Module, index: int, position: Signal) -> Signal:
        """The bit at this position of the tile that is stage `index`, behind its word lines."""
        stage = self.route.stage[index]
        last = self.route.stages == index + 1
        source = self.route.stage[index - 1].tile if index else 0
        values: dict[str, object] = {
            "drive": int(index == 0),
            "sense": last if index else last | ~self.routed,
            "tia_range": stage.tia_range if index else Mux(self.routed, stage.tia_range, self.tia_range),
            "chained": int(index > 0),
            "source": source,
            "relu": stage.relu & self.routed,
            "attenuator": Mux(self.routed, stage.attenuator, 0),
            "bias": stage.bias & self.routed,
        }
        bit = Signal()
        fields = SwitchMap(self._spec).tile
        with m.If(~self.writing), m.Switch(position):
            for name, value in values.items():
                for offset in range(fields[name].width):
                    with m.Case(fields[name].first + offset):
                        m.d.comb += bit.eq(Value.cast(value) >> offset)
        return bit

    def _write_bit(self, m: Module, position: Signal) -> Value:
        """The writing chain's bit while writing."""
        fields = SwitchMap(self._spec).write
        bit = Signal()
        with m.If(position < fields["column"].width):
            m.d.comb += bit.eq(self.mask)
        with m.Elif(position == fields["write"].first):
            m.d.comb += bit.eq(1)
        with m.Elif(position == fields["polarity"].first):
            m.d.comb += bit.eq(self.reset)
        return bit

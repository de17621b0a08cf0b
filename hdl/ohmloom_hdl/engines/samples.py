"""Column samples on their way from the front end, which cannot wait, to the sequencer, which may."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, sample_layout


class SampleQueue(wiring.Component):
    """Holds the samples of two drives. Their columns are not kept: they come in order."""

    def __init__(self, spec: ChipSpec) -> None:
        self._depth = 1 << (2 * spec.columns).bit_length()
        self._sample = data.StructLayout({"raw": CODE, "end": 1, "last": 1})
        super().__init__(
            {
                "samples": In(stream.Signature(sample_layout(spec), always_ready=True)),
                "out": Out(stream.Signature(self._sample)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = BlockRam(shape=self._sample, depth=self._depth)
        end, start, following = Signal(range(self._depth)), Signal(range(self._depth)), Signal(range(self._depth))
        taken = self.out.valid & self.out.ready
        m.d.comb += [
            words.address_w.eq(end),
            words.write.eq(self.samples.valid),
            words.data_w.raw.eq(self.samples.payload.raw.as_unsigned()),
            words.data_w.end.eq(self.samples.payload.end),
            words.data_w.last.eq(self.samples.payload.last),
            following.eq(start + taken),
            words.address_r.eq(following),
            self.out.payload.eq(words.data_r),
        ]
        m.d.sync += [end.eq(end + self.samples.valid), start.eq(following), self.out.valid.eq(following != end)]
        return m

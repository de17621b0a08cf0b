"""Column samples on their way from the front end, which cannot wait, to the sequencer, which may."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import CODE, index_bits, sample_layout

SAMPLE = data.StructLayout({"raw": CODE, "end": 1, "last": 1})


class SampleMemoryPort(wiring.Signature):
    """An engine's port of a memory for the samples of two drives, which engines that take turns may share: a `BlockRam`'s."""

    def __init__(self, spec: ChipSpec) -> None:
        self.depth = 1 << (2 * spec.columns).bit_length()
        address = index_bits(self.depth)
        super().__init__(
            {
                "address_r": Out(address),
                "data_r": In(SAMPLE),
                "address_w": Out(address),
                "data_w": Out(SAMPLE),
                "write": Out(1),
            }
        )


def sample_memory(spec: ChipSpec) -> BlockRam:
    return BlockRam(shape=SAMPLE, depth=SampleMemoryPort(spec).depth)


class SampleQueue(wiring.Component):
    """Holds the samples of two drives in `memory`. Their columns are not kept: they come in order."""

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "samples": In(stream.Signature(sample_layout(spec), always_ready=True)),
                "out": Out(stream.Signature(SAMPLE)),
                "memory": Out(SampleMemoryPort(spec)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        words = self.memory
        end, start, following = (Signal.like(words.address_w, name=name) for name in ("end", "start", "following"))
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

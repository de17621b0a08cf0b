"""Memory with one access a cycle whose bytes are written one by one: block RAM, or SPRAMs of an UP5K."""

from amaranth import Cat, ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import index_bits

SPRAM_WORDS, SPRAM_BITS = 1 << 14, 16


class Ram(wiring.Component):
    """`data_r` is, in the next cycle, the word at `address`. `write`: enables of its bytes; what is then read is not defined.

    width: bits, a multiple of 8. spram: SPRAMs side by side, of which each has SPRAM_WORDS of SPRAM_BITS, and which have no content
    at power-up: `init` is for block RAM.
    """

    def __init__(self, *, width: int, depth: int, init=(), spram: bool = False) -> None:
        self._width, self._depth, self._init, self._spram = width, depth, init, spram
        super().__init__(
            {
                "address": In(index_bits(depth)),
                "write": In(width // 8),
                "data_w": In(width),
                "data_r": Out(width),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if not self._spram:
            m.submodules.memory = memory = BlockRam(
                shape=self._width, depth=self._depth, init=self._init, granularity=8
            )
            m.d.comb += [
                memory.address_r.eq(self.address),
                memory.address_w.eq(self.address),
                memory.data_w.eq(self.data_w),
                memory.write.eq(self.write),
                self.data_r.eq(memory.data_r),
            ]
            return m
        address = Signal(range(SPRAM_WORDS))
        m.d.comb += address.eq(self.address)
        for part in range(self._width // SPRAM_BITS):
            write = self.write.word_select(part, 2)
            m.submodules[f"memory{part}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=address,
                i_DATAIN=self.data_w.word_select(part, SPRAM_BITS),
                i_MASKWREN=Cat(write[0].replicate(2), write[1].replicate(2)),
                i_WREN=write.any(),
                i_CHIPSELECT=1,
                i_CLOCK=ClockSignal(),
                i_STANDBY=0,
                i_SLEEP=0,
                i_POWEROFF=1,
                o_DATAOUT=self.data_r.word_select(part, SPRAM_BITS),
            )
        return m

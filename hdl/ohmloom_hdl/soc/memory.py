"""The core's RAM: 32-bit words whose bytes are written one by one."""

from amaranth import Cat, ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec.core import RAM_BYTES
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import index_bits


class Ram(wiring.Component):
    """`data_r` is, in the next cycle, the word at `address`. `write`: enables of the four bytes.

    spram: two SPRAMs of an UP5K side by side, which have room for them.
    """

    address: In(index_bits(RAM_BYTES // 4))
    write: In(4)
    data_w: In(32)
    data_r: Out(32)

    def __init__(self, spram: bool = False) -> None:
        self._spram = spram
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        if not self._spram:
            m.submodules.memory = memory = BlockRam(shape=32, depth=RAM_BYTES // 4, granularity=8)
            m.d.comb += [
                memory.address_r.eq(self.address),
                memory.address_w.eq(self.address),
                memory.data_w.eq(self.data_w),
                memory.write.eq(self.write),
                self.data_r.eq(memory.data_r),
            ]
            return m
        for half in range(2):
            write = self.write[2 * half : 2 * half + 2]
            m.submodules[f"memory{half}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=self.address,
                i_DATAIN=self.data_w[16 * half : 16 * half + 16],
                i_MASKWREN=Cat(write[0].replicate(2), write[1].replicate(2)),
                i_WREN=write.any(),
                i_CHIPSELECT=1,
                i_CLOCK=ClockSignal(),
                i_STANDBY=0,
                i_SLEEP=0,
                i_POWEROFF=1,
                o_DATAOUT=self.data_r[16 * half : 16 * half + 16],
            )
        return m

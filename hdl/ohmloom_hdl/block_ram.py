"""Block RAM with one port to read and one to write, without the logic that Amaranth's `old data` promise costs."""

from amaranth import Module, Shape, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ohmloom_hdl.interfaces import index_bits

NO_INIT = "ohmloom_no_init"  # yosys: setattr -unset init a:ohmloom_no_init


class BlockRam(wiring.Component):
    """Reads in every cycle: `data_r` is, in the next cycle, the word at `address_r`.

    What is read of a word that is written in the same cycle is not defined. (A synchronous read port of `amaranth.lib.memory` then
    promises the old data, for which yosys puts about 40 logic cells around each block RAM of an iCE40.)
    """

    def __init__(self, *, shape, depth, init=(), granularity=None) -> None:
        self._data = memory.MemoryData(shape=shape, depth=depth, init=init)
        self._granularity = granularity  # bits that each bit of `write` writes; None: one for all
        super().__init__(
            {
                "address_r": In(index_bits(depth)),
                "data_r": Out(shape),
                "address_w": In(index_bits(depth)),
                "data_w": In(shape),
                "write": In(Shape.cast(shape).width // granularity if granularity else 1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(self._data, attrs={"no_rw_check": True})
        write, read = words.write_port(granularity=self._granularity), words.read_port(domain="comb")
        # yosys makes a synchronous port of both. Synthesis forgets its value before the first read (`NO_INIT`), for which it
        # would put a gate at each bit: block RAM has none.
        data_r = Signal.like(self.data_r, reset_less=True, attrs={NO_INIT: 1})
        m.d.sync += data_r.eq(read.data)
        m.d.comb += [
            read.addr.eq(self.address_r),
            self.data_r.eq(data_r),
            write.addr.eq(self.address_w),
            write.data.eq(self.data_w),
            write.en.eq(self.write),
        ]
        return m

"""The controller's memory: one access a cycle, shared by fixed priority."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ohmloom.spec import ChipSpec, load_policy
from ohmloom.spec.arithmetic import GAIN_ONE
from ohmloom.spec.commands import Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.interfaces import StorePort
from ohmloom_hdl.ram import SPRAM_WORDS, Ram

NEUTRAL = (0, GAIN_ONE)  # words of a correction that changes nothing


def power_up_words(spec: ChipSpec) -> list[int]:
    """What the memory holds after power-up: the spec's policy, neutral corrections, zeros."""
    places = MemoryMap(spec)
    words = [0] * -(-places.bytes // 2)
    start, size = places.base[Memory.CORRECTION] // 2, places.sizes[Memory.CORRECTION] // 2
    words[start : start + size] = NEUTRAL * (size // 2)
    policy = load_policy(spec.cell.policy).pack(spec)
    start = places.base[Memory.POLICY] // 2
    words[start : start + len(policy) // 2] = [
        int.from_bytes(policy[place : place + 2], "little") for place in range(0, len(policy), 2)
    ]
    return words


class Store(wiring.Component):
    """Ports `link`, `engine`, `commands` and `core`; the first that asks is served, in this order.

    busy: an engine has a job. While it has, nobody behind it is served: whether an engine asks comes late in a cycle, and this early.
    Without it, `engine` does not ask.

    `data_r` of all but the engine is what they read in the next cycle only.

    spram: the memory is one SPRAM of an UP5K, which has no content at power-up: the command processor fills it. Else it is
    block RAM with `power_up_words`. Raises ValueError for a chip whose memory does not fit an SPRAM.
    """

    def __init__(self, spec: ChipSpec, spram: bool = False) -> None:
        self._spec, self._spram = spec, spram
        if spram and MemoryMap(spec).bytes > 2 * SPRAM_WORDS:
            raise ValueError(
                f"{spec.name} needs {MemoryMap(spec).bytes} bytes of memory; an SPRAM has {2 * SPRAM_WORDS}"
            )
        port = StorePort(spec)
        super().__init__({"link": In(port), "engine": In(port), "commands": In(port), "core": In(port), "busy": In(1)})

    def elaborate(self, platform):
        m = Module()
        ports = (self.link, self.engine, self.commands, self.core)
        address, write, data_w, data_r = Signal.like(self.link.address), Signal(2), Signal(16), Signal(16)
        # `ready` says nothing of the port's own `valid`, which may therefore depend on it.
        free = Signal()
        m.d.comb += [
            free.eq(~self.link.valid & ~self.busy),
            self.link.ready.eq(1),
            self.engine.ready.eq(~self.link.valid),
            self.commands.ready.eq(free),
            self.core.ready.eq(free & ~self.commands.valid),
        ]
        turns = (self.link.valid, self.busy, self.commands.valid, Const(1))
        for port, turn in reversed(list(zip(ports, turns, strict=True))):
            with m.If(turn):
                m.d.comb += [
                    address.eq(port.address),
                    write.eq(port.write & port.valid.replicate(2)),
                    data_w.eq(port.data_w),
                ]

        fresh, held = Signal(), Signal(16)
        m.d.sync += fresh.eq(self.engine.valid & self.engine.ready)
        with m.If(fresh):
            m.d.sync += held.eq(data_r)
        m.d.comb += self.engine.data_r.eq(Cat(*(data_r[bit] & fresh | held[bit] & ~fresh for bit in range(16))))
        m.d.comb += [port.data_r.eq(data_r) for port in ports if port is not self.engine]

        words = power_up_words(self._spec)
        m.submodules.memory = memory = Ram(width=16, depth=len(words), init=words, spram=self._spram)
        m.d.comb += [
            memory.address.eq(address),
            memory.data_w.eq(data_w),
            memory.write.eq(write),
            data_r.eq(memory.data_r),
        ]
        return m

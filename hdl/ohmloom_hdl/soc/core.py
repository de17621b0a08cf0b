"""The RISC-V core with its memories and registers: the bus of `ohmloom.spec.core`."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from sentinel_cpu.top import Top as Sentinel

from ohmloom.spec import ChipSpec, core
from ohmloom.spec.core import CoreRegister
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.interfaces import AfePort, RequestPort, StorePort
from ohmloom_hdl.ram import Ram
from ohmloom_hdl.soc.flash import FlashPins, FlashShifter
from ohmloom_hdl.soc.mailbox import Mailbox
from ohmloom_hdl.soc.probe import Probe

WORD = 32


class Core(wiring.Component):
    """Stands between the link (`link`) and the command processor (`commands`), and executes the firmware's requests.

    rom: words of the boot ROM, at most ROM_BYTES. `store` and `afe` are asked for only while the firmware has a request;
    `probing`: it has the front end. `count_cell`, `failed` and `cut` are the engines'. `alive`: the firmware takes requests. spram:
    see `Ram`.
    """

    def __init__(self, spec: ChipSpec, rom: Sequence[int], *, spram: bool = False) -> None:
        if len(rom) > core.ROM_BYTES // 4:
            raise ValueError(f"the boot ROM has {4 * len(rom)} bytes; {core.ROM_BYTES} is the most")
        self._spec, self._rom, self._spram = spec, rom, spram
        super().__init__(
            {
                "link": In(RequestPort(spec)),
                "commands": Out(RequestPort(spec)),
                "store": Out(StorePort(spec)),
                "afe": Out(AfePort(spec)),
                "probing": Out(1),
                "alive": Out(1),
                "tripped": In(1),
                "cause": In(3),
                "count_cell": In(1),
                "failed": In(1),
                "cut": In(1),
                "flash": Out(FlashPins()),
            }
        )

    def elaborate(self, platform):
        m = Module()
        restart = Signal()
        sentinel = Sentinel()
        m.submodules.sentinel = ResetInserter(restart)(sentinel)
        m.submodules.rom = rom = BlockRam(shape=WORD, depth=core.ROM_BYTES // 4, init=self._rom)
        m.submodules.ram = ram = Ram(width=WORD, depth=core.RAM_BYTES // 4, spram=self._spram)
        m.submodules.mailbox = self._mailbox = mailbox = Mailbox(self._spec)
        m.submodules.probe = self._probe = probe = Probe(self._spec)
        m.submodules.flash = self._flash = flash = FlashShifter()
        connect(m, flipped(self.link), mailbox.link)
        connect(m, mailbox.commands, flipped(self.commands))
        connect(m, probe.afe, flipped(self.afe))
        connect(m, flash.pins, flipped(self.flash))

        bus = self._bus = sentinel.bus
        asked = bus.cyc & bus.stb
        # The regions differ in three bits of the byte address.
        places = (core.ROM_BASE, core.RAM_BASE, core.STORE_BASE, core.REGISTERS_BASE, core.SUMS_BASE)
        in_region = {base: bus.adr[14:17] == base >> 16 for base in places}
        in_store = in_region[core.STORE_BASE]

        # All but the store answer in the next cycle.
        answered, store_word, store_done = Signal(), Signal(WORD), Signal()
        m.d.sync += answered.eq(asked & ~answered & ~in_store)
        m.d.comb += [
            bus.ack.eq(answered | store_done),
            rom.address_r.eq(bus.adr),
            ram.address.eq(bus.adr),
            ram.data_w.eq(bus.dat_w),
            ram.write.eq(bus.sel & (asked & bus.we & in_region[core.RAM_BASE]).replicate(4)),
            probe.column.eq(bus.adr),
        ]
        self._access_store(m, asked & in_store, store_word, store_done)
        # The address comes late in a cycle and the core decodes what it reads, so between them is a register.
        in_registers = in_region[core.REGISTERS_BASE]
        register_word = Signal(WORD)
        m.d.sync += register_word.eq(
            self._registers(m, asked & ~answered & in_registers, restart) & in_registers.replicate(WORD)
        )
        words = [(register_word, Const(1))]
        for base, word in (
            (core.ROM_BASE, rom.data_r),
            (core.RAM_BASE, ram.data_r),
            (core.STORE_BASE, store_word),
            (core.SUMS_BASE, probe.sum),
        ):
            here = Signal()
            m.d.sync += here.eq(in_region[base])
            words.append((word, here))
        m.d.comb += [bus.dat_r.eq(_chosen(words)), sentinel.irq.eq(self._irq)]
        return m

    def _access_store(self, m: Module, asked, word, done) -> None:
        """A word is two of the store's, one after the other."""
        bus, store = self._bus, self.store
        half, low, last = Signal(), Signal(16), Signal()
        low_wanted, high_wanted = bus.sel[:2].any(), bus.sel[2:].any()
        second = half | ~low_wanted
        m.d.comb += [
            store.valid.eq(asked & ~last),
            store.address.eq(Cat(second, bus.adr)),
            store.data_w.eq(bus.dat_w.word_select(second, 16)),
            store.write.eq(bus.sel.word_select(second, 2) & bus.we.replicate(2)),
            word.eq(Cat(low, store.data_r)),
            done.eq(last),
        ]
        with m.If(~high_wanted):  # what was read came in this cycle
            m.d.comb += word[:16].eq(store.data_r)
        came = Signal()  # the first half's transfer was in the cycle before
        m.d.sync += [last.eq(0), came.eq(0)]
        with m.If(came):
            m.d.sync += low.eq(store.data_r)
        with m.If(store.valid & store.ready):
            with m.If(second | ~high_wanted):
                m.d.sync += [last.eq(1), half.eq(0)]
            with m.Else():
                m.d.sync += [half.eq(1), came.eq(1)]

    def _registers(self, m: Module, asked, restart):
        """Writes take effect at once; the word that is read."""
        bus = self._bus
        mailbox, probe, flash = self._mailbox, self._probe, self._flash
        failed_words = -(-self._spec.columns // WORD)
        written, number = Signal(), bus.adr[: (core.FAILED.offset // 4 + failed_words - 1).bit_length()]
        m.d.comb += written.eq(asked & bus.we)

        def writes(register: CoreRegister):
            return written & (number == register.offset // 4)

        def field(register: CoreRegister, name: str):
            place = next(field for field in register.fields if field.name == name)
            return bus.dat_w[place.lsb : place.lsb + place.width]

        alive, irq_enable = self.alive, Signal()
        m.d.comb += [
            mailbox.alive.eq(alive),
            mailbox.word.type.eq(field(core.ANSWER, "type")),
            mailbox.word.length.eq(field(core.ANSWER, "length")),
            mailbox.answer.eq(writes(core.ANSWER)),
            mailbox.place.head.eq(field(core.CALL, "head")),
            mailbox.place.upper.eq(field(core.CALL, "upper")),
            mailbox.call.eq(writes(core.CALL)),
            flash.data_w.eq(field(core.FLASH, "data")),
            flash.select.eq(field(core.FLASH, "select")),
            flash.start.eq(writes(core.FLASH)),
        ]
        # A register, for the front end's ways are long: no probe is started, and no engine, in the first cycle.
        m.d.sync += self.probing.eq(mailbox.pending & ~mailbox.calling)
        with m.If(writes(core.ALIVE)):
            m.d.sync += alive.eq(field(core.ALIVE, "alive"))
        with m.If(writes(core.TRIP_IRQ)):
            m.d.sync += irq_enable.eq(field(core.TRIP_IRQ, "enable"))
        self._irq = self.tripped & irq_enable

        started = Signal()
        m.d.sync += started.eq(writes(core.PROBE) & self.probing)
        m.d.comb += probe.start.eq(started)
        with m.If(writes(core.DRIVE)):
            m.d.sync += [probe.drive[place.name].eq(field(core.DRIVE, place.name)) for place in core.DRIVE.fields]
        with m.If(writes(core.PROBE)):
            m.d.sync += [probe.code.eq(field(core.PROBE, "code")), probe.count.eq(field(core.PROBE, "count"))]

        # How cells have ended
        failed, cut = Signal(self._spec.columns), Signal()
        with m.If(self.count_cell):
            m.d.sync += [failed.eq(Cat(failed[1:], self.failed)), cut.eq(cut | self.cut)]
        with m.If(mailbox.call):
            m.d.sync += cut.eq(0)

        # Time, and the end of the firmware's
        time, kicked, overflow = Signal(core.TIME_BITS), Signal(), Signal()
        m.d.comb += overflow.eq(time.all())
        m.d.sync += time.eq(time + 1)
        with m.If(written | ~mailbox.pending | mailbox.calling):
            m.d.sync += kicked.eq(1)
        with m.Elif(overflow):
            m.d.sync += kicked.eq(0)
        m.d.comb += [restart.eq(overflow & ~kicked), mailbox.abandon.eq(restart)]
        with m.If(restart):
            m.d.sync += [alive.eq(0), irq_enable.eq(0)]

        status = {
            "pending": mailbox.pending,
            "calling": mailbox.calling,
            "probing": probe.busy | started,
            "shifting": flash.busy,
            "tripped": self.tripped,
            "cause": self.cause,
            "slot": mailbox.link.slot,
            "answer_slot": mailbox.link.answer_slot,
        }
        called = {
            "type": mailbox.called.type,
            "length": mailbox.called.length,
            "head": Const(0, 2),
            "upper": Const(0),
            "cut": cut,
        }
        reads = {
            core.STATUS: _placed(core.STATUS, status),
            core.REQUEST: _placed(core.REQUEST, {"type": mailbox.link.type, "length": mailbox.link.length}),
            core.CALL: _placed(core.CALL, called),
            core.FLASH: flash.data_r,
            core.PROBE: probe.saturated,
            core.TIME: time,
        }
        words = [(value, register.offset // 4) for register, value in reads.items()]
        words += [(failed.word_select(word, WORD), core.FAILED.offset // 4 + word) for word in range(failed_words)]
        return _chosen((value, number == place) for value, place in words)


def _chosen(words):
    """Of (value, condition) pairs the value whose condition holds, as a word; signed values keep their sign."""
    chosen = Const(0, WORD)
    for value, condition in words:
        chosen = chosen | (_extended(value) & condition.replicate(WORD))
    return chosen


def _extended(value):
    missing = WORD - len(value)
    sign = value[-1] if value.shape().signed else Const(0)
    return Cat(value, sign.replicate(missing))


def _placed(register: CoreRegister, values):
    """A register's word, with each value in its field."""
    word = []
    for place in register.fields:
        value = values[place.name]
        word.append(Cat(value, Const(0, place.width - len(value))))
    return Cat(*word)

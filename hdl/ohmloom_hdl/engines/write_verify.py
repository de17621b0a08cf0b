"""The write-verify engine: PROGRAM, FORM, READ and PULSE."""

from amaranth import Cat, Module, Mux, ResetSignal, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import CellStatus, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.policy import MAX_BACKOFFS
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.engines.cell_memory import TABLE_WORDS, TABLES, Flag
from ohmloom_hdl.engines.cell_program import write_verify_program
from ohmloom_hdl.engines.cell_steps import ADDRESS, STEP, Access, Action, Cell, Condition, Control, Write
from ohmloom_hdl.engines.cell_unit import COUNTER, CellUnit
from ohmloom_hdl.engines.samples import SampleMemoryPort, sample_memory
from ohmloom_hdl.engines.verify import VerifyRow
from ohmloom_hdl.interfaces import CODE, AfePort, EnginePort, JobKind, StorePort

# Bits of a state, of cells that ended without having converged, and of those whose pulse was cut
FAILED, CUT = CODE + 1, CODE + 2
assert (CellStatus.EXHAUSTED, CellStatus.STUCK, CellStatus.TRIPPED) == (0b010, 0b011, 0b100)


class WriteVerify(wiring.Component):
    """Executes PROGRAM, FORM, READ and PULSE jobs as the emulator's controller does: `cell_program.py` step by step.

    A job is taken at its end, and `done` follows in the next cycle: its payload has to stay until then, as streams' payloads do.

    It always ends. A round that begins with `max_pulses` rounds behind it ends each cell that still runs, so there are at most
    max_pulses + 1 drives. Each pulse of a round is the last one in it for at least one cell, so a row takes at most columns x
    max_pulses pulses. All other loops count columns, rows, samples, words or bits. docs/write_verify.md has the whole
    argument, and a test checks it against the program.

    shared: `memory`, for samples, is somebody else's.
    """

    def __init__(self, spec: ChipSpec, *, shared: bool = False) -> None:
        self._spec, self._shared = spec, shared
        ports = {"engine": In(EnginePort(spec)), "store": Out(StorePort(spec)), "afe": Out(AfePort(spec))}
        super().__init__(ports | ({"memory": Out(SampleMemoryPort(spec))} if shared else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, engine, afe = self._spec, self.engine, self.afe
        job = engine.job.payload
        m.submodules.unit = unit = self._unit = CellUnit(spec)
        m.submodules.verify = verify = self._verify = VerifyRow(spec)
        m.submodules.program = program = BlockRam(shape=STEP, depth=1 << ADDRESS, init=write_verify_program().words())
        step = self._step = program.data_r

        self._forming, self._reading, self._single = Signal(), Signal(), Signal()
        self._row, self._rows_left = Signal.like(job.row, reset_less=True), Signal.like(job.rows, reset_less=True)
        self._reset = Signal(
            reset_less=True
        )  # the direction that is wanted of the cell under way, then the one that is pulsed
        self._first, self._exhausted = (
            Signal(reset_less=True),
            Signal(reset_less=True),
        )  # it is the first round, the last
        self._running = Signal(reset_less=True)  # cells do
        self._offered, self._pulsing, self._tripped = Signal(), Signal(), Signal()
        self._grid, self._counter = Signal(CODE, reset_less=True), Signal(COUNTER, reset_less=True)
        self._backoffs = Signal(range(MAX_BACKOFFS + 1), reset_less=True)
        m.d.comb += [
            self._forming.eq(job.kind == JobKind.FORM),
            self._reading.eq(job.kind == JobKind.READ),
            self._single.eq(job.kind == JobKind.PULSE),
            verify.tile.eq(job.tile),
            verify.row.eq(self._row),
            verify.start.eq(step.control == Control.START),
            verify.rewind.eq(step.control == Control.REWIND),
            verify.fetch.eq((step.local == Cell.FETCH) & verify.available),
            unit.step.eq(step),
            unit.reading.eq(self._reading),
            unit.reset.eq(self._reset),
            unit.code.eq(verify.code),
            unit.corrected.eq(verify.corrected),
            unit.grid.eq(self._grid),
            unit.counter.eq(self._counter),
            engine.job.ready.eq(step.control == Control.FINISH),
            engine.tripped.eq(self._tripped),
            engine.count_pulse.eq(afe.pulse_done),
            engine.count_cell.eq(step.control == Control.COUNT_CELL),
            engine.failed.eq(unit.word[FAILED]),
            engine.cut.eq(unit.word[CUT]),
            afe.code_write.eq(verify.start),
            afe.code_row.eq(self._row),
            afe.code.eq(spec.read_clamp),
        ]
        m.d.sync += engine.done.eq(engine.job.ready)
        connect(m, verify.drive, flipped(afe.drive))
        connect(m, flipped(afe.samples), verify.samples)
        if self._shared:
            connect(m, verify.memory, flipped(self.memory))
        else:
            m.submodules.samples = samples = sample_memory(spec)
            connect(m, verify.memory, samples)
        self._access_store(m)
        self._pulse(m)
        self._keep(m)
        branch = Cat(self._test(), self._second())
        m.d.comb += program.address_r.eq(Mux(ResetSignal(allow_reset_less=True), 0, step.next | branch))
        return m

    def _access_store(self, m: Module) -> None:
        """Corrections are looked up first; else a byte is taken or put at the cursor."""
        step, unit, store, corrections = self._step, self._unit, self.store, self._verify.store
        job = self.engine.job.payload
        cursor, place, byte = Signal.like(job.data, reset_less=True), Signal.like(job.data), Signal(8)
        access = Signal()
        m.d.comb += [
            access.eq(step.access.as_value()[-1]),
            store.valid.eq(corrections.valid | access),
            store.address.eq(Mux(corrections.valid, corrections.address, cursor[1:])),
            store.data_w.eq(byte.replicate(2)),
            corrections.ready.eq(store.ready),
            corrections.data_r.eq(store.data_r),
            unit.foreign.eq(store.data_r),
            unit.odd.eq(~cursor[0]),  # of the byte fetched last
        ]
        with m.If(~corrections.valid & access & (step.access != Access.GET)):
            m.d.comb += store.write.eq(Cat(~cursor[0], cursor[0]))
        with m.Switch(step.access):  # 0 when nothing is put
            with m.Case(Access.PUT_STATUS):
                m.d.comb += byte.eq(unit.word[CODE : Flag.RUNNING])
            with m.Case(Access.PUT_LOW):
                m.d.comb += byte.eq(unit.value)
            with m.Case(Access.PUT_HIGH):
                m.d.comb += byte.eq(unit.value[8:])

        with m.Switch(step.control):
            with m.Case(Control.CURSOR_DATA):
                m.d.comb += place.eq(job.data)
            with m.Case(Control.CURSOR_ANSWER):
                m.d.comb += place.eq(job.answer)
            with m.Case(Control.CURSOR_POLICY):
                m.d.comb += place.eq(MemoryMap(self._spec).base[Memory.POLICY])
        # A word is taken by getting its first byte, and passed when it is written.
        passed = (access & store.ready) | ((step.write == Write.FOREIGN) & (step.control == Control.COUNT))
        m.d.sync += cursor.eq((Cat(1, cursor) + Cat(passed, place))[1:])
        with m.If((step.control == Control.CURSOR_CLEAR) | (step.control == Control.TAKE)):
            m.d.sync += cursor.eq(0)

    def _pulse(self, m: Module) -> None:
        """The pulse that is offered, and the cells in it."""
        step, unit, afe, pulse = self._step, self._unit, self.afe, self.afe.pulse.payload
        job, word = self.engine.job.payload, unit.word
        limit = self._spec.limits.cells_per_pulse
        rail, gate, width = (
            Signal.like(pulse[name], name=name, reset_less=True) for name in ("rail", "gate", "width_ns")
        )
        room = Signal()
        m.d.comb += [
            unit.due.eq(word[Flag.RUNNING] & ~word[Flag.PULSED] & (word[Flag.RESET] == self._reset)),
            unit.member.eq(unit.due & unit.equal & room),
            afe.mask_write.eq((step.control == Control.MASK) | (step.control == Control.MASK_CHOSEN)),
            afe.mask_column.eq(unit.column),
            afe.mask.eq(Mux(step.control == Control.MASK, unit.member, self._chosen())),
            afe.pulse.valid.eq(self._offered),
            pulse.tile.eq(job.tile),
            pulse.row.eq(self._row),
            pulse.reset.eq(self._reset),
            pulse.form.eq(self._forming),
            pulse.rail.eq(rail),
            pulse.gate.eq(gate),
            pulse.width_ns.eq(width),
        ]
        if limit < self._spec.columns:
            left = Signal(range(limit + 1), reset_less=True)
            m.d.comb += room.eq(left != 0)
            with m.If(step.control == Control.RAIL):
                m.d.sync += left.eq(limit)
            with m.Elif((step.control == Control.MASK) & unit.member):
                m.d.sync += left.eq(left - 1)
        else:
            m.d.comb += room.eq(1)
        for setting, register, control, value in (
            ("rail", rail, Control.RAIL, unit.value),
            ("gate", gate, Control.GATE, word),
            ("width_low", width[:16], Control.WIDTH, word),
            ("width_high", width[16:], Control.WIDTH_HIGH, word),
        ):
            with m.If(self.engine.sets[setting]):
                m.d.sync += register.eq(self.engine.word)
            with m.Elif(step.control == control):
                m.d.sync += register.eq(value)
        with m.If(step.control == Control.OFFER):
            m.d.sync += self._offered.eq(1)
        with m.If(self._offered & afe.pulse.ready):
            m.d.sync += [self._offered.eq(0), self._pulsing.eq(1)]
        with m.If(afe.pulse_done):
            m.d.sync += [self._pulsing.eq(0), self._tripped.eq(afe.pulse_tripped)]

    def _keep(self, m: Module) -> None:
        """What is remembered from step to step, but for what the unit remembers."""
        step, unit, job = self._step, self._unit, self.engine.job.payload
        counts = unit.value[:8]
        with m.Switch(step.local):
            with m.Case(Cell.WANT):
                m.d.sync += self._reset.eq(~unit.negative)
            with m.Case(Cell.BACKOFFS):
                m.d.sync += self._backoffs.eq(Mux(counts[3:].any(), MAX_BACKOFFS, counts[:3]))
            with m.Case(Cell.BACK_OFF):
                m.d.sync += self._backoffs.eq(self._backoffs - 1)
            with m.Case(Cell.RUNS):
                m.d.sync += self._running.eq(1)
        with m.If((step.write == Write.STATE) & (step.access == Access.ADVANCE) & step.flags[-1]):
            m.d.sync += self._running.eq(1)
        with m.Switch(step.control):
            with m.Case(Control.TAKE):
                m.d.sync += [
                    self._row.eq(job.row),
                    self._rows_left.eq(job.rows),
                    self._reset.eq(job.reset),
                    self._first.eq(1),
                    self._tripped.eq(0),
                    self._counter.eq(0),
                ]
            with m.Case(Control.NEXT_ROW):
                m.d.sync += [self._row.eq(self._row + 1), self._rows_left.eq(self._rows_left - 1)]
            with m.Case(Control.TO_SET):
                m.d.sync += self._reset.eq(0)
            with m.Case(Control.TO_RESET):
                m.d.sync += self._reset.eq(1)
            with m.Case(Control.ROUND):
                m.d.sync += self._running.eq(0)
            with m.Case(Control.LIMIT):
                m.d.sync += self._exhausted.eq(~unit.negative)
            with m.Case(Control.AGAIN):
                m.d.sync += self._first.eq(0)
            with m.Case(Control.COUNTER):
                m.d.sync += self._counter.eq(step.flags)
            with m.Case(Control.COUNT):
                down = step.flags[-1] & (step.write != Write.FOREIGN)
                m.d.sync += self._counter.eq(self._counter + Cat(1, down.replicate(COUNTER - 1)))
        # The mask that the grid stands for; READ: a quotient's bits, one after the other
        reducing = step.action == Action.REDUCE
        with m.If(step.control == Control.GRID_FULL):
            m.d.sync += self._grid.eq(-1)
        with m.Elif((step.control == Control.GRID_SHIFT) | reducing):
            m.d.sync += self._grid.eq(Cat(reducing & ~unit.negative, self._grid))

    def _chosen(self) -> Value:
        return self._unit.column == self.engine.job.payload.column

    def _test(self) -> Value:
        unit, word, job = self._unit, self._unit.word, self.engine.job.payload
        answers = {
            Condition.NEGATIVE: unit.negative,
            Condition.CODE_NEGATIVE: self._verify.code < 0,
            Condition.EQUAL_LOW: unit.equal_low,
            Condition.EQUAL_HIGH: unit.value[8:16] == word[8:],
            Condition.LAST: self._last(),
            Condition.AVAILABLE: self._verify.available,
            Condition.RUNNING: word[Flag.RUNNING],
            Condition.SKIPPED: word[Flag.RESET : Flag.RUNNING] == CellStatus.SKIPPED,
            Condition.PULSED: word[Flag.PULSED],
            Condition.TURNED: word[Flag.RESET] != self._reset,
            Condition.FORMING: self._forming,
            Condition.READING: self._reading,
            Condition.SINGLE: self._single,
            Condition.JOB: self.engine.job.valid,
            Condition.TRIPPED: self._tripped,
            Condition.ANY_RUNNING: self._running,
            Condition.NO_LEVEL: unit.value[CODE],
            Condition.PULSE_BUSY: self._offered | self._pulsing,
            Condition.RESET: self._reset,
            Condition.GRID_EMPTY: ~self._grid[-1],
            Condition.BACKED_OFF: self._backoffs == 0,
            Condition.ZERO: self._counter == 0,
            Condition.LAST_GLOBAL: self._counter == TABLES - 1,
            Condition.LAST_OF_TABLE: self._counter == TABLE_WORDS - 1,
            Condition.SAMPLES: unit.value[: len(job.samples)] == job.samples,
            Condition.LAST_ROW: self._rows_left == 1,
            Condition.ODD: unit.column[0],
            Condition.CHOSEN: self._chosen(),
        }
        bits = [0] * (1 << Condition.as_shape().width)
        for test, answer in answers.items():
            bits[test.value] = answer
        # The store's answer comes last.
        return _choose(bits, self._step.test.as_value()) | ((self._step.test == Condition.READY) & self.store.ready)

    def _last(self) -> Value:
        return self._unit.column == self._spec.columns - 1

    def _second(self) -> Value:
        bits = [0, self._last(), self._exhausted, self._first]
        return _choose(bits, self._step.second.as_value())


def _choose(answers: list[ValueLike], number: Value) -> Value:
    """A multiplexer as a tree, which takes half the logic of a decoded one."""
    for bit in number:
        answers = [Mux(bit, yes, no) for no, yes in zip(answers[::2], answers[1::2], strict=True)]
    return Value.cast(answers[0])

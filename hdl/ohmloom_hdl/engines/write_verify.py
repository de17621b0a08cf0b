"""The write-verify engine: PROGRAM, FORM, READ and PULSE."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import CellStatus, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.policy import ERROR_BUCKETS, CONDUCTANCE_BUCKETS, MAX_BACKOFFS
from ohmloom_hdl.engines.row_unit import (
    LANE, POLICY_WORDS, VALUE, CellWord, Constant, Flag, Operand, RowUnit, direction_word, policy_word,
)  # fmt: skip
from ohmloom_hdl.engines.verify import Verify
from ohmloom_hdl.interfaces import CODE, AfePort, EnginePort, JobKind, StorePort, count_bits, index_bits


class WriteVerify(wiring.Component):
    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({"engine": In(EnginePort(spec)), "store": Out(StorePort(spec)), "afe": Out(AfePort(spec))})

    # Control of the row unit

    def _cell(self, m, word=CellWord.STATE):
        m.d.comb += self.unit.cell_word.eq(word)

    def _policy(self, m, base, index=0):
        m.d.comb += [self.unit.policy.eq(1), self.unit.base.eq(base), self.unit.index.eq(index)]

    def _table(self, m, reset, name, index=0):
        """A word of the table of a direction."""
        word = direction_word(name) if isinstance(name, str) else name
        base = Mux(
            reset,
            policy_word("reset") + word,
            Mux(self.forming, policy_word("form") + word, policy_word("set") + word),
        )
        self._policy(m, base, index)

    def _do(self, m, action, operand=Operand.WORD):
        m.d.comb += getattr(self.unit, action).eq(1)
        if operand != Operand.WORD:
            m.d.comb += self.unit.operand.eq(operand)
        if action == "adding":
            m.d.comb += self.unit.take.eq(1)

    def _write(self, m, word, lanes=0b1111):
        m.d.comb += [self.unit.write.eq(lanes), self.unit.write_word.eq(word)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, job, afe, store = self._spec, self.engine.job.payload, self.afe, self.store
        m.submodules.unit = unit = self.unit = RowUnit(spec)
        m.submodules.verify = verify = self.verify = Verify(spec)
        policy_base = MemoryMap(spec).base[Memory.POLICY]

        self.forming = forming = Signal()
        programming, reading, pulsing_job = Signal(), Signal(), Signal()
        m.d.comb += [
            forming.eq(job.kind == JobKind.FORM),
            reading.eq(job.kind == JobKind.READ),
            pulsing_job.eq(job.kind == JobKind.PULSE),
        ]
        self.row = row = Signal.like(job.row)
        rows_left = Signal.like(job.rows)
        self.cursor = cursor = Signal.like(job.data)
        self.access, self.byte, self.step_cursor = Signal(), Signal(8), Signal()
        self.store_write = Signal()
        self.tripped = tripped = Signal()
        self.first = Signal()
        self.exhausted = Signal()
        self.running = Signal()
        self.status = Signal(3)
        self.wanted = Signal()
        self.direction = Signal()
        self.error_bucket, self.conductance_bucket = Signal(range(ERROR_BUCKETS)), Signal(range(CONDUCTANCE_BUCKETS))
        self.backoffs = Signal(range(MAX_BACKOFFS + 1))
        self.at_top = Signal()
        self.pulsed = Signal()
        self.mask = Signal(CODE)
        self.reset = Signal()
        self.found = Signal()
        self.offering, self.pulsing = Signal(), Signal()
        self.rail, self.gate, self.width = (
            Signal(spec.rail_dac.bits),
            Signal(spec.rail_dac.bits),
            Signal.like(job.width_ns),
        )
        self.rotation = Signal(2)
        self.chosen = Signal()
        index = Signal(8)
        held = Signal(4)

        # Wires
        m.d.comb += [
            verify.tile.eq(job.tile),
            verify.row.eq(row),
            verify.samples.eq(Mux(reading, job.samples, 1)),
            verify.column.eq(Mux(pulsing_job, job.column, unit.following)),
            unit.code.eq(verify.code),
            unit.grid_mask.eq(self.mask),
            unit.foreign_word.eq(store.data_r),
            afe.code_write.eq(verify.code_write),
            afe.code_row.eq(row),
            afe.code.eq(spec.read_clamp),
            afe.mask_column.eq(unit.column),
            afe.pulse.valid.eq(self.offering),
            afe.pulse.payload.tile.eq(job.tile),
            afe.pulse.payload.row.eq(row),
            afe.pulse.payload.reset.eq(Mux(pulsing_job, job.reset, self.reset)),
            afe.pulse.payload.form.eq(forming),
            afe.pulse.payload.rail.eq(self.rail),
            afe.pulse.payload.gate.eq(self.gate),
            afe.pulse.payload.width_ns.eq(self.width),
            self.engine.count_pulse.eq(afe.pulse_done),
            self.engine.tripped.eq(tripped),
            store.data_w.eq(self.byte.replicate(2)),
        ]
        connect(m, verify.drive, flipped(afe.drive))
        connect(m, flipped(afe.samples), verify.received)
        with m.If(verify.corrections.valid):
            m.d.comb += [store.valid.eq(1), store.address.eq(verify.corrections.address), store.write.eq(0)]
        with m.Else():
            m.d.comb += [store.valid.eq(self.access), store.address.eq(cursor[1:])]
            m.d.comb += store.write.eq(Cat(~cursor[0], cursor[0]) & self.store_write.replicate(2))
        m.d.comb += [verify.corrections.ready.eq(store.ready), verify.corrections.data_r.eq(store.data_r)]
        with m.If((self.access & store.ready) | self.step_cursor):
            m.d.sync += cursor.eq(cursor + 1)
        with m.If(afe.pulse.ready & afe.pulse.valid):
            m.d.sync += [self.offering.eq(0), self.pulsing.eq(1)]
        with m.If(afe.pulse_done):
            m.d.sync += [self.pulsing.eq(0), tripped.eq(tripped | afe.pulse_tripped)]

        with m.FSM() as self.fsm:
            with m.State("IDLE"):
                m.d.sync += [row.eq(job.row), rows_left.eq(job.rows), index.eq(0), tripped.eq(0)]
                m.d.sync += [self.rail.eq(job.rail), self.gate.eq(job.gate), self.width.eq(job.width_ns)]
                m.d.sync += cursor.eq(Mux(reading | pulsing_job, job.answer, policy_base))
                m.d.comb += unit.restart.eq(1)
                with m.If(self.engine.job.valid):
                    m.next = "LOAD"
                    with m.If(reading):
                        m.next = "READ"
                    with m.If(pulsing_job):
                        m.next = "SINGLE"
            self._load(m, index, policy_base)
            self._decide(m)
            self._pulse(m)
            self._report(m, held)
            self._read(m, rows_left, held)
            with m.State("FINISH"):
                m.d.comb += self.engine.job.ready.eq(1)
                m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.engine.done.eq(1)
                m.next = "IDLE"
        return m

    # Policy and request

    def _load(self, m, index, policy_base):
        unit, store, job = self.unit, self.store, self.engine.job.payload
        with m.State("LOAD"):
            m.d.comb += self.access.eq(1)
            with m.If(store.ready):
                m.next = "LOADED"
        with m.State("LOADED"):
            self._policy(m, 0, index)
            m.d.comb += [unit.foreign.eq(1), unit.write.eq(0b1111), unit.write_policy.eq(1), self.step_cursor.eq(1)]
            m.d.sync += index.eq(index + 1)
            m.next = "LOAD"
            with m.If(index == POLICY_WORDS - 1):
                m.next = "GRID"
        with m.State("GRID"):
            m.d.sync += [self.mask.eq(-1), self.cursor.eq(job.data), self.first.eq(1)]
            self._policy(m, policy_word("grid"))
            m.next = "GRID BITS"
            with m.If(self.forming):
                m.next = "BYTE 0"
        with m.State("GRID BITS"):
            self._do(m, "load")
            self._policy(m, Constant.ONE)
            m.next = "COARSER"
        with m.State("COARSER"):
            self._policy(m, Constant.ONE)
            with m.If(unit.negative | ~self.mask[-1]):
                m.next = "BYTE 0"
            with m.Else():
                self._do(m, "take")
                m.d.sync += self.mask.eq(self.mask << 1)
        # Three bytes a cell: nibbles 0 to 2 are its target, 3 to 5 its tolerance.
        odd = Signal()
        m.d.comb += odd.eq(~self.cursor[0])  # the byte just fetched: the cursor has passed it
        wanted = Signal()
        for byte in range(3):
            with m.State(f"BYTE {byte}"):
                m.d.comb += self.access.eq(1)
                with m.If(store.ready):
                    m.next = f"NIBBLES {byte}"
        zero_low = Signal()
        byte_value = store.data_r.word_select(odd, 8)
        m.d.comb += zero_low.eq(byte_value[:4] == 0)
        zero_high = byte_value[4:] == 0
        with m.State("NIBBLES 0"):
            m.d.comb += [unit.foreign.eq(1), unit.rotation.eq(Mux(odd, 2, 0))]
            self._write(m, CellWord.TARGET, 0b0011)
            m.d.sync += wanted.eq(~(zero_low & zero_high))
            m.next = "BYTE 1"
            with m.If(self.forming):
                m.next = "CELL STATUS"
        with m.State("NIBBLES 1"):
            m.d.comb += [unit.foreign.eq(1), unit.rotation.eq(Mux(odd, 0, 2))]
            self._write(m, CellWord.TARGET, 0b0100)
            m.next = "NIBBLES 1 HIGH"
        with m.State("NIBBLES 1 HIGH"):
            m.d.comb += [unit.foreign.eq(1), unit.rotation.eq(Mux(odd, 3, 1))]
            self._write(m, CellWord.TOLERANCE, 0b0001)
            m.d.sync += wanted.eq(~zero_high)
            m.next = "BYTE 2"
        with m.State("NIBBLES 2"):
            m.d.comb += [unit.foreign.eq(1), unit.rotation.eq(Mux(odd, 1, 3))]
            self._write(m, CellWord.TOLERANCE, 0b0110)
            m.d.sync += wanted.eq(wanted | ~(zero_low & zero_high))
            m.next = "CELL STATUS"
        with m.State("CELL STATUS"):
            m.d.comb += [unit.state.eq(1), unit.flags[Flag.RUNNING - CODE].eq(wanted)]
            self._write(m, CellWord.STATE, 0b1000)
            m.d.comb += unit.advance.eq(1)
            m.next = "BYTE 0"
            with m.If(unit.last):
                m.next = "ZERO"
        with m.State("ZERO"):
            self._policy(m, Constant.ZERO)
            m.next = "NO ROUNDS"
        with m.State("NO ROUNDS"):
            self._do(m, "load")
            m.next = "ROUND"

    # Decisions

    def _next_cell(self, m):
        m.d.comb += self.unit.advance.eq(1)
        m.next = "CELL"
        with m.If(self.unit.last):
            m.next = "ROUND END"

    def _end(self, m, status):
        m.d.sync += self.status.eq(status)
        self._policy(m, Constant.ROUNDS)
        m.next = "ENDED"

    def _search(self, m, name, edges, bucket, after):
        """Binary search: a state for each bit of the bucket."""
        unit = self.unit
        base = policy_word(edges) - 1
        bits = len(bucket)
        for bit in reversed(range(bits)):
            with m.State(f"{name} {bit}"):
                reached = ~unit.negative
                m.d.sync += bucket[bit].eq(reached)
                if bit:
                    m.d.sync += bucket[bit - 1].eq(0)
                    index = Cat([0] * (bit - 1), 1, reached, bucket[bit + 1 :])
                    self._policy(m, base, index)
                    m.next = f"{name} {bit - 1}"
                else:
                    after(Cat(reached, bucket[1:]))

    def _decide(self, m):
        unit, verify = self.unit, self.verify
        word = unit.word
        with m.State("ROUND"):
            m.d.comb += [verify.start.eq(1), unit.write.eq(0b1111), unit.write_policy.eq(1)]
            m.d.comb += [unit.base.eq(Constant.ROUNDS)]
            m.d.comb += unit.restart.eq(1)
            m.d.sync += self.running.eq(0)
            m.next = "LIMIT"
        with m.State("LIMIT"):
            self._policy(m, policy_word("max_pulses"))
            m.next = "LIMITED"
        with m.State("LIMITED"):
            m.d.sync += self.exhausted.eq(~unit.negative)
            self._cell(m)
            m.next = "CELL"
        with m.State("CELL"):
            self._cell(m)
            with m.If(self.verify.available):
                m.next = "CHECK"
        with m.State("CHECK"):
            m.d.comb += verify.fetch.eq(1)
            m.d.sync += [self.direction.eq(word[Flag.RESET]), self.pulsed.eq(word[Flag.PULSED])]
            with m.If(~word[Flag.RUNNING]):
                self._next_cell(m)
            with m.Elif(self.tripped):
                self._end(m, CellStatus.TRIPPED)
            with m.Else():
                m.next = "ERROR"
        target = CellWord.TARGET

        def fetch_target():
            with m.If(self.forming):
                self._policy(m, Constant.FORMED)
            with m.Else():
                self._cell(m, target)

        with m.State("ERROR"):
            self._do(m, "load", Operand.CODE)
            fetch_target()
            m.next = "EXCESS"
        with m.State("EXCESS"):
            m.d.sync += self.wanted.eq(~unit.negative)
            self._cell(m, CellWord.TOLERANCE)
            with m.If(unit.negative):
                self._do(m, "load")
                m.next = "DEFICIT"
            with m.Elif(self.forming):
                self._end(m, CellStatus.CONVERGED)
            with m.Else():
                self._do(m, "take")
                m.next = "TOLERANCE"
        with m.State("DEFICIT"):
            self._do(m, "take", Operand.CODE)
            self._cell(m, CellWord.TOLERANCE)
            m.next = "TOLERANCE"
        with m.State("TOLERANCE"):
            m.d.comb += unit.borrow.eq(1)
            self._policy(m, policy_word("error_edges") - 1 + ERROR_BUCKETS // 2)
            top_bit = len(self.error_bucket) - 1
            m.next = f"ERROR BUCKET {top_bit}"
            with m.If(unit.negative & ~self.forming):
                self._end(m, CellStatus.CONVERGED)
            with m.Elif(self.exhausted):
                self._end(m, CellStatus.EXHAUSTED)

        def error_found(bucket):
            with m.If(self.first):
                self._policy(m, Constant.ZERO)
                m.next = "REVERSALS"
            with m.Elif(self.wanted != self.direction):
                self._cell(m, CellWord.COUNTS)
                m.next = "REVERSALS"
            with m.Else():
                self._cell(m, CellWord.STATE)
                m.next = "AMPLITUDE"

        self._search(m, "ERROR BUCKET", "error_edges", self.error_bucket, error_found)

        with m.State("REVERSALS"):
            self._do(m, "load")
            self._policy(m, policy_word("max_reversals"))
            m.next = "REVERSAL"
            with m.If(self.first):
                m.next = "REVERSALS COUNTED"
        with m.State("REVERSAL"):
            self._policy(m, Constant.ONE)
            m.next = "REVERSED"
            with m.If(unit.equal_low):
                self._end(m, CellStatus.EXHAUSTED)
        with m.State("REVERSED"):
            self._do(m, "adding")
            m.next = "REVERSALS COUNTED"
        with m.State("REVERSALS COUNTED"):
            self._write(m, CellWord.COUNTS)
            m.next = "CONDUCTANCE"
        with m.State("CONDUCTANCE"):
            counts = unit.value
            m.d.sync += self.backoffs.eq(Mux(counts[3:8].any(), MAX_BACKOFFS, counts[:3]))
            self._do(m, "load", Operand.CODE)
            m.d.comb += unit.clear.eq(verify.code < 0)
            self._policy(m, policy_word("conductance_edges") - 1 + CONDUCTANCE_BUCKETS // 2)
            m.next = f"CONDUCTANCE BUCKET {len(self.conductance_bucket) - 1}"

        def conductance_found(bucket):
            self._table(m, self.wanted, "first", self.error_bucket)
            m.next = "FIRST"

        self._search(m, "CONDUCTANCE BUCKET", "conductance_edges", self.conductance_bucket, conductance_found)
        with m.State("FIRST"):
            self._do(m, "load", Operand.SIGNED)
            self._table(m, self.wanted, "level", self.conductance_bucket)
            m.next = "LEVEL"
        with m.State("LEVEL"):
            self._do(m, "adding", Operand.SIGNED)
            with m.If((self.backoffs == 0) | unit.negative):
                self._table(m, self.wanted, "top")
                m.next = "TOP"
            with m.Else():
                self._policy(m, policy_word("backoff"))
                m.next = "BACKOFF"
        with m.State("BACKOFF"):
            self._do(m, "take")
            m.d.sync += self.backoffs.eq(self.backoffs - 1)
            with m.If((self.backoffs == 1) | unit.negative):
                self._table(m, self.wanted, "top")
                m.next = "TOP"
            with m.Else():
                self._policy(m, policy_word("backoff"))
        with m.State("AMPLITUDE"):
            self._do(m, "load", Operand.AMPLITUDE)
            self._table(m, self.wanted, direction_word("step"), self.error_bucket)
            m.next = "STEP"
        with m.State("STEP"):
            self._do(m, "adding", Operand.SIGNED)
            self._table(m, self.wanted, "top")
            m.next = "TOP"
        with m.State("TOP"):
            with m.If(unit.value < 0):
                m.d.comb += unit.clear.eq(1)
                self._table(m, self.wanted, "top")
            with m.Else():
                with m.If(~unit.negative):
                    self._do(m, "load")
                m.d.sync += self.at_top.eq(~unit.negative)
                m.next = "STORE"
        with m.State("STORE"):
            m.d.comb += [unit.state.eq(1), unit.flags.eq(Cat(self.wanted, 0, 0, 1))]
            self._write(m, CellWord.STATE)
            with m.If(self.at_top):
                m.next = "AT TOP"
            with m.Else():
                m.d.sync += self.running.eq(1)
                self._next_cell(m)
        with m.State("AT TOP"):
            self._cell(m, CellWord.COUNTS)
            m.next = "TOPS"
        with m.State("TOPS"):
            self._do(m, "load")
            self._policy(m, policy_word("max_reversals"))  # and max_top_pulses, in the same word
            m.next = "ONE MORE"
        with m.State("ONE MORE"):
            self._policy(m, Constant.ONE_HIGH)
            m.next = "COUNTED"
            with m.If(unit.equal_high):
                self._end(m, CellStatus.STUCK)
        with m.State("COUNTED"):
            self._do(m, "adding")
            m.next = "COUNTS"
        with m.State("COUNTS"):
            self._write(m, CellWord.COUNTS)
            m.d.sync += self.running.eq(1)
            self._next_cell(m)

        with m.State("ENDED"):
            self._do(m, "load")
            self._policy(m, Mux(self.tripped & self.pulsed, Constant.ONE, Constant.ZERO))
            m.next = "END PULSES"
        with m.State("END PULSES"):
            self._do(m, "adding")
            m.next = "END CODE"
        with m.State("END CODE"):
            self._write(m, CellWord.TARGET)
            self._do(m, "load", Operand.CODE)
            m.next = "END STATE"
        with m.State("END STATE"):
            m.d.comb += [unit.state.eq(1), unit.flags.eq(self.status)]
            self._write(m, CellWord.STATE)
            self._next_cell(m)

        with m.State("ROUND END"):
            m.d.sync += self.reset.eq(0)
            m.next = "DIRECTION"
            with m.If(~self.running):
                m.d.sync += self.cursor.eq(self.engine.job.payload.answer)
                m.d.comb += unit.restart.eq(1)
                self._cell(m)
                m.next = "STATUS"

    # Pulses

    def _pulse(self, m):
        unit, afe, job = self.unit, self.afe, self.engine.job.payload
        word = unit.word
        limit = self._spec.limits.cells_per_pulse
        limited = limit < self._spec.columns
        room = Signal(range(limit + 1))
        due = Signal()
        m.d.comb += due.eq(word[Flag.RUNNING] & ~word[Flag.PULSED] & (word[Flag.RESET] == self.reset))

        with m.State("DIRECTION"):
            self._table(m, self.reset, "gate")
            m.next = "GATE"
        with m.State("GATE"):
            m.d.sync += self.gate.eq(word)
            self._table(m, self.reset, direction_word("pulse_ns"))
            m.next = "WIDTH"
        with m.State("WIDTH"):
            m.d.sync += self.width[:16].eq(word)
            self._table(m, self.reset, direction_word("pulse_ns") + 1)
            m.next = "WIDTH HIGH"
        with m.State("WIDTH HIGH"):
            m.d.sync += self.width[16:].eq(word)
            m.d.sync += self.found.eq(0)
            m.d.comb += unit.restart.eq(1)
            self._cell(m)
            m.next = "SCAN"
        with m.State("SCAN"):
            m.d.comb += [unit.borrow.eq(1), unit.operand.eq(Operand.PULSE_AMPLITUDE)]
            with m.If(due & (~self.found | ~unit.negative)):
                self._do(m, "load")
                m.d.sync += self.found.eq(1)
            m.d.comb += unit.advance.eq(1)
            with m.If(unit.last):
                m.next = "SCANNED"
        with m.State("SCANNED"):
            m.d.comb += unit.restart.eq(1)
            self._cell(m)
            m.d.sync += room.eq(limit)
            with m.If(~self.offering & ~self.pulsing):
                with m.If(self.tripped):
                    m.d.sync += self.running.eq(0)
                    m.next = "CELL"
                with m.Elif(self.found):
                    m.d.sync += self.rail.eq(unit.value)
                    m.next = "MASK"
                with m.Elif(self.reset | self.forming):
                    self._policy(m, Constant.ROUNDS)
                    m.next = "NEXT ROUND"
                with m.Else():
                    m.d.sync += self.reset.eq(1)
                    m.next = "DIRECTION"

        def go_on():
            m.d.comb += unit.advance.eq(1)
            m.next = "MASK"
            with m.If(unit.last):
                m.d.sync += [self.offering.eq(1), self.found.eq(0)]
                m.next = "SCAN AGAIN"

        with m.State("MASK"):
            m.d.comb += unit.operand.eq(Operand.PULSE_AMPLITUDE)
            member = due & unit.zero & (room != 0 if limited else 1)
            m.d.comb += [afe.mask_write.eq(1), afe.mask.eq(member)]
            with m.If(member):
                m.next = "MEMBER"
            with m.Else():
                go_on()
        with m.State("MEMBER"):
            m.d.comb += [unit.state.eq(1), unit.flags.eq(Cat(self.reset, 1, 0, 1))]
            self._write(m, CellWord.STATE, 0b1000)
            m.d.sync += room.eq(room - 1)
            go_on()
        with m.State("SCAN AGAIN"):
            m.d.comb += unit.restart.eq(1)
            m.next = "SCAN"
        with m.State("NEXT ROUND"):
            self._do(m, "load")
            self._policy(m, Constant.ONE)
            m.d.sync += self.first.eq(0)
            m.next = "ONE ROUND MORE"
        with m.State("ONE ROUND MORE"):
            self._do(m, "adding")
            m.next = "ROUND"

        # PULSE
        with m.State("SINGLE"):
            m.d.comb += [afe.mask_write.eq(1), afe.mask.eq(unit.column == job.column), unit.advance.eq(1)]
            with m.If(unit.last):
                m.d.sync += self.offering.eq(1)
                m.next = "APPLY"
        with m.State("APPLY"):
            self._policy(m, Constant.PULSE_TRIPPED)
            with m.If(afe.pulse_done):
                m.next = "READ"
                with m.If(afe.pulse_tripped):
                    m.next = "NO CODE"
        with m.State("NO CODE"):
            self._do(m, "load")
            m.d.sync += self.chosen.eq(1)
            m.next = "LOW"

    # Answers

    def _put(self, m, byte, then):
        m.d.comb += [self.access.eq(1), self.store_write.eq(1), self.byte.eq(byte)]
        return m.If(self.store.ready)

    def _report(self, m, held):
        unit, verify = self.unit, self.verify
        skipped = Signal()
        code_next = self.chosen  # the bytes under way are the code's
        with m.State("STATUS"):
            self._cell(m)
            m.d.comb += verify.fetch.eq(1)
            m.d.sync += [code_next.eq(0), skipped.eq(unit.word[CODE:] == CellStatus.SKIPPED)]
            with self._put(m, unit.word[CODE : CODE + 3], None):
                self._cell(m, CellWord.TARGET)
                m.next = "PULSES"
        with m.State("PULSES"):
            self._do(m, "load")
            m.d.comb += unit.clear.eq(skipped)
            m.next = "LOW"
        with m.State("LOW"):
            self._cell(m)
            with self._put(m, unit.value[:8], None):
                m.next = "HIGH"
        with m.State("HIGH"):
            self._cell(m)
            with self._put(m, unit.value[8:16], None):
                m.next = "CODE"
                with m.If(code_next):
                    m.d.comb += unit.advance.eq(1)
                    m.next = "STATUS"
                    with m.If(unit.last | (self.engine.job.payload.kind == JobKind.PULSE)):
                        m.next = "FINISH"
        with m.State("CODE"):
            with m.If(skipped):
                self._do(m, "load", Operand.CODE)
            with m.Else():
                self._do(m, "load", Operand.ENDED_CODE)
            m.d.sync += code_next.eq(1)
            m.next = "LOW"

    # READ, and the code of PULSE

    def _read(self, m, rows_left, held):
        unit, verify = self.unit, self.verify
        pulse = self.engine.job.payload.kind == JobKind.PULSE
        with m.State("READ"):
            m.d.comb += [verify.start.eq(1), unit.restart.eq(1)]
            m.next = "READING"
        with m.State("READING"):
            m.d.comb += unit.restart.eq(1)
            with m.If(~verify.busy):
                m.next = "FETCH"
        with m.State("FETCH"):
            m.d.comb += verify.fetch.eq(1)
            m.next = "AVERAGE"
        with m.State("AVERAGE"), m.If(~verify.dividing):
            self._do(m, "load", Operand.CODE)
            m.d.sync += self.chosen.eq(1)
            m.next = "PACK"
            with m.If(pulse):
                m.next = "LOW"
        # Two codes in three bytes.
        with m.State("PACK"):
            with self._put(m, Mux(unit.column[0], Cat(held, unit.value[:4]), unit.value[:8]), None):
                m.d.sync += held.eq(unit.value[8:12])
                m.next = "PACK HIGH"
                with m.If(~unit.column[0]):
                    m.d.comb += unit.advance.eq(1)
                    m.next = "FETCH"
        with m.State("PACK HIGH"):
            with self._put(m, unit.value[4:12], None):
                m.d.comb += unit.advance.eq(1)
                m.next = "FETCH"
                with m.If(unit.last):
                    m.d.sync += [self.row.eq(self.row + 1), rows_left.eq(rows_left - 1)]
                    m.next = "READ"
                    with m.If(rows_left == 1):
                        m.next = "FINISH"

"""The sequencer: multiplies vectors by tiles (MVM) and walks them through networks (INFER).

What a step of a network does, `ohmloom.spec.network` says; in which order the sequencer goes about it, `walks.py`. While one drive
is converted, the row codes of the next one are written, unless they come of samples that are still to be collected.
"""

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth import Cat, Const, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import INFER, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import HEADER_DTYPE, StepFlag
from ohmloom_hdl.engines.codes import NibblePacker, NibbleUnpacker, Packer, Unpacker
from ohmloom_hdl.engines.lanes import WORD, Use
from ohmloom_hdl.engines.limbs import COLUMN_CYCLES, LimbLanes
from ohmloom_hdl.engines.program import (
    INSTRUCTION,
    STEP_WORDS,
    Act,
    Address,
    Feed,
    If,
    Pop,
    Take,
    Until,
    Write,
    assemble,
)
from ohmloom_hdl.engines.rows import RowWriter
from ohmloom_hdl.engines.samples import SampleMemoryPort, SampleQueue, sample_memory
from ohmloom_hdl.engines.walks import limb_program, wide_program
from ohmloom_hdl.engines.wide import WideLanes
from ohmloom_hdl.interfaces import (
    CODE,
    STAGE_NUMBER,
    AfePort,
    EnginePort,
    JobKind,
    StorePort,
    drive_layout,
    index_bits,
    most_vectors,
    route_layout,
    stage_layout,
)

FLAGS = data.StructLayout({flag.name.lower(): 1 for flag in StepFlag})


def lanes_for(spec: ChipSpec) -> LimbLanes | WideLanes:
    """The smallest lanes that keep up with the converters."""
    conversion_cycles = spec.column_adc.conversion_ns * spec.controller.clock_hz // 10**9
    slow = spec.afe.column_adcs * COLUMN_CYCLES <= conversion_cycles
    return LimbLanes(spec) if slow else WideLanes(spec)


def words_at(base: int, offset: Signal):
    """Word address of an offset into a memory that lies at byte `base`."""
    start = base // 2
    if start % (1 << len(offset)):
        return start + offset
    return Cat(offset, Const(start >> len(offset), index_bits(start + 1)))  # no adder


def choose(values: list, number, width: int):
    """The value of that number. One multiplexer: what `Switch` makes is larger."""
    extended = (Value.cast(value) | Const(0, width) for value in values)
    return Cat(value[:width] for value in extended).word_select(number, width)


def select(bits: dict, which):
    """The bit that belongs to a member of an enumeration."""
    by_number = {member.value: bit for member, bit in bits.items()}
    number = which.as_value()
    return choose([by_number.get(index, 0) for index in range(1 << len(number))], number, 1)


def used(bits: dict, walk: list, field: str):
    """Those that instructions of the program name in that field: what is left out costs nothing."""
    named = {fields[field] for _, fields in walk if field in fields}
    return {member: bit for member, bit in bits.items() if not member.value or member in named}


class Sequencer(wiring.Component):
    """Executes MVM and INFER jobs.

    A job is taken at its end, and `done` follows in the next cycle: its payload has to stay until then, as streams' payloads do.
    shared: `memory`, for samples, is somebody else's.
    """

    def __init__(self, spec: ChipSpec, *, shared: bool = False) -> None:
        self._spec, self._shared = spec, shared
        ports = {
            "engine": In(EnginePort(spec)),
            "store": Out(StorePort(spec)),
            "afe": Out(AfePort(spec)),
        }
        super().__init__(ports | ({"memory": Out(SampleMemoryPort(spec))} if shared else {}))

    def elaborate(self, platform):
        m = Module()
        spec, engine, store, afe = self._spec, self.engine, self.store, self.afe
        job, places = engine.job.payload, MemoryMap(spec)
        adcs = spec.afe.column_adcs
        m.submodules.lanes = compute = lanes_for(spec)
        m.submodules.queue = queue = SampleQueue(spec)
        if self._shared:
            connect(m, queue.memory, flipped(self.memory))
        else:
            m.submodules.samples = samples = sample_memory(spec)
            connect(m, queue.memory, samples)
        small = isinstance(compute, LimbLanes)  # nothing is in a hurry
        m.submodules.unpacker = unpacker = NibbleUnpacker() if small else Unpacker()
        m.submodules.packer = packer = NibblePacker() if small else Packer()
        lanes, sample = compute.port, queue.out.payload
        infer = job.kind == JobKind.INFER

        # Program
        walk = (limb_program if small else wide_program)(skips=adcs > 1)
        m.submodules.program = program = memory.Memory(
            shape=INSTRUCTION, depth=2 << INSTRUCTION["target"].width, init=assemble(walk), attrs={"rom_style": "block"}
        )
        fetch = program.read_port()
        do, done, going = fetch.data, Signal(), Signal()
        # The memory's output has no value until it is read: reset reads the first instruction.
        reset = ResetSignal(allow_reset_less=True)
        m.d.comb += [fetch.en.eq(done | reset), fetch.addr.eq(Mux(reset, 0, Cat(going, do.target)))]

        unpack = do.address == Address.REQUEST

        def act(which: Act):
            return do.act == which

        # Drives: the next one, and the two before it that may be under way; with a row writer one more, which it offers.
        vectors = Signal(range(most_vectors(spec) + 1), reset_less=True)  # that have not been driven to their end
        where = data.StructLayout({"lane": 1, "step": index_bits(spec.controller.steps)})
        next_ = Signal(where)
        names = ("oldest", "newest") if small else ("oldest", "between", "newest")
        started = [Signal(where, name=name, reset_less=True) for name in names]
        oldest, under_way = started[0], Signal(2)  # how many have been started, and their samples not been collected
        run = Signal.like(next_.step, reset_less=True)  # first step of the run
        fresh, dependent, written = Signal(reset_less=True), Signal(reset_less=True), Signal()
        two = Signal(reset_less=True)  # vectors are interleaved
        blocked = dependent & (under_way > two)
        ends_layer, ends_network = Signal(reset_less=True), Signal(reset_less=True)
        pair, last_pair = (Signal(range(spec.pairs), name=name, reset_less=True) for name in ("pair", "last_pair"))
        stage = Signal(range(spec.tiles), reset_less=True)
        drive, route = Signal(drive_layout(spec), reset_less=True), Signal(route_layout(spec), reset_less=True)

        # Loops over rows, columns, accumulators.
        row = Signal(range(spec.rows), reset_less=True)
        count = Signal(range(max(spec.rows, spec.pairs) + 1), reset_less=True)
        index, first, end = (Signal.like(lanes.index, name=name, reset_less=True) for name in ("index", "first", "end"))
        following = (index + 1)[: len(index)]
        odd, advance, paired = Signal(), Signal(), do.use == Use.GAIN
        m.d.comb += advance.eq(done & do.next_index & (odd | ~paired))
        last_index, last_row, one_left = following == end, row == spec.rows - 1, count == 1

        if not small:
            m.submodules.writer = writer = RowWriter(spec)
            connect(m, writer.codes, compute.made)
            m.d.comb += [
                writer.offer.eq(act(Act.OFFER)),
                writer.window.first.eq(first),
                writer.window.end.eq(end),
                writer.window.lane.eq(next_.lane),
                writer.waits.eq(blocked),
                writer.first_row.eq(drive.first_row),
                writer.rows.eq(drive.rows),
                writer.taken.eq(afe.drive.ready),
                writer.complete.eq(act(Act.RETIRE)),
            ]

        # Words of the store
        word, have, reading, take, writing = store.data_r, Signal(), Signal(), Signal(), Signal()
        slot_bits = index_bits(places.slot_bytes // 2)
        request, answer = Signal(slot_bits, reset_less=True), Signal(slot_bits, reset_less=True)
        pointer = Signal(range(max(places.sizes[Memory.BIAS], places.sizes[Memory.CORRECTION]) // 2), reset_less=True)
        entry_bits = index_bits(places.sizes[Memory.CORRECTION] // 2)
        step = Mux(do.collect, oldest.step, next_.step)
        # A step's words are two less than a power of two; that the header's are half of it takes no adder.
        above, half = STEP_WORDS.bit_length(), do.number[-1]
        assert (1 << above) - 2 == STEP_WORDS
        assert HEADER_DTYPE.itemsize // 2 == 1 << (above - 1)
        field = Cat(Const(0, above), step) + (Cat(do.number[:-1], ~half, half) - (step << 1))
        following_step = next_.step + 1
        word_bits = len(store.address)
        addresses = [
            words_at(places.base[Memory.NETWORK], field[: index_bits(places.sizes[Memory.NETWORK] // 2)]),
            Cat(request, job.data[slot_bits + 1 :]),
            Cat(answer, job.answer[slot_bits + 1 :]),
            Mux(
                do.address.as_value()[2],
                words_at(places.base[Memory.BIAS], pointer),
                words_at(places.base[Memory.CORRECTION], pointer[:entry_bits]),
            ),
        ]
        m.d.comb += store.address.eq(choose(addresses, do.address.as_value()[:2], word_bits))
        wanted = Mux(unpack, unpacker.wanted, do.read)
        m.d.comb += [
            store.valid.eq(reading | writing),
            store.write.eq(writing.replicate(2)),
            reading.eq(~have & wanted | do.ahead & done & going),
            take.eq(Mux(unpack, unpacker.words.ready, done & do.read)),
        ]
        read, wrote = reading & store.ready, writing & store.ready
        with m.If(read):
            m.d.sync += have.eq(1)
        with m.Elif(take | unpack & done & ~going):  # a word that is not used up is read again
            m.d.sync += have.eq(0)
        with m.If(act(Act.START)):
            m.d.sync += [request.eq(job.data[1:]), answer.eq(INFER.answer.header_bytes // 2)]
        with m.If(have & take & unpack):
            m.d.sync += request.eq(request + 1)
        with m.If(act(Act.HEADER)):
            m.d.sync += answer.eq(0)
        with m.Elif(wrote):
            m.d.sync += answer.eq(answer + 1)
        m.d.comb += [
            store.data_w.eq(
                choose([0, packer.words.payload, lanes.result, engine.saturated], do.write.as_value(), WORD)
            ),
            writing.eq(
                select({Write.PACKED: packer.words.valid, Write.RESULT: lanes.idle, Write.SATURATED: 1}, do.write)
            ),
        ]

        # Samples
        drained, skip = Signal(), Signal(index_bits(adcs))
        pops, more = queue.out.valid & queue.out.ready, queue.out.valid & ~drained
        with m.Switch(do.pop):
            with m.Case(Pop.ONE):
                m.d.comb += queue.out.ready.eq(done & ~drained)
            with m.Case(Pop.ALL):
                m.d.comb += queue.out.ready.eq(~drained)
            with m.Case(Pop.PACK):
                m.d.comb += queue.out.ready.eq(packer.codes.ready & ~drained)
        m.d.sync += skip.eq(skip + pops)
        with m.If(act(Act.RETIRE)):
            m.d.sync += [drained.eq(0), skip.eq(0)]
        with m.Elif(pops & sample.last):
            m.d.sync += drained.eq(1)
        saturated = Signal.like(engine.saturated, reset_less=True)
        full = (saturated == 0xFFFF) & (most_vectors(spec) * spec.controller.steps * spec.columns > 0xFFFF)
        with m.If(act(Act.START)):
            m.d.sync += saturated.eq(0)
        with m.Elif(pops & sample.end & (do.pop != Pop.ALL) & ~full):
            m.d.sync += saturated.eq(saturated + 1)
        m.d.comb += [
            engine.saturated.eq(saturated),
            queue.samples.valid.eq(afe.samples.valid),
            queue.samples.payload.eq(afe.samples.payload),
            packer.start.eq(do.act == Act.START),
            packer.codes.valid.eq(more & (do.pop == Pop.PACK)),
            packer.codes.payload.eq(sample.raw.as_signed()),
            packer.flush.eq(do.act == Act.FLUSH),
            packer.words.ready.eq(store.ready),
        ]

        # Lanes
        flags = Signal(FLAGS, reset_less=True)
        datum = Mux(unpack, unpacker.codes.payload.as_unsigned(), word)  # for lanes and rows
        m.d.comb += [
            unpacker.start.eq(do.act == Act.START),
            unpacker.words.payload.eq(word),
            unpacker.words.valid.eq(have & unpack),
            unpacker.codes.ready.eq(done & unpack),
            lanes.words.payload.use.eq(do.use),
            lanes.words.payload.data.eq(datum),
            lanes.lane.eq(Mux(do.collect, oldest.lane, next_.lane)),
            lanes.index.eq(index),
            lanes.raw.eq(sample.raw.as_signed()),
            lanes.odd.eq(odd),
            lanes.rectify.eq(flags.relu),
            lanes.output.eq(flags.output),
            lanes.final.eq(act(Act.CLOSE) & ((do.use == Use.HIGH) | (count <= end))),
            lanes.fresh.eq(flags.first),
        ]
        with m.Switch(do.feed):
            with m.Case(Feed.WORD):
                m.d.comb += lanes.words.valid.eq(have & ((do.pop == Pop.NONE) | queue.out.valid | drained))
            with m.Case(Feed.CODE):
                m.d.comb += lanes.words.valid.eq(unpacker.codes.valid)
            with m.Case(Feed.ANYTHING):
                m.d.comb += lanes.words.valid.eq(1)

        # Conditions
        events = {
            Until.ALWAYS: 1,
            Until.WORD: have,
            Until.LANES: lanes.words.valid & lanes.words.ready,
            Until.CODE: unpacker.codes.valid,
            Until.DRIVE: afe.drive.ready,
            Until.WROTE: wrote,
            Until.SAMPLE: queue.out.valid,
        }
        m.d.comb += done.eq(select(used(events, walk, "until"), do.until))
        whole = word[: len(end)] == end
        conditions = {
            If.ALWAYS: 1,
            If.JOB: engine.job.valid & ~engine.done,
            If.INFER: infer,
            If.EXHAUSTED: vectors == 0,
            If.WRITTEN: written,
            If.PAIRED: written & two,
            If.BLOCKED: blocked,
            If.FULL: under_way[1],
            If.NONE: under_way == 0,
            If.FRESH: fresh,
            If.SECOND: two & ~next_.lane,
            If.LANE: next_.lane,
            If.NETWORK: ends_network,
            If.LAST_INDEX: last_index,
            If.LAST_ROW: last_row,
            If.ONE_LEFT: one_left,
            If.FINAL: odd & one_left,
            If.DRAINED: drained,
            If.IDLE: lanes.idle,
            If.EMPTY: packer.empty,
            If.CHAINED: stage != 0,
            If.ROUTE: flags.analog & (stage == 0),
            If.WHOLE: whole if small else whole & (first == 0) & (word <= count),
            If.SKIPPED: drained | (skip == (pointer >> 1)[: len(skip)]),
            **{If[name.upper()]: flags[name] for name in ("first", "last", "output", "analog", "level")},
        }
        if not small:
            conditions[If.WRITING], conditions[If.OFFERED] = writer.busy, writer.offered
            # A drive that depends on samples is offered when those it depends on are the next that are collected.
            conditions[If.PRESSED] = writer.waiting | (under_way == 3) | dependent & ~two & under_way[1]
        m.d.comb += going.eq(select(used(conditions, walk, "branch"), do.branch) ^ do.unless)

        # Registers that take the word
        def takes(*members: Take):
            return m.If(reduce(or_, (do.take == member for member in members)))

        from_tile, from_range = (
            Signal.like(field, name=name, reset_less=True)
            for name, field in (("from_tile", drive.tile), ("from_range", drive.tia_range))
        )
        here = route.stage[stage]
        with takes(Take.STEP, Take.FROM):
            m.d.sync += flags.eq(word)
        with takes(Take.STEP):
            m.d.sync += [drive.tile.eq(word[8:]), here.tile.eq(word[8:])]
        with takes(Take.RANGE):
            m.d.sync += [
                drive.tia_range.eq(word),
                here.tia_range.eq(word),
                here.attenuator.eq(Mux(flags.analog, word[8:], 0)),
                here.relu.eq(flags.analog & flags.relu),
                here.bias.eq(flags.level),
            ]
        with takes(Take.FROM):
            m.d.sync += from_tile.eq(word[8:])
        with takes(Take.FROM_RANGE):
            m.d.sync += from_range.eq(word)
        with takes(Take.PAIR):
            m.d.sync += pair.eq(word)
        with takes(Take.PAIRS):
            m.d.sync += last_pair.eq(pair + word - 1)
        with takes(Take.ROW):
            m.d.sync += [row.eq(word), drive.first_row.eq(word)]
        with takes(Take.ROWS):
            m.d.sync += drive.rows.eq(word)
        with takes(Take.FIRST):
            m.d.sync += [index.eq(word), first.eq(word)]
        with takes(Take.LAST):
            m.d.sync += end.eq(first + word)
        with takes(Take.ROWS, Take.COUNT):
            m.d.sync += count.eq(word)
        with m.Elif(done & (do.next_row | paired & odd)):
            m.d.sync += count.eq(count - 1)
        with takes(Take.FROM_PAIR):
            entry = (from_tile * len(spec.afe.tia_ohm) + from_range) * spec.pairs + word[: index_bits(spec.pairs)]
            m.d.sync += pointer.eq(entry << 2)
        with takes(Take.BIAS):
            m.d.sync += pointer.eq(word << 1)
        m.d.comb += [
            afe.drive.payload.eq(drive),
            afe.drive.payload.follow.eq(do.row_lanes if small else writer.offered),
            afe.route.eq(route),
            afe.drive.payload.first_slot.eq((pair << 1) // adcs),
            afe.drive.payload.last_slot.eq(Cat(1, last_pair) // adcs),
            afe.drive.valid.eq((do.until == Until.DRIVE) | (0 if small else writer.offered)),
        ]
        with m.If(read & (do.address != Address.STEP)):
            m.d.sync += pointer.eq(pointer + 1)

        # Loops
        with m.If(advance):
            m.d.sync += index.eq(Mux(last_index, first, following))
        with m.If(done & paired):
            m.d.sync += odd.eq(~odd)
        with m.If(done & do.next_row):
            m.d.sync += row.eq(row + 1)
        code = lanes.code & do.row_lanes.replicate(CODE) | datum[:CODE] & do.row_datum.replicate(CODE)
        m.d.comb += [
            afe.code_write.eq(done & do.row_code),
            afe.code.eq(code.as_signed()),
            afe.code_row.eq(Mux(do.row_datum & ~unpack, spec.rows - 1, row)),
        ]
        if not small:
            with m.If(writer.busy):
                m.d.comb += [afe.code_write.eq(writer.write), afe.code.eq(writer.code), afe.code_row.eq(writer.row)]

        # The route of vectors that are multiplied
        with m.If(engine.sets.stages):
            m.d.sync += route.stages.eq(engine.word)
        for number in range(spec.tiles):
            with m.If(engine.sets.stage & (engine.word[STAGE_NUMBER:] == number)):
                m.d.sync += route.stage[number].eq(data.View(stage_layout(spec), engine.word[: stage_layout(spec).size]))

        # What else happens
        m.d.comb += [
            engine.job.ready.eq(act(Act.END)),
            engine.count_drive.eq(act(Act.RETIRE)),
        ]
        m.d.sync += engine.done.eq(act(Act.END))
        with m.If(done & (do.until == Until.DRIVE) | (0 if small else act(Act.OFFER))):
            m.d.sync += [written.eq(0), started[-1].eq(next_), under_way.eq(under_way + 1)]
            for place, kept in enumerate(started[:-1]):
                with m.If(under_way <= place):
                    m.d.sync += kept.eq(next_)
        with m.Switch(do.act):
            with m.Case(Act.START):
                m.d.sync += [vectors.eq(job.count), fresh.eq(1), dependent.eq(0), next_.step.eq(0), run.eq(0)]
            with m.Case(Act.RESTART):
                m.d.sync += [row.eq(0), index.eq(0), first.eq(0), end.eq(job.inputs), stage.eq(0)]
                m.d.sync += two.eq(vectors > 1)
            with m.Case(Act.MULTIPLY):
                m.d.sync += [
                    written.eq(1),
                    pair.eq(0),
                    last_pair.eq(spec.pairs - 1),
                    drive.tile.eq(job.tile),
                    drive.tia_range.eq(job.tia_range),
                    drive.first_row.eq(0),
                    drive.rows.eq(spec.rows),
                    drive.routed.eq(job.routed),
                ]
            with m.Case(Act.SEAL, *([] if small else [Act.OFFER])):
                m.d.sync += [
                    written.eq(1 if small else do.act == Act.SEAL),
                    drive.routed.eq(stage != 0),
                    route.stages.eq(stage + 1),
                    ends_layer.eq(flags.last),
                    ends_network.eq(flags.output),
                ]
                with m.If(stage != 0):
                    m.d.sync += [drive.first_row.eq(0), drive.rows.eq(spec.rows)]
            with m.Case(Act.RETIRE):
                m.d.sync += [under_way.eq(under_way - 1), *(kept.eq(later) for kept, later in pairwise(started))]
            with m.Case(Act.CHAIN):
                m.d.sync += [next_.step.eq(following_step), stage.eq(stage + 1)]
            with m.Case(Act.RUN):
                m.d.sync += [next_.step.eq(following_step), run.eq(following_step)]
                m.d.sync += [dependent.eq(ends_layer), fresh.eq(0)]
                with m.If(~ends_network):
                    m.d.sync += next_.lane.eq(0)
            with m.Case(Act.SECOND):
                m.d.sync += [next_.step.eq(run), next_.lane.eq(1)]
            with m.Case(Act.NETWORK):
                m.d.sync += [
                    next_.step.eq(0),
                    run.eq(0),
                    dependent.eq(0),
                    fresh.eq(1),
                    vectors.eq(vectors - 1),
                ]
            with m.Case(Act.VECTOR):
                m.d.sync += [vectors.eq(vectors - 1), next_.lane.eq(0)]
        return m

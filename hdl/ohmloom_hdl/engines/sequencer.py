"""The sequencer: multiplies vectors by tiles (MVM) and walks them through networks (INFER).

While one drive is converted, the row codes of the next one are written. What a drive's samples become is computed when the next one
has been taken, or before its row codes are written where they come of these samples:

    BEGIN .. ROWS    row codes of the next drive
    COLLECT .. DONE  samples of the oldest drive: into the answer, or into accumulators, codes and outputs
    OFFER, ADVANCE   the front end takes the drive

`ohmloom.spec.network` says what the steps of a network do.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import INFER, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import HEADER_DTYPE, STEP_DTYPE, StepFlag
from ohmloom_hdl.engines.codes import Packer, Unpacker
from ohmloom_hdl.engines.lanes import Use
from ohmloom_hdl.engines.limbs import COLUMN_CYCLES, LimbLanes
from ohmloom_hdl.engines.samples import SampleQueue
from ohmloom_hdl.engines.wide import WideLanes
from ohmloom_hdl.interfaces import (
    AfePort,
    EnginePort,
    JobKind,
    StorePort,
    drive_layout,
    index_bits,
    route_layout,
)

STEP_WORDS = STEP_DTYPE.itemsize // 2
FLAGS = data.StructLayout({flag.name.lower(): 1 for flag in StepFlag})


def field(name: str) -> int:
    """Word of a step that a field is in."""
    return STEP_DTYPE.fields[name][1] // 2


def lanes_for(spec: ChipSpec) -> LimbLanes | WideLanes:
    """The smallest lanes that keep up with the converters."""
    conversion_cycles = spec.column_adc.conversion_ns * spec.controller.clock_hz // 10**9
    slow = spec.afe.column_adcs * COLUMN_CYCLES <= conversion_cycles
    return LimbLanes(spec) if slow else WideLanes(spec)


class Sequencer(wiring.Component):
    """Executes MVM and INFER jobs.

    A job is taken at its end, and `done` follows in the next cycle: its payload has to stay until then, as streams' payloads do.
    `route`: what ROUTE has set, for MVM jobs that are routed.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {
                "engine": In(EnginePort(spec)),
                "store": Out(StorePort(spec)),
                "afe": Out(AfePort(spec)),
                "route": In(route_layout(spec)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        spec, job, store, afe = self._spec, self.engine.job.payload, self.store, self.afe
        base = {memory: offset // 2 for memory, offset in MemoryMap(spec).base.items()}
        m.submodules.lanes = lanes_component = lanes_for(spec)
        m.submodules.queue = queue = SampleQueue(spec)
        m.submodules.unpacker = unpacker = Unpacker()
        m.submodules.packer = packer = Packer()
        lanes, sample = lanes_component.port, queue.out.payload
        m.d.comb += [queue.samples.payload.eq(afe.samples.payload), queue.samples.valid.eq(afe.samples.valid)]

        infer = job.kind == JobKind.INFER
        slot_bits = index_bits(MemoryMap(spec).slot_bytes // 2)
        request, answer = Signal(slot_bits), Signal(slot_bits)  # next word in the job's slots

        # Where the job is: the drive that is prepared, and the two before it that may be under way.
        vectors = Signal(range(spec.link.payload_bytes + 1))  # from the prepared one on
        two = vectors > 1  # are interleaved
        place = data.StructLayout({"lane": 1, "step": index_bits(spec.controller.steps * STEP_WORDS)})
        prepared, oldest, newest = (Signal(place, name=name) for name in ("prepared", "oldest", "newest"))
        pending = Signal(2)  # of oldest and newest
        run = Signal.like(prepared.step)  # first step of the run
        fresh = Signal(init=1)  # codes are still in the request
        dependent = Signal()  # codes come of the run before
        written = Signal()  # the row codes of the prepared drive
        ends_layer, ends_network = Signal(), Signal()
        drive, route = Signal(drive_layout(spec)), Signal(route_layout(spec))
        stage = Signal(range(spec.tiles))
        m.d.comb += [afe.drive.payload.eq(drive), afe.route.eq(route)]

        # Loops: over rows, columns, accumulators.
        index, first, last = (Signal.like(lanes.index, name=name) for name in ("index", "first", "last"))
        remaining = Signal(range(max(spec.rows, spec.pairs) + 1))
        pointer = Signal(range(max(MemoryMap(spec).sizes[Memory.BIAS], MemoryMap(spec).sizes[Memory.CORRECTION]) // 2))
        row = pointer[: len(afe.code_row)]
        at_last = index == last
        following = Mux(at_last, first, index + 1)
        half, odd = Signal(), Signal()  # of two words; of two columns
        primed = Signal()

        # The store: `word` has been read when `have`.
        reading, writing, take, have, word = Signal(), Signal(), Signal(), Signal(), store.data_r
        m.d.comb += store.valid.eq(reading | writing)
        with m.If(writing):
            m.d.comb += store.write.eq(0b11)
        read = reading & store.ready
        wrote = writing & store.ready
        with m.If(read):
            m.d.sync += have.eq(1)
        with m.Elif(take):
            m.d.sync += have.eq(0)

        number = Signal(range(STEP_WORDS))  # field of a step
        flags = Signal(FLAGS)
        tile, tia_range = Signal.like(drive.tile), Signal.like(drive.tia_range)

        saturated = self.engine.saturated
        drained = Signal()  # the last sample of the oldest drive has come
        pop = queue.out.ready
        with m.If(pop & queue.out.valid & sample.last):
            m.d.sync += drained.eq(1)
        counts = Signal()  # the sample is one of those that are asked for
        with m.If(pop & queue.out.valid & sample.end & counts & (saturated != 0xFFFF)):
            m.d.sync += saturated.eq(saturated + 1)

        m.d.comb += [
            lanes.index.eq(index),
            lanes.lane.eq(prepared.lane),
            lanes.raw.eq(sample.raw.as_signed()),
            lanes.odd.eq(odd),
            lanes.rectify.eq(flags.relu),
            lanes.output.eq(flags.output),
            lanes.words.payload.data.eq(word),
            unpacker.words.payload.eq(word),
            packer.codes.payload.eq(sample.raw.as_signed()),
            afe.code_row.eq(row),
            store.data_w.eq(packer.words.payload),
        ]
        m.d.sync += self.engine.done.eq(0)

        def step_address(step):
            return base[Memory.NETWORK] + HEADER_DTYPE.itemsize // 2 + step + number

        def in_slot(low, slot):
            return Cat(low, slot[slot_bits + 1 :])

        def unpack():
            """Words of the request go to the unpacker as it wants them."""
            m.d.comb += [
                store.address.eq(in_slot(request, job.data)),
                reading.eq(unpacker.wanted & ~have),
                unpacker.words.valid.eq(have),
                take.eq(unpacker.words.ready),
            ]
            with m.If(read):
                m.d.sync += request.eq(request + 1)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [unpacker.start.eq(1), packer.start.eq(1)]
                m.d.sync += [
                    vectors.eq(job.count),
                    request.eq(job.data[1:]),
                    answer.eq(INFER.answer.header_bytes // 2),
                    saturated.eq(0),
                ]
                with m.If(self.engine.job.valid & ~self.engine.done):
                    m.next = "PLAN"

            with m.State("PLAN"):
                m.d.sync += [
                    index.eq(0),
                    first.eq(0),
                    last.eq(job.inputs - 1),
                    number.eq(0),
                    stage.eq(0),
                    odd.eq(0),
                    half.eq(0),
                ]
                with m.If((vectors == 0) & (pending == 0)):
                    m.next = "FLUSH"
                with m.Elif((vectors == 0) | (pending == 2) & written | dependent & (pending > two)):
                    m.next = "COLLECT"
                with m.Elif(written):
                    m.next = "OFFER"
                with m.Elif(~infer):
                    m.d.sync += [
                        drive.tile.eq(job.tile),
                        drive.tia_range.eq(job.tia_range),
                        drive.first_row.eq(0),
                        drive.rows.eq(spec.rows),
                        drive.first_slot.eq(0),
                        drive.last_slot.eq((spec.columns - 1) // spec.afe.column_adcs),
                        drive.routed.eq(job.routed),
                        route.eq(self.route),
                        pointer.eq(0),
                    ]
                    m.next = "CODES"
                with m.Elif(fresh):
                    m.next = "LOAD"
                with m.Else():
                    m.next = "FETCH"

            # Row codes of the next drive
            with m.State("CODES"):
                unpack()
                m.d.comb += [
                    unpacker.codes.ready.eq(1),
                    afe.code_write.eq(unpacker.codes.valid),
                    afe.code.eq(unpacker.codes.payload),
                ]
                with m.If(unpacker.codes.valid):
                    m.d.sync += pointer.eq(pointer + 1)
                    with m.If(row == spec.rows - 1):
                        m.d.sync += written.eq(1)
                        m.next = "PLAN"
            with m.State("LOAD"):
                unpack()
                m.d.comb += [
                    lanes.words.valid.eq(unpacker.codes.valid),
                    lanes.words.payload.use.eq(Use.LOAD),
                    lanes.words.payload.data.eq(unpacker.codes.payload),
                    unpacker.codes.ready.eq(lanes.words.ready),
                ]
                with m.If(unpacker.codes.valid & lanes.words.ready):
                    m.d.sync += index.eq(following)
                    with m.If(at_last):
                        m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += [store.address.eq(step_address(prepared.step)), reading.eq(~have), take.eq(1)]
                m.d.sync += primed.eq(0)
                with m.If(have):
                    m.d.sync += number.eq(number + 1)
                    with m.Switch(number):
                        with m.Case(field("flags")):
                            m.d.sync += [flags.eq(word), drive.tile.eq(word[8:]), route.stage[stage].tile.eq(word[8:])]
                        with m.Case(field("range")):
                            m.d.sync += [
                                drive.tia_range.eq(word),
                                route.stage[stage].tia_range.eq(word),
                                route.stage[stage].attenuator.eq(Mux(flags.analog, word[8:], 0)),
                                route.stage[stage].relu.eq(flags.analog & flags.relu),
                                route.stage[stage].bias.eq(flags.level),
                                number.eq(field("pair")),
                                pointer.eq(0),
                            ]
                            with m.If(flags.analog & (stage == 0)):
                                m.next = "ZEROS"
                        with m.Case(field("pair")):
                            m.d.sync += [pointer.eq(word), drive.first_slot.eq((word << 1) // spec.afe.column_adcs)]
                        with m.Case(field("pairs")):
                            m.d.sync += [
                                drive.last_slot.eq(
                                    (((pointer + word)[: index_bits(spec.columns)] << 1) - 1)[
                                        : index_bits(spec.columns)
                                    ]
                                    // spec.afe.column_adcs
                                ),
                                number.eq(field("row")),
                            ]
                        with m.Case(field("row")):
                            m.d.sync += [pointer.eq(word), drive.first_row.eq(word)]
                        with m.Case(field("rows")):
                            m.d.sync += [remaining.eq(word), drive.rows.eq(word), number.eq(field("input"))]
                        with m.Case(field("input")):
                            m.d.sync += [index.eq(word), first.eq(word)]
                        with m.Case(field("inputs")):
                            m.d.sync += [last.eq(first + word - 1), number.eq(field("level"))]
                            m.next = "ROWS"
                            with m.If(stage != 0):
                                m.next = "STEP"
                                with m.If(flags.level):
                                    m.next = "LEVEL"
            with m.State("ZEROS"):
                m.d.comb += afe.code_write.eq(1)
                m.d.sync += pointer.eq(pointer + 1)
                with m.If(row == spec.rows - 1):
                    m.next = "FETCH"
            with m.State("ROWS"):
                # A code is there in the cycle after its index.
                m.d.comb += [afe.code_write.eq(primed), afe.code.eq(lanes.code)]
                m.d.sync += [primed.eq(1), index.eq(following)]
                with m.If(primed):
                    m.d.sync += [pointer.eq(pointer + 1), remaining.eq(remaining - 1)]
                    with m.If(remaining == 1):
                        m.next = "STEP"
                        with m.If(flags.level & flags.analog):
                            m.next = "LEVEL"
            with m.State("LEVEL"):
                m.d.comb += [
                    store.address.eq(step_address(prepared.step)),
                    reading.eq(~have),
                    take.eq(1),
                    afe.code_write.eq(have),
                    afe.code_row.eq(spec.rows - 1),
                    afe.code.eq(word[:12].as_signed()),
                ]
                with m.If(have):
                    m.next = "STEP"
            with m.State("STEP"):
                m.d.sync += [number.eq(0), stage.eq(stage + 1)]
                with m.If(flags.analog):
                    m.d.sync += prepared.step.eq(prepared.step + STEP_WORDS)
                    m.next = "FETCH"
                with m.Else():
                    m.d.sync += [
                        drive.routed.eq(stage != 0),
                        route.stages.eq(stage + 1),
                        ends_layer.eq(flags.last),
                        ends_network.eq(flags.output),
                        written.eq(1),
                    ]
                    with m.If(stage != 0):
                        m.d.sync += [drive.first_row.eq(0), drive.rows.eq(spec.rows)]
                    m.next = "PLAN"

            with m.State("OFFER"):
                m.d.comb += afe.drive.valid.eq(1)
                with m.If(afe.drive.ready):
                    m.d.sync += [newest.eq(prepared), pending.eq(pending + 1), written.eq(0)]
                    with m.If(pending == 0):
                        m.d.sync += oldest.eq(prepared)
                    m.next = "ADVANCE"
            with m.State("ADVANCE"):
                m.next = "PLAN"
                with m.If(~infer):
                    m.d.sync += vectors.eq(vectors - 1)
                with m.Elif(two & ~prepared.lane):
                    m.d.sync += [prepared.lane.eq(1), prepared.step.eq(run)]
                with m.Else():
                    m.d.sync += [prepared.lane.eq(0), dependent.eq(ends_layer & ~ends_network), fresh.eq(ends_network)]
                    with m.If(ends_network):
                        m.d.sync += [prepared.step.eq(0), run.eq(0), vectors.eq(vectors - 1 - two)]
                    with m.Else():
                        m.d.sync += [prepared.step.eq(prepared.step + STEP_WORDS), run.eq(prepared.step + STEP_WORDS)]

            # Samples of the oldest drive
            with m.State("COLLECT"):
                m.next = "STEP_OF"
                with m.If(~infer):
                    m.next = "PACK"
            with m.State("PACK"):
                m.d.comb += [
                    packer.codes.valid.eq(queue.out.valid),
                    pop.eq(packer.codes.ready),
                    counts.eq(1),
                    store.address.eq(in_slot(answer, job.answer)),
                    writing.eq(packer.words.valid),
                    packer.words.ready.eq(store.ready),
                ]
                with m.If(wrote):
                    m.d.sync += answer.eq(answer + 1)
                with m.If(pop & queue.out.valid & sample.last):
                    m.next = "DONE"
            with m.State("STEP_OF"):
                m.d.comb += [
                    store.address.eq(step_address(oldest.step)),
                    reading.eq(~have),
                    take.eq(1),
                    lanes.lane.eq(oldest.lane),
                ]
                with m.If(have):
                    with m.Switch(number):
                        with m.Case(field("flags")):
                            m.d.sync += [flags.eq(word), tile.eq(word[8:]), number.eq(field("range"))]
                        with m.Case(field("range")):
                            m.d.comb += [
                                lanes.words.valid.eq(1),
                                lanes.words.payload.use.eq(Use.SHIFT),
                                take.eq(lanes.words.ready),
                            ]
                            with m.If(lanes.words.ready):
                                m.d.sync += [tia_range.eq(word), number.eq(field("pair"))]
                                with m.If(flags.first):
                                    m.d.sync += number.eq(field("width"))
                        with m.Case(field("pair")):
                            entry = (tile * len(spec.afe.tia_ohm) + tia_range) * spec.columns + (
                                word[: index_bits(spec.pairs)] << 1
                            )
                            m.d.sync += [pointer.eq(entry << 1), number.eq(field("pairs"))]
                        with m.Case(field("pairs")):
                            m.d.sync += [remaining.eq(word), number.eq(field("output"))]
                        with m.Case(field("output")):
                            m.d.sync += [index.eq(word), first.eq(word), number.eq(field("outputs"))]
                        with m.Case(field("outputs")):
                            m.d.sync += last.eq(first + word - 1)
                            m.next = "SKIP" if spec.afe.column_adcs > 1 else "COLUMNS"
                        with m.Case(field("scale")):
                            m.d.comb += [
                                lanes.words.valid.eq(1),
                                lanes.words.payload.use.eq(Use.SCALE),
                                take.eq(lanes.words.ready),
                            ]
                            with m.If(lanes.words.ready):
                                m.d.sync += number.eq(field("bias"))
                        with m.Case(field("bias")):
                            m.d.sync += [pointer.eq(word << 1), index.eq(0), first.eq(0), number.eq(field("width"))]
                        with m.Case(field("width")):
                            m.d.sync += [last.eq(first + word - 1), number.eq(field("pair"))]
                            m.next = "CLEAR"
                            with m.If(drained):
                                m.next = "OUTPUTS"
            with m.State("CLEAR"):
                m.d.comb += [lanes.lane.eq(oldest.lane), lanes.words.valid.eq(1), lanes.words.payload.use.eq(Use.CLEAR)]
                with m.If(lanes.words.ready):
                    m.d.sync += index.eq(following)
                    with m.If(at_last):
                        m.next = "STEP_OF"
            if spec.afe.column_adcs > 1:
                skip = Signal(range(spec.afe.column_adcs))
                with m.State("SKIP"):
                    m.d.sync += skip.eq(skip + 1)
                    with m.If((pointer >> 1)[: len(skip)] == skip):
                        m.d.sync += skip.eq(0)
                        m.next = "COLUMNS"
                    with m.Elif(~drained):
                        m.d.comb += pop.eq(1)
            with m.State("COLUMNS"):
                final = half & odd & (remaining == 1)
                m.d.comb += [
                    lanes.lane.eq(oldest.lane),
                    store.address.eq(base[Memory.CORRECTION] + pointer),
                    reading.eq(~have | take & ~final),
                    lanes.words.valid.eq(have & (half | queue.out.valid | drained)),
                    lanes.words.payload.use.eq(Mux(half, Use.GAIN, Use.OFFSET)),
                    take.eq(lanes.words.valid & lanes.words.ready),
                    pop.eq(take & ~half & ~drained),
                    counts.eq(1),
                ]
                with m.If(read):
                    m.d.sync += pointer.eq(pointer + 1)
                with m.If(take):
                    m.d.sync += [half.eq(~half), odd.eq(odd ^ half)]
                    with m.If(half & odd):
                        m.d.sync += [index.eq(following), remaining.eq(remaining - 1)]
                    with m.If(final):
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.sync += number.eq(field("scale"))
                m.d.comb += pop.eq(~drained)
                with m.If(drained):
                    m.next = "DONE"
                    with m.If(flags.last):
                        m.next = "STEP_OF"
            with m.State("OUTPUTS"):
                m.d.comb += [
                    lanes.lane.eq(oldest.lane),
                    store.address.eq(base[Memory.BIAS] + pointer),
                    reading.eq(~have | take & ~(half & (flags.output | at_last))),
                    lanes.words.valid.eq(have),
                    lanes.words.payload.use.eq(Mux(half, Use.HIGH, Use.LOW)),
                    take.eq(lanes.words.valid & lanes.words.ready),
                ]
                with m.If(read):
                    m.d.sync += pointer.eq(pointer + 1)
                with m.If(take):
                    m.d.sync += half.eq(~half)
                    with m.If(half):
                        with m.If(flags.output):
                            m.next = "RESULT"
                        with m.Else():
                            m.d.sync += index.eq(following)
                            with m.If(at_last):
                                m.next = "DONE"
            with m.State("RESULT"):
                m.d.comb += [
                    lanes.lane.eq(oldest.lane),
                    store.address.eq(in_slot(answer, job.answer)),
                    store.data_w.eq(lanes.result),
                    writing.eq(lanes.idle),
                ]
                with m.If(wrote):
                    m.d.sync += [answer.eq(answer + 1), index.eq(following)]
                    m.next = "OUTPUTS"
                    with m.If(at_last):
                        m.next = "DONE"
            with m.State("DONE"), m.If(lanes.idle):
                m.d.comb += self.engine.count_drive.eq(1)
                m.d.sync += [oldest.eq(newest), pending.eq(pending - 1), drained.eq(0)]
                m.next = "PLAN"

            # The end
            with m.State("FLUSH"):
                m.d.comb += [
                    packer.flush.eq(1),
                    store.address.eq(in_slot(answer, job.answer)),
                    writing.eq(packer.words.valid),
                    packer.words.ready.eq(store.ready),
                ]
                with m.If(packer.empty):
                    m.d.sync += answer.eq(0)
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [
                    store.address.eq(in_slot(answer, job.answer)),
                    store.data_w.eq(saturated),
                    writing.eq(1),
                ]
                with m.If(wrote):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += self.engine.job.ready.eq(1)
                m.d.sync += self.engine.done.eq(1)
                m.next = "IDLE"
        return m

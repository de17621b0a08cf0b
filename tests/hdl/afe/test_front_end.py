"""The front end: order and times of frames, patterns, samples and pulses, against what its ports promise."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from amaranth import Module, Signal
from tests.hdl.afe.models import AdcModel, Pattern, random_route, samples_of
from tests.hdl.helpers import simulate

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.switches import Rail, SwitchMap
from ohmloom_hdl.afe.front_end import FrontEnd
from ohmloom_hdl.afe.parts import AdcTiming, DacTiming, Settling
from ohmloom_hdl.pads import PADS_CYCLES


@dataclass
class RowFrame:
    cycle: int
    channel: int
    update: int
    codes: list[int]


@dataclass
class Parts:
    """The safety block's side of an `OutputPort`, with parts behind it that are as slow as `rng` has them."""

    spec: ChipSpec
    rng: random.Random
    adc: Any
    slow: bool = True
    cycle: int = 0
    row_frames: list[RowFrame] = field(default_factory=list)
    updates: list[int] = field(default_factory=list)
    rail_frames: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    rail_updates: list[int] = field(default_factory=list)
    latches: list[tuple[int, list[list[int]]]] = field(default_factory=list)
    pulses: list[tuple[int, dict[str, int]]] = field(default_factory=list)
    pulse_trips: bool = False

    def testbench(self, dut: FrontEnd, waits: Any) -> Any:
        spec, out = self.spec, dut.out
        timing = DacTiming.of(spec.row_dac, spec.controller.clock_hz)
        codes = [0] * spec.afe.row_dacs
        chains: list[list[int]] = [[] for _ in range(spec.tiles + 1)]

        def slow(most: int) -> int:
            return self.rng.randint(0, most) if self.slow else 0

        async def run(ctx: Any) -> None:
            row, rail, pulse = out.row_frame, out.rail_frame, out.pulse
            row_left = rail_left = 0
            pulse_left = -1
            updates = rail_updates = False
            ready = dict.fromkeys((row, rail, out.switch_bits, pulse), False)
            watched = (out.row_code_write, out.row_code_dac, out.row_code, row.valid, row.payload)
            others = (rail.valid, rail.payload, out.switch_bits.valid, out.switch_bits.payload, out.switch_latch)
            rest = (pulse.valid, pulse.payload, out.row_updated, dut.adc.select_n, dut.adc.clock_high)
            pins = (dut.adc.clock_low, dut.adc.data)
            while True:
                values = await ctx.tick().sample(*watched, *others, *rest, *pins)
                code_write, code_dac, code, row_valid, row_frame = values[2:7]
                rail_valid, rail_frame, bit_valid, bits, latch = values[7:12]
                pulse_valid, pulse_request, row_updated, select_n, high, low, sdi = values[12:]
                ctx.set(dut.sdo, self.adc.step(self.cycle, select_n, (high, low), sdi))

                # *_left: cycles from the next one on in which a frame is still under way.
                if row_updated:
                    self.updates.append(self.cycle)
                    updates = False
                if row_left > int(updates):
                    row_left -= 1
                if row_valid and ready[row]:
                    self.row_frames.append(RowFrame(self.cycle, row_frame.channel, row_frame.update, list(codes)))
                    row_left, updates = timing.clocks + slow(20), bool(row_frame.update)
                if code_write:
                    codes[code_dac] = code
                ctx.set(waits, row_left == 1 and updates)

                rail_left = max(rail_left - 1, 0)
                if rail_valid and ready[rail]:
                    frame = rail_frame
                    self.rail_frames.append((self.cycle, frame.channel, frame.code, frame.update, frame.form))
                    rail_left, rail_updates = timing.clocks + slow(20), bool(frame.update)
                ctx.set(out.rail_updated, rail_left == 1 and rail_updates)
                if rail_left == 1 and rail_updates:
                    self.rail_updates.append(self.cycle + 1)

                if bit_valid and ready[out.switch_bits]:
                    assert len(chains[0]) < SwitchMap(spec).bits
                    for chain, taken in enumerate(chains):
                        taken.append(bits >> chain & 1)
                ctx.set(out.switch_updated, latch)
                if latch:
                    self.latches.append((self.cycle, [list(chain) for chain in chains]))
                    for chain in chains:
                        chain.clear()

                ctx.set(out.pulse_done, pulse_left == 0)
                ctx.set(out.pulse_tripped, pulse_left == 0 and self.pulse_trips)
                pulse_left = max(pulse_left - 1, -1)
                if pulse_valid and ready[pulse]:
                    self.pulses.append(
                        (self.cycle, {name: pulse_request[name] for name in ("reset", "form", "width_ns")})
                    )
                    pulse_left = self.rng.randint(1, 300)

                if not ctx.get(out.ready):  # taken, and nothing comes of it
                    row_left, updates, rail_left = 0, False, 0
                    for chain in chains:
                        chain.clear()
                ready[row] = row_left == 0
                ready[rail] = rail_left == 0
                ready[out.switch_bits] = not self.slow or self.rng.random() < 0.9
                ready[pulse] = not self.slow or self.rng.random() < 0.5
                for stream, value in ready.items():
                    ctx.set(stream.ready, int(value))
                self.cycle += 1

        return run


@dataclass
class Drive:
    tile: int
    first_row: int
    codes: list[int]
    tia_range: int
    first_slot: int
    last_slot: int
    route: list[dict[str, int]] = field(default_factory=list)
    follow: bool = False


@dataclass
class Pulse:
    tile: int
    row: int
    reset: int
    form: int
    rail: int
    gate: int
    width_ns: int
    mask: int


def random_drive(spec: ChipSpec, rng: random.Random) -> Drive:
    slots = -(-spec.columns // spec.afe.column_adcs)
    first_slot = rng.randrange(slots)
    if rng.random() < 0.3:
        first_row, rows, route = 0, spec.rows, random_route(spec, rng)
    else:
        first_row, route = rng.choice([0, spec.rows, rng.randrange(spec.rows)]), []
        rows = rng.randrange(2) if first_row == spec.rows else rng.randint(0, spec.rows - first_row)
    return Drive(
        rng.randrange(spec.tiles),
        first_row,
        [rng.randint(-2048, 2047) for _ in range(rows)],
        rng.randrange(len(spec.afe.tia_ohm)),
        first_slot,
        rng.randrange(first_slot, slots),
        route,
        not route and first_row < spec.rows and rows > 0 and rng.random() < 0.5,
    )


def random_pulse(spec: ChipSpec, rng: random.Random) -> Pulse:
    return Pulse(
        rng.randrange(spec.tiles),
        rng.randrange(spec.rows),
        rng.randrange(2),
        rng.randrange(2),
        rng.randrange(4096),
        rng.randrange(4096),
        rng.randint(1, spec.limits.form_pulse_ns),
        rng.getrandbits(spec.columns),
    )


class Engine:
    """The other side of an `AfePort`: sends drives and pulses, and keeps the samples of each."""

    def __init__(self, spec: ChipSpec, dut: FrontEnd, rng: random.Random, *, idles: bool = True) -> None:
        self.spec, self.afe, self.rng, self.idles = spec, dut.afe, rng, idles
        self.samples: list[list[tuple[int, int, int, int]]] = [[]]
        self.pulse_ends: list[int] = []

    async def listen(self, ctx: Any) -> None:
        sample = self.afe.samples
        fields = [sample.payload[name] for name in ("column", "raw", "end", "last")]
        while True:
            _, _, valid, done, tripped, *values = await ctx.tick().sample(
                sample.valid, self.afe.pulse_done, self.afe.pulse_tripped, *fields
            )
            if valid:
                self.samples[-1].append(tuple(values))
                if values[-1]:
                    self.samples.append([])
            if done:
                self.pulse_ends.append(tripped)

    async def idle(self, ctx: Any, most: int = 40) -> None:
        if self.idles and self.rng.random() < 0.3:
            await ctx.tick().repeat(self.rng.randint(1, most))

    async def take(self, ctx: Any, stream: Any) -> None:
        ctx.set(stream.valid, 1)
        ready = False
        while not ready:
            _, _, ready = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)

    async def code(self, ctx: Any, code: int) -> None:
        ctx.set(self.afe.code_write, 1)
        ctx.set(self.afe.code, code)
        await ctx.tick()
        ctx.set(self.afe.code_write, 0)

    async def drive(self, ctx: Any, drive: Drive) -> None:
        afe, spec = self.afe, self.spec
        rows = list(enumerate(drive.codes))
        if not drive.follow:
            if self.idles:
                self.rng.shuffle(rows)
            for offset, code in rows:
                ctx.set(afe.code_row, 0 if drive.first_row == spec.rows else drive.first_row + offset)
                await self.code(ctx, code)
            await self.idle(ctx, 900)
        ctx.set(afe.drive.payload, {
            "tile": drive.tile, "first_row": drive.first_row, "rows": len(drive.codes), "tia_range": drive.tia_range,
            "first_slot": drive.first_slot, "last_slot": drive.last_slot, "routed": bool(drive.route), "follow": drive.follow,
        })  # fmt: skip
        if drive.route:
            stages = drive.route + [drive.route[0]] * (spec.tiles - len(drive.route))
            ctx.set(afe.route, {"stages": len(drive.route), "stage": stages})
        await self.take(ctx, afe.drive)
        if drive.follow:
            for row, code in enumerate(drive.codes, drive.first_row):
                ctx.set(afe.code_row, row)
                await self.idle(ctx)
                await self.code(ctx, code)
            ctx.set(afe.code_row, self.rng.randrange(spec.rows))
        if drive.route:  # looked at while the drive is taken, and never after
            ctx.set(afe.route, {"stages": 0, "stage": [{} for _ in range(spec.tiles)]})

    async def pulse(self, ctx: Any, pulse: Pulse) -> None:
        afe, ends = self.afe, len(self.pulse_ends)
        for column in range(self.spec.columns):
            ctx.set(afe.mask_write, 1)
            ctx.set(afe.mask_column, column)
            ctx.set(afe.mask, pulse.mask >> column & 1)
            await ctx.tick()
        ctx.set(afe.mask_write, 0)
        ctx.set(afe.pulse.payload, {name: value for name, value in vars(pulse).items() if name != "mask"})
        await self.take(ctx, afe.pulse)
        while len(self.pulse_ends) == ends:
            await ctx.tick()


class Expected:
    """Takes the recorded events in order and compares them with what each request has to cause."""

    def __init__(self, spec: ChipSpec, parts: Parts, engine: Engine) -> None:
        self.spec, self.parts, self.engine = spec, parts, engine
        self.settling = Settling.of(spec)
        self.frame = AdcTiming.of(spec.column_adc, spec.controller.clock_hz).frame
        self.in_force: Any = None
        self.last_sample = -1
        self.begins: list[int] = []
        self.raised = False

    def _latch(self, pattern: Any) -> int:
        """The cycle in which the pattern comes into force; 0 if it is in force already."""
        if pattern.chains == self.in_force:
            return 0
        self.in_force = pattern.chains
        cycle, chains = self.parts.latches.pop(0)
        assert chains == pattern.chains
        return cycle + 1

    def drive(self, drive: Drive) -> None:
        spec, dacs, rows = self.spec, self.spec.afe.row_dacs, len(drive.codes)
        row = 0 if drive.first_row == spec.rows else drive.first_row
        channels = list(range(row // dacs, max((row + rows - 1) // dacs, row // dacs) + 1))
        frames = [self.parts.row_frames.pop(0) for _ in channels]
        assert [frame.channel for frame in frames] == channels
        assert [frame.update for frame in frames] == [0] * (len(frames) - 1) + [1]
        shown = {frame.channel * dacs + dac: code for frame in frames for dac, code in enumerate(frame.codes)}
        assert [shown[row + offset] for offset in range(rows)] == drive.codes
        if dacs > 1:
            assert all(code == 0 for index, code in shown.items() if not row <= index < row + rows)

        if drive.route:
            pattern = Pattern.route(spec, drive.route)
            self.in_force = None  # a route's pattern is always shifted
        else:
            pattern = Pattern.drive(spec, drive.tile, drive.first_row, rows, drive.tia_range)
        update = self.parts.updates.pop(0)
        latch = self._latch(pattern)
        if drive.route:
            self.in_force = None
        assert update > self.last_sample
        assert latch == 0 or latch > self.last_sample + 1
        begin = max(update, latch)
        settled = begin + 1 + self.settling.drive + self.settling.stage * max(len(drive.route) - 1, 0)

        latency, slots = self.spec.column_adc.latency_frames, drive.last_slot - drive.first_slot + 1
        taken = [self.parts.adc.samples.pop(0) for _ in range(latency + slots)][latency:]
        assert [sample.channel for sample in taken] == list(range(drive.first_slot, drive.last_slot + 1))
        assert [sample.cycle for sample in taken] == [settled + self.frame * slot for slot in range(slots)]
        assert self.engine.samples.pop(0) == samples_of(self.spec, taken)
        self.last_sample = taken[-1].cycle
        self.begins.append(begin)

    def pulse(self, pulse: Pulse) -> None:
        rail = Rail.RESET if pulse.reset else Rail.SET
        wanted = [(rail, pulse.rail, 0, pulse.form), (Rail.GATE, pulse.gate, 1, pulse.form)]
        if self.raised and pulse.reset and not pulse.form:  # SET's rail is where forming left it
            wanted.insert(0, (Rail.SET, 0, 0, 0))
            self.raised = False
        assert [self.parts.rail_frames.pop(0)[1:] for _ in wanted] == wanted
        if pulse.form or not pulse.reset:
            self.raised = bool(pulse.form)
        latch = self._latch(Pattern.pulse(self.spec, pulse.tile, pulse.row, pulse.mask, pulse.reset))
        self.in_force = None
        cycle, request = self.parts.pulses.pop(0)
        assert request == {"reset": pulse.reset, "form": pulse.form, "width_ns": pulse.width_ns}
        settled = max(self.parts.rail_updates.pop(0), latch) + 1 + self.settling.rail
        assert cycle >= settled
        if not self.parts.slow:
            assert cycle == settled

    def nothing_else(self) -> None:
        parts = self.parts
        assert self.engine.samples == [[]]
        assert not any(
            [parts.row_frames, parts.updates, parts.rail_frames, parts.latches, parts.pulses, parts.adc.samples]
        )


def bench(spec: ChipSpec, rng: random.Random, *, slow: bool) -> tuple[FrontEnd, Parts, Engine, Callable[..., None]]:
    """The front end, both sides of it, and what runs a main testbench within some cycles, maybe others beside it."""
    dut, waits = FrontEnd(spec), Signal()
    parts = Parts(spec, rng, AdcModel(spec.afe.column_adcs, PADS_CYCLES, rng, tag_errors=0.02), slow)
    engine = Engine(spec, dut, rng, idles=slow)
    design = Module()
    design.submodules.front_end = dut
    # The last clock edge of an updating frame comes in the very cycle of its release.
    design.d.comb += dut.out.row_updated.eq(dut.out.row_release & waits)

    def run(main: Any, *others: Any, cycles: int) -> None:
        background = [*others, parts.testbench(dut, waits), engine.listen]
        simulate(design, main, background=background, timeout_cycles=cycles)

    return dut, parts, engine, run


async def finished(ctx: Any, dut: FrontEnd) -> None:
    while not ctx.get(dut.afe.idle):
        await ctx.tick()
    await ctx.tick().repeat(2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("slow", [False, True])
def test_random_drives_and_pulses(spec, seed, slow) -> None:
    rng = random.Random(seed)
    dut, parts, engine, run = bench(spec, rng, slow=slow)
    requests = [
        random_pulse(spec, rng) if rng.random() < 0.3 else random_drive(spec, rng)
        for _ in range(24 if spec.rows < 100 else 10)
    ]
    # Some again with other codes: their pattern is in force.
    for drive in [request for request in requests if isinstance(request, Drive)][:3]:
        again = Drive(**{**vars(drive), "codes": [rng.randint(-300, 300) for _ in drive.codes]})
        requests.insert(requests.index(drive) + 1, again)

    async def main(ctx: Any) -> None:
        await ctx.tick().repeat(5)
        assert ctx.get(dut.afe.idle)
        ctx.set(dut.out.ready, 1)
        for request in requests:
            await engine.idle(ctx, 900)
            await (engine.drive if isinstance(request, Drive) else engine.pulse)(ctx, request)
            assert not ctx.get(dut.afe.idle) or isinstance(request, Pulse)
        await finished(ctx, dut)
        expected = Expected(spec, parts, engine)
        for request in requests:
            if isinstance(request, Drive):
                expected.drive(request)
            else:
                expected.pulse(request)
                expected.last_sample = -1
        expected.nothing_else()
        assert engine.pulse_ends == [0] * sum(isinstance(request, Pulse) for request in requests)

    run(main, cycles=len(requests) * 4000)


def test_whole_tiles_in_steady_state(spec) -> None:
    """The time between vectors is the parts' settling, 15 further conversions, and two cycles."""
    rng = random.Random(7)
    dut, parts, engine, run = bench(spec, rng, slow=False)
    slots = spec.columns // spec.afe.column_adcs
    drives = [
        Drive(1, 0, [rng.randint(-300, 300) for _ in range(spec.rows)], 0, 0, slots - 1)
        for _ in range(6)
    ]  # fmt: skip

    async def main(ctx: Any) -> None:
        ctx.set(dut.out.ready, 1)
        for drive in drives:
            await engine.drive(ctx, drive)
        await finished(ctx, dut)
        expected = Expected(spec, parts, engine)
        for drive in drives:
            expected.drive(drive)
        expected.nothing_else()
        assert len(parts.latches) == 0
        periods = [second - first for first, second in pairwise(expected.begins[1:])]
        assert periods == [Settling.of(spec).drive + (slots - 1) * expected.frame + 2] * 4
        period_ns = periods[0] * 1e9 / spec.controller.clock_hz
        assert period_ns <= 1.1 * (spec.settle_ns + slots * 1000)

    run(main, cycles=8 * 500)


def test_a_pattern_is_shifted_when_any_of_it_is_new() -> None:
    """Drives that differ from the one before in one thing; `Expected` knows which of them latch."""
    spec = load_chip("bench-8x16")
    dut, parts, engine, run = bench(spec, random.Random(11), slow=False)
    codes = [[1, -2, 3], [4, 5, -6], [7, 8], [9, 10], [11, 12], [13, 14], [0, 0]]
    windows = [(0, 2, 0), (0, 2, 0), (0, 2, 0), (0, 3, 0), (1, 3, 0), (1, 3, 1), (1, 3, 1)]
    drives = [
        Drive(tile, first_row, row_codes, tia_range, 0, 0)
        for (tile, first_row, tia_range), row_codes in zip(windows, codes, strict=True)
    ]

    async def main(ctx: Any) -> None:
        ctx.set(dut.out.ready, 1)
        for drive in drives:
            await engine.drive(ctx, drive)
        await finished(ctx, dut)
        assert len(parts.latches) == 5
        expected = Expected(spec, parts, engine)
        for drive in drives:
            expected.drive(drive)
        expected.nothing_else()

    run(main, cycles=8 * 500)


def test_drives_of_one_slot_wait_for_the_row_dacs_only(spec) -> None:
    """Where conversions are short the frames of the row DACs follow each other without a gap but the part's."""
    rng = random.Random(8)
    dut, parts, engine, run = bench(spec, rng, slow=False)
    rows = min(8 * spec.afe.row_dacs, spec.rows)
    drives = [Drive(0, 0, [rng.randint(-300, 300) for _ in range(rows)], 0, 3, 3) for _ in range(5)]

    async def main(ctx: Any) -> None:
        ctx.set(dut.out.ready, 1)
        for drive in drives:
            await engine.drive(ctx, drive)
        await finished(ctx, dut)
        timing = DacTiming.of(spec.row_dac, spec.controller.clock_hz)
        starts = [frame.cycle for frame in parts.row_frames]
        gaps = [second - first for first, second in pairwise(starts)]
        within = [gap for index, gap in enumerate(gaps) if index % 8 != 7]
        assert within == [timing.clocks + timing.sync_high] * len(within)

    run(main, cycles=6 * 600)


def test_rows_without_transistors_are_held_at_vmid() -> None:
    """A passive array's rows are never isolated: those that a drive leaves out get code 0."""
    spec = load_chip("bench-8x16-passive")
    rng = random.Random(10)
    dut, parts, engine, run = bench(spec, rng, slow=False)

    async def main(ctx: Any) -> None:
        ctx.set(dut.out.ready, 1)
        await engine.drive(ctx, Drive(0, 0, [100 + row for row in range(8)], 0, 0, 0))
        await engine.drive(ctx, Drive(0, 3, [-7, 9], 0, 0, 0))
        await engine.drive(ctx, Drive(0, 8, [11], 0, 0, 0))  # the reference row, on the first row's driver
        await finished(ctx, dut)
        assert [frame.channel for frame in parts.row_frames] == 3 * list(range(8))
        codes = [frame.codes[0] for frame in parts.row_frames]
        assert codes == [*range(100, 108), 0, 0, 0, -7, 9, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0]

    run(main, cycles=2000)


def test_nothing_is_taken_before_the_dacs_hold_vmid(spec) -> None:
    rng = random.Random(9)
    dut, parts, _, run = bench(spec, rng, slow=False)

    async def main(ctx: Any) -> None:
        ctx.set(dut.afe.drive.valid, 1)
        ctx.set(dut.afe.pulse.valid, 1)
        for _ in range(100):
            await ctx.tick()
            state = [dut.afe.idle, dut.out.operating, dut.afe.drive.ready, dut.afe.pulse.ready]
            assert [ctx.get(signal) for signal in state] == [1, 0, 0, 0]
        assert not any([parts.row_frames, parts.latches, parts.rail_frames])

    run(main, cycles=110)


@pytest.mark.parametrize("seed", range(4))
def test_after_a_trip_everything_ends_and_patterns_are_shifted_anew(seed) -> None:
    """The latch sets at any time; no update is answered from then on, until it is cleared."""
    spec = load_chip("bench-8x16")
    rng = random.Random(seed)
    dut, parts, engine, run = bench(spec, rng, slow=False)
    again = random_drive(spec, rng)
    again.route = []
    trip_at = rng.randint(1, 1500)

    async def trips(ctx: Any) -> None:
        await ctx.tick().repeat(trip_at)
        ctx.set(dut.tripped, 1)
        ctx.set(dut.out.ready, 0)
        parts.pulse_trips = True

    async def main(ctx: Any) -> None:
        ctx.set(dut.out.ready, 1)
        await engine.drive(ctx, again)
        taken = [again]
        while parts.cycle < trip_at + 2500:
            request = random_pulse(spec, rng) if rng.random() < 0.3 else random_drive(spec, rng)
            await (engine.drive if isinstance(request, Drive) else engine.pulse)(ctx, request)
            taken.append(request)
        await finished(ctx, dut)
        drives = [request for request in taken if isinstance(request, Drive)]
        assert len(engine.samples) == len(drives) + 1
        for drive, got in zip(drives, engine.samples, strict=False):
            assert [sample[0] for sample in got] == list(range(drive.first_slot, drive.last_slot + 1))
            assert [sample[3] for sample in got] == [0] * (len(got) - 1) + [1]
        assert len(engine.pulse_ends) == len(taken) - len(drives)

        # Cleared: the first drive's pattern, which may be the one before the trip, is shifted.
        ctx.set(dut.tripped, 0)
        ctx.set(dut.out.ready, 1)
        recorded = (parts.row_frames, parts.updates, parts.rail_frames, parts.latches, parts.pulses)
        for events in (*recorded, parts.adc.samples, engine.samples):
            events.clear()
        engine.samples.append([])
        await engine.drive(ctx, again)
        await finished(ctx, dut)
        expected = Expected(spec, parts, engine)
        expected.drive(again)
        expected.nothing_else()

    run(main, trips, cycles=trip_at + 12_000)

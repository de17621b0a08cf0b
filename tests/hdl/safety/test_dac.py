"""The AD5628 driver, bit by bit against frames written from the data sheet."""

from __future__ import annotations

import itertools
import random

import pytest
from amaranth.sim import Simulator

from ohmloom.spec import load_chip
from ohmloom_hdl.afe.dac import Ad5628, DacCommand

from .parts import Ad5628Model

TIMEOUT_CYCLES = 5000
FIRST, OTHER = 1, 2  # buses


def frame_word(command: DacCommand, address: int, code: int) -> int:
    """REFERENCES: bits 27:24 command, 23:20 address, 19:8 data; the reference command has its switch in bit 0."""
    return 0x08000001 if command == DacCommand.REFERENCE else command.value << 24 | address << 20 | code << 8


class Bench:
    """The driver of a bus and of one more with a single part; `log` has what the first one's pins did in each cycle."""

    def __init__(self, chip: str, lines: int, sync_high_min_ns: int | None = None) -> None:
        spec = load_chip(chip)
        part = spec.row_dac
        if sync_high_min_ns is not None:
            part = part.model_copy(update={"sync_high_min_ns": sync_high_min_ns})
        self.dut = Ad5628((part, spec.rail_dac), spec.controller.clock_hz, (lines, 1))
        self.parts, self.other = [Ad5628Model() for _ in range(lines)], Ad5628Model()
        self.log: list[tuple[int, int, int, int]] = []
        self.acted: list[bool] = []
        self.updated: list[int] = []

    def run(self, testbench, *background) -> None:
        async def time_out(ctx) -> None:
            for _ in range(TIMEOUT_CYCLES):
                await ctx.tick()  # not repeat(): it cannot be left unfinished
            raise AssertionError(f"not finished after {TIMEOUT_CYCLES} cycles")

        sim = Simulator(self.dut)
        sim.add_clock(1e-6)
        sim.add_testbench(self._watch, background=True)
        sim.add_testbench(testbench)
        for process in (*background, time_out):
            sim.add_testbench(process, background=True)
        sim.run()

    async def _watch(self, ctx) -> None:
        signals = [
            getattr(pins, name) for pins in self.dut.pins for name in ("clock_high", "clock_low", "select_n", "data")
        ]
        while True:
            _, _, high, low, select_n, data, *other, updated = await ctx.tick().sample(*signals, self.dut.updated)
            self.other.cycle(*other)
            assert not other[2] or other[:2] == [1, 1], "an idle bus has no clocks"
            acted = [part.cycle(high, low, select_n, data >> line & 1) for line, part in enumerate(self.parts)]
            assert len(set(acted)) == 1, "parts on one clock act at once"
            self.log.append((high, low, select_n, data))
            self.acted.append(acted[0])
            self.updated.append(updated)

    async def send(self, ctx, command: DacCommand, address: int, codes: list[int], buses: int = FIRST) -> None:
        dut = self.dut
        ctx.set(dut.frame.payload, {"command": command, "address": address, "buses": buses})
        for line, code in enumerate(codes):
            ctx.set(dut.codes[line], code)
        ctx.set(dut.frame.valid, 1)
        await ctx.tick().until(dut.frame.ready)
        ctx.set(dut.frame.valid, 0)


@pytest.mark.parametrize(
    ("command", "address", "code", "word"),
    [
        (DacCommand.REFERENCE, 0, 0xABC, 0x08000001),
        (DacCommand.WRITE, 3, 0x123, 0x00312300),
        (DacCommand.WRITE_UPDATE_ALL, 7, 0xFFF, 0x027FFF00),
        (DacCommand.WRITE_UPDATE_ALL, 15, 2048, 0x02F80000),
    ],
)
def test_a_frame_is_32_clocks_with_the_bits_of_the_data_sheet(command, address, code, word) -> None:
    bench = Bench("bench-8x16", 1)

    async def testbench(ctx) -> None:
        ctx.set(bench.dut.release, 1)
        await bench.send(ctx, command, address, [code])
        await ctx.tick().repeat(40)

    bench.run(testbench)
    first = next(cycle for cycle, (_, _, select_n, _) in enumerate(bench.log) if not select_n)
    frame = bench.log[first : first + 32]
    assert [data for *_, data in frame] == [word >> bit & 1 for bit in range(31, -1, -1)]
    assert {(high, low, select_n) for high, low, select_n, _ in frame} == {(1, 0, 0)}
    idle = bench.log[:first] + bench.log[first + 32 :]
    assert {(high, low, select_n) for high, low, select_n, _ in idle} == {(1, 1, 1)}
    assert bench.parts[0].frames == [word]


def test_last_edge_of_an_updating_frame_waits_for_release() -> None:
    bench = Bench("bench-8x16", 1)
    waits = 17

    async def testbench(ctx) -> None:
        await bench.send(ctx, DacCommand.WRITE_UPDATE_ALL, 1, [0xFFF])
        await ctx.tick().repeat(32 + waits - 1)
        assert not any(bench.acted)
        ctx.set(bench.dut.release, 1)
        await ctx.tick()
        ctx.set(bench.dut.release, 0)
        await bench.send(ctx, DacCommand.WRITE, 2, [0x001])  # not held back, though there is no release
        await ctx.tick().repeat(40)

    bench.run(testbench)
    first = next(cycle for cycle, (_, _, select_n, _) in enumerate(bench.log) if not select_n)
    held = bench.log[first + 31 : first + 31 + waits]
    assert set(held) == {(1, 1, 0, 0)}, "SYNC low, clock high, last bit on the line"
    assert bench.acted.index(True) == first + 31 + waits
    assert bench.updated.index(1) == bench.acted.index(True), "updated strobes with the edge"
    assert sum(bench.updated) == 1, "and not for a frame that updates nothing"
    assert bench.parts[0].frames == [0x021FFF00, 0x00200100]


@pytest.mark.parametrize(("sync_high_min_ns", "cycles"), [(15, 1), (56, 2), (300, 6)])
def test_frames_follow_each_other_after_the_least_time_of_sync_high(sync_high_min_ns: int, cycles: int) -> None:
    bench = Bench("bench-8x16", 1, sync_high_min_ns)  # 18 MHz: 55.6 ns a cycle

    async def testbench(ctx) -> None:
        ctx.set(bench.dut.release, 1)
        for channel in range(3):
            await bench.send(ctx, DacCommand.WRITE_UPDATE_ALL, channel, [channel])
        await ctx.tick().repeat(40)

    bench.run(testbench)
    edges = [cycle for cycle, acted in enumerate(bench.acted) if acted]
    assert [later - earlier for earlier, later in itertools.pairwise(edges)] == [32 + cycles] * 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("chip", "lines"), [("bench-8x16", 1), ("lab-128x128x4", 16)])
def test_random_frames_arrive_whole_under_stalls(chip: str, lines: int, seed: int) -> None:
    rng = random.Random(f"{chip} {seed}")
    bench = Bench(chip, lines)
    sent: list[list[int]] = [[] for _ in range(lines)]
    sent_other: list[int] = []
    releases = random.Random(seed)

    async def releasing(ctx) -> None:
        while True:
            ctx.set(bench.dut.release, releases.random() < 0.2)
            await ctx.tick()

    async def testbench(ctx) -> None:
        for _ in range(25):
            command = rng.choice(list(DacCommand))
            address = 0 if command == DacCommand.REFERENCE else rng.choice([*range(8), 15])
            codes = [rng.randrange(4096) for _ in range(lines)]
            buses = rng.choice([FIRST, OTHER, FIRST | OTHER])
            words = [frame_word(command, address, code) for code in codes]
            if buses & FIRST:
                for line, word in enumerate(words):
                    sent[line].append(word)
            if buses & OTHER:
                sent_other.append(words[0])
            await bench.send(ctx, command, address, codes, buses)
            await ctx.tick().repeat(rng.choice([1, 2, 5, 40]))
        await ctx.tick().until(bench.dut.frame.ready)

    bench.run(testbench, releasing)
    assert [part.frames for part in bench.parts] == sent
    assert bench.other.frames == sent_other
    assert all(part.aborted == 0 for part in (*bench.parts, bench.other))

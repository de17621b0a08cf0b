"""The switch driver against chains of ADG714 written from the data sheet."""

from __future__ import annotations

import random

import pytest
from amaranth.sim import Simulator

from ohmloom.spec import load_chip
from ohmloom.spec.switches import SwitchMap
from ohmloom_hdl.afe.switches import SwitchChains

from .parts import Adg714ChainModel

TIMEOUT_CYCLES = 20_000


@pytest.mark.parametrize("latch_with_last_bit", [True, False])
@pytest.mark.parametrize("chip", ["bench-8x16", "lab-128x128x4"])
def test_patterns_reach_the_switches_when_latched(chip: str, latch_with_last_bit: bool) -> None:
    spec = load_chip(chip)
    switches = SwitchMap(spec)
    dut = SwitchChains(spec.switch, spec.controller.clock_hz, switches.chains)
    parts = [Adg714ChainModel(switches.bits) for _ in range(switches.chains)]
    rng = random.Random(chip)

    async def watch(ctx) -> None:
        pins = dut.pins
        while True:
            _, _, high, low, select_n, data = await ctx.tick().sample(
                pins.clock_high, pins.clock_low, pins.select_n, pins.data
            )
            for chain, part in enumerate(parts):
                part.cycle(high, low, select_n, data >> chain & 1, reset_n=1)

    async def testbench(ctx) -> None:
        before = [[0] * switches.bits] * switches.chains
        for _ in range(6):
            pattern = [[rng.randrange(2) for _ in range(switches.bits)] for _ in range(switches.chains)]
            for bit in range(switches.bits):
                while rng.random() < 0.3:
                    await ctx.tick()
                last = bit == switches.bits - 1
                ctx.set(dut.bits.payload, sum(chain[bit] << index for index, chain in enumerate(pattern)))
                ctx.set(dut.bits.valid, 1)
                ctx.set(dut.latch, latch_with_last_bit and last)
                await ctx.tick().until(dut.bits.ready)
                ctx.set(dut.bits.valid, 0)
            if not latch_with_last_bit:
                await ctx.tick().repeat(3)
                ctx.set(dut.latch, 1)
                await ctx.tick()
            ctx.set(dut.latch, 0)
            assert [part.closed for part in parts] == before, "nothing moves before SYNC rises"
            assert ctx.get(dut.updated)
            assert ctx.get(dut.pins.select_n)
            await ctx.tick()
            assert [part.closed for part in parts] == pattern, "bit 0 of a chain, shifted first, is farthest"
            before = pattern

    async def time_out(ctx) -> None:
        for _ in range(TIMEOUT_CYCLES):
            await ctx.tick()  # not repeat(): it cannot be left unfinished
        raise AssertionError(f"not finished after {TIMEOUT_CYCLES} cycles")

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(watch, background=True)
    sim.add_testbench(testbench)
    sim.add_testbench(time_out, background=True)
    sim.run()


def test_abort_raises_sync_without_an_edge_of_the_clock() -> None:
    spec = load_chip("bench-8x16")
    dut = SwitchChains(spec.switch, spec.controller.clock_hz, 3)

    async def testbench(ctx) -> None:
        ctx.set(dut.bits.valid, 1)
        await ctx.tick().repeat(5)
        ctx.set(dut.bits.valid, 0)
        ctx.set(dut.abort, 1)
        assert not ctx.get(dut.pins.select_n)
        await ctx.tick()
        assert ctx.get(dut.pins.select_n)
        assert ctx.get(dut.pins.clock_low)
        assert not ctx.get(dut.updated)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()

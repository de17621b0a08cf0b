"""Switch patterns, bit for bit against `ohmloom.spec.switches`."""

from __future__ import annotations

import random

import pytest
from amaranth import Module, Signal
from tests.hdl.afe.models import Pattern, random_route
from tests.hdl.helpers import simulate

from ohmloom.spec.switches import SwitchMap
from ohmloom_hdl.afe.pattern import SwitchPattern


@pytest.mark.parametrize("seed", range(4))
def test_bits_of_drives_routes_and_pulses(spec, seed) -> None:
    rng = random.Random(seed)
    dut = SwitchPattern(spec)
    chains = SwitchMap(spec).chains

    async def shift(ctx) -> list[list[int]]:
        """A whole pattern, bit 0 first, under stalls."""
        taken: list[list[int]] = [[] for _ in range(chains)]
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        while not ctx.get(dut.done):
            ready = rng.random() < 0.7
            ctx.set(dut.bits.ready, ready)
            if ctx.get(dut.bits.valid) and ready:
                for chain, bits in enumerate(taken):
                    bits.append(ctx.get(dut.bits.payload) >> chain & 1)
            await ctx.tick()
        return taken

    m, columns = Module(), Signal(spec.columns)
    m.submodules.dut = dut
    m.d.sync += dut.mask.eq(columns.bit_select(dut.mask_column, 1))

    async def main(ctx) -> None:
        for _ in range(24):
            kind = rng.choice(["drive", "route", "pulse", "aborted"])
            tile, tia_range = rng.randrange(spec.tiles), rng.randrange(len(spec.afe.tia_ohm))
            first_row = rng.choice([0, spec.rows, rng.randrange(spec.rows)])
            rows = rng.randrange(2) if first_row == spec.rows else rng.randint(0, spec.rows - first_row)
            route = random_route(spec, rng)
            ctx.set(dut.tile, tile)
            ctx.set(dut.tia_range, tia_range)
            ctx.set(dut.first_row, first_row)
            ctx.set(dut.stop, first_row + rows)
            ctx.set(dut.routed, kind == "route")
            ctx.set(dut.writing, kind == "pulse")
            ctx.set(dut.reset, reset := rng.randrange(2))
            ctx.set(dut.route, {"stages": len(route), "stage": route + [route[0]] * (spec.tiles - len(route))})
            if kind == "pulse":
                first_row = rng.randrange(spec.rows)
                ctx.set(dut.first_row, first_row)
                ctx.set(dut.stop, first_row + 1)
                mask = rng.getrandbits(spec.columns)
                ctx.set(columns, mask)
                await ctx.tick()
                wanted = Pattern.pulse(spec, tile, first_row, mask, reset)
            elif kind == "route":
                wanted = Pattern.route(spec, route)
            else:
                wanted = Pattern.drive(spec, tile, first_row, rows, tia_range)
            if kind == "aborted":
                ctx.set(dut.bits.ready, 1)
                ctx.set(dut.start, 1)
                await ctx.tick()
                ctx.set(dut.start, 0)
                await ctx.tick().repeat(rng.randrange(1, SwitchMap(spec).bits))
                ctx.set(dut.abort, 1)
                await ctx.tick()
                ctx.set(dut.abort, 0)
                assert ctx.get(dut.done)
            assert await shift(ctx) == wanted.chains

    simulate(m, main, name="SwitchPattern", timeout_cycles=24 * (4 * SwitchMap(spec).bits + spec.columns + 10))

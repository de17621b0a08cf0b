"""The probe against sums of the samples that a front end gave it."""

import random

import pytest
from tests.hdl.helpers import idle, simulate, strobe

from ohmloom.spec import load_chip
from ohmloom.spec.core import PROBE_COUNT
from ohmloom_hdl.soc.probe import Probe


def front_end(dut, spec, rng, drives, given):
    """Takes drives while the one before is converted; raw codes and ends are random."""
    queue, code = [], {}

    async def take(ctx):
        port = dut.afe
        while True:
            ctx.set(port.drive.ready, rng.random() < 0.3 and len(queue) < 2)
            _, _, write, row, value, valid, ready = await ctx.tick().sample(
                port.code_write, port.code_row, port.code, port.drive.valid, port.drive.ready
            )
            if write:
                code[row] = value
            if valid and ready:
                payload = port.drive.payload
                fields = ("tile", "first_row", "rows", "tia_range", "first_slot", "last_slot")
                drive = {name: ctx.get(getattr(payload, name)) for name in fields}
                drives.append((drive, dict(code)))
                queue.append(drive)
                code.clear()

    async def convert(ctx):
        samples, adcs = dut.afe.samples, spec.afe.column_adcs
        while True:
            if not queue:
                await ctx.tick()
                continue
            drive = queue[0]
            columns = range(drive["first_slot"] * adcs, min((drive["last_slot"] + 1) * adcs, spec.columns))
            for column in columns:
                if column % adcs == 0:
                    await idle(ctx, rng, 0.7)
                raw = rng.choice([-2048, 2047, rng.randrange(-2048, 2048)])
                end = raw in (-2048, 2047)
                given.append((column, raw, end))
                ctx.set(samples.payload, {"column": column, "raw": raw, "end": end, "last": column == columns[-1]})
                await strobe(ctx, samples.valid)
            queue.pop(0)

    return take, convert


@pytest.mark.parametrize("name", ["bench-8x16", "lab-128x128x4"])
def test_sums_of_random_measurements(name):
    spec, rng = load_chip(name), random.Random(2)
    dut, drives, given = Probe(spec), [], []
    last_slot = (spec.columns - 1) // spec.afe.column_adcs
    expected = {}

    async def firmware(ctx):
        for _ in range(6):
            slots = sorted(rng.randrange(last_slot + 1) for _ in range(2))
            reference, on = rng.random() < 0.4, rng.random() < 0.7
            drive = {
                "tile": rng.randrange(spec.tiles),
                "first_row": spec.rows if reference else rng.randrange(spec.rows),
                "rows": int(on),
                "tia_range": rng.randrange(len(spec.afe.tia_ohm)),
                "first_slot": slots[0],
                "last_slot": slots[1],
            }
            count, code = rng.choice([1, 2, PROBE_COUNT]), rng.randrange(-2048, 2048)
            for field, value in drive.items():
                ctx.set(getattr(dut.drive, field), value)
            ctx.set(dut.code, code)
            ctx.set(dut.count, count)
            del drives[:], given[:]
            await strobe(ctx, dut.start)
            while ctx.get(dut.busy):
                await ctx.tick()
            row = 0 if reference else drive["first_row"]
            assert drives == [(drive, {row: code})] * count
            assert ctx.get(dut.saturated) == sum(end for _, _, end in given)
            expected.update({column: 0 for column, _, _ in given})
            for column, raw, _ in given:
                expected[column] += raw
            for column, value in expected.items():
                ctx.set(dut.column, column)
                await ctx.tick()
                assert ctx.get(dut.sum) == value

    simulate(dut, firmware, background=front_end(dut, spec, rng, drives, given))

"""The corrector against `ohmloom.spec.arithmetic.correct`, at the ends of all ranges and at random."""

import itertools

import numpy as np
from amaranth.sim import Simulator

from ohmloom.spec import load_chip
from ohmloom.spec.arithmetic import FRACTION_BITS, correct
from ohmloom.spec.commands import Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.engines.correct import Corrector, correction_address


def test_corrector_computes_the_definition_every_second_cycle():
    rng = np.random.default_rng(1)
    ends = itertools.product((-2048, -1, 0, 1, 2047), (-32768, -1, 0, 1, 32767), (0, 1, 32767, 32768, 32769, 65535))
    edges = ((sign * 2047, sign * -step, 32768) for sign in (-1, 1) for step in range(30))  # where codes end
    random = rng.integers((-2048, -32768, 0), (2048, 32768, 65536), (500, 3))
    raw, offset, gain = np.array([*ends, *edges, *random.tolist()]).T
    dut = Corrector()
    got = []

    async def testbench(ctx):
        for index, (code, *words) in enumerate(zip(raw.tolist(), offset.tolist(), gain.tolist(), strict=True)):
            for strobe, word in zip((dut.offset, dut.gain), words, strict=True):
                ctx.set(dut.raw, code)
                ctx.set(dut.word, word & 0xFFFF)
                ctx.set(strobe, 1)
                await ctx.tick()
                ctx.set(strobe, 0)
                code = 77  # is not looked at with the gain
                if ctx.get(dut.valid):
                    got.append(ctx.get(dut.corrected))
                    rounded = (got[-1] + (1 << FRACTION_BITS - 1)) >> FRACTION_BITS
                    assert ctx.get(dut.beyond) == (not -2048 <= rounded <= 2047), got[-1]
            if index % 7 == 0:
                await ctx.tick()
                assert not ctx.get(dut.valid)
                assert ctx.get(dut.corrected) == got[-1]

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    np.testing.assert_array_equal(got, correct(raw, offset, gain))


def test_addresses_are_those_of_the_memory_map():
    for spec in (load_chip("bench-8x16"), load_chip("lab-128x128x4")):
        base = MemoryMap(spec).base[Memory.CORRECTION]
        entries = np.arange(spec.tiles * len(spec.afe.tia_ohm) * spec.columns).reshape(spec.tiles, -1, spec.columns)
        for tile, tia_range, column in ((0, 0, 0), (spec.tiles - 1, 1, 5), (1, 0, spec.columns - 1)):
            assert 2 * correction_address(spec, tile, tia_range, column) == base + 4 * entries[tile, tia_range, column]

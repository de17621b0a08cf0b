"""Packed codes against `ohmloom.spec.layout`, with words and codes that come and go when they like."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from ohmloom.spec.layout import pack_codes, unpack_codes
from ohmloom_hdl.engines.codes import NibblePacker, NibbleUnpacker, Packer, Unpacker


def simulate(dut, testbench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def words_of(data):
    return np.frombuffer(data + bytes(-len(data) % 2), "<u2")


def random_codes(rng, count):
    return rng.choice([-2048, -1, 0, 1, 2047, *rng.integers(-2048, 2048, 8)], count)


@pytest.mark.parametrize(("kind", "code_cycles"), [(Unpacker, 1), (NibbleUnpacker, 3)])
@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize(("count", "odd"), [(1, 0), (2, 1), (3, 0), (4, 0), (5, 1), (8, 0), (9, 1), (67, 0)])
def test_unpacker_takes_codes_out_of_words(kind, code_cycles, count, odd, pause):
    rng = np.random.default_rng(count)
    dut = kind()

    async def testbench(ctx):
        for _ in range(2):  # the second time after an unfinished first
            codes = random_codes(rng, count)
            ctx.set(dut.start, 1)
            ctx.set(dut.odd, odd)
            await ctx.tick()
            ctx.set(dut.start, 0)
            words, got, cycles = list(words_of(b"\x5a" * odd + pack_codes(codes))), [], 0
            while len(got) < count:
                ctx.set(dut.words.valid, bool(words) and rng.random() >= pause)
                ctx.set(dut.words.payload, int(words[0]) if words else 0xFFFF)
                ctx.set(dut.codes.ready, rng.random() >= pause)
                taken = ctx.get(dut.words.valid) and ctx.get(dut.words.ready)
                if ctx.get(dut.codes.valid) and ctx.get(dut.codes.ready):
                    got.append(ctx.get(dut.codes.payload))
                await ctx.tick()
                if taken:
                    words.pop(0)
                cycles += 1
                assert cycles < 20 * count + 20
            assert got == list(codes)
            assert pause or cycles <= code_cycles * count + odd
            used_up = (3 * count + 2 * odd) % 4 == 0
            assert len(words) == (kind is NibbleUnpacker and not used_up)

    simulate(dut, testbench)


@pytest.mark.parametrize(("kind", "code_cycles"), [(Packer, 1), (NibblePacker, 3)])
@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 67])
def test_packer_puts_codes_into_words(kind, code_cycles, count, pause):
    rng = np.random.default_rng(count)
    dut = kind()

    async def testbench(ctx):
        for _ in range(2):
            codes = random_codes(rng, count)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            left, words, cycles = list(codes), [], 0
            while left or not ctx.get(dut.empty):
                ctx.set(dut.codes.valid, bool(left) and rng.random() >= pause)
                ctx.set(dut.codes.payload, int(left[0]) if left else -1)
                ctx.set(dut.flush, not left)
                ctx.set(dut.words.ready, rng.random() >= pause)
                if ctx.get(dut.words.valid) and ctx.get(dut.words.ready):
                    words.append(ctx.get(dut.words.payload))
                if ctx.get(dut.codes.valid) and ctx.get(dut.codes.ready):
                    left.pop(0)
                await ctx.tick()
                cycles += 1
                assert cycles < 20 * count + 20
            ctx.set(dut.flush, 0)
            length = (3 * count + 1) // 2
            assert len(words) == (length + 1) // 2
            np.testing.assert_array_equal(unpack_codes(np.array(words, "<u2").tobytes()[:length]), codes)
            assert pause or cycles <= code_cycles * (count + 1)

    simulate(dut, testbench)

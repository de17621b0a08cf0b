"""The flash's shift register against a slave of SPI mode 0."""

import random

from tests.hdl.helpers import simulate, strobe, until, wait

from ohmloom_hdl.soc.flash import FlashShifter


def slave(dut, frames, answers):
    """Takes MOSI at SCLK's rises, changes MISO at its falls; a frame lasts as long as it is selected."""

    async def run(ctx):
        pins, clock, taken, give = dut.pins, 0, None, iter(())
        while True:
            await ctx.tick()
            if ctx.get(pins.select_n):
                taken = None
                assert not ctx.get(pins.sclk)
            elif taken is None:
                taken = []
                frames.append(taken)
                give = iter([byte >> bit & 1 for byte in answers for bit in range(7, -1, -1)])
                ctx.set(pins.miso, next(give))
            level = ctx.get(pins.sclk)
            if taken is not None and level and not clock:
                taken.append(ctx.get(pins.mosi))
            if taken is not None and clock and not level:
                ctx.set(pins.miso, next(give, 0))
            clock = level

    return run


def test_bytes_go_both_ways():
    rng, dut, frames = random.Random(1), FlashShifter(), []
    answers = [rng.randrange(256) for _ in range(6)]
    sent = [[rng.randrange(256) for _ in range(length)] for length in (1, 6, 3)]

    async def core(ctx):
        for frame in sent:
            for byte, answer in zip(frame, answers, strict=False):
                ctx.set(dut.data_w, byte)
                ctx.set(dut.select, 1)
                await strobe(ctx, dut.start)
                await until(ctx, ~dut.busy)
                assert ctx.get(dut.data_r) == answer
                await wait(ctx, rng.randrange(5))
            ctx.set(dut.select, 0)
            await strobe(ctx, dut.start)
            assert not ctx.get(dut.busy)
            await wait(ctx, 3)

    simulate(dut, core, background=(slave(dut, frames, answers),))
    assert frames == [[byte >> bit & 1 for byte in frame for bit in range(7, -1, -1)] for frame in sent]

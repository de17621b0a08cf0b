"""The safety block's rules, one by one. `bench.Bench` holds all of them in every cycle of every test."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ohmloom.spec import registers
from ohmloom.spec.switches import Rail
from ohmloom_hdl.safety.interlocks import watchdog_cycles

from .bench import Bench, chip
from .parts import VMID

CHIPS = ("bench-8x16", "lab-128x128x4")
OVER_CURRENT, WATCHDOG, HOST = (
    field.mask
    for field in (registers.TRIP_CAUSE_OVER_CURRENT, registers.TRIP_CAUSE_WATCHDOG, registers.TRIP_CAUSE_HOST)
)


@pytest.mark.parametrize("name", CHIPS)
def test_power_up_brings_the_dacs_to_their_levels_before_any_switch_may_close(name: str) -> None:
    bench = Bench(chip(name))

    async def testbench(ctx) -> None:
        assert not ctx.get(bench.dut.switch_reset_n)
        await bench.boot(ctx)

    bench.run(testbench)
    for part in bench.rows:
        assert part.frames == [0x08000001, 0x02F80000]
    gate_code = bench.spec.rail_code(bench.spec.limits.gate_v)
    assert bench.rails.frames == [0x08000001, 0x02F00000, 0x02300000 | gate_code << 8]
    # Four frames of 32 clocks, of which the first goes to all DACs, and SYNC high, then the data sheet's settling.
    assert bench.cycle == pytest.approx(4 * 33 + bench.settling, abs=3)


@pytest.mark.parametrize("name", CHIPS)
def test_row_codes_are_clamped_around_vmid(name: str) -> None:
    bench = Bench(chip(name))
    clamp, dacs = bench.spec.read_clamp, bench.spec.afe.row_dacs
    codes = [0, 1, -1, clamp, -clamp, clamp + 1, -clamp - 1, 2047, -2048, 327, 256, -1024, 1024]

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        for code in codes:
            await bench.row(ctx, 5, dict.fromkeys(range(dacs), code), update=False)
            await ctx.tick().until(bench.dut.out.row_frame.ready)
            for part in bench.rows:
                assert part.inputs[5] == VMID + min(max(code, -clamp), clamp)
                assert part.outputs[5] == VMID

    bench.run(testbench)


def test_row_codes_go_to_their_dac_and_may_be_written_while_a_frame_is_sent() -> None:
    bench = Bench(chip("lab-128x128x4"))
    dacs = bench.spec.afe.row_dacs

    async def testbench(ctx) -> None:
        out = bench.dut.out
        await bench.boot(ctx)
        ctx.set(out.row_release, 1)
        for channel in range(8):
            await bench.row(ctx, channel, {dac: 20 * channel + dac for dac in range(dacs)}, update=channel == 7)
        await ctx.tick().until(out.row_updated)

    bench.run(testbench)
    for dac, part in enumerate(bench.rows):
        assert part.outputs == [VMID + 20 * channel + dac for channel in range(8)]


@pytest.mark.parametrize("forming", [False, True])
def test_rail_codes_are_clamped_by_channel_and_forming(forming: bool) -> None:
    bench = Bench(chip(gate_v=4.7))
    spec, limits = bench.spec, bench.spec.limits
    clamp_v = [limits.form_v if forming else limits.set_v, limits.reset_v, limits.gate_v, limits.gate_v, 0, 0, 0, 0]

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        if forming:
            await bench.strobe(ctx, "arm")
            await bench.strobe(ctx, "form_begin")
        for channel in range(8):
            clamp = spec.rail_code(clamp_v[channel])
            for code in {0, 1, max(clamp - 1, 0), clamp, min(clamp + 1, 4095), 4095}:
                await bench.rail(ctx, channel, code, form=True)
                await ctx.tick()
                assert bench.rails.outputs[channel] == min(code, clamp)
        await bench.rail(ctx, Rail.SET, 4095, form=False)
        await ctx.tick()
        assert bench.rails.outputs[Rail.SET] == spec.rail_code(limits.set_v)

    bench.run(testbench)


@pytest.mark.parametrize("name", CHIPS)
def test_pulses_are_as_long_as_the_spec_says(name: str) -> None:
    bench = Bench(chip(name))
    widths_ns = [1, 25, 26, 28, 74, 75, 76, 83, 84, 125, 138, 139, 500, 1000, 1003, 4321, 9999, 10_000]

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        for width_ns in widths_ns:
            assert await bench.pulse(ctx, width_ns)

    bench.run(testbench)
    assert [length for _, length, _ in bench.pulses] == [bench.spec.pulse_cycles(width_ns) for width_ns in widths_ns]


def test_a_whole_forming_pulse_and_its_rest() -> None:
    bench = Bench(chip())
    cap_ns = bench.spec.limits.form_pulse_ns

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        assert await bench.pulse(ctx, cap_ns, form=True)
        assert not ctx.get(bench.dut.control.tripped)

    bench.run(testbench, timeout=40_000)
    assert [length for _, length, _ in bench.pulses] == [bench.spec.pulse_cycles(cap_ns)]


@pytest.mark.parametrize("duty", [0.5, 0.25, 0.3, 0.9, 1.0])
def test_a_pulse_comes_as_soon_as_the_rest_is_over(duty: float) -> None:
    bench = Bench(chip(duty=duty))
    ratio = 1 / Fraction(duty) - 1

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        for width_ns in (3000, 1000, 5000, 60):
            assert await bench.pulse(ctx, width_ns)

    bench.run(testbench)
    for (before, length_before, _), (start, length, _) in zip(bench.pulses, bench.pulses[1:], strict=False):
        rest = start - before - length_before
        assert rest >= length * ratio
        # The share of one more cycle, 1/64 of rounding, and what ends and takes a pulse.
        assert rest <= max((length + 1) * ratio * 65 / 64, 10) + 3


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"width_ns": 10_001}, "longer than the cap"),
        ({"width_ns": 10_001, "reset": True}, "longer than the cap"),
        ({"width_ns": (1 << 20) - 1}, "longer than the cap"),
        ({"width_ns": 100, "form": True}, "forming was not begun"),
        ({"width_ns": 20_000, "form": True}, "forming was not begun"),
    ],
)
def test_pulses_that_are_not_allowed_are_refused(request_, why) -> None:
    bench = Bench(chip())

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        assert not await bench.pulse(ctx, **request_), why
        assert not ctx.get(bench.dut.control.tripped), "a refusal is not a trip"
        assert await bench.pulse(ctx, 1000)

    bench.run(testbench)
    assert len(bench.pulses) == 1


def test_forming_pulses_have_their_own_cap_and_one_direction() -> None:
    bench = Bench(chip(form_pulse_ns=20_000))

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        assert await bench.pulse(ctx, 20_000, form=True)
        assert not await bench.pulse(ctx, 20_001, form=True)
        assert not await bench.pulse(ctx, 100, form=True, reset=True)

    bench.run(testbench)
    assert len(bench.pulses) == 1


@pytest.mark.parametrize("through_other_channel", [False, True])
def test_a_rail_left_at_a_forming_level_cannot_be_used_without_forming(through_other_channel: bool) -> None:
    bench = Bench(chip(form_pulse_ns=20_000))
    level = bench.spec.rail_code(bench.spec.limits.form_v)

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        if through_other_channel:
            await bench.rail(ctx, Rail.SET, level, form=True, update=False)
            await bench.rail(ctx, Rail.GATE, 100)
        else:
            await bench.rail(ctx, Rail.SET, level, form=True)
        assert bench.rails.outputs[Rail.SET] == level or through_other_channel
        assert await bench.pulse(ctx, 1000, form=True)
        await bench.strobe(ctx, "form_end")
        for reset in (False, True):
            assert not await bench.pulse(ctx, 1000, reset=reset)
        # A lower code in the input register alone changes nothing yet.
        await bench.rail(ctx, Rail.SET, 100, update=False)
        assert not await bench.pulse(ctx, 1000)
        await bench.rail(ctx, Rail.RESET, 100)
        assert await bench.pulse(ctx, 1000)
        assert bench.rails.outputs[Rail.SET] == 100

    bench.run(testbench)
    assert [forms for _, _, forms in bench.pulses] == [True, False]


def test_the_form_key_is_used_up() -> None:
    bench = Bench(chip(form_pulse_ns=20_000))

    async def testbench(ctx) -> None:
        control = bench.dut.control
        await bench.boot(ctx)
        await bench.strobe(ctx, "form_begin")
        assert not await bench.pulse(ctx, 100, form=True)
        await bench.strobe(ctx, "arm")
        assert ctx.get(control.armed)
        assert not await bench.pulse(ctx, 100, form=True), "armed is not begun"
        await bench.strobe(ctx, "disarm")
        assert not ctx.get(control.armed)
        await bench.strobe(ctx, "form_begin")
        assert not await bench.pulse(ctx, 100, form=True)
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        assert not ctx.get(control.armed)
        assert await bench.pulse(ctx, 100, form=True)
        assert await bench.pulse(ctx, 100, form=True)
        await bench.strobe(ctx, "form_end")
        await bench.strobe(ctx, "form_begin")
        assert not await bench.pulse(ctx, 100, form=True)

    bench.run(testbench)


def test_the_end_of_forming_cuts_a_forming_pulse() -> None:
    bench = Bench(chip(form_pulse_ns=20_000))

    async def testbench(ctx) -> None:
        dut = bench.dut
        await bench.boot(ctx)
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        await bench._offer(ctx, dut.out.pulse, {"width_ns": 20_000, "form": 1, "reset": 0})
        await ctx.tick().repeat(100)
        assert ctx.get(dut.pulse_gate)
        await bench.strobe(ctx, "form_end")
        (tripped,) = await ctx.tick().sample(dut.out.pulse_tripped).until(dut.out.pulse_done)
        assert tripped

    bench.run(testbench)
    assert bench.pulses[0][1] == pytest.approx(102, abs=1)


@pytest.mark.parametrize("cause", [OVER_CURRENT, HOST])
def test_a_trip_opens_everything_until_it_is_cleared_and_the_dacs_are_set_anew(cause: int) -> None:
    bench = Bench(chip(form_pulse_ns=20_000))
    chains = len(bench.chains)

    async def trip(ctx) -> None:
        if cause == HOST:
            await bench.strobe(ctx, "trip")
            return
        ctx.set(bench.dut.over_current, 1)
        await ctx.tick().repeat(3)  # two of the synchroniser, one of the latch
        ctx.set(bench.dut.over_current, 0)

    async def testbench(ctx) -> None:
        dut, out, control = bench.dut, bench.dut.out, bench.dut.control
        await bench.boot(ctx)
        await bench.shift(ctx, [[1] * len(bench.chains[0].closed)] * chains)
        assert bench.chains[0].closed[0]
        await bench.row(ctx, 0, {0: 100}, update=False)
        await bench.rail(ctx, Rail.RESET, 3000)
        await bench.strobe(ctx, "arm")
        await bench._offer(ctx, out.pulse, {"width_ns": 10_000, "form": 0, "reset": 0})
        await ctx.tick().repeat(20)
        assert ctx.get(dut.pulse_gate)
        await trip(ctx)
        assert not ctx.get(dut.pulse_gate)
        assert not ctx.get(dut.switch_reset_n)
        assert not ctx.get(out.ready)
        assert ctx.get(control.tripped)
        assert ctx.get(control.cause) == cause
        assert not ctx.get(control.armed)
        (tripped,) = await ctx.tick().sample(out.pulse_tripped).until(out.pulse_done)
        assert tripped
        assert not any(bench.chains[0].closed)

        # Nothing comes of what is sent now, though it is taken.
        frames = len(bench.rails.frames), len(bench.rows[0].frames)
        await bench.row(ctx, 1, {0: 100}, update=True)
        assert ctx.get(out.row_updated)
        await bench.rail(ctx, Rail.SET, 100, update=False)
        await bench.shift(ctx, [[1] * 8] * chains)
        assert not await bench.pulse(ctx, 100)
        await bench.strobe(ctx, "arm")
        assert not ctx.get(control.armed)
        await ctx.tick().repeat(100)
        assert (len(bench.rails.frames), len(bench.rows[0].frames)) == frames

        await bench.strobe(ctx, "clear")
        assert not ctx.get(control.tripped)
        assert not ctx.get(out.ready)
        await ctx.tick().until(out.ready)
        assert bench.rows[0].outputs == [VMID] * 8
        assert bench.rails.outputs[: Rail.READ_GATE] == [0] * Rail.READ_GATE
        assert not any(bench.chains[0].closed)
        assert await bench.pulse(ctx, 1000)

    bench.run(testbench)


def test_the_latch_stays_while_the_current_is_too_high() -> None:
    bench = Bench(chip())

    async def testbench(ctx) -> None:
        dut = bench.dut
        await bench.boot(ctx)
        ctx.set(dut.over_current, 1)
        await ctx.tick().repeat(5)
        await bench.strobe(ctx, "clear")
        assert ctx.get(dut.control.tripped)
        ctx.set(dut.over_current, 0)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.control.tripped), "and until it is cleared"
        await bench.strobe(ctx, "clear", "trip")
        assert ctx.get(dut.control.cause) == HOST, "a trip goes before a clear"
        await bench.strobe(ctx, "clear")
        await ctx.tick().until(dut.out.ready)

    bench.run(testbench)


@pytest.mark.parametrize("at", [1, 7])
def test_over_current_in_a_pulse_is_the_pulses_trip_even_of_the_shortest(at: int) -> None:
    bench = Bench(chip())
    bench.over_current_at = at

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        assert not await bench.pulse(ctx, 56 * at)
        assert ctx.get(bench.dut.control.cause) == OVER_CURRENT

    bench.run(testbench)
    assert bench.pulses[0][1] == bench.spec.pulse_cycles(56 * at)


def test_a_trip_releases_a_row_frame_that_is_held_back() -> None:
    bench = Bench(chip())

    async def testbench(ctx) -> None:
        await bench.boot(ctx)
        await bench.row(ctx, 0, {0: 100}, update=True)
        await ctx.tick().repeat(100)
        assert bench.rows[0].outputs[0] == VMID
        await bench.strobe(ctx, "trip")
        await ctx.tick().repeat(2)
        await bench.strobe(ctx, "clear")
        await ctx.tick().until(bench.dut.out.ready)
        assert bench.rows[0].outputs[0] == VMID

    bench.run(testbench)


def test_a_pulse_waits_for_rails_and_switches_and_they_for_its_end() -> None:
    bench = Bench(chip())
    order: list[str] = []

    async def others(ctx) -> None:
        out = bench.dut.out
        await ctx.tick().until(bench.dut.pulse_gate)
        ctx.set(out.switch_bits.valid, 1)
        await bench.rail(ctx, Rail.SET, 1234, update=False)
        order.append("rail frame taken")
        await ctx.tick().until(out.switch_bits.ready)

    async def testbench(ctx) -> None:
        out = bench.dut.out
        await bench.boot(ctx)
        await bench._offer(ctx, out.rail_frame, {"update": 1, "channel": 0, "code": 100, "form": 0})
        start = bench.cycle
        await bench._offer(ctx, out.pulse, {"width_ns": 10_000, "form": 0, "reset": 0})
        assert bench.cycle - start >= 32 + bench.settling
        await ctx.tick().until(~bench.dut.pulse_gate)
        order.append("pulse over")
        await ctx.tick().until(out.pulse_done)
        # The first of the bits that were offered is through: the next pulse waits until they are latched.
        ctx.set(out.pulse.payload, {"width_ns": 1000, "form": 0, "reset": 0})
        ctx.set(out.pulse.valid, 1)
        ctx.set(out.switch_bits.valid, 0)
        await ctx.tick().repeat(200)
        assert len(bench.pulses) == 1
        ctx.set(out.switch_latch, 1)
        await ctx.tick()
        ctx.set(out.switch_latch, 0)
        await ctx.tick().repeat(3)
        assert len(bench.pulses) == 2

    bench.run(testbench, others)
    assert order == ["pulse over", "rail frame taken"]


def test_the_watchdog_ends_an_operation_that_stands_still() -> None:
    bench = Bench(chip(form_pulse_ns=2000))
    cycles = watchdog_cycles(bench.spec)

    async def testbench(ctx) -> None:
        dut, out, control = bench.dut, bench.dut.out, bench.dut.control
        await bench.boot(ctx)
        await ctx.tick().repeat(2 * cycles)
        assert not ctx.get(control.tripped), "the host may be silent for ever"
        await bench.strobe(ctx, "arm")
        await bench.strobe(ctx, "form_begin")
        ctx.set(out.operating, 1)
        for _ in range(3):
            await ctx.tick().repeat(cycles - 60)
            await bench.rail(ctx, Rail.SET, 1)
        assert not ctx.get(control.tripped), "frames are progress"
        await ctx.tick().repeat(cycles + 2)
        assert ctx.get(control.cause) == WATCHDOG
        assert not ctx.get(dut.switch_reset_n)
        await bench.strobe(ctx, "clear")
        assert ctx.get(control.tripped), "the operation is still under way"
        ctx.set(out.operating, 0)
        await ctx.tick().repeat(2)
        await bench.strobe(ctx, "clear")
        assert not ctx.get(control.tripped)
        await ctx.tick().until(out.ready)
        assert not await bench.pulse(ctx, 100, form=True), "the watchdog closed forming"

    bench.run(testbench, timeout=12 * cycles)


@pytest.mark.parametrize("name", CHIPS)
def test_the_watchdog_gives_the_longest_step_at_least_twice_its_time(name: str) -> None:
    spec = chip(name)
    longest_ns = 2 * spec.limits.form_pulse_ns  # a forming pulse after its rest, at a duty of one half
    assert 2 <= watchdog_cycles(spec) / spec.controller.clock_hz * 1e9 / longest_ns <= 8


@pytest.mark.parametrize("name", CHIPS)
def test_rounding_of_widths_to_cycles(name: str) -> None:
    """tests/formal proves that a pulse has n cycles when asked for n - 1/2 up to n + 1/2; for every width these are the spec's."""
    spec = chip(name)
    widths_ns = np.arange(1, spec.limits.form_pulse_ns + 1)
    cycles = np.array([spec.pulse_cycles(int(width_ns)) for width_ns in widths_ns])
    twice_cycles_asked = 2 * widths_ns * spec.controller.clock_hz  # in 1e-9 cycles
    assert np.all(((2 * cycles - 1) * 10**9 <= twice_cycles_asked) | (cycles == 1))
    assert np.all(twice_cycles_asked < (2 * cycles + 1) * 10**9)

# amaranth: UnusedElaboratable=no
"""The ADC driver: its frames, their times, and the samples out of them."""

from __future__ import annotations

import random

import pytest
from tests.hdl.afe.models import AdcModel, samples_of
from tests.hdl.helpers import simulate

from ohmloom_hdl.afe.adc import AdcDriver
from ohmloom_hdl.afe.parts import AdcTiming


@pytest.mark.parametrize("pads_cycles", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_slots_are_converted_in_frames_of_the_data_sheets_length(spec, seed, pads_cycles) -> None:
    rng = random.Random(seed)
    dut = AdcDriver(spec, pads_cycles)
    model = AdcModel(spec.afe.column_adcs, pads_cycles, rng, tag_errors=0.1)
    got, times, cycle = [], {"sampled": []}, 0

    async def pins(ctx) -> None:
        nonlocal cycle
        port, sample = dut.pins, dut.samples.payload
        watched = (port.select_n, port.clock_high, port.clock_low, port.data, dut.sampled, dut.samples.valid)
        fields = (sample.column, sample.raw, sample.end, sample.last)
        while True:
            values = await ctx.tick().sample(*watched, *fields)
            select_n, high, low, sdi, sampled, valid = values[2:8]
            ctx.set(dut.sdo, model.step(cycle, select_n, (high, low), sdi))
            if sampled:
                times["sampled"].append(cycle)
            if valid:
                got.append(values[8:])
            cycle += 1

    async def conversions(ctx) -> None:
        for _ in range(6):
            first = rng.randrange(16)
            last = rng.randrange(first, 16)
            await ctx.tick().repeat(rng.randrange(1, 20))
            ctx.set(dut.load, 1)
            ctx.set(dut.first, first)
            ctx.set(dut.last, last)
            await ctx.tick()
            ctx.set(dut.load, 0)
            await ctx.tick().repeat(rng.randrange(1, 20))
            got.clear()
            model.samples.clear()
            model.commands.clear()
            times["sampled"].clear()
            ctx.set(dut.start, 1)
            start = cycle + 1  # `pins` has not seen the last tick yet
            await ctx.tick()
            ctx.set(dut.start, 0)
            while ctx.get(dut.busy):
                await ctx.tick()
            await ctx.tick()
            slots, latency = last - first + 1, spec.column_adc.latency_frames
            taken = model.samples[latency:]
            assert [sample.channel for sample in taken] == list(range(first, last + 1))
            assert [sample.cycle for sample in taken] == [start + dut.lead + dut.frame * slot for slot in range(slots)]
            assert times["sampled"] == [taken[-1].cycle]
            assert got == samples_of(spec, taken)

    simulate(dut, conversions, background=[pins], timeout_cycles=6 * 25 * 25)


def test_frames_keep_conversion_and_acquisition_times(spec) -> None:
    adc, clock_ns = spec.column_adc, 1e9 / spec.controller.clock_hz
    dut, timing = AdcDriver(spec), AdcTiming.of(spec.column_adc, spec.controller.clock_hz)
    assert dut.frame * clock_ns >= adc.conversion_ns
    assert (dut.frame - 13.5) * clock_ns >= adc.acquisition_min_ns  # from the 14th rising edge on
    assert (dut.frame - timing.select) * clock_ns >= adc.cs_high_min_ns
    assert dut.frame == 20  # at 18 and at 20 MHz, one cycle less would be too short


def test_another_converter_is_refused(spec) -> None:
    class Other:
        column_adc = spec.column_adc.model_copy(update={"bits": 10})
        afe, controller = spec.afe, spec.controller

    with pytest.raises(ValueError, match="not an ADS7953"):
        AdcDriver(Other())
    with pytest.raises(ValueError, match="may run at 20000000 Hz, the controller's is 25000000 Hz"):
        AdcTiming.of(spec.column_adc, 25_000_000)

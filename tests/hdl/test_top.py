"""Who has the front end."""

import pytest
from amaranth.sim import Simulator
from tests.hdl.helpers import simulate

from ohmloom.spec import load_chip
from ohmloom_hdl.interfaces import JobKind
from ohmloom_hdl.top import EngineSwitch, ProbeSwitch


@pytest.mark.parametrize("kind", JobKind)
def test_samples_go_to_the_engine_that_has_the_job(kind):
    dut = EngineSwitch(load_chip("bench-8x16"))

    async def main(ctx):
        ctx.set(dut.commands.job.payload.kind, kind)
        ctx.set(dut.afe.samples.valid, 1)
        vectors = kind in (JobKind.MVM, JobKind.INFER)
        assert ctx.get(dut.sequencer.afe.samples.valid) == vectors
        assert ctx.get(dut.write_verify.afe.samples.valid) != vectors

    simulate(dut, main)


def test_the_samples_memory_is_that_of_the_engine_that_has_the_job():
    dut = EngineSwitch(load_chip("bench-8x16"))

    async def main(ctx):
        for kind, engine, other in (
            (JobKind.MVM, dut.sequencer, dut.write_verify),
            (JobKind.READ, dut.write_verify, dut.sequencer),
        ):
            ctx.set(dut.commands.job.payload.kind, kind)
            for number in range(20):
                sample = {"raw": 100 + number, "end": number & 1, "last": number == 19}
                for port, address in ((engine.memory, number), (other.memory, 19 - number)):
                    ctx.set(port.address_w, address)
                    ctx.set(port.write, 1)
                    ctx.set(port.data_w, sample if port is engine.memory else {"raw": 0, "end": 0, "last": 0})
                await ctx.tick()
            ctx.set(engine.memory.write, 0)
            for number in range(20):
                ctx.set(engine.memory.address_r, number)
                ctx.set(other.memory.address_r, 0)
                await ctx.tick()
                assert ctx.get(engine.memory.data_r.raw) == 100 + number

    simulate(dut, main)


def test_samples_of_the_probe_are_no_engines():
    dut = ProbeSwitch(load_chip("bench-8x16"))

    async def main(ctx):
        ctx.set(dut.afe.samples.valid, 1)
        assert ctx.get(dut.engines.samples.valid)
        ctx.set(dut.probing, 1)
        assert not ctx.get(dut.engines.samples.valid)
        assert ctx.get(dut.probe.samples.valid)

    simulator = Simulator(dut)  # without a clock
    simulator.add_testbench(main)
    simulator.run()

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

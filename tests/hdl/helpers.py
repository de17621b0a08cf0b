"""Simulation of gateware blocks: time-out, waves on request, streams with idles and stalls, and a model of the store."""

import os
import random
from pathlib import Path

from amaranth.sim import Simulator


def simulate(dut, *testbenches, background=(), timeout_cycles=100_000, name=None):
    """Run until all `testbenches` have ended; `background` ones need not. AssertionError after `timeout_cycles`.

    Waves are written to the folder that the environment variable OHMLOOM_WAVES names, as `name`.vcd.
    """
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)

    async def time_out(ctx):
        await ctx.delay(timeout_cycles * 1e-6)
        raise AssertionError(f"not done after {timeout_cycles} cycles")

    simulator.add_testbench(time_out, background=True)
    folder = os.environ.get("OHMLOOM_WAVES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with simulator.write_vcd(str(Path(folder) / f"{name or type(dut).__name__}.vcd")):
            simulator.run()
    else:
        simulator.run()


async def wait(ctx, cycles):
    for _ in range(cycles):  # `ctx.tick().repeat` complains when a test fails meanwhile
        await ctx.tick()


async def idle(ctx, rng, share):
    """Wait: not at all with probability 1 - share, else a few cycles, now and then many."""
    if rng.random() < share:
        await wait(ctx, rng.randrange(1, 4) if rng.random() < 0.9 else rng.randrange(4, 20))


async def until(ctx, condition):
    """Wait for it: not at all if it is so already."""
    while not ctx.get(condition):
        await ctx.tick()


async def strobe(ctx, signal):
    """One cycle with `signal` high."""
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


async def send(ctx, stream, payloads, rng=None, pause=0.0):
    """Put `payloads` into an input stream of the dut, with random pauses."""
    rng = rng or random.Random(0)
    for payload in payloads:
        await idle(ctx, rng, pause)
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        ready = 0
        while not ready:
            *_, ready = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, stream, count, rng=None, stall=0.0):
    """Take `count` payloads from an output stream of the dut, with random pauses; returns them."""
    rng = rng or random.Random(0)
    taken = []
    for _ in range(count):
        await idle(ctx, rng, stall)
        ctx.set(stream.ready, 1)
        valid = 0
        while not valid:
            *_, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        ctx.set(stream.ready, 0)
        taken.append(payload)
    return taken


class Store:
    """The controller's memory as seen from one `StorePort` of the dut. `memory`: its bytes; `accesses`: how many came.

    brief: what is read is there for one cycle only.
    """

    def __init__(self, port, size, rng=None, stall=0.0, brief=False):
        self.port, self.memory, self.accesses, self._brief = port, bytearray(size + (size & 1)), 0, brief
        self._rng, self._stall = rng or random.Random(0), stall

    async def serve(self, ctx):
        """Background testbench."""
        port = self.port
        while True:
            ready = self._rng.random() >= self._stall
            ctx.set(port.ready, ready)
            # Sampled before the clock edge, so that the dut sees data_r change after it.
            _, _, valid, address, write, data_w = await ctx.tick().sample(
                port.valid, port.address, port.write, port.data_w
            )
            if not (valid and ready):
                if self._brief:
                    ctx.set(port.data_r, self._rng.getrandbits(16))
                continue
            self.accesses += 1
            for byte in range(2):
                if write >> byte & 1:
                    self.memory[2 * address + byte] = data_w >> 8 * byte & 0xFF
            if write:
                ctx.set(port.data_r, self._rng.getrandbits(16))  # nothing is promised
            else:
                ctx.set(port.data_r, int.from_bytes(self.memory[2 * address : 2 * address + 2], "little"))

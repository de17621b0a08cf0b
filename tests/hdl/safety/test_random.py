"""Random inputs of all kinds against the block's rules in plain Python: which frames and pulses come of them."""

from __future__ import annotations

import random

import pytest

from ohmloom.spec.switches import Rail

from .bench import Bench, chip
from .parts import VMID

START = {0x08000001, 0x02F80000, 0x02F00000, 0x023FFF00}  # what the DACs are sent before ready


class Model:
    """Follows the block's ports, a cycle at a time.

    rows, rails: words that the DACs have to act on, in their order, those of a start apart. pulses, refused, trips: how
    many.
    """

    def __init__(self, bench: Bench) -> None:
        self.spec, self.dut = bench.spec, bench.dut
        self.codes = [0] * bench.spec.afe.row_dacs
        self.rows: list[list[int]] = [[] for _ in self.codes]
        self.rails: list[int] = []
        self.armed = self.forming = False
        self.set_written = self.set_held = 0
        self.pulses = self.refused = self.trips = 0
        self._allowed: tuple[int, bool] | None = None  # of a pulse taken in the cycle before: cycles, forming
        self._open: tuple[int, bool] | None = None
        self._length, self._forming_before = 0, False

    async def watch(self, ctx) -> None:
        out, control = self.dut.out, self.dut.control
        signals = [
            *(
                signal
                for stream in (out.row_frame, out.rail_frame, out.pulse)
                for signal in (stream.valid & stream.ready, stream.payload)
            ),
            *(getattr(control, name) for name in ("arm", "disarm", "form_begin", "form_end", "tripped", "armed")),
            *(out.ready, out.row_code_write, out.row_code_dac, out.row_code, self.dut.pulse_gate),
        ]
        tripped_before = 0
        while True:
            _, _, row, row_frame, rail, rail_frame, pulse, request, *rest = await ctx.tick().sample(*signals)
            arm, disarm, begin, end, tripped, armed, ready, write, dac, code, gate = rest
            assert bool(armed) == (self.armed and not tripped)
            self.trips += tripped and not tripped_before
            tripped_before = tripped
            self._follow_gate(gate, tripped)
            if pulse:
                self._allowed = self._judge(request) if ready and not tripped else None
                self.refused += self._allowed is None
            if ready and row:
                for index, held in enumerate(self.codes):
                    self.rows[index].append(2 * row_frame.update << 24 | row_frame.channel << 20 | VMID + held << 8)
            if ready and rail:
                self._send_rail(rail_frame)
            if not ready:
                self.codes = [0] * len(self.codes)
                self.set_written = self.set_held = 0
            elif write:
                self.codes[dac] = min(max(code, -self.spec.read_clamp), self.spec.read_clamp)
            armed_next = (self.armed or bool(arm)) and not (disarm or begin or tripped)
            self.forming = (self.forming or (self.armed and bool(begin))) and not (end or tripped)
            self.armed = armed_next

    def _send_rail(self, frame) -> None:
        limits, channel = self.spec.limits, frame.channel
        volts = {
            Rail.SET: limits.form_v if frame.form and self.forming else limits.set_v,
            Rail.RESET: limits.reset_v,
            Rail.GATE: limits.gate_v,
            Rail.READ_GATE: limits.gate_v,
        }
        code = min(frame.code, self.spec.rail_code(volts.get(channel, 0.0)))
        self.rails.append(2 * frame.update << 24 | channel << 20 | code << 8)
        if channel == Rail.SET:
            self.set_written = code
        if frame.update:
            self.set_held = self.set_written

    def _judge(self, request) -> tuple[int, bool] | None:
        """(cycles, forming) of a pulse that may come."""
        limits, width_ns = self.spec.limits, request.width_ns
        if request.form:
            allowed = self.forming and not request.reset and width_ns <= limits.form_pulse_ns
        else:
            allowed = width_ns <= limits.pulse_ns and self.set_held <= self.spec.rail_code(limits.set_v)
        return (self.spec.pulse_cycles(width_ns), bool(request.form)) if allowed else None

    def _follow_gate(self, gate: int, tripped: int) -> None:
        allowed, self._allowed = self._allowed, None
        if self._open is None:
            if gate:
                assert allowed is not None, "a pulse that was not asked for, or is not allowed"
                self._open, self._length = allowed, 0
                self.pulses += 1
            else:
                assert allowed is None or tripped, (
                    "a pulse that is allowed comes, but for a trip in the cycle it was taken"
                )
        else:
            assert allowed is None
        if gate:
            self._length += 1
        elif self._open is not None:
            cycles, forms = self._open
            cut = tripped or (forms and not self._forming_before)
            assert self._length == cycles or (cut and self._length < cycles)
            self._open = None
        self._forming_before = self.forming


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["bench-8x16", "lab-128x128x4"])
def test_random_inputs(name: str, seed: int) -> None:
    bench = Bench(chip(name, form_pulse_ns=12_000, pulse_ns=2000))
    model, rng = Model(bench), random.Random(f"{name} {seed}")
    spec, out, control = bench.spec, bench.dut.out, bench.dut.control
    clamps = [spec.rail_code(volts) for volts in (spec.limits.set_v, spec.limits.form_v, spec.limits.gate_v, 0.1)]

    def near(*values: int) -> int:
        return min(max(rng.choice(values) + rng.choice([-1, 0, 0, 1, rng.randrange(-3000, 3000)]), 0), 4095)

    payloads = {
        "row_frame": lambda: {"update": rng.randrange(2), "channel": rng.randrange(8)},
        "rail_frame": lambda: {
            "update": rng.random() < 0.7,
            "channel": rng.choice([0, 0, 0, 1, 2, 3, rng.randrange(8)]),
            "code": near(*clamps),
            "form": rng.randrange(2),
        },
        "pulse": lambda: {
            "reset": rng.random() < 0.3,
            "form": rng.random() < 0.4,
            "width_ns": rng.choice([1, 100, 1000, 2000, 2001, 12_000, 12_001, rng.randrange(1 << 14)]),
        },
        "switch_bits": lambda: rng.randrange(1 << (spec.tiles + 1)),
    }

    def stream(name: str, busy: float):
        async def offer(ctx) -> None:
            while True:
                while rng.random() > busy:
                    await ctx.tick()
                await bench._offer(ctx, getattr(out, name), payloads[name]())

        return offer

    async def strobes(ctx) -> None:
        rates = {"trip": 5e-4, "clear": 0.02, "arm": 0.02, "disarm": 1e-3, "form_begin": 0.02, "form_end": 2e-3}
        while True:
            for strobe, rate in rates.items():
                ctx.set(getattr(control, strobe), rng.random() < rate)
            ctx.set(bench.dut.over_current, rng.random() < 3e-4)
            ctx.set(out.row_release, rng.random() < 0.2)
            ctx.set(out.switch_latch, rng.random() < 0.2)
            ctx.set(out.operating, rng.random() < 0.99)
            ctx.set(out.row_code_write, rng.random() < 0.2)
            ctx.set(out.row_code_dac, rng.randrange(spec.afe.row_dacs))
            ctx.set(out.row_code, rng.choice([-2048, -328, -327, 0, 327, 328, 2047, rng.randrange(-400, 400)]))
            await ctx.tick()

    async def testbench(ctx) -> None:
        await ctx.tick().repeat(6000)

    bench.run(
        testbench, model.watch, strobes, stream("row_frame", 0.02), stream("rail_frame", 0.004), stream("pulse", 0.02),
        stream("switch_bits", 0.3),
    )  # fmt: skip
    _same_words(bench.rails.frames, model.rails)
    for part, words in zip(bench.rows, model.rows, strict=True):
        _same_words(part.frames, words)
    assert min(model.pulses, model.refused, model.trips) > 0


def _same_words(frames: list[int], words: list[int]) -> None:
    """The DAC acted on all the words but the last, which may be under way, in order; and else on those of starts."""
    left = list(words)
    for frame in frames:
        if left and frame == left[0]:
            left.pop(0)
        else:
            assert frame in START, hex(frame)
    assert len(left) <= 1

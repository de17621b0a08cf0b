"""The link against the emulator's receiver: the same bytes out for the same bytes in, the same requests executed once."""

import random
import zlib
from collections import deque

import pytest

from ohmloom.link import Frame, FrameDecoder, encode
from ohmloom.spec import load_chip
from ohmloom.spec.commands import ANSWER, DEFAULT_BAUD, HELLO, MVM, PROTOCOL_VERSION, RATE, TYPE_ERROR
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.controller.receiver import Receiver
from ohmloom_hdl.link import Link
from tests.hdl.helpers import Store, idle, simulate, wait

PAYLOAD = 128


def make_spec(clock_hz=1_000_000, baud_max=200_000, payload=PAYLOAD, window=4):
    """A chip with a slow clock, so that a byte at DEFAULT_BAUD takes few cycles."""
    spec = load_chip("bench-8x16")
    return spec.model_copy(
        update={
            "controller": spec.controller.model_copy(update={"clock_hz": clock_hz}),
            "link": spec.link.model_copy(update={"payload_bytes": payload, "window": window, "baud_max": baud_max}),
        }
    )


def hello(sequence=0, session=1):
    return encode(HELLO.code, sequence, HELLO.request.pack(session=session, protocol=PROTOCOL_VERSION))


def rate(sequence, baud):
    return encode(RATE.code, sequence, RATE.request.pack(baud=baud))


def execute(kind, payload):
    """Any fixed function of the request, with answers of all lengths and a refusal now and then."""
    rng = random.Random(zlib.crc32(bytes((kind, *payload))))
    if rng.random() < 0.2:
        return TYPE_ERROR, rng.randbytes(10)
    length = rng.choice((0, 1, 2, 3, rng.randrange(PAYLOAD), PAYLOAD))
    return kind | ANSWER, bytes(rng.choices((0, rng.randrange(256)), k=length))


class Bench:
    """A link with models of the line's other end, of the store and of whoever executes requests."""

    def __init__(self, spec, rng, stall=0.2, think=40, execute=execute, emulated=False):
        self.spec, self.rng, self.map = spec, rng, MemoryMap(spec)
        self.dut = Link(spec, emulated)
        self.store = Store(self.dut.store, self.map.bytes, rng, stall)
        self.calls, self.counts = [], dict.fromkeys(("good", "bad", "nak", "repeat"), 0)
        self.received, self.frames = bytearray(), deque()
        self.baud = DEFAULT_BAUD
        self.cycle = 0
        self.line_busy = self.framing_errors = 0
        self._think, self._execute, self._emulated = think, execute, emulated
        self._decoder = FrameDecoder(spec.link.payload_bytes)

    def receiver(self, execute):
        """The model of the dut."""
        link, emulated = self.spec.link, self._emulated
        return Receiver(
            execute, window=link.window, max_payload=link.payload_bytes, baud_max=link.baud_max, emulated=emulated
        )

    def run(self, *testbenches, timeout_cycles=300_000):
        background = [self.store.serve, self._listen, self._work, self._count, *testbenches[1:]]
        simulate(self.dut, testbenches[0], background=background, timeout_cycles=timeout_cycles, name="link")

    @property
    def bit(self):
        return self.spec.controller.clock_hz / self.baud

    async def say(self, ctx, data, pause=0.0):
        """Send bytes on the line, with random pauses between them."""
        at = now = 0.0
        for byte in data:
            if pause:
                await idle(ctx, self.rng, pause)
            for bit in (0, *(byte >> index & 1 for index in range(8)), 1):
                ctx.set(self.dut.rx, bit)
                at += self.bit
                await wait(ctx, round(at - now))
                now += round(at - now)

    async def silence(self, ctx, bits=25):
        """Wait until nothing has come from the link for a while."""
        quiet = 0
        while quiet < bits * self.bit:
            await ctx.tick()
            quiet = 0 if self._heard or ctx.get(self.dut.requests.valid) else quiet + 1
            self._heard = False

    _heard = False

    async def frame(self, ctx):
        """The next frame that comes."""
        while not self.frames:
            await ctx.tick()
        return self.frames.popleft()

    async def _listen(self, ctx):
        tx = self.dut.tx
        while True:
            start = self.cycle
            while ctx.get(tx):
                await ctx.tick()
                start = self.cycle
            value, at, now = 0, self.bit / 2, 0
            for bit in range(10):
                await wait(ctx, round(at - now))
                now += round(at - now)
                at += self.bit
                level = ctx.get(tx)
                if 1 <= bit <= 8:
                    value |= level << (bit - 1)
                elif level != (bit == 9):
                    self.framing_errors += 1
            self._heard = True
            self.line_busy += 1
            self.received.append(value)
            self.frames += self._decoder.feed(bytes((value,)))

    async def _work(self, ctx):
        port = self.dut.requests
        while True:
            while not ctx.get(port.valid):
                await ctx.tick()
            await wait(ctx, self.rng.randrange(self._think + 1))
            kind, length = ctx.get(port.type), ctx.get(port.length)
            base = self.map.request(ctx.get(port.slot))
            payload = bytes(self.store.memory[base : base + length])
            self.calls.append((kind, payload))
            answer_type, answer = self._execute(kind, payload)
            base = self.map.answer(ctx.get(port.answer_slot))
            self.store.memory[base : base + len(answer)] = answer
            await wait(ctx, self.rng.randrange(3))
            ctx.set(port.answer_type, answer_type)
            ctx.set(port.answer_length, len(answer))
            ctx.set(port.done, 1)
            await ctx.tick()
            ctx.set(port.done, 0)
            ctx.set(port.answer_type, self.rng.getrandbits(8))
            ctx.set(port.answer_length, self.rng.randrange(PAYLOAD))

    async def _count(self, ctx):
        dut = self.dut
        while True:
            *_, good, bad, nak, repeat = await ctx.tick().sample(
                dut.count_good, dut.count_bad, dut.count_nak, dut.count_repeat
            )
            self.cycle += 1
            for name, value in zip(self.counts, (good, bad, nak, repeat), strict=True):
                self.counts[name] += value


class Conversation:
    """Random talk, in pieces to be followed by silence, and what the emulator's receiver makes of it.

    Requests in order, repeats, gaps, HELLOs, rates that are refused, bytes that are hit, garbage. A piece holds no more
    frames than may be in flight.
    """

    def __init__(self, bench, pieces):
        self.calls = []
        self.receiver = bench.receiver(self._execute)
        self.pieces, self.answers = [], b""
        self._rng, self._link = bench.rng, bench.spec.link
        for index in range(pieces):
            piece = b""
            for _ in range(self._rng.randrange(self._link.window) + 1):
                frame = hello(session=index) if index == 2 and not piece else self._frame()
                self.answers += self.receiver.feed(frame)
                piece += frame
            self.pieces.append(piece)

    def _execute(self, kind, payload):
        self.calls.append((kind, payload))
        return execute(kind, payload)

    def _frame(self):
        rng = self._rng
        kind = rng.choice([code for code in range(256) if code not in (HELLO.code, RATE.code)])
        age = rng.choices((0, 1, 2, 3, 4, 5, -1, 128), (30, 2, 1, 1, 1, 1, 1, 1))[0]
        sequence = (self.receiver._expected - age) & 0xFF
        length = rng.choice((0, 1, 4, 6, rng.randrange(20), rng.randrange(PAYLOAD + 1), PAYLOAD))
        payload = bytes(rng.choices((0, rng.randrange(256)), k=length))
        match rng.choices(("request", "hello", "rate", "hit", "garbage"), (12, 1, 2, 3, 1))[0]:
            case "hello":
                return rng.choice((hello(0, 1), hello(250, 2), encode(HELLO.code, 9, payload)))
            case "rate":
                baud = rng.choice((0, 9_599, self._link.baud_max + 1, 1 << 24))
                return rng.choice((rate(sequence, baud), encode(RATE.code, sequence, payload + b"\5")))
            case "hit":
                frame = bytearray(encode(kind, sequence, payload))
                for _ in range(rng.randrange(1, 3)):
                    frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
                return bytes(frame) + b"\0"
            case "garbage":
                return rng.choice(
                    (
                        bytes(3),
                        rng.randbytes(30) + b"\0",
                        bytes((7,) * 200) + b"\0",
                        encode(kind, 1, bytes(PAYLOAD + 1)),
                    )
                )
        return encode(kind, sequence, payload)


def counts(receiver):
    return {
        "good": receiver.frames_good, "bad": receiver.frames_bad, "nak": receiver.naks, "repeat": receiver.repeats,
    }  # fmt: skip


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_answers_as_the_emulator_does(window):
    bench = Bench(make_spec(window=window), random.Random(window))
    talk = Conversation(bench, 18)

    async def host(ctx):
        for piece in talk.pieces:
            await bench.say(ctx, piece, pause=0.05)
            await bench.silence(ctx)

    bench.run(host, timeout_cycles=3_000_000)
    assert bytes(bench.received) == talk.answers
    assert bench.calls == talk.calls
    assert bench.counts == counts(talk.receiver)
    assert bench.framing_errors == 0

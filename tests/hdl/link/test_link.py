"""The link against the emulator's receiver: the same bytes out for the same bytes in, the same requests executed once."""

import random
import zlib

import pytest
from tests.hdl.helpers import Store, idle, simulate, strobe, wait

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec import load_chip
from ohmloom.spec.commands import (
    ANSWER,
    DEFAULT_BAUD,
    HELLO,
    MVM,
    PROTOCOL_VERSION,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    NakReason,
)
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.controller.receiver import Receiver
from ohmloom_hdl.link import Link, Protocol
from ohmloom_hdl.link.uart import step_of

PAYLOAD = 128
COUNTS = ("good", "bad", "nak", "repeat")


def make_spec(clock_hz=18_000_000, **link):
    spec = load_chip("bench-8x16")
    return spec.model_copy(
        update={
            "controller": spec.controller.model_copy(update={"clock_hz": clock_hz}),
            "link": spec.link.model_copy(update={"payload_bytes": PAYLOAD, **link}),
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
    """A link or protocol with models of the store and of whoever executes requests."""

    def __init__(self, dut, spec, rng, stall=0.2, think=60, execute=execute):
        self.dut, self.spec, self.rng, self.map = dut, spec, rng, MemoryMap(spec)
        self.store = Store(dut.store, self.map.bytes, rng, stall)
        self.calls, self.counts, self.received = [], dict.fromkeys(COUNTS, 0), bytearray()
        self.quiet = 0
        self._think, self._execute = think, execute

    def run(self, testbench, *background, timeout_cycles=300_000):
        background = (self.store.serve, self._work, self._watch, *background)
        simulate(self.dut, testbench, background=background, timeout_cycles=timeout_cycles, name="link")

    def receiver(self, execute):
        """The model of the dut."""
        link = self.spec.link
        return Receiver(
            execute, window=link.window, max_payload=link.payload_bytes, baud_max=link.baud_max, emulated=False
        )

    async def silence(self, ctx, cycles):
        """Wait until nothing has happened for a while."""
        self.quiet = 0
        while self.quiet < cycles:
            await ctx.tick()

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
            assert (kind, length) == (ctx.get(port.type), ctx.get(port.length))
            ctx.set(port.answer_type, answer_type)
            ctx.set(port.answer_length, len(answer))
            await strobe(ctx, port.done)
            ctx.set(port.answer_type, self.rng.getrandbits(8))
            ctx.set(port.answer_length, self.rng.randrange(PAYLOAD))

    async def _watch(self, ctx):
        signals = [getattr(self.dut, f"count_{name}") for name in COUNTS]
        while True:
            *_, working, good, bad, nak, repeat = await ctx.tick().sample(self.dut.requests.valid, *signals)
            self.quiet = 0 if working or good or bad else self.quiet + 1
            for name, value in zip(COUNTS, (good, bad, nak, repeat), strict=True):
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
                long = encode(kind, sequence, bytes(PAYLOAD + 1))
                return rng.choice((bytes(3), rng.randbytes(30) + b"\0", bytes((7,) * 200) + b"\0", long))
        return encode(kind, sequence, payload)


class ByteLine:
    """The line of a `Protocol`, byte by byte."""

    def __init__(self, bench, stall):
        self.bench, self._stall = bench, stall

    async def say(self, ctx, data, cycles=14):
        for byte in data:
            ctx.set(self.bench.dut.data, byte)
            await strobe(ctx, self.bench.dut.valid)
            await wait(ctx, cycles + self.bench.rng.randrange(4))

    async def listen(self, ctx):
        dut, rng = self.bench.dut, self.bench.rng
        while True:
            ctx.set(dut.line.ready, 0)
            await idle(ctx, rng, self._stall)
            ctx.set(dut.line.ready, 1)
            *_, valid, byte = await ctx.tick().sample(dut.line.valid, dut.line.payload)
            if valid:
                self.bench.received.append(byte)
                self.bench.quiet = 0


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_answers_as_the_emulator_does(window, seed):
    rng = random.Random(100 * window + seed)
    spec = make_spec(window=window)
    bench = Bench(Protocol(spec), spec, rng)
    line = ByteLine(bench, stall=0.3)
    talk = Conversation(bench, 10)

    async def host(ctx):
        for piece in talk.pieces:
            await line.say(ctx, piece)
            await bench.silence(ctx, 500)

    bench.run(host, line.listen)
    assert bytes(bench.received) == talk.answers
    assert bench.calls == talk.calls
    assert bench.counts == {
        "good": talk.receiver.frames_good, "bad": talk.receiver.frames_bad,
        "nak": talk.receiver.naks, "repeat": talk.receiver.repeats,
    }  # fmt: skip


def request(sequence, payload=b""):
    return encode(MVM.code, sequence & 0xFF, payload)


def replies(data):
    """(type, sequence, payload) of each frame in `data`."""
    return [tuple(frame) for frame in FrameDecoder(PAYLOAD).feed(bytes(data))]


class Gate:
    """An executor that holds requests back until it is opened."""

    def __init__(self, bench):
        self._bench, self.open = bench, False
        bench._execute = lambda kind, payload: (kind | ANSWER, payload)

    async def hold(self, ctx):
        port = self._bench.dut.requests
        work = self._bench._work
        while not (ctx.get(port.valid) and self.open):
            await ctx.tick()
        await work(ctx)


def test_frames_without_room_are_bad_ones_and_forgotten_only_when_many():
    spec, rng = make_spec(), random.Random(5)
    bench = Bench(Protocol(spec), spec, rng)
    line, gate = ByteLine(bench, stall=0.0), Gate(bench)
    bad, many = b"\5bad\0", 20

    async def host(ctx):
        await line.say(ctx, hello() + b"".join(request(sequence, bytes((sequence,))) for sequence in range(1, 6)))
        await line.say(ctx, bad * many)
        assert not bench.calls
        gate.open = True
        await bench.silence(ctx, 500)
        await line.say(ctx, request(5, b"again"))
        await bench.silence(ctx, 500)

    simulate(dut := bench.dut, host, background=[bench.store.serve, gate.hold, bench._watch, line.listen])
    assert dut is bench.dut
    found = replies(bench.received)
    assert [answer[:2] for answer in found[1:5]] == [(MVM.code | ANSWER, sequence) for sequence in range(1, 5)]
    naks = found[5:-1]
    assert set(naks) == {(TYPE_NAK, 5, bytes((5, NakReason.BAD_FRAME)))}
    assert found[-1] == (MVM.code | ANSWER, 5, b"again")
    # The queue has room for 16 frames; the first had left it for the executor only when the gate was opened.
    assert len(naks) == 16 - 4
    assert bench.counts == {"good": 6, "bad": 1 + many, "nak": len(naks), "repeat": 0}


def test_frames_follow_each_other_without_a_gap():
    """Answers that are longer than their requests: nothing but the frames' own overhead lies between payloads."""
    spec, rng = make_spec(), random.Random(6)
    frames, window, cycles = 8, spec.link.window, 40  # cycles a byte
    answer = bytes(rng.choices((0, 1, 2, 3), k=PAYLOAD))
    bench = Bench(Protocol(spec), spec, rng, think=2000, execute=lambda kind, _: (kind | ANSWER, answer))
    line = ByteLine(bench, stall=0.0)
    idle_bytes, ends = 0, 0

    async def listen(ctx):
        nonlocal idle_bytes, ends
        dut = bench.dut
        while True:
            ctx.set(dut.line.ready, 1)
            *_, valid, byte = await ctx.tick().sample(dut.line.valid, dut.line.payload)
            ctx.set(dut.line.ready, 0)
            if valid:
                bench.received.append(byte)
                ends += byte == 0
            elif 2 < ends < frames:
                idle_bytes += 1
            await wait(ctx, cycles - 1)

    async def host(ctx):
        await line.say(ctx, hello(), cycles - 3)
        for sequence in range(1, frames):
            while sequence > ends + window - 1:
                await ctx.tick()
            await line.say(ctx, request(sequence, b"short"), cycles - 3)
        while ends < frames:
            await ctx.tick()

    bench.run(host, listen, timeout_cycles=200_000)
    assert [payload for _, _, payload in replies(bench.received)[1:]] == [answer] * (frames - 1)
    assert idle_bytes == 0


class SerialLine:
    """The line of a `Link`, bit by bit at `baud`."""

    def __init__(self, bench, baud=DEFAULT_BAUD):
        self.bench, self.baud, self.framing_errors = bench, baud, 0

    @property
    def bit(self):
        return self.bench.spec.controller.clock_hz / self.baud

    async def say(self, ctx, data):
        at = now = 0.0
        for byte in data:
            for bit in (0, *(byte >> index & 1 for index in range(8)), 1):
                ctx.set(self.bench.dut.rx, bit)
                at += self.bit
                await wait(ctx, round(at - now))
                now += round(at - now)

    async def listen(self, ctx):
        tx = self.bench.dut.tx
        while True:
            while ctx.get(tx):
                await ctx.tick()
            value, at, now = 0, self.bit / 2, 0
            for index in range(10):
                await wait(ctx, round(at - now))
                now += round(at - now)
                at += self.bit
                value |= ctx.get(tx) << index
            self.framing_errors += value & 1 or not value >> 9
            self.bench.received.append(value >> 1 & 0xFF)
            self.bench.quiet = 0


def test_rates():
    spec, rng = make_spec(clock_hz=1_000_000, baud_max=200_000), random.Random(7)
    bench = Bench(Link(spec), spec, rng, execute=execute)
    line, model = SerialLine(bench), bench.receiver(execute)
    bad = b"\5bad\0"

    async def host(ctx):
        async def exchange(data):
            """What is answered to `data`, which is sent at the model's rate; the answer comes at that rate, too."""
            line.baud = model.baud
            bench.received.clear()
            await line.say(ctx, data)
            await bench.silence(ctx, 3500)  # RATE's division takes most of it
            expected = model.feed(data)
            assert bytes(bench.received) == expected

        await exchange(hello())
        await exchange(rate(1, 200_000))
        assert model.baud == 200_000
        await exchange(request(2, b"abc") + rate(1, 200_000)[:4])  # a good frame at the new rate, then garbage
        await exchange(b"\0" + bad * 5)
        assert model.baud == 200_000
        await exchange(rate(3, 150_000))
        await exchange(bad * 3)
        await exchange(hello())
        await exchange(bad)
        await exchange(rate(4, 100_000))
        await exchange(bad * 4)
        assert model.baud == 150_000  # no good frame came at 100 kbaud
        await exchange(rate(4, 100_000))  # remembered, and changes the rate again
        assert model.baud == 100_000
        await exchange(request(5, bytes(20)) + rate(3, 150_000))
        assert model.baud == 150_000

    bench.run(host, line.listen, timeout_cycles=200_000)
    assert line.framing_errors == 0
    assert bench.counts["repeat"] == model.repeats == 2


@pytest.mark.parametrize("clock_hz", [18_000_000, 20_000_000])
def test_rate_is_computed_to_the_nearest_step(clock_hz):
    """RATE's division, for the usual rates and some others."""
    spec = make_spec(clock_hz=clock_hz)
    rng = random.Random(clock_hz)
    bench = Bench(Protocol(spec), spec, rng)
    line = ByteLine(bench, stall=0.0)
    rates = [9_600, 3_000_000, rng.randrange(9_600, 3_000_000)]

    async def host(ctx):
        ctx.set(bench.dut.idle, 1)
        assert ctx.get(bench.dut.step) == step_of(DEFAULT_BAUD, clock_hz)
        await line.say(ctx, hello())
        for sequence, baud in enumerate(rates, start=1):
            await line.say(ctx, rate(sequence, baud))
            await bench.silence(ctx, 3500)
            assert abs(ctx.get(bench.dut.step) * clock_hz / 2**18 - baud) <= 0.52 * clock_hz / 2**18

    bench.run(host, line.listen)

"""CRC and COBS against the libraries that the host uses, the UART against its definition."""

import random
from binascii import crc_hqx

import pytest
from cobs import cobs
from tests.hdl.helpers import idle, receive, send, simulate, strobe, wait

from ohmloom_hdl.link.cobs import CobsDecoder, CobsEncoder
from ohmloom_hdl.link.crc import Crc16
from ohmloom_hdl.link.uart import UartReceiver, UartTransmitter, step_of


def contents(rng):
    """Content of frames: short, long, without zeros, of zeros only, at the edges of COBS's blocks."""
    yield from (b"\0", b"\x01", b"\0\0", b"\xff" * 253, b"\xff" * 254, b"\xff" * 255, b"\x01" * 254 + b"\0")
    yield from (b"\x02" * 508, b"\x02" * 509, bytes(5) + b"\x03" * 254 + bytes(2))
    for _ in range(6):
        yield bytes(rng.choices((0, 1, 255, rng.randrange(256)), k=rng.randrange(1, 300)))
        yield rng.randbytes(rng.randrange(1, 600))


@pytest.mark.parametrize("seed", range(2))
def test_crc(seed):
    rng = random.Random(seed)
    dut = Crc16()

    async def bench(ctx):
        for content in (b"123456789", b"", *(rng.randbytes(40) for _ in range(5))):
            await strobe(ctx, dut.clear)
            for byte in content:
                ctx.set(dut.data, byte)
                ctx.set(dut.update, 0)
                await idle(ctx, rng, 0.3)
                await strobe(ctx, dut.update)
            assert ctx.get(dut.value) == crc_hqx(content, 0xFFFF)

    simulate(dut, bench)


@pytest.mark.parametrize("stall", [0.0, 0.3, 0.8])
def test_cobs_encoder(stall):
    rng = random.Random(stall)
    dut = CobsEncoder()
    frames = list(contents(rng))
    line = b"".join(cobs.encode(frame) + b"\0" for frame in frames)

    async def feed(ctx):
        items = []
        for frame in frames:
            items += [{"byte": byte, "end": 0} for byte in frame] + [{"byte": rng.randrange(256), "end": 1}]
        await send(ctx, dut.content, items, rng, pause=0.2)

    async def drain(ctx):
        assert bytes(await receive(ctx, dut.line, len(line), rng, stall)) == line
        assert ctx.get(dut.empty)

    simulate(dut, feed, drain)


@pytest.mark.parametrize("seed", range(2))
def test_cobs_decoder(seed):
    rng = random.Random(seed)
    dut = CobsDecoder()
    pieces = [cobs.encode(content) for content in contents(rng)]
    pieces += [b"", b"", b"\x02", b"\x05abc", b"\x01" * 9, b"\xff" + b"\x07" * 253]
    pieces += [bytes(rng.choices((1, 2, 3, 255), k=rng.randrange(40))) for _ in range(40)]
    rng.shuffle(pieces)

    def decoded(piece):
        try:
            return cobs.decode(piece)
        except cobs.DecodeError:
            return None

    async def bench(ctx):
        body, found = bytearray(), []
        for byte in b"\0".join(pieces) + b"\0":
            await idle(ctx, rng, 0.1)
            ctx.set(dut.data, byte)
            if ctx.get(dut.is_body):
                body.append(ctx.get(dut.body))
            if ctx.get(dut.is_end):
                found.append(bytes(body) if ctx.get(dut.whole) else None)
                body.clear()
            await strobe(ctx, dut.take)
        assert found == [decoded(piece) for piece in pieces if piece]

    simulate(dut, bench)


CLOCK_HZ, BAUD_MAX = 18_000_000, 3_000_000


@pytest.mark.parametrize("baud", [3_000_000, 2_000_000, 921_600, 1_234_567])
def test_uart_transmitter_keeps_every_edge_within_a_cycle(baud):
    dut = UartTransmitter()
    sent = random.Random(baud).randbytes(30)
    bits = [bit for byte in sent for bit in (0, *(byte >> at & 1 for at in range(8)), 1)]
    cycles = CLOCK_HZ / baud
    line = []

    async def feed(ctx):
        ctx.set(dut.step, step_of(baud, CLOCK_HZ))
        await send(ctx, dut.bytes, sent)

    async def watch(ctx):
        while ctx.get(dut.tx):
            await ctx.tick()
        for _ in range(int(len(bits) * cycles)):
            line.append(ctx.get(dut.tx))
            await ctx.tick()
        for at, bit in enumerate(bits):  # whole bits without their first and last cycle
            inside = line[int(at * cycles) + 1 : int((at + 1) * cycles) - 1]
            assert len(inside) >= cycles - 3
            assert set(inside) == {bit}, at
        await wait(ctx, int(2 * cycles))
        assert ctx.get(dut.idle)

    simulate(dut, feed, watch)


@pytest.mark.parametrize("baud", [3_000_000, 921_600, 230_400])
@pytest.mark.parametrize("error", [-0.02, 0.0, 0.02])
def test_uart_receiver_bears_a_rate_two_percent_off(baud, error):
    rng = random.Random(baud)
    dut = UartReceiver()
    sent = rng.randbytes(25)
    received = []

    async def drive(ctx):
        ctx.set(dut.step, step_of(baud, CLOCK_HZ))
        await wait(ctx, 5)
        now = at = 0.0
        for byte in sent:
            at += rng.random() * 3  # the phase of the clock is anything
            await wait(ctx, round(at - now))
            now += round(at - now)
            for bit in (0, *(byte >> index & 1 for index in range(8)), 1):
                ctx.set(dut.rx, bit)
                at += CLOCK_HZ / baud * (1 + error)
                await wait(ctx, round(at - now))
                now += round(at - now)
            ctx.set(dut.rx, 1)
        await wait(ctx, 10)
        assert bytes(received) == sent

    async def collect(ctx):
        while True:
            _, _, valid, byte = await ctx.tick().sample(dut.valid, dut.data)
            if valid:
                received.append(byte)

    simulate(dut, drive, background=[collect])


def test_uart_receiver_keeps_a_byte_until_the_next_start_bit_is_over():
    dut = UartReceiver()
    sent, kept = b"\x5a\xa5\xff\x00\x5a", []

    async def drive(ctx):
        ctx.set(dut.step, step_of(BAUD_MAX, CLOCK_HZ))
        for byte in sent:
            for bit in (0, *(byte >> index & 1 for index in range(8)), 1):
                ctx.set(dut.rx, bit)
                await wait(ctx, CLOCK_HZ // BAUD_MAX)
        await wait(ctx, 20)

    async def collect(ctx):
        while True:
            if ctx.get(dut.valid):
                bytes_seen = set()
                for _ in range(CLOCK_HZ * 3 // 2 // BAUD_MAX):
                    bytes_seen.add(ctx.get(dut.data))
                    await ctx.tick()
                kept.append(bytes_seen)
            await ctx.tick()

    simulate(dut, drive, background=[collect])
    assert kept == [{byte} for byte in sent]


def test_uart_receiver_ignores_short_starts_and_ends_a_frame_at_a_byte_without_a_stop_bit():
    dut = UartReceiver()
    received = []

    async def drive(ctx):
        ctx.set(dut.step, step_of(BAUD_MAX, CLOCK_HZ))
        line = [1] * 12 + [0] * 2 + [1] * 12  # a spike
        for bits in ((0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1), (0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 1)):
            line += [bit for bit in bits for _ in range(6)]
        for level in line:
            ctx.set(dut.rx, level)
            await ctx.tick()

    async def collect(ctx):
        while True:
            _, _, valid = await ctx.tick().sample(dut.valid)
            if valid:
                received.append(ctx.get(dut.data))

    simulate(dut, drive, background=[collect])
    assert received == [0, 0b00000110]


@pytest.mark.parametrize("faster", [26, 8, 4])
def test_what_a_slower_line_carries_ends_frames(faster):
    """So that bad frames are counted at a rate that is not the line's, and the old one comes back."""
    rng = random.Random(faster)
    dut = UartReceiver()
    received = []

    async def drive(ctx):
        ctx.set(dut.step, step_of(BAUD_MAX, CLOCK_HZ))
        for byte in [rng.randrange(1, 256) for _ in range(20)]:
            for bit in (0, *(byte >> index & 1 for index in range(8)), 1):
                ctx.set(dut.rx, bit)
                await wait(ctx, faster * CLOCK_HZ // BAUD_MAX)

    async def collect(ctx):
        while True:
            _, _, valid = await ctx.tick().sample(dut.valid)
            if valid:
                received.append(ctx.get(dut.data))

    simulate(dut, drive, background=[collect])
    assert 0 in received
    assert any(received)

"""The mailbox against its description: who is asked, and what the link is answered."""

import random

import pytest
from tests.hdl.helpers import idle, simulate, strobe, until, wait

from ohmloom.spec import load_chip
from ohmloom.spec.commands import CALIBRATE, COMMANDS, INFO, READ
from ohmloom_hdl.soc.mailbox import Mailbox

SPEC = load_chip("bench-8x16")


async def ask(ctx, link, frame_type, length, slot, answer_slot):
    """A request as the link makes it; returns its answer's type and length."""
    for name, value in (("type", frame_type), ("length", length), ("slot", slot), ("answer_slot", answer_slot)):
        ctx.set(getattr(link, name), value)
    ctx.set(link.valid, 1)
    done = 0
    while not done:
        *_, done, answer_type, answer_length = await ctx.tick().sample(link.done, link.answer_type, link.answer_length)
    ctx.set(link.valid, 0)
    await ctx.tick()
    return answer_type, answer_length


def commands_model(dut, seen, rng):
    """Answers everything with its type inverted and its length plus one."""

    async def run(ctx):
        port = dut.commands
        while True:
            await until(ctx, port.valid)
            await idle(ctx, rng, 0.5)
            request = tuple(ctx.get(value) for value in (port.type, port.length, port.slot, port.answer_slot))
            seen.append((*request, ctx.get(port.head), ctx.get(port.upper)))
            ctx.set(port.answer_type, request[0] ^ 0xFF)
            ctx.set(port.answer_length, request[1] + 1)
            await strobe(ctx, port.done)

    return run


def firmware_model(dut, script, rng):
    """For each pending request: the calls of `script`, then its answer. Keeps what the calls were answered."""

    async def run(ctx):
        while script:
            await until(ctx, dut.pending)
            calls, answer, answers = script.pop(0)
            for call in calls:
                await idle(ctx, rng, 0.5)
                ctx.set(dut.word.type, call[0])
                ctx.set(dut.word.length, call[1])
                ctx.set(dut.place.head, call[2])
                ctx.set(dut.place.upper, call[3])
                await strobe(ctx, dut.call)
                ctx.set(dut.place, {"head": 0, "upper": 0})
                while ctx.get(dut.calling):
                    assert ctx.get(dut.pending)
                    await ctx.tick()
                answers.append((ctx.get(dut.called.type), ctx.get(dut.called.length)))
            ctx.set(dut.word.type, answer[0])
            ctx.set(dut.word.length, answer[1])
            await strobe(ctx, dut.answer)

    return run


@pytest.mark.parametrize("seed", range(3))
def test_requests_find_who_executes_them(seed):
    rng = random.Random(seed)
    dut, seen, script, expected_seen, requests = Mailbox(SPEC), [], [], [], []
    for _ in range(60):
        code = rng.choice([*COMMANDS, 0x3F, 0x55, 0xFF])
        request = (code, rng.randrange(SPEC.link.payload_bytes + 1), rng.randrange(4), rng.randrange(4))
        if code >> 4 == 3:
            calls = [
                (rng.choice(list(COMMANDS)), rng.randrange(512), rng.randrange(4), rng.randrange(2))
                for _ in range(rng.randrange(3))
            ]
            answer = (rng.randrange(256), rng.randrange(512))
            script.append((calls, answer, []))
            expected_seen += [(*call[:2], *request[2:], *call[2:]) for call in calls]
        else:
            answer = (code ^ 0xFF, request[1] + 1)
            expected_seen.append((*request, 0, 0))
        requests.append((request, answer))
    expected_calls = [[(kind ^ 0xFF, length + 1) for kind, length, *_ in calls] for calls, _, _ in script]
    kept = list(script)

    async def link(ctx):
        ctx.set(dut.alive, 1)
        await wait(ctx, 2)
        for request, answer in requests:
            await idle(ctx, rng, 0.3)
            assert await ask(ctx, dut.link, *request) == answer

    simulate(dut, link, background=(commands_model(dut, seen, rng), firmware_model(dut, script, rng)))
    assert seen == expected_seen
    assert [answers for _, _, answers in kept] == expected_calls


def test_without_firmware_the_command_processor_refuses():
    dut, seen = Mailbox(SPEC), []

    async def link(ctx):
        for command in (CALIBRATE, INFO):
            assert await ask(ctx, dut.link, command.code, 1, 0, 0) == (command.code ^ 0xFF, 2)

    simulate(dut, link, background=(commands_model(dut, seen, random.Random(0)),))
    assert [request[0] for request in seen] == [CALIBRATE.code, INFO.code]


def test_an_abandoned_request_is_refused_and_the_next_ones_too():
    dut, seen = Mailbox(SPEC), []

    async def link(ctx):
        ctx.set(dut.alive, 1)
        await wait(ctx, 2)
        for command in (CALIBRATE, READ, CALIBRATE):
            assert (await ask(ctx, dut.link, command.code, 1, 2, 3))[0] == command.code ^ 0xFF

    async def core(ctx):
        await until(ctx, dut.pending)
        await wait(ctx, 10)
        assert not seen
        ctx.set(dut.alive, 0)
        await strobe(ctx, dut.abandon)

    simulate(dut, link, core, background=(commands_model(dut, seen, random.Random(0)),))
    assert [request[0] for request in seen] == [CALIBRATE.code, READ.code, CALIBRATE.code]


def test_firmware_that_starts_meanwhile_leaves_a_request_where_it_is():
    dut, seen = Mailbox(SPEC), []

    async def link(ctx):
        assert (await ask(ctx, dut.link, CALIBRATE.code, 1, 0, 0))[0] == CALIBRATE.code ^ 0xFF

    async def core(ctx):
        await until(ctx, dut.commands.valid)
        ctx.set(dut.alive, 1)
        while not seen:
            assert not ctx.get(dut.pending)
            await ctx.tick()

    simulate(dut, link, core, background=(commands_model(dut, seen, random.Random(5)),))

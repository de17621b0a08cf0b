"""The core's bus, seen by programs: memories byte by byte, the mailbox, time, and the end of firmware that hangs."""

import random

import pytest
from tests.hdl.helpers import Store, simulate, strobe, until, wait
from tests.hdl.soc.assembler import assemble
from tests.hdl.soc.test_mailbox import ask, commands_model

from ohmloom.spec import core, load_chip
from ohmloom.spec.commands import CALIBRATE, IV, READ
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.soc.core import Core

SPEC = load_chip("bench-8x16")
PLACES = MemoryMap(SPEC)
SETUP = """
    li s0, REGISTERS_BASE
    li s1, STORE_BASE
    li s2, RAM_BASE
    li t0, 1
    sw t0, ALIVE(s0)
"""


def memory_program(base):
    """Writes bytes, halves and words, changes parts of them, and leaves sums of what it reads at 64 (s1 is the store)."""
    return f"""
    {SETUP}
    li a0, {base}
    li t0, 0x11223344
    sw t0, 0(a0)
    li t1, 0xA5
    sb t1, 0(a0)
    sb t1, 3(a0)
    li t1, 0x7B6C
    sh t1, 6(a0)
    sh t1, 4(a0)
    sb t1, 5(a0)
    lw t0, 0(a0)
    sw t0, 64(s1)
    lh t0, 6(a0)
    sw t0, 68(s1)
    lb t0, 3(a0)
    sw t0, 72(s1)
    lbu t0, 5(a0)
    sw t0, 76(s1)
    lhu t0, 2(a0)
    sw t0, 80(s1)
    lw t0, 4(a0)
    sw t0, 84(s1)
    li t0, 0xDEAD
    sh t0, 90(s1)
end: j end
    """


@pytest.mark.parametrize("base", ["RAM_BASE + 0x5FF0", "STORE_BASE + 16"])
def test_memories_take_bytes_halves_and_words(base):
    dut = Core(SPEC, assemble(memory_program(base)))
    store = Store(dut.store, PLACES.bytes, random.Random(3), stall=0.4, brief=True)

    async def watch(ctx):
        while store.memory[90:92] != b"\xad\xde":
            await ctx.tick()

    simulate(dut, watch, background=(store.serve,), timeout_cycles=5000)
    words = [int.from_bytes(store.memory[at : at + 4], "little") for at in range(64, 88, 4)]
    assert words == [0xA52233A5, 0x7B6C, 0xFFFFFFA5, 0x6C, 0xA522, 0x7B6C6C6C]
    assert store.memory[88:90] == b"\0\0"


SERVER = f"""
    {SETUP}
again:
    lw t0, STATUS(s0)
    andi t1, t0, 1
    beqz t1, again
    lw a0, REQUEST(s0)
    srli a1, a0, 8              # length
    andi a0, a0, 0xFF           # type
    srli t1, t0, 8
    andi t1, t1, 15
    slli t1, t1, {PLACES.slot_bytes.bit_length() - 1}
    add t1, t1, s1              # its payload
    lw t2, 0(t1)
    addi t2, t2, 1
    sw t2, 0(t1)                # becomes a call's
    li t3, {READ.code} | 4 << 8
    sw t3, CALL(s0)
wait:
    lw t3, STATUS(s0)
    andi t3, t3, 2
    bnez t3, wait
    lw t3, CALL(s0)             # what it was answered
    srli t0, t0, 12
    andi t0, t0, 15
    slli t0, t0, {PLACES.slot_bytes.bit_length() - 1}
    add t0, t0, s1
    li t4, {PLACES.answer(0)}
    add t0, t0, t4
    sw t3, 0(t0)
    sw t2, 4(t0)
    ori a0, a0, 0x80
    addi a1, a1, 8
    slli a1, a1, 8
    or a0, a0, a1
    sw a0, ANSWER(s0)
    j again
"""


def test_firmware_serves_requests():
    rng = random.Random(4)
    dut, seen = Core(SPEC, assemble(SERVER)), []
    store = Store(dut.store, PLACES.bytes, rng, stall=0.3, brief=True)

    async def link(ctx):
        await wait(ctx, 200)
        for command in (IV, READ, CALIBRATE, IV):
            slot, answer_slot, value = rng.randrange(4), rng.randrange(4), rng.randrange(1 << 31)
            store.memory[PLACES.request(slot) : PLACES.request(slot) + 4] = value.to_bytes(4, "little")
            answer = await ask(ctx, dut.link, command.code, 4, slot, answer_slot)
            if command is READ:
                assert answer == (READ.code ^ 0xFF, 5)
                continue
            assert answer == (command.code | 0x80, 12)
            assert seen[-1] == (READ.code, 4, slot, answer_slot, 0, 0)
            place = PLACES.answer(answer_slot)
            assert store.memory[place : place + 4] == bytes([READ.code ^ 0xFF, 5, 0, 0])
            assert store.memory[place + 4 : place + 8] == (value + 1).to_bytes(4, "little")

    simulate(dut, link, background=(store.serve, commands_model(dut, seen, rng)))


REPORTS = f"""
    {SETUP}
again:
    lw t0, STATUS(s0)
    andi t1, t0, 1
    beqz t1, again
    li t0, {READ.code} | 4 << 8 | 3 << 24 | 1 << 26
    sw t0, CALL(s0)
wait:
    lw t0, STATUS(s0)
    andi t0, t0, 2
    bnez t0, wait
    lw t0, CALL(s0)
    sw t0, 0(s1)
    {"".join(f"lw t0, FAILED + {4 * word}(s0); sw t0, {4 + 4 * word}(s1);" for word in range(4))}
    li t0, 0xB0
    sw t0, ANSWER(s0)
    j again
"""


@pytest.mark.parametrize("chip", ["bench-8x16", "lab-128x128x4"])
def test_a_call_tells_how_cells_have_ended_and_where_its_answer_is(chip):
    rng, spec = random.Random(chip), load_chip(chip)
    dut, seen, columns = Core(spec, assemble(REPORTS)), [], spec.columns
    store = Store(dut.store, PLACES.bytes, brief=True)

    async def link(ctx):
        await wait(ctx, 200)
        for cuts in (0.0, 0.3, 0.0):
            ended = [(rng.random() < 0.5, rng.random() < cuts) for _ in range(columns)]
            reported.append(ended)
            assert await ask(ctx, dut.link, IV.code, 4, 0, 0) == (0xB0, 0)
            assert seen[-1][4:] == (3, 1)
            called, *words = (int.from_bytes(store.memory[at : at + 4], "little") for at in range(0, 20, 4))
            assert called == READ.code ^ 0xFF | 5 << 8 | any(cut for _, cut in ended) << 27
            failed = sum(failed << column for column, (failed, _) in enumerate(ended))
            assert words[: -(-columns // 32)] == [failed >> 32 * word & 0xFFFFFFFF for word in range(-(-columns // 32))]

    reported = []

    async def engine(ctx):
        while True:
            await until(ctx, dut.commands.valid)
            for failed, cut in reported[-1]:
                ctx.set(dut.failed, failed)
                ctx.set(dut.cut, cut)
                await strobe(ctx, dut.count_cell)
                ctx.set(dut.failed, 1)
                ctx.set(dut.cut, 1)
            seen.append(tuple(ctx.get(value) for value in (port.type, port.length, port.slot, port.answer_slot, port.head, port.upper)))
            ctx.set(port.answer_type, seen[-1][0] ^ 0xFF)
            ctx.set(port.answer_length, seen[-1][1] + 1)
            await strobe(ctx, port.done)

    port = dut.commands
    simulate(dut, link, background=(store.serve, engine))


HANGS = f"""
    {SETUP}
    lw t0, TIME(s0)
    sw t0, 32(s1)               # each start leaves its time
    li t1, 0x5A5A
    sh t1, 36(s1)
end: j end
"""


def test_firmware_that_hangs_is_restarted_and_its_request_refused(monkeypatch):
    monkeypatch.setattr(core, "TIME_BITS", 10)
    dut, seen = Core(SPEC, assemble(HANGS)), []
    store = Store(dut.store, PLACES.bytes, brief=True)

    async def link(ctx):
        await wait(ctx, 5000)  # nothing is asked of it: nothing happens
        assert not seen
        store.memory[32:38] = bytes(6)
        assert (await ask(ctx, dut.link, IV.code, 4, 0, 0))[0] == IV.code ^ 0xFF
        while store.memory[36:38] != b"\x5a\x5a":  # it has started again
            await ctx.tick()
        assert any(store.memory[32:36])
        assert seen == [(IV.code, 4, 0, 0, 0, 0)]

    simulate(dut, link, background=(store.serve, commands_model(dut, seen, random.Random(0))))


KICKS = f"""
    {SETUP}
again:
    lw t0, STATUS(s0)
    andi t1, t0, 1
    beqz t1, again
    li t1, 600
busy:
    sw zero, TRIP_IRQ(s0)
    addi t1, t1, -1
    bnez t1, busy
    li a0, 0xB0
    sw a0, ANSWER(s0)
    j again
"""


def test_firmware_that_works_for_long_is_left_alone(monkeypatch):
    monkeypatch.setattr(core, "TIME_BITS", 10)
    dut, seen = Core(SPEC, assemble(KICKS)), []

    async def link(ctx):
        await wait(ctx, 200)
        assert await ask(ctx, dut.link, IV.code, 4, 0, 0) == (0xB0, 0)

    simulate(dut, link, background=(commands_model(dut, seen, random.Random(0)),))
    assert not seen


TRIPS = f"""
    {SETUP}
    la t0, handler
    csrw mtvec, t0
    li t0, 1
    sw t0, TRIP_IRQ(s0)
    li t0, 0x800
    csrw mie, t0
    csrsi mstatus, 8
end: j end
    .align 2
handler:
    lw t1, STATUS(s0)
    sw t1, 40(s1)
    sw zero, TRIP_IRQ(s0)
    mret
"""


def test_a_trip_interrupts():
    dut = Core(SPEC, assemble(TRIPS))
    store = Store(dut.store, PLACES.bytes, brief=True)

    async def trip(ctx):
        await wait(ctx, 500)
        assert not any(store.memory[40:44])
        ctx.set(dut.cause, 0b010)
        ctx.set(dut.tripped, 1)
        while not any(store.memory[40:44]):
            await ctx.tick()
        await wait(ctx, 500)

    simulate(dut, trip, background=(store.serve,))
    assert store.memory[40] & 0b11110000 == 0b01010000

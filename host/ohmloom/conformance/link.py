"""The link: frames in sequence, each executed exactly once, whatever the line does; and its rate."""

from __future__ import annotations

import secrets

import numpy as np

from ohmloom.conformance.check import Skip, check, equal, expect
from ohmloom.conformance.device import Device, Frames, answers, refused
from ohmloom.link import Frame, encode
from ohmloom.spec import registers
from ohmloom.spec.commands import (
    ANSWER,
    BAUD_MIN,
    COMMANDS,
    DEFAULT_BAUD,
    HELLO,
    INFO,
    MEM_READ,
    MEM_WRITE,
    MVM,
    NAK_LAYOUT,
    PROTOCOL_VERSION,
    RATE,
    READ_REGISTERS,
    TYPE_NAK,
    WRITE_REGISTERS,
    Command,
    ErrorCode,
    Memory,
    NakReason,
)

SCRATCH = registers.SCRATCH.address
UNKNOWN = 0x7D
GREETINGS = 64  # at a rate that the controller may not listen at


def _write_scratch(value: int) -> bytes:
    return WRITE_REGISTERS.request.pack(address=SCRATCH, values=[value])


def _register(frames: Frames, register: registers.Register) -> int:
    frame = frames.ask(READ_REGISTERS, READ_REGISTERS.request.pack(address=register.address, count=1))
    return int(READ_REGISTERS.answer.unpack(frame.payload)["values"][0])


def _is_nak(frame: object, expected: int, reason: NakReason) -> None:
    expect(isinstance(frame, Frame) and frame.type == TYPE_NAK, f"a NAK wanted, found {frame}")
    assert isinstance(frame, Frame)
    equal(NAK_LAYOUT.unpack(frame.payload), {"expected": expected, "reason": reason}, "NAK")
    equal(frame.sequence, expected, "the NAK's own number")


@check()
def no_session(device: Device) -> None:
    """Before the first HELLO every request is answered with a NAK, and not executed"""
    reasons = [
        NAK_LAYOUT.unpack(item.payload)["reason"]
        for item in device.first
        if isinstance(item, Frame) and item.type == TYPE_NAK
    ]
    if not device.new and reasons != [NakReason.NO_SESSION]:
        raise Skip("the controller has had a session before this one")
    equal(reasons, [NakReason.NO_SESSION], "reasons of the NAKs for a request before HELLO")


@check()
def bad_frames(device: Device) -> None:
    """A frame with a wrong CRC, stuffing or length is answered with a NAK and not executed"""
    with device.frames() as frames:
        frames.ask(WRITE_REGISTERS, _write_scratch(1))
        before = _register(frames, registers.FRAMES_BAD)
        good = encode(WRITE_REGISTERS.code, frames.next, _write_scratch(2))
        flipped = bytearray(good)
        flipped[3] ^= 0x40 if flipped[3] != 0x40 else 0x20
        longest = device.spec.link.payload_bytes
        bad = [
            bytes(flipped),
            good[:-4] + b"\0",
            b"\x09ab\0",
            b"\x02\x01\0",
            encode(INFO.code, frames.next, bytes(longest + 1)),
        ]
        for data in bad:
            _is_nak(next(iter(frames.exchange(data, 1)), None), frames.next, NakReason.BAD_FRAME)
        equal(_register(frames, registers.SCRATCH), 1, "scratch after bad frames")
        equal(_register(frames, registers.FRAMES_BAD), before + len(bad), "frames_bad")


@check()
def exactly_once(device: Device) -> None:
    """A repeated request gets the same answer, and is not executed again"""
    spec = device.spec
    payload = MVM.request.pack(tile=0, range=0, count=1, codes=np.arange(spec.rows) % (spec.read_clamp + 1))
    with device.frames() as frames:
        drives, repeats = (_register(frames, register) for register in (registers.DRIVES, registers.REPEATS))
        request = frames.request(MVM, payload)
        first = frames.frame(request)
        expect(answers(first, MVM), f"MVM was not answered: {first}")
        for _ in range(3):
            equal(frames.frame(request), first, "answer to a repeated MVM")
        equal(_register(frames, registers.DRIVES), drives + 1, "drives, after one MVM was sent four times")
        equal(_register(frames, registers.REPEATS), repeats + 3, "repeats")


@check()
def window(device: Device) -> None:
    """A window of requests sent at once is answered in order; each of them is remembered"""
    with device.frames() as frames:
        requests = [frames.request(WRITE_REGISTERS, _write_scratch(value)) for value in range(device.window)]
        for _ in range(2):
            found = frames.exchange(b"".join(requests), len(requests))
            numbers = [item.sequence if isinstance(item, Frame) else item for item in found]
            equal(numbers, list(range(1, device.window + 1)), "numbers of the answers")
        frames.ask(WRITE_REGISTERS, _write_scratch(0xABC))
        _is_nak(frames.frame(requests[0]), frames.next, NakReason.OUT_OF_SEQUENCE)
        equal(_register(frames, registers.SCRATCH), 0xABC, "scratch after a request that is no longer remembered")


@check()
def sequence(device: Device) -> None:
    """Nothing is executed behind a gap; after the missing frame everything goes on"""
    with device.frames() as frames:
        frames.ask(WRITE_REGISTERS, _write_scratch(1))
        expected = frames.next
        lost, later = (frames.request(WRITE_REGISTERS, _write_scratch(value)) for value in (2, 3))
        _is_nak(frames.frame(later), expected, NakReason.OUT_OF_SEQUENCE)
        for data in (lost, later):
            expect(answers(frames.frame(data), WRITE_REGISTERS), "the repeated requests are not answered")
        equal(_register(frames, registers.SCRATCH), 3, "scratch")
        for _ in range(300):  # the number has eight bits
            frames.ask(WRITE_REGISTERS, _write_scratch(7))
        equal(_register(frames, registers.SCRATCH), 7, "scratch after 300 requests")


@check()
def sessions(device: Device) -> None:
    """A new session forgets the old one's answers; a repeated HELLO changes nothing"""
    with device.frames() as frames:
        old = frames.request(WRITE_REGISTERS, _write_scratch(1))
        frames.frame(old)
        frames.ask(WRITE_REGISTERS, _write_scratch(2))
        kept = frames.next
        frames.hello(frames.session)
        frames.next = kept
        expect(answers(frames.frame(old), WRITE_REGISTERS), "after a repeated HELLO answers are forgotten")
        equal(_register(frames, registers.SCRATCH), 2, "scratch")
        frames.hello(secrets.randbits(32), sequence=200)
        _is_nak(frames.frame(old), 201, NakReason.OUT_OF_SEQUENCE)
        equal(_register(frames, registers.SCRATCH), 2, "scratch, with a request of the session before")
        wrong = frames.frame(encode(HELLO.code, 9, b"123"))
        equal(refused(wrong), (HELLO.code, ErrorCode.BAD_LENGTH), "a HELLO of three bytes")
        equal(_register(frames, registers.SCRATCH), 2, "scratch after a bad HELLO")


@check()
def unknown_commands(device: Device) -> None:
    """Unknown commands are refused, and take their turn as all others do"""
    with device.frames() as frames:
        for code in (UNKNOWN, 0x00, 0x7F):
            frame = frames.ask(code, b"abc")
            equal(refused(frame), (code, ErrorCode.UNKNOWN_COMMAND), f"command {code:#x}")
        expect(answers(frames.ask(INFO), INFO), "INFO after them")


def _lengths(command: Command) -> list[int]:
    """Payload lengths that do not fit a command's layout."""
    header, array = command.request.header_bytes, command.request.array
    wrong = [header - 1] if header else []
    if array is None:
        return [*wrong, header + 1]
    item = 0 if array.kind == "i12" else array.dtype.itemsize
    return [*wrong, header + 1] if item != 1 else wrong


@check()
def lengths(device: Device) -> None:
    """A payload whose length fits no layout is refused for each command"""
    with device.frames() as frames:
        for command in COMMANDS.values():
            if command is HELLO:
                continue
            for length in _lengths(command):
                found = refused(frames.ask(command, bytes(length)))
                allowed = (
                    {ErrorCode.BAD_LENGTH, ErrorCode.NO_FIRMWARE}
                    if command.by == "firmware"
                    else {ErrorCode.BAD_LENGTH}
                )
                if command.by == "emulation" and not device.emulated:
                    allowed = {ErrorCode.NOT_EMULATED}
                expect(
                    found is not None and found[0] == command.code and found[1] in allowed,
                    f"{command.name} of {length} bytes: refused as {found}",
                )


@check()
def longest(device: Device) -> None:
    """The longest payload fits, both ways"""
    room = device.spec.link.payload_bytes
    size = room - MEM_WRITE.request.header_bytes
    content = np.random.default_rng(6).bytes(size)
    if device.memory_bytes(Memory.NOTES) < room:
        raise Skip("no memory is as long as a payload")
    device.memory_changed = True
    device.ask(MEM_WRITE, memory=Memory.NOTES, offset=0, data=content)
    equal(device.ask(MEM_READ, memory=Memory.NOTES, offset=0, length=room)["data"].tobytes()[:size], content, "notes")
    refusal = device.refusal(MEM_READ, memory=Memory.NOTES, offset=0, length=room + 1)
    equal(refusal, ErrorCode.ANSWER_TOO_LONG, f"an answer of {room + 1} bytes")


@check()
def noise(device: Device) -> None:
    """Random bytes are survived, and execute nothing"""
    rng = np.random.default_rng(1)
    with device.frames() as frames:
        frames.ask(WRITE_REGISTERS, _write_scratch(5))
        data = rng.bytes(600) + b"\0"
        pieces = len([piece for piece in data.split(b"\0") if piece])
        for item in frames.exchange(data, pieces):
            _is_nak(item, frames.next, NakReason.BAD_FRAME)
        equal(_register(frames, registers.SCRATCH), 5, "scratch")


@check()
def rates(device: Device) -> None:
    """The line's rate changes after RATE's answer; rates out of range are refused"""
    if not device.has_rate:
        raise Skip("the endpoint has no line rate")
    session, highest = device._session, device.spec.link.baud_max
    before = session.baud
    for baud in (0, BAUD_MIN - 1, highest + 1, 0xFFFFFFFF):
        equal(device.refusal(RATE, baud=baud), ErrorCode.BAD_VALUE, f"{baud} baud")
    for baud in sorted({DEFAULT_BAUD, 230_400, 1_000_000, highest}):
        if baud > highest or not session._wire.set_rate(baud):
            continue
        session._wire.set_rate(before)
        equal(session.set_rate(baud), baud, "rate in force")
        device.write(registers.SCRATCH, baud)
        equal(device.read(registers.SCRATCH), baud, f"scratch at {baud} baud")
        before = baud


@check()
def provisional_rate(device: Device) -> None:
    """A rate at which no good frame arrives is given up: the controller comes back to the old one"""
    if not device.has_rate:
        raise Skip("the endpoint has no line rate")
    session, highest = device._session, device.spec.link.baud_max
    before = session.baud
    # As every connection begins: from a slow rate to a fast one, which the line may turn out not to carry.
    old = session.set_rate(DEFAULT_BAUD)
    with device.frames() as frames:
        frames.ask(WRITE_REGISTERS, _write_scratch(0x5EED))
        expect(answers(frames.ask(RATE, RATE.request.pack(baud=highest)), RATE), "RATE is not answered")
        # The line stays at the old rate: what it carries are bad frames to the controller, after which it listens there again.
        noise = bytes(np.random.default_rng(5).integers(1, 256, 64, dtype=np.uint8)) + b"\0"
        hello = noise + encode(HELLO.code, 0, HELLO.request.pack(session=frames.session, protocol=PROTOCOL_VERSION))
        heard = any(
            isinstance(item, Frame) and item.type == HELLO.code | ANSWER
            for _ in range(GREETINGS)
            for item in frames.exchange(hello, 1)
        )
        expect(heard, f"the controller does not come back to {old} baud")
        equal(_register(frames, registers.SCRATCH), 0x5EED, "scratch")
    session.set_rate(before)

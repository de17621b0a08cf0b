"""Random payloads, networks, bytes and mutated frames: answers, refusals and NAKs, but never a crash."""

from __future__ import annotations

import binascii

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloom.link import Frame, FrameDecoder, encode
from ohmloom.spec import load_chip
from ohmloom.spec.commands import (
    ANSWER,
    COMMANDS,
    ERROR_LAYOUT,
    FORM,
    HELLO,
    INFER,
    INFO,
    MEM_READ,
    MEM_WRITE,
    MVM,
    PROGRAM,
    PROTOCOL_VERSION,
    PULSE,
    RATE,
    READ,
    TYPE_ERROR,
    TYPE_NAK,
    WRITE_REGISTERS,
    ErrorCode,
    Memory,
)
from ohmloom.spec.layout import pack_codes
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE
from ohmloom.spec.registers import ARM
from ohmloom_emulator.board import Board
from ohmloom_emulator.fabric import Fabric

LIMITS = {"u8": 2**8 - 1, "u16": 2**16 - 1, "u32": 2**32 - 1, "u64": 2**64 - 1}
REQUESTS = [command for command in COMMANDS.values() if command not in (HELLO, RATE)]


@st.composite
def requests(draw):
    """(type, payload): random bytes, or a layout whose numbers are small, at an end, or random."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.integers(0, 255)), draw(st.binary(max_size=512))
    command = draw(st.sampled_from(REQUESTS))
    values = {}
    for name, kind, _ in command.request.scalars:
        top = LIMITS[kind]
        values[name] = draw(st.integers(0, 16) | st.sampled_from([top, top // 2]) | st.integers(0, top))
    array = command.request.array
    payload = b""
    if array is not None and array.kind == "i12":
        codes = st.integers(-330, 330) | st.integers(-2048, 2047)
        payload = pack_codes(
            draw(
                st.lists(codes, max_size=40)
                | st.lists(codes, min_size=8, max_size=8)
                | st.lists(codes, min_size=32, max_size=32)
            )
        )
    elif array is not None:
        count = draw(st.sampled_from([0, 1, 2, 16]))
        size = count * array.dtype.itemsize
        payload = draw(st.binary(min_size=size, max_size=size) | st.just(bytes(size)) | st.just(b"\1" * size))
    if command is WRITE_REGISTERS and draw(st.booleans()):
        values["address"], payload = ARM.address, ARM.key.to_bytes(4, "little")
    if command is MEM_WRITE and values["memory"] == Memory.POLICY:
        values["offset"] = min(values["offset"] + 2, LIMITS["u32"])  # max_pulses may be 65535, which takes its time
    scalars = command.request.scalars
    header = b"".join(values[name].to_bytes(int(kind[1:]) // 8, "little") for name, kind, _ in scalars)
    return command.code, header + payload


@settings(max_examples=150, deadline=None)
@given(sequence=st.lists(requests(), min_size=1, max_size=8), seed=st.integers(0, 3))
def test_any_payload_is_answered_or_refused_and_a_refused_one_changes_nothing(asked, same, sequence, seed):
    controller = asked(Fabric(load_chip("bench-8x16"), seed=seed))
    for frame_type, payload in sequence:
        before = controller.everything()
        answer_type, answer = controller.raw(frame_type, payload)
        assert len(answer) <= 512
        if answer_type == TYPE_ERROR:
            error = ERROR_LAYOUT.unpack(answer)
            assert error["command"] == frame_type
            assert ErrorCode(error["code"])
            same(before, controller.everything())
        else:
            assert answer_type == frame_type | ANSWER
            COMMANDS[frame_type].answer.unpack(answer)


@st.composite
def loaded_networks(draw):
    """NETWORK memory with a good CRC over steps whose numbers are mostly plausible."""
    steps = np.zeros(draw(st.integers(1, 4)), STEP_DTYPE)
    for record in steps:
        for name in STEP_DTYPE.names:
            info = np.iinfo(STEP_DTYPE[name])
            small = {
                "flags": 63,
                "tile": 1,
                "range": 1,
                "row": 3,
                "pair": 3,
                "level": 300,
                "scale": 65535,
                "shift": 20,
            }.get(name, 8)
            record[name] = draw(
                st.integers(0, small) | st.integers(0, small) | st.integers(0, small) | st.integers(info.min, info.max)
            )
    header = np.zeros((), HEADER_DTYPE)
    header["magic"], header["steps"], header["crc"] = MAGIC, len(steps), binascii.crc32(steps.tobytes())
    header["inputs"], header["outputs"] = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    return header.tobytes() + steps.tobytes(), int(header["inputs"]), int(header["outputs"])


@settings(max_examples=300, deadline=None)
@given(network=loaded_networks(), code=st.integers(-327, 327))
def test_any_network_runs_or_is_refused(asked, network, code):
    content, inputs, outputs = network
    controller = asked(Fabric(load_chip("bench-8x16")))
    controller(MEM_WRITE, memory=Memory.NETWORK, offset=0, data=content)
    answer_type, answer = controller.raw(INFER, INFER.request.pack(count=3, codes=[code] * 3 * inputs))
    if answer_type != TYPE_ERROR:
        assert INFER.answer.unpack(answer)["outputs"].size == 3 * outputs


# Bytes on the line


def crc16(data):
    """CRC-16/IBM-3740, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


assert crc16(b"123456789") == 0x29B1


def unstuffed(piece):
    """COBS decoding; None for what is no code."""
    out, index = bytearray(), 0
    while index < len(piece):
        code = piece[index]
        block = piece[index + 1 : index + code]
        if code == 0 or len(block) != code - 1:
            return None
        out += block
        index += code
        if code < 255 and index < len(piece):
            out.append(0)
    return bytes(out)


def good_frames(stream):
    """(type, sequence, payload) of everything in the stream whose CRC is right."""
    bodies = [unstuffed(piece) for piece in stream.split(b"\0")[:-1] if piece]
    return [
        (body[0], body[1], body[2:-2])
        for body in bodies
        if body and len(body) >= 4 and crc16(body[:-2]) == int.from_bytes(body[-2:], "little")
    ]


def session(number):
    return HELLO.request.pack(session=number, protocol=PROTOCOL_VERSION)


CONVERSATION = [
    (HELLO, session(7)),
    (INFO, b""),
    (MEM_WRITE, MEM_WRITE.request.pack(memory=Memory.NOTES, offset=0, data=bytes(range(100)))),
    (MEM_READ, MEM_READ.request.pack(memory=Memory.NOTES, offset=0, length=100)),
    (WRITE_REGISTERS, WRITE_REGISTERS.request.pack(address=ARM.address, values=[ARM.key])),
    (FORM, FORM.request.pack(tile=0, row=0, mask=[1] * 16)),
    (PROGRAM, PROGRAM.request.pack(tile=0, row=0, cells=[100, 15] * 16)),
    (PULSE, PULSE.request.pack(tile=0, row=1, column=2, polarity=0, rail=3000, gate=3000, width_ns=1000)),
    (READ, READ.request.pack(tile=0, row=0, rows=8, samples=1)),
    (MVM, MVM.request.pack(tile=0, range=0, count=1, codes=[100] * 8)),
]
FRAMES = [encode(command.code, number, payload) for number, (command, payload) in enumerate(CONVERSATION)]


def listening(chip="bench-8x16"):
    """A board, and the list of what its controller is made to execute."""
    board, executed = Board(chip), []
    execute = board.controller.execute

    def noting(frame_type, payload):
        executed.append((frame_type, payload))
        return execute(frame_type, payload)

    board.receiver._execute = noting
    return board, executed


def assert_usable(board):
    """A new session opens and works, whatever has come before."""
    reply = board.feed(bytes(600) + encode(HELLO.code, 9, session(12345)) + encode(INFO.code, 10, b""))
    frames = [item for item in FrameDecoder(512).feed(reply) if isinstance(item, Frame)]
    assert [frame.type for frame in frames[-2:]] == [HELLO.code | ANSWER, INFO.code | ANSWER]


@st.composite
def mutations(draw):
    """The conversation with bits flipped, bytes lost, put in or doubled, frames cut, repeated and swapped."""
    frames = list(FRAMES)
    for _ in range(draw(st.integers(0, 2))):
        first, second = draw(st.integers(0, len(frames) - 1)), draw(st.integers(0, len(frames) - 1))
        kind = draw(st.sampled_from(["swap", "repeat", "drop"]))
        if kind == "swap":
            frames[first], frames[second] = frames[second], frames[first]
        elif kind == "repeat":
            frames.insert(second, frames[first])
        elif len(frames) > 1:
            del frames[first]
    data = bytearray(b"".join(frames))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(["flip", "flip", "lose", "insert", "zero", "cut"]))
        if kind == "flip":
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "lose" and len(data) > 1:
            del data[place]
        elif kind == "insert":
            data.insert(place, draw(st.integers(0, 255)))
        elif kind == "zero":
            data[place] = 0
        elif kind == "cut" and len(data) > 100:
            del data[place : place + draw(st.integers(1, 60))]
    return bytes(data)


@settings(max_examples=120, deadline=None)
@given(stream=mutations(), chunk=st.integers(1, 300))
def test_only_frames_with_a_good_crc_in_sequence_are_executed_once(stream, chunk):
    board, executed = listening()
    reply = b"".join(board.feed(stream[start : start + chunk]) for start in range(0, len(stream), chunk))
    wanted, expected, number = [], None, None
    for frame_type, sequence, payload in good_frames(stream):
        if frame_type == HELLO.code and len(payload) == 6:
            if payload[:4] != number:
                number, expected = payload[:4], (sequence + 1) % 256
        elif frame_type != HELLO.code and sequence == expected:
            expected = (sequence + 1) % 256
            if frame_type != RATE.code:
                wanted.append((frame_type, payload))
    assert executed == wanted
    if not executed:
        for tile in board.fabric.tiles:
            assert tile.pulses.sum() == 0
    types = {item.type for item in FrameDecoder(512).feed(reply) if isinstance(item, Frame)}
    assert types <= {command.code | ANSWER for command in COMMANDS.values()} | {TYPE_NAK, TYPE_ERROR}
    assert_usable(board)


@settings(max_examples=100, deadline=None)
@given(chunks=st.lists(st.binary(max_size=700), max_size=6))
def test_random_bytes_do_nothing(chunks):
    board, executed = listening()
    for chunk in chunks:
        board.feed(chunk)
    assert executed == []
    assert board.fabric.now_ns == 0
    assert_usable(board)


@settings(max_examples=60, deadline=None)
@given(text=st.binary(max_size=300), fill=st.sampled_from([b"\xff", b"U", b"\x01"]), count=st.integers(0, 5000))
def test_another_programs_text_within_an_open_session_does_nothing(text, fill, count):
    board, executed = listening()
    board.feed(FRAMES[0])
    board.feed(b"AT+GMR\r\n" + text + fill * count + b"*IDN?\n")
    assert executed == []
    assert_usable(board)

"""Anything at the serial pins: error answers, no pulse, and the board goes on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohmloom.link import BadFrame, Frame, FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import load_chip, registers
from ohmloom.spec.commands import ANSWER, COMMANDS, ERROR_LAYOUT, TYPE_ERROR, TYPE_NAK, Command, ErrorCode
from ohmloom_emulator.board import Board
from ohmloom_twin.board import TwinBoard

CHIP = "bench-8x16"
SPEC = load_chip(CHIP)
BAUD = SPEC.link.baud_max
EXAMPLES = settings(
    max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Boards:
    """The gateware at its serial pins, and the emulated board; each `attempt` is a session of its own."""

    def __init__(self) -> None:
        self.emulated, self.twin = Board(CHIP), TwinBoard(CHIP)
        self.pulses = 0
        apply = self.twin.fabric.pulse

        def pulse(*arguments: object, **named: object) -> int:
            self.pulses += 1
            return apply(*arguments, **named)  # type: ignore[arg-type]

        self.twin.fabric.pulse = pulse  # type: ignore[method-assign]
        hello, rate = self._hello(0), encode(table.RATE.code, 1, table.RATE.request.pack(baud=BAUD))
        for frame in (hello, rate):
            assert self.twin.feed_at(frame, table.DEFAULT_BAUD) == self.emulated.feed(frame)
        self._session = 0

    def _hello(self, session: int) -> bytes:
        return encode(table.HELLO.code, 0, table.HELLO.request.pack(session=session, protocol=table.PROTOCOL_VERSION))

    def attempt(self, data: bytes) -> list[Frame]:
        """Sends bytes in a new session, whose next frame has number 1; what the gateware says, which is no BadFrame.

        Asserts that the emulated board says the same, that nothing was pulsed, and that a new session answers.
        """
        self._session += 1
        wanted = [self.emulated.feed(self._hello(self._session)), self.emulated.feed(data)]
        given = [self.twin.feed_at(self._hello(self._session), BAUD), self.twin.feed_at(data, BAUD)]
        assert given == wanted
        assert self.pulses == 0
        ask = b"\0" + self._hello(self._session + 1) + encode(*_read(registers.PULSES, 1))
        self._session += 1
        *_, count = _frames(self.twin.feed_at(ask, BAUD))
        assert count == (table.READ_REGISTERS.code | ANSWER, 1, bytes(4))
        self.emulated.feed(ask)
        return _frames(given[1])


def _read(register: registers.Register, sequence: int) -> tuple[int, int, bytes]:
    request = table.READ_REGISTERS.request.pack(address=register.address, count=1)
    return table.READ_REGISTERS.code, sequence, request


def _frames(data: bytes) -> list[Frame]:
    frames = FrameDecoder(SPEC.link.payload_bytes).feed(data)
    assert not [frame for frame in frames if isinstance(frame, BadFrame)]
    return frames  # type: ignore[return-value]


def _codes(frames: list[Frame]) -> list[int]:
    """Of frames that all are errors."""
    assert {frame.type for frame in frames} <= {TYPE_ERROR}
    return [ERROR_LAYOUT.unpack(frame.payload)["code"] for frame in frames]


@pytest.fixture(scope="module")
def boards() -> Iterator[Boards]:
    made = Boards()
    yield made
    made.twin.twin.close()


# Frames that would pulse, if they were whole and good.
PULSE = {"tile": 1, "row": 3, "column": 7, "polarity": 1, "rail": 1500, "gate": 3000, "width_ns": 1000}
CELLS = [(300, 20)] * SPEC.columns
GOOD: dict[Command, dict[str, object]] = {
    table.PULSE: PULSE,
    table.PROGRAM: {"tile": 1, "row": 3, "cells": CELLS},
    table.FORM: {"tile": 1, "row": 3, "mask": [1] * SPEC.columns},
}


@given(data=st.lists(st.binary(max_size=40), max_size=6).map(b"\0".join))
@EXAMPLES
def test_random_bytes(boards: Boards, data: bytes) -> None:
    assert {frame.type for frame in boards.attempt(data)} <= {TYPE_NAK}


@given(command=st.sampled_from(sorted(GOOD, key=lambda command: command.code)), data=st.data())
@EXAMPLES
def test_frames_cut_short_and_hit(boards: Boards, command: Command, data: st.DataObject) -> None:
    """A frame without some of its bytes, or with some bits turned over, and what comes after it."""
    frame = bytearray(encode(command.code, 1, command.request.pack(**GOOD[command])))
    if data.draw(st.booleans()):
        first = data.draw(st.integers(0, len(frame) - 2))
        del frame[first : data.draw(st.integers(first + 1, len(frame) - 1))]
    else:
        for place in data.draw(st.sets(st.integers(0, len(frame) - 2), min_size=1, max_size=3)):
            frame[place] ^= 1 << data.draw(st.integers(0, 7))
    replies = boards.attempt(bytes(frame) + encode(*_read(registers.PULSES, 1)))
    assert {frame.type for frame in replies} <= {TYPE_NAK, table.READ_REGISTERS.code | ANSWER}


OTHERS: dict[Command, dict[str, object]] = {
    table.INFO: {},
    table.READ_REGISTERS: {"address": 0, "count": 1},
    table.MEM_READ: {"memory": 0, "offset": 0, "length": 1},
    table.MVM: {"tile": 0, "range": 0, "count": 1, "codes": [0] * SPEC.rows},
    table.READ: {"tile": 0, "row": 0, "rows": 1, "samples": 1},
    table.SERVICE: {"after": 0},
}


@given(command=st.sampled_from(sorted(GOOD | OTHERS, key=lambda command: command.code)), data=st.data())
@EXAMPLES
def test_wrong_lengths(boards: Boards, command: Command, data: st.DataObject) -> None:
    payload = command.request.pack(**(GOOD | OTHERS)[command])
    longer = st.binary(min_size=1, max_size=40).map(payload.__add__)
    shorter = st.integers(0, max(len(payload) - 1, 0)).map(lambda length: payload[:length])
    wrong = data.draw(st.one_of(longer, shorter) if payload else longer)
    assert _codes(boards.attempt(encode(command.code, 1, wrong))) == [ErrorCode.BAD_LENGTH]


@given(
    code=st.sampled_from(sorted(set(range(256)) - set(COMMANDS))), payload=st.binary(max_size=SPEC.link.payload_bytes)
)
@EXAMPLES
def test_commands_that_are_none(boards: Boards, code: int, payload: bytes) -> None:
    assert _codes(boards.attempt(encode(code, 1, payload))) == [ErrorCode.UNKNOWN_COMMAND]


BEYOND = {
    "tile": st.integers(SPEC.tiles, 0xFF),
    "row": st.integers(SPEC.rows, 0xFFFF),
    "column": st.integers(SPEC.columns, 0xFFFF),
    "polarity": st.integers(2, 0xFF),
    "rail": st.integers(SPEC.rail_code(SPEC.limits.reset_v) + 1, 0xFFFF),
    "gate": st.integers(SPEC.rail_code(SPEC.limits.gate_v) + 1, 0xFFFF),
    "width_ns": st.one_of(st.just(0), st.integers(SPEC.limits.pulse_ns + 1, (1 << 32) - 1)),
}


@given(fields=st.sets(st.sampled_from(sorted(BEYOND)), min_size=1), data=st.data())
@EXAMPLES
def test_pulses_out_of_range(boards: Boards, fields: set[str], data: st.DataObject) -> None:
    values = {**PULSE, **{name: data.draw(BEYOND[name]) for name in sorted(fields)}}
    (code,) = _codes(boards.attempt(encode(table.PULSE.code, 1, table.PULSE.request.pack(**values))))
    assert code in (ErrorCode.BAD_ADDRESS, ErrorCode.BAD_VALUE, ErrorCode.BAD_CODE)


@given(data=st.data())
@EXAMPLES
def test_rows_out_of_range(boards: Boards, data: st.DataObject) -> None:
    """PROGRAM of a tile, a row or a cell that is none; FORM that is not armed, wherever; MVM with codes beyond the clamp."""
    tile, row = data.draw(st.integers(0, 0xFF)), data.draw(st.integers(0, 0xFFFF))
    cells = list(CELLS)
    if tile < SPEC.tiles and row < SPEC.rows:
        column = data.draw(st.integers(0, SPEC.columns - 1))
        cells[column] = data.draw(st.integers(-2048, -1)), data.draw(st.integers(1, 2047))
    codes = np.zeros(SPEC.rows, int)
    codes[data.draw(st.integers(0, SPEC.rows - 1))] = data.draw(
        st.one_of(st.integers(-2048, -SPEC.read_clamp - 1), st.integers(SPEC.read_clamp + 1, 2047))
    )
    requests = [
        (table.PROGRAM, {"tile": tile, "row": row, "cells": cells}),
        (table.FORM, {"tile": tile, "row": row, "mask": [1] * SPEC.columns}),
        (table.MVM, {"tile": 0, "range": 0, "count": 1, "codes": codes}),
    ]
    frames = [
        encode(command.code, 1 + place, command.request.pack(**values))
        for place, (command, values) in enumerate(requests)
    ]
    assert len(_codes(boards.attempt(b"".join(frames)))) == len(frames)

"""cocotb: the whole controller between the host's frames and the parts' pins, against the emulated board of the same seed."""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from attach import attach, clock_period_ps
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer
from conversation import FIRST_BAUD, pieces
from uart import PS_PER_S, Uart

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec.commands import ERROR_LAYOUT, HELLO, PROTOCOL_VERSION, RATE, TYPE_ERROR, ErrorCode
from ohmloom_emulator.board import Board
from ohmloom_emulator.fabric import Fabric

CHIP, SEED = os.environ["OHMLOOM_CHIP"], 1


class Conversation:
    """Frames to both boards; `ask` asserts that the answers are the same bytes, and that nothing else is sent."""

    def __init__(self, dut: Any) -> None:
        self.board = Board(CHIP, seed=SEED)
        self.spec = self.board.fabric.spec
        self.fabric = Fabric(self.spec, seed=SEED)
        self.parts, self.uart = attach(dut, self.fabric), Uart(dut.rx, dut.tx, FIRST_BAUD)

    async def ask(self, frames: bytes) -> bytes:
        wanted = self.board.feed(frames)
        await self.uart.send(frames)
        given = await self.uart.receive(len(wanted))
        assert given == wanted, f"{self._said(given)}\nwanted\n{self._said(wanted)}"
        return given

    def _said(self, data: bytes) -> str:
        return "\n".join(map(str, FrameDecoder(self.spec.link.payload_bytes).feed(data)))


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def same_answers_as_the_emulated_board(dut: Any) -> None:
    """HELLO to a trip and back, with a bad frame, a gap and a repeat; conductances, time and energy are the same at the end."""
    talk = Conversation(dut)
    spec, uart, parts = talk.spec, talk.uart, talk.parts
    cocotb.start_soon(Clock(dut.clk, clock_period_ps(spec), "ps").start())
    dut.rst.value = 1
    for _ in range(4):
        await RisingEdge(dut.clk)
    dut.rst.value = 0

    hello = encode(HELLO.code, 0, HELLO.request.pack(session=1, protocol=PROTOCOL_VERSION))
    await uart.send(hello)
    (wanted,) = FrameDecoder(spec.link.payload_bytes).feed(wanted_bytes := talk.board.feed(hello))
    (given,) = FrameDecoder(spec.link.payload_bytes).feed(await uart.receive(len(wanted_bytes)))
    assert HELLO.answer.unpack(given.payload) == {**HELLO.answer.unpack(wanted.payload), "emulated": 0}
    await talk.ask(encode(RATE.code, 1, RATE.request.pack(baud=spec.link.baud_max)))
    uart.baud = spec.link.baud_max
    await Timer(2 * 10 * PS_PER_S // FIRST_BAUD, "ps")  # the answer's stop bit, and RATE's division

    sequence, frames, refused = 2, [], set()
    for piece in pieces(spec):
        frames = [encode(kind, sequence + place, payload) for place, (kind, payload) in enumerate(piece)]
        sequence += len(frames)
        answers = FrameDecoder(spec.link.payload_bytes).feed(await talk.ask(b"".join(frames)))
        codes = [ERROR_LAYOUT.unpack(answer.payload)["code"] for answer in answers if answer.type == TYPE_ERROR]
        refused.update(codes)
        if ErrorCode.TRIPPED in codes:
            assert parts.state is None  # all switches are open
            assert dut.pulse_gate.value == 0
            assert parts.pulses[-1][1] == spec.trip_width_ns
    assert refused == {ErrorCode.NOT_ARMED, ErrorCode.TRIPPED}
    damaged = bytearray(frames[0])
    damaged[3] ^= 4
    pulses = len(parts.pulses)
    await talk.ask(bytes(damaged))
    await talk.ask(encode(HELLO.code + 1, sequence + 1, b""))  # a gap
    await talk.ask(frames[0] + frames[-1])  # repeats

    await Timer(50, "us")
    assert not uart.received
    assert len(parts.pulses) == pulses
    assert {type(state).__name__ for state, _, _ in parts.drives} == {"Window"}
    expected = talk.board.fabric.state()
    for name, value in talk.fabric.state().items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)

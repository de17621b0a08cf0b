"""An executor that remembers what it did, and a port with the real receiver at its other end."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
import serial

from ohmloom.link import Frame, FrameDecoder, Session
from ohmloom.spec.commands import ANSWER, DEFAULT_BAUD, ERROR_LAYOUT, MVM, TYPE_ERROR, ErrorCode
from ohmloom_emulator.controller.receiver import Receiver

WINDOW, MAX_PAYLOAD, BAUD_MAX = 4, 2048, 3_000_000


class Executor:
    """Answers MVM with its codes reversed and its count as `saturated`; refuses all else. Notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes]] = []

    def __call__(self, request_type: int, payload: bytes) -> tuple[int, bytes]:
        self.calls.append((request_type, payload))
        if request_type != MVM.code:
            refusal = ERROR_LAYOUT.pack(command=request_type, code=ErrorCode.UNKNOWN_COMMAND, detail=-7)
            return TYPE_ERROR, refusal
        values = MVM.request.unpack(payload)
        return MVM.code | ANSWER, MVM.answer.pack(saturated=values["count"], codes=values["codes"][::-1])


def _clean(data: bytes) -> bytes:
    return data


class LinePort:
    """Like a serial port whose bytes travel when the host reads: what is written is under way until then."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.baudrate = DEFAULT_BAUD
        self.timeout: float | None = None
        self.to_controller: Callable[[bytes], bytes] = _clean
        self.to_host: Callable[[bytes], bytes] = _clean
        self.broken_rates: set[int] = set()  # where the line carries nothing but noise
        self.most_in_flight = 0
        self.open = True
        self._written: list[bytes] = []
        self._waiting = b""
        self._garble = random.Random(1)

    @property
    def in_waiting(self) -> int:
        self._carry()
        return len(self._waiting)

    def read(self, size: int = 1, /) -> bytes:
        self._check()
        self._carry()
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def write(self, data: bytes, /) -> int:
        self._check()
        self._written.append(self._at(self.receiver.baud, data))
        return len(data)

    def reset_input_buffer(self) -> None:
        self._check()
        self._written, self._waiting = [], b""

    def close(self) -> None:
        self.open = False

    def _check(self) -> None:
        if not self.open:
            raise serial.PortNotOpenError

    def _at(self, rate: int, data: bytes) -> bytes:
        works = self.baudrate == rate and rate not in self.broken_rates
        return data if works else self._garble.randbytes(len(data))

    def _carry(self) -> None:
        written, self._written = self._written, []
        under_way = FrameDecoder(MAX_PAYLOAD).feed(b"".join(written))
        numbers = {item.sequence for item in under_way if isinstance(item, Frame)}
        self.most_in_flight = max(self.most_in_flight, len(numbers))
        for data in written:
            rate = self.receiver.baud
            self._waiting += self._at(rate, self.to_host(self.receiver.feed(self.to_controller(data))))


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
def receiver(executor: Executor) -> Receiver:
    return Receiver(executor, window=WINDOW, max_payload=MAX_PAYLOAD, baud_max=BAUD_MAX)


@pytest.fixture
def port(receiver: Receiver) -> LinePort:
    return LinePort(receiver)


@pytest.fixture
def session(port: LinePort, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Not open yet. Its session number is not random, so that noise hits the same bits in every run."""
    monkeypatch.setattr("secrets.randbits", random.Random(2).getrandbits)
    return Session(port)


@pytest.fixture
def mvm_values() -> Callable[[int, int], dict[str, object]]:
    """Values of a distinct MVM request, number `index`, whose payload has about `size` bytes."""

    def values(index: int, size: int) -> dict[str, object]:
        codes = np.random.default_rng(index).integers(-2048, 2048, max(1, (size - 4) * 2 // 3))
        return {"tile": index % 4, "range": index % 3, "count": index & 0xFFFF, "codes": codes}

    return values

"""The controller's end of the link: frames in sequence, each executed exactly once.

All of it is bounded and free of time, so that gateware can do exactly the same: one frame being received, the last
`window` answers, a session number, the sequence number expected next, and a count of bad frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ohmloom.link import BadFrame, Frame, FrameDecoder, encode
from ohmloom.spec.commands import (
    ANSWER,
    BAUD_MIN,
    DEFAULT_BAUD,
    ERROR_LAYOUT,
    HELLO,
    NAK_LAYOUT,
    PROTOCOL_VERSION,
    PROVISIONAL_BAD_FRAMES,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    ErrorCode,
    NakReason,
)
from ohmloom.spec.layout import PayloadError


class Receiver:
    """Turns received bytes into bytes to send. `execute` maps a request's type and payload to its answer's.

    A refusal (TYPE_ERROR) is an answer like any other. Whatever `execute` is called with came in a good frame, in
    sequence, in an open session, once.
    """

    def __init__(
        self,
        execute: Callable[[int, bytes], tuple[int, bytes]],
        *,
        window: int,
        max_payload: int,
        baud_max: int,
        baud: int = DEFAULT_BAUD,
        emulated: bool = True,
    ) -> None:
        if not 1 <= window <= 127:
            raise ValueError(f"window {window}; 1..127 lets old and new 8-bit sequence numbers be told apart")
        self.baud = baud
        self.frames_good = self.frames_bad = self.naks = self.repeats = 0
        self._execute = execute
        self._window, self._max_payload, self._baud_max, self._emulated = window, max_payload, baud_max, emulated
        self._decoder = FrameDecoder(max_payload)
        self._session: int | None = None
        self._expected = 0
        self._answers: deque[Frame] = deque(maxlen=window)
        self._old_baud: int | None = None  # while the rate is provisional
        self._bad_at_new_baud = 0

    def feed(self, data: bytes) -> bytes:
        """Replies to `data`, all at the rate that `baud` had before the call; afterwards `baud` is the line's rate."""
        items = self._decoder.feed(data)
        return b"".join(self._refuse() if isinstance(item, BadFrame) else self._accept(item) for item in items)

    def _refuse(self) -> bytes:
        self.frames_bad += 1
        if self._old_baud is not None:
            self._bad_at_new_baud += 1
            if self._bad_at_new_baud == PROVISIONAL_BAD_FRAMES:
                self.baud, self._old_baud = self._old_baud, None
        return self._nak(NakReason.BAD_FRAME)

    def _accept(self, frame: Frame) -> bytes:
        self.frames_good += 1
        self._old_baud = None
        if frame.type == HELLO.code:
            return self._hello(frame)
        if self._session is None:
            return self._nak(NakReason.NO_SESSION)
        age = (self._expected - frame.sequence) & 0xFF
        if age == 0:
            answer = self._rate(frame) if frame.type == RATE.code else self._execute(frame.type, frame.payload)
            if len(answer[1]) > self._max_payload:
                raise ValueError(f"answer 0x{answer[0]:02X} has {len(answer[1])} bytes, {self._max_payload} allowed")
            self._answers.append(Frame(answer[0], frame.sequence, answer[1]))
            self._expected = (frame.sequence + 1) & 0xFF
            return self._send(self._answers[-1])
        if age <= len(self._answers):
            self.repeats += 1
            return self._send(self._answers[-age])
        return self._nak(NakReason.OUT_OF_SEQUENCE)

    def _hello(self, frame: Frame) -> bytes:
        try:
            session: int = HELLO.request.unpack(frame.payload)["session"]
        except PayloadError:
            return encode(TYPE_ERROR, frame.sequence, _error(HELLO.code, ErrorCode.BAD_LENGTH, len(frame.payload)))
        if session != self._session:  # a repeated HELLO must not forget what was executed since the first
            self._session = session
            self._expected = (frame.sequence + 1) & 0xFF
            self._answers.clear()
        return encode(
            HELLO.code | ANSWER,
            frame.sequence,
            HELLO.answer.pack(
                session=session,
                protocol=PROTOCOL_VERSION,
                window=self._window,
                payload=self._max_payload,
                baud_max=self._baud_max,
                emulated=self._emulated,
            ),
        )

    def _rate(self, frame: Frame) -> tuple[int, bytes]:
        try:
            baud: int = RATE.request.unpack(frame.payload)["baud"]
        except PayloadError:
            return TYPE_ERROR, _error(RATE.code, ErrorCode.BAD_LENGTH, len(frame.payload))
        if not BAUD_MIN <= baud <= self._baud_max:
            return TYPE_ERROR, _error(RATE.code, ErrorCode.BAD_VALUE, baud)
        return RATE.code | ANSWER, RATE.answer.pack(baud=baud)

    def _send(self, answer: Frame) -> bytes:
        # The host changes its rate when it gets this answer, remembered or not; so must we.
        if answer.type == RATE.code | ANSWER:
            baud = RATE.answer.unpack(answer.payload)["baud"]
            if baud != self.baud:
                self.baud, self._old_baud, self._bad_at_new_baud = baud, self.baud, 0
        return encode(*answer)

    def _nak(self, reason: NakReason) -> bytes:
        self.naks += 1
        return encode(TYPE_NAK, self._expected, NAK_LAYOUT.pack(expected=self._expected, reason=reason))


def _error(command: int, code: ErrorCode, detail: int) -> bytes:
    return ERROR_LAYOUT.pack(command=command, code=code, detail=detail)

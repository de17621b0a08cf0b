"""A session: requests in flight, answers in order, each request executed exactly once.

Frames execute strictly in sequence and the controller remembers its last `window` answers. So whatever was lost, the
remedy is the same: repeat every request that has no answer yet. One that was executed gets its remembered answer.
"""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from ohmloom.errors import ArgumentError, ChipError, LinkError
from ohmloom.link.frames import BadFrame, Frame, encode
from ohmloom.link.port import Port
from ohmloom.link.wire import LATENCY_S, Wire
from ohmloom.spec import commands
from ohmloom.spec.commands import ANSWER, DEFAULT_BAUD, ERROR_LAYOUT, HELLO, RATE, Command, ErrorCode, NakReason
from ohmloom.spec.layout import PayloadError

BUDGET_MIN, BUDGET_START = 64, 256
CLEAN_RUN = 8  # answers without a repeat before the budget doubles
ATTEMPTS_MAX = 200  # repeats without a single new answer
GREETINGS = 3  # HELLOs at one rate before the next is tried
# Empty frames to a controller at our rate. One at another rate takes them for bad ones and goes back to its old rate.
PREAMBLE = bytes(64)
SEARCH_PASSES = 8
SEARCH_RATES = (3_000_000, 2_000_000, 1_000_000, 921_600, 460_800, 230_400)

# What commands may take beyond LATENCY_S. Too little costs a useless repeat, too much delays that of a lost answer.
_ALLOWED_S: Mapping[int, float] = {
    commands.PROGRAM.code: 0.5, commands.FORM.code: 0.5, commands.READ.code: 0.5, commands.IV.code: 0.5,
    commands.CALIBRATE.code: 5.0, commands.SELFTEST.code: 5.0, commands.ADVANCE.code: 5.0,
    commands.RUN_BEGIN.code: 30.0, commands.RUN_LOAD.code: 0.5, commands.RUN_NEXT.code: 5.0, commands.REFRESH.code: 1.0,
    commands.UPDATE.code: 0.5, commands.BOOT.code: 5.0,
}  # fmt: skip


@dataclass(slots=True)
class _Request:
    command: Command
    sequence: int
    frame: bytes
    answer: dict[str, Any] | ChipError | None = None


class Session:
    """One host's conversation with a controller over `port`. `hello` opens it.

    `payload_budget` (bytes) is how long the payloads of requests and answers should be at most: it starts small,
    doubles while the line is clean and halves while frames fail. `silence_s` is the longest silence borne, beyond what
    a command may take. After a LinkError the session can be tried again: what is in flight is repeated, never executed
    twice.
    """

    def __init__(self, port: Port, silence_s: float = 3.0) -> None:
        self._wire = Wire(port)
        self.statistics = self._wire.statistics
        self.silence_s = silence_s
        self.window = self.payload_max = self.baud_max = 0
        self.emulated = False
        # Like TCP's slow start: a frame in flight cannot be made shorter, so long ones must not go first on a bad line.
        self.payload_budget = BUDGET_START
        self._hello_frame = b""
        self._session = 0
        self._reset()

    def _reset(self) -> None:
        self._next = 1  # HELLO has number 0
        self._in_flight: deque[_Request] = deque()
        self._lost = False  # something was lost since the last repeat
        self._owed = 0  # replies of any kind that are still to come for what was sent
        self._attempts = 0  # repeats since the last new answer
        self._silent = 0  # time-outs since the last frame, good or bad
        self._heard = monotonic()
        self._clean = 0

    # -- opening and rates ------------------------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """Open a session at whatever rate the controller is; returns HELLO's answer.

        Raises LinkError within `silence_s` when nothing answers or what answers speaks another protocol.
        """
        self._reset()
        self._session = secrets.randbits(32)
        self._hello_frame = encode(
            HELLO.code, 0, HELLO.request.pack(session=self._session, protocol=commands.PROTOCOL_VERSION)
        )
        received, opened_at = self.statistics.bytes_received, self._wire.baudrate
        deadline = monotonic() + self.silence_s
        self._wire.forget_input()
        rates = tuple(dict.fromkeys((opened_at, DEFAULT_BAUD, *SEARCH_RATES)))
        for baud in rates * SEARCH_PASSES:
            if monotonic() > deadline:
                break
            answer = self._greet(deadline) if self._wire.set_rate(baud) else None
            if answer:
                return self._opened(answer)
        self._wire.set_rate(opened_at)
        received = self.statistics.bytes_received - received
        raise LinkError(
            f"no controller answers at {rates} baud: "
            + (f"{received} bytes came back, but no answer to HELLO; is it another device or protocol?" if received
               else "the line is silent; is the board powered, and is this its port?")
        )  # fmt: skip

    def _opened(self, answer: dict[str, Any]) -> dict[str, Any]:
        theirs, ours = answer["protocol"], commands.PROTOCOL_VERSION
        if theirs != ours:
            raise LinkError(f"the controller speaks protocol {theirs}, this host {ours}: update one of them")
        self.window, self.payload_max, self.baud_max = answer["window"], answer["payload"], answer["baud_max"]
        self.emulated = bool(answer["emulated"])
        self.payload_budget = min(BUDGET_START, self.payload_max)
        self._wire.decoder.max_payload = self.payload_max
        return answer

    def _greet(self, deadline: float, attempts: int = GREETINGS) -> dict[str, Any] | None:
        """Send this session's HELLO until it is answered. The first one opens the session, others change nothing."""
        for _ in range(attempts):
            # The preamble also ends whatever an earlier program has left in the controller's decoder.
            self._wire.write(PREAMBLE + self._hello_frame, frames=1)
            patience = min(monotonic() + LATENCY_S, deadline)
            while monotonic() < patience:
                items = self._wire.receive(LATENCY_S)
                if items is None:
                    break
                for item in items:
                    if isinstance(item, Frame) and item.type == HELLO.code | ANSWER:
                        try:
                            answer = HELLO.answer.unpack(item.payload)
                        except PayloadError:
                            continue
                        if answer["session"] == self._session:
                            return answer
        return None

    def set_rate(self, baud: int) -> int:
        """Change the line rate; returns the rate in force, which is the old one when nothing was heard at the new one.

        Raises ChipError for a rate beyond the controller's, LinkError when the controller is lost at both.
        """
        while self._in_flight:
            self._pump()
        old = self._wire.baudrate
        taken: int = self.request(RATE, baud=baud)["baud"]
        # After a few bad frames at the new rate the controller goes back by itself.
        for rate, greetings in ((taken, 8), (old, 64)):
            if self._wire.set_rate(rate) and self._greet(monotonic() + self.silence_s, greetings):
                return rate
        raise LinkError(f"the controller answers neither at {taken} nor at {old} baud any more")

    # -- requests ---------------------------------------------------------------------------------------------------

    def request(self, command: Command, /, **values: Any) -> dict[str, Any]:
        """Execute one command and return its answer.

        Raises ChipError when it is refused, LinkError when the line fails and, before anything is sent, ArgumentError
        when `values` do not fit the command or its payload the controller.
        """
        return next(self.stream([(command, values)]))

    def stream(self, requests: Iterable[tuple[Command, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """Answers to `requests`, in order. A request is pulled only when it can be sent, so that it can be sized by
        `payload_budget`. When one is refused (ChipError), those already in flight are executed all the same.
        """
        waiting: deque[_Request] = deque()
        for command, values in requests:
            waiting.append(self._submit(command, values))
            while len(self._in_flight) >= self.window:
                self._pump()
            while waiting and waiting[0].answer is not None:
                yield _result(waiting.popleft())
        while waiting:
            while waiting[0].answer is None:
                self._pump()
            yield _result(waiting.popleft())

    @property
    def baud(self) -> int:
        """The line's rate."""
        return int(self._wire.baudrate)

    def close(self) -> None:
        self._wire.close()

    def _submit(self, command: Command, values: dict[str, Any]) -> _Request:
        if not self.window:
            raise LinkError(f"{command.name}: the session is not open; call hello() first")
        payload = command.request.pack(**values)
        if len(payload) > self.payload_max:
            raise ArgumentError(
                f"{command.name}: payload of {len(payload)} bytes; the controller takes {self.payload_max}"
            )
        while len(self._in_flight) >= self.window or self._lost:
            self._pump()
        if not self._in_flight:
            self._heard = monotonic()
        request = _Request(command, self._next, encode(command.code, self._next, payload))
        self._next = (self._next + 1) & 0xFF
        self._in_flight.append(request)
        self._owed += 1
        self._wire.write(request.frame, frames=1)
        return request

    # -- the line ---------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Take what comes; repeat unanswered requests once something was lost and no more replies can be expected."""
        line_s = sum(len(request.frame) for request in self._in_flight) * 10 / self._wire.baudrate
        due_s = line_s + max((_ALLOWED_S.get(request.command.code, 0.0) for request in self._in_flight), default=0.0)
        give_up_at = self._heard + self.silence_s + due_s
        timeout_s = min((LATENCY_S + due_s) * 2**self._silent, give_up_at - monotonic())
        items = self._wire.receive(max(timeout_s, 0.0))
        now = monotonic()
        if items is None:
            # Nothing is under way: a started frame will not be finished, and what is owed will not come.
            self._wire.decoder.feed(b"\0")
            self._lost, self._owed = True, 0
            self._silent += 1
        elif items:
            self._heard, self._silent, give_up_at = now, 0, math.inf
            for item in items:
                self._take(item)
        if not self._in_flight:
            self._lost, self._owed = False, 0
        elif now > give_up_at:
            self._give_up(f"no frame came for {now - self._heard:.1f} s")
        elif self._lost and self._owed <= 0:
            self._repeat()

    def _take(self, item: Frame | BadFrame) -> None:
        if isinstance(item, BadFrame):
            self._lost = True
            self._owed -= 1
        elif item.type == commands.TYPE_NAK:
            self.statistics.naks += 1
            self._lost = True
            self._owed -= 1
            if item.payload[1:] == bytes((NakReason.NO_SESSION,)):
                self._give_up("the controller has restarted and knows no session; connect again")
        else:
            self._take_answer(item)

    def _take_answer(self, frame: Frame) -> None:
        """Note the answer of a request in flight; old, repeated and foreign answers are of no interest."""
        if not self._in_flight:
            return
        index = (frame.sequence - self._in_flight[0].sequence) & 0xFF
        if index >= len(self._in_flight) or self._in_flight[index].answer is not None:
            return
        request = self._in_flight[index]
        try:
            answer = _unpack(request.command, frame)
        except PayloadError:  # one bad frame in 65,536 passes the CRC
            self.statistics.bad_frames += 1
            self._lost = True
            self._owed -= 1
            return
        if answer is None:
            return
        request.answer = answer
        self._owed -= 1
        if not self._attempts:
            self._clean += 1
            if self._clean >= CLEAN_RUN:
                self._clean = 0
                self.payload_budget = min(2 * self.payload_budget, self.payload_max)
        self._attempts = 0
        while self._in_flight and self._in_flight[0].answer is not None:
            self._in_flight.popleft()

    def _repeat(self) -> None:
        self._attempts += 1
        self._clean = 0
        unanswered = [request.frame for request in self._in_flight if request.answer is None]
        if self._attempts > ATTEMPTS_MAX:
            self._give_up(f"{ATTEMPTS_MAX} attempts to send {len(unanswered[0])} bytes brought no answer")
        if self._attempts % 2 == 0:
            self.payload_budget = max(self.payload_budget // 2, min(BUDGET_MIN, self.payload_max))
        self._lost, self._owed = False, len(unanswered)
        self.statistics.repeats += len(unanswered)
        # One 0x00 ends a frame that lost its own. A silent controller may be at another rate: RATE's answer was lost.
        self._wire.write((PREAMBLE if self._silent else b"\0") + b"".join(unanswered), frames=len(unanswered))

    def _give_up(self, reason: str) -> None:
        self._attempts = self._silent = 0
        self._heard = monotonic()
        failed = ", ".join(request.command.name for request in self._in_flight if request.answer is None)
        raise LinkError(f"{failed} failed: {reason}. {self._wire.baudrate} baud, {self.statistics}")


def _unpack(command: Command, frame: Frame) -> dict[str, Any] | ChipError | None:
    """The answer or refusal of `command` in `frame`, None when it belongs to another. Raises PayloadError."""
    if frame.type == command.code | ANSWER:
        return command.answer.unpack(frame.payload)
    if frame.type != commands.TYPE_ERROR:
        return None
    error = ERROR_LAYOUT.unpack(frame.payload)
    if error["command"] != command.code:
        return None
    code = error["code"]
    text = next((known.text for known in ErrorCode if known == code), "an error unknown to this host")
    return ChipError(f"{command.name} was refused: {text} (error {code}, detail {error['detail']})", code)


def _result(request: _Request) -> dict[str, Any]:
    if isinstance(request.answer, ChipError):
        raise request.answer
    assert request.answer is not None
    return request.answer

"""`replay://FILE` as a pyserial port: plays the chip's part of a recording (`ohmloom.recording`), without a chip.

The host has to send what it sent in the recording, in that order; only the random numbers of its sessions may be others. It gets what it got
then, each frame once it has sent all that it had sent when the frame came. Where it departs from the recording, `write` raises ReplayError.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from ohmloom.errors import ReplayError
from ohmloom.link import Frame
from ohmloom.link.virtual import VirtualSerial
from ohmloom.recording import Passed, Splitter, on_line, read
from ohmloom.spec.commands import ANSWER, COMMANDS, HELLO
from ohmloom.spec.layout import PayloadError

SHOWN_BYTES = 40


class Serial(VirtualSerial):
    """An open `replay://` port."""

    def _opened(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = unquote(parts.netloc + parts.path)
        self._ahead = [passed for passed in read(self._path) if passed.to != "line"][::-1]
        self._splitter = Splitter()
        self._sessions: dict[int, int] = {}  # of the recording: what they are here
        self._count = 0

    def _closed(self) -> None:
        """A host may stop before the recording does."""

    def _sent(self, data: bytes) -> bytes:
        answer = b""
        for item in self._splitter.feed(data):
            answer += self._take(item)
        return answer

    def _take(self, item: Frame | bytes) -> bytes:
        """Checks one frame of the host's; what came in the recording after it."""
        self._count += 1
        answer = self._until_sent()  # what came before anything was sent
        if not self._ahead:
            raise ReplayError(f"replay {self._path}: the recording ends before frame {self._count}, {shown(item)}")
        wanted = self._ahead.pop()
        if not self._same(_frame(wanted), item):
            self._ahead.append(wanted)
            raise ReplayError(
                f"replay {self._path}: frame {self._count} is {shown(item)}, but line {wanted.line} of the recording has "
                f"{shown(_frame(wanted))}"
            )
        return answer + self._until_sent()

    def _until_sent(self) -> bytes:
        """What the chip sent before the host's next frame."""
        answer = b""
        while self._ahead and self._ahead[-1].to == "host":
            answer += on_line(self._as_here(_frame(self._ahead.pop())))
        return answer

    def _same(self, recorded: Frame | bytes, here: Frame | bytes) -> bool:
        theirs, ours = _hello(recorded), _hello(here)
        if not theirs or not ours:
            return recorded == here
        self._sessions[theirs["session"]] = ours["session"]
        return bool(theirs["protocol"] == ours["protocol"])

    def _as_here(self, item: Frame | bytes) -> Frame | bytes:
        if not isinstance(item, Frame) or item.type != HELLO.code | ANSWER:
            return item
        try:
            answer = HELLO.answer.unpack(item.payload)
        except PayloadError:
            return item
        answer["session"] = self._sessions.get(answer["session"], answer["session"])
        return item._replace(payload=HELLO.answer.pack(**answer))


def _frame(passed: Passed) -> Frame | bytes:
    assert not isinstance(passed.item, int)
    return passed.item


def _hello(item: Frame | bytes) -> dict[str, Any] | None:
    if not isinstance(item, Frame) or item.type != HELLO.code:
        return None
    try:
        return HELLO.request.unpack(item.payload)
    except PayloadError:
        return None


def shown(item: Frame | bytes) -> str:
    """A frame for people: its command, number and payload."""
    if not isinstance(item, Frame):
        return f"no good frame ({_cut(item)})"
    command = COMMANDS.get(item.type & ~ANSWER)
    name = command.name if command else f"type {item.type:#x}"
    if command and item.type & ANSWER:
        name = f"answer to {name}"
    return f"{name} number {item.sequence} ({_cut(item.payload)})"


def _cut(data: bytes) -> str:
    return data[:SHOWN_BYTES].hex() + ("..." if len(data) > SHOWN_BYTES else "") if data else "empty"

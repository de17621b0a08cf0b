"""Recordings: what passed on a line, frame by frame with its time, in a text file of JSON lines.

The first line is a header, and each further line is one of

    {"t_s": 0.0123, "to": "chip", "type": 33, "sequence": 5, "payload": "00010008000100"}
    {"t_s": 0.0142, "to": "host", "type": 161, "sequence": 5, "payload": "..."}
    {"t_s": 0.0150, "to": "host", "bad": "..."}
    {"t_s": 0.0151, "baud": 3000000}

t_s counts seconds since the recording began. A frame stands where its last byte was written or read; types and payloads are those of
`ohmloom.spec.commands`, payloads in hexadecimal digits. `bad` are the bytes of what is no good frame, without the 0x00 that ends it.
`baud`: the host has changed its rate. Empty frames are left out. Lines are in the order in which the host did and learned things.

`replay://FILE` plays the chip's part of a recording (`ohmloom.replay.protocol_replay`), `ohmloom.replay.against` the host's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from ohmloom.errors import ReplayError
from ohmloom.link import Frame, FrameDecoder, Port, encode

FORMAT, VERSION = "ohmloom recording", 1
LONGEST_PAYLOAD = 0xFFFF
To = Literal["chip", "host", "line"]


@dataclass(frozen=True)
class Passed:
    """A frame, or the bytes of a bad one, that went `to` an end of the line, or the line's new rate; `line` of the file."""

    line: int
    to: To
    item: Frame | bytes | int


class Splitter:
    """Cuts a stream of bytes into good frames and bytes that are none; empty frames are left out."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, data: bytes) -> list[Frame | bytes]:
        *pieces, self._partial = (self._partial + data).split(b"\0")
        return [_frame(piece) or piece for piece in pieces if piece]

    def rest(self) -> bytes:
        """What came last and was not ended."""
        rest, self._partial = self._partial, b""
        return rest


def _frame(piece: bytes) -> Frame | None:
    """The frame whose bytes these are, if a sender would have sent just these."""
    found = FrameDecoder(LONGEST_PAYLOAD).feed(piece + b"\0")
    if len(found) == 1 and isinstance(frame := found[0], Frame) and encode(*frame) == piece + b"\0":
        return frame
    return None


def on_line(item: Frame | bytes) -> bytes:
    """The bytes of a frame or of a bad one, with the 0x00 that ends it."""
    return encode(*item) if isinstance(item, Frame) else item + b"\0"


class RecordingPort:
    """A port whose traffic is written to a file as well. `close` closes both."""

    def __init__(self, port: Port, path: str | Path, url: str) -> None:
        """Raises OSError when the file cannot be written."""
        self._port = port
        # By lines: what came before a crash is kept.
        self._file = Path(path).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115 - `close` closes it
        self._sent, self._received = Splitter(), Splitter()
        self._began = monotonic()
        self._put(format=FORMAT, version=VERSION, url=url, began=datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def timeout(self) -> float | None:
        return self._port.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._port.timeout = seconds

    @property
    def baudrate(self) -> int:
        return self._port.baudrate

    @baudrate.setter
    def baudrate(self, baud: int) -> None:
        self._port.baudrate = baud
        self._event(baud=baud)

    @property
    def in_waiting(self) -> int:
        return self._port.in_waiting

    def read(self, size: int = 1, /) -> bytes:
        data = self._port.read(size)
        self._note("host", self._received.feed(data))
        return data

    def write(self, data: bytes, /) -> int | None:
        # Before it goes: an endpoint in this process may fail at it.
        self._note("chip", self._sent.feed(data))
        return self._port.write(data)

    def reset_input_buffer(self) -> None:
        self._port.reset_input_buffer()

    def close(self) -> None:
        self._port.close()
        if not self._file.closed:
            for to, splitter in (("chip", self._sent), ("host", self._received)):
                if rest := splitter.rest():
                    self._event(to=to, bad=rest.hex())
            self._file.close()

    def _note(self, to: To, items: list[Frame | bytes]) -> None:
        for item in items:
            if isinstance(item, Frame):
                self._event(to=to, type=item.type, sequence=item.sequence, payload=item.payload.hex())
            else:
                self._event(to=to, bad=item.hex())

    def _event(self, **values: Any) -> None:
        self._put(t_s=round(monotonic() - self._began, 6), **values)

    def _put(self, **values: Any) -> None:
        self._file.write(json.dumps(values) + "\n")


def read(path: str | Path) -> Iterator[Passed]:
    """What passed, in order. Raises ReplayError, which names the line, for what is no recording."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReplayError(f"recording {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            if number == 1:
                if (values["format"], values["version"]) != (FORMAT, VERSION):
                    raise ValueError(f"version {values['version']} of {values['format']!r}")
            elif "baud" in values:
                yield Passed(number, "line", int(values["baud"]))
            else:
                yield Passed(number, values["to"], _item(values))
        except (ValueError, KeyError, TypeError) as error:
            raise ReplayError(
                f"recording {path}, line {number}: no line of a recording ({type(error).__name__}: {error})"
            ) from None
    if not lines:
        raise ReplayError(f"recording {path}: empty")


def _item(values: dict[str, Any]) -> Frame | bytes:
    if values["to"] not in ("chip", "host"):
        raise ValueError(f"to {values['to']!r}")
    if "bad" in values:
        return bytes.fromhex(values["bad"])
    if not 0 <= values["type"] <= 0xFF or not 0 <= values["sequence"] <= 0xFF:
        raise ValueError("type and sequence are bytes")
    return Frame(values["type"], values["sequence"], bytes.fromhex(values["payload"]))

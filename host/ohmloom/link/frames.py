"""Frames on the line: type u8, sequence u8, payload, CRC-16, stuffed by COBS and ended by 0x00.

The CRC is CRC-16/IBM-3740 (polynomial 0x1021, start 0xFFFF, check value 0x29B1 for b"123456789") over all before it. It
must be sent little-endian: after a big-endian one the remainder is zero, and zeros that follow keep it so. One flipped
bit makes a frame's 0x00 a 0x01, which COBS reads as one more zero, and such a frame would pass with a longer payload.
COBS: S. Cheshire and M. Baker, "Consistent overhead byte stuffing", IEEE/ACM Trans. Networking 7(2), 1999.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import NamedTuple

from cobs import cobs

_OVERHEAD = 4  # type, sequence and CRC


class Frame(NamedTuple):
    type: int
    sequence: int
    payload: bytes


class BadFrame(NamedTuple):
    """What came instead of a frame; `reason` is for people."""

    reason: str


def encode(frame_type: int, sequence: int, payload: bytes) -> bytes:
    """The bytes of one frame on the line, its 0x00 included."""
    body = bytes((frame_type, sequence)) + payload
    stuffed: bytes = cobs.encode(body + _crc(body))
    return stuffed + b"\0"


def _crc(body: bytes) -> bytes:
    return crc_hqx(body, 0xFFFF).to_bytes(2, "little")


class FrameDecoder:
    """Cuts a byte stream into frames. It never holds more than the longest frame with `max_payload` payload bytes."""

    def __init__(self, max_payload: int) -> None:
        self.max_payload = max_payload
        self._partial = b""
        self._overrun = False  # inside a run that was too long for a frame and is already counted

    def feed(self, data: bytes) -> list[Frame | BadFrame]:
        """Frames that `data` completes, in order; empty ones are no frames. Bytes of an unfinished frame are kept."""
        pieces = (self._partial + data).split(b"\0")
        self._partial = pieces.pop()
        if pieces and self._overrun:
            self._overrun = False
            del pieces[0]
        found = [self._decode(piece) for piece in pieces if piece]
        if self._overrun:
            self._partial = b""
        elif len(self._partial) > self._longest:
            self._partial, self._overrun = b"", True
            found.append(self._too_long)
        return found

    @property
    def _longest(self) -> int:
        body = self.max_payload + _OVERHEAD
        return body + body // 254 + 1

    @property
    def _too_long(self) -> BadFrame:
        return BadFrame(f"more than {self.max_payload} payload bytes")

    def _decode(self, piece: bytes) -> Frame | BadFrame:
        if len(piece) > self._longest:
            return self._too_long
        try:
            body = cobs.decode(piece)
        except cobs.DecodeError as error:
            return BadFrame(f"COBS: {error}")
        if not _OVERHEAD <= len(body) <= self.max_payload + _OVERHEAD:
            return BadFrame(f"{len(body)} bytes are no frame")
        if _crc(body[:-2]) != body[-2:]:
            return BadFrame("CRC")
        return Frame(body[0], body[1], body[2:-2])

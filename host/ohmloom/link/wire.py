"""The wire: a port that carries frames, and what is counted on it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ohmloom.errors import LinkError
from ohmloom.link.frames import BadFrame, Frame, FrameDecoder
from ohmloom.link.port import Port

LATENCY_S = 0.1  # USB bridges hold bytes back for up to 16 ms each way, operating systems for more
_TIMEOUT_STEP_S = 0.05  # a changed time-out makes pyserial set up the port again, so it is changed in steps


@dataclass
class Statistics:
    """Counts since the session was made; frames_sent includes repeats, frames_received only good ones."""

    bytes_sent: int = 0
    bytes_received: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    repeats: int = 0
    bad_frames: int = 0
    naks: int = 0


class Wire:
    """Writes bytes to a port and reads frames from it. A port's errors become LinkError."""

    def __init__(self, port: Port) -> None:
        self.statistics = Statistics()
        self.decoder = FrameDecoder(0xFFFF)
        self._port = port

    def write(self, data: bytes, frames: int) -> None:
        """Send `data`, which holds that many frames."""
        with _port_errors():
            self._port.write(data)
        self.statistics.bytes_sent += len(data)
        self.statistics.frames_sent += frames

    def receive(self, timeout_s: float) -> list[Frame | BadFrame] | None:
        """Frames that are complete, or None when nothing came within the time-out or nothing can come."""
        timeout_s = math.ceil(timeout_s / _TIMEOUT_STEP_S) * _TIMEOUT_STEP_S
        with _port_errors():
            if self._port.timeout != timeout_s:
                self._port.timeout = timeout_s
            data = self._port.read(self._port.in_waiting or 1)
        if not data:
            return None
        items = self.decoder.feed(data)
        bad = sum(isinstance(item, BadFrame) for item in items)
        self.statistics.bytes_received += len(data)
        self.statistics.frames_received += len(items) - bad
        self.statistics.bad_frames += bad
        return items

    @property
    def baudrate(self) -> int:
        return self._port.baudrate

    def set_rate(self, baud: int) -> bool:
        """Change the port's rate; False when it cannot."""
        try:
            if self._port.baudrate != baud:
                self._port.baudrate = baud
        except (OSError, ValueError):
            return False
        return True

    def forget_input(self) -> None:
        with _port_errors():
            self._port.reset_input_buffer()

    def close(self) -> None:
        self._port.close()


def _port_error_types() -> tuple[type[Exception], ...]:
    """pyserial's errors are OSErrors, but on POSIX it lets termios's pass when a device is unplugged."""
    try:
        import termios
    except ImportError:
        return (OSError,)
    return (OSError, termios.error)


_PORT_ERRORS = _port_error_types()


@contextmanager
def _port_errors() -> Iterator[None]:
    try:
        yield
    except _PORT_ERRORS as error:
        raise LinkError(f"the port failed: {error}") from error

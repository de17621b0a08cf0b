"""What pyserial asks of a port, for ports that are computed in this process: answers come within `write`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serial import serialutil

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class VirtualSerial(serialutil.SerialBase):
    """A port without a wire. `read` never waits: what has not come by then will not come, and it returns what there is, as after
    a time-out. Subclasses say what opening, closing and sending do.
    """

    BAUDRATES = (115_200, 230_400, 460_800, 921_600, 1_000_000, 2_000_000, 3_000_000)

    # pyserial's base class keeps these; its stubs leave them out.
    _port: str | None
    _baudrate: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._received = bytearray()
        super().__init__(*args, **kwargs)

    def _opened(self, url: str) -> None:
        raise NotImplementedError

    def _closed(self) -> None:
        raise NotImplementedError

    def _sent(self, data: bytes) -> bytes:
        """Bytes that the far end has got; returns those that it sends."""
        raise NotImplementedError

    def open(self) -> None:
        if self.is_open:
            raise serialutil.SerialException("port is already open")
        if self._port is None:
            raise serialutil.SerialException("port must be configured before it can be used")
        self._opened(self._port)
        self._received.clear()
        self.is_open = True

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._closed()

    @property
    def in_waiting(self) -> int:
        self._check_open()
        return len(self._received)

    def read(self, size: int = 1) -> bytes:
        self._check_open()
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def write(self, data: ReadableBuffer, /) -> int:
        self._check_open()
        sent = bytes(data)
        self._received += self._sent(sent)
        return len(sent)

    def reset_input_buffer(self) -> None:
        self._check_open()
        self._received.clear()

    def reset_output_buffer(self) -> None:
        self._check_open()

    def flush(self) -> None:
        self._check_open()

    def from_url(self, url: str) -> str:
        return url

    def _check_open(self) -> None:
        if not self.is_open:
            raise serialutil.PortNotOpenError

    def _reconfigure_port(self) -> None:
        """Nothing to set up: whoever needs the rate looks at it each time."""

    def _update_dtr_state(self) -> None:
        """There is no DTR line."""

    def _update_rts_state(self) -> None:
        """There is no RTS line."""

    def _update_break_state(self) -> None:
        """Breaks are ignored."""

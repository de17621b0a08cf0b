"""`emu://CHIP?...` as a pyserial port: an emulated board in this process (options: `ohmloom_emulator.board.board_of_url`).

The board answers within `write`, so that `read` never waits: what has not been answered by then will not come, and `read` returns what
there is, as after a time-out.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
from serial import serialutil

from ohmloom_emulator.board import Board, board_of_url

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Serial(serialutil.SerialBase):
    """An open `emu://` port. `board` is the virtual board itself."""

    BAUDRATES = (115_200, 230_400, 460_800, 921_600, 1_000_000, 2_000_000, 3_000_000)

    # pyserial's base class keeps these; its stubs leave them out.
    _port: str | None
    _baudrate: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.board: Board | None = None
        self._received = bytearray()
        self._noise = np.random.default_rng(0)
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        if self.is_open:
            raise serialutil.SerialException("port is already open")
        if self._port is None:
            raise serialutil.SerialException("port must be configured before it can be used")
        self.board = self._board(self._port)
        # Saves also when the program ends without closing: a chip keeps its weights whatever its user does.
        self._finalizer = weakref.finalize(self, self.board.save)
        self._received.clear()
        self.is_open = True

    def _board(self, url: str) -> Board:
        return board_of_url(url)

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._finalizer()

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
        board = self._check_open()
        sent = bytes(data)
        # Bytes are noise to an end that listens at another rate. The board changes its own only after its answer.
        understood = self._baudrate == board.baud
        answer = board.feed(sent if understood else self._noise.bytes(len(sent)))
        self._received += answer if understood else self._noise.bytes(len(answer))
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

    def _reconfigure_port(self) -> None:
        """Nothing to set up: `write` looks at the rate each time."""

    def _update_dtr_state(self) -> None:
        """The board has no DTR line."""

    def _update_rts_state(self) -> None:
        """The board has no RTS line."""

    def _update_break_state(self) -> None:
        """The board ignores breaks."""

    def _check_open(self) -> Board:
        if not self.is_open or self.board is None:
            raise serialutil.PortNotOpenError
        return self.board

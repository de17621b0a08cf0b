"""`emu://CHIP?...` as a pyserial port: an emulated board in this process (options: `ohmloom_emulator.board.board_of_url`)."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from ohmloom.link.virtual import VirtualSerial
from ohmloom_emulator.board import Board, board_of_url


class Serial(VirtualSerial):
    """An open `emu://` port. `board` is the virtual board itself."""

    board: Board

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._noise = np.random.default_rng(0)
        super().__init__(*args, **kwargs)

    def _opened(self, url: str) -> None:
        self.board = self._board(url)
        # Saves also when the program ends without closing: a chip keeps its weights whatever its user does.
        self._finalizer = weakref.finalize(self, self.board.save)

    def _closed(self) -> None:
        self._finalizer()

    def _board(self, url: str) -> Board:
        return board_of_url(url)

    def _sent(self, data: bytes) -> bytes:
        # Bytes are noise to an end that listens at another rate. The board changes its own only after its answer.
        understood = self._baudrate == self.board.baud
        answer = self.board.feed(data if understood else self._noise.bytes(len(data)))
        return answer if understood else self._noise.bytes(len(answer))

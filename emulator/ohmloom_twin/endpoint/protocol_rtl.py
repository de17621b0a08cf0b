"""`rtl://CHIP?...` as a pyserial port: the compiled gateware in this process, with the options of `emu://`.

As there, what has been sent is answered within `write`: the gateware runs until nothing more comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ohmloom_emulator.board import Board, board_of_url
from ohmloom_emulator.endpoint import protocol_emu
from ohmloom_twin.board import TwinBoard

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Serial(protocol_emu.Serial):
    """An open `rtl://` port. `board` is the virtual board itself."""

    def _board(self, url: str) -> Board:
        return board_of_url(url, TwinBoard)

    def write(self, data: ReadableBuffer, /) -> int:
        board = self._check_open()
        assert isinstance(board, TwinBoard)
        sent = bytes(data)
        self._received += board.feed_at(sent, self._baudrate)
        return len(sent)

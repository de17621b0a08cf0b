"""`rtl://CHIP?...` as a pyserial port: the compiled gateware in this process, with the options of `emu://`.

As there, what has been sent is answered within `write`: the gateware runs until nothing more comes.
"""

from __future__ import annotations

from ohmloom_emulator.board import Board, board_of_url
from ohmloom_emulator.endpoint import protocol_emu
from ohmloom_twin.board import TwinBoard


class Serial(protocol_emu.Serial):
    """An open `rtl://` port. `board` is the virtual board itself."""

    board: TwinBoard

    def _board(self, url: str) -> Board:
        return board_of_url(url, TwinBoard)

    def _sent(self, data: bytes) -> bytes:
        return self.board.feed_at(data, self._baudrate)

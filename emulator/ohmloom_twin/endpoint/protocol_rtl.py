"""`rtl://CHIP?...` as a pyserial port: the compiled gateware in this process, with the options of `emu://` and those of its waves,
`rtl://bench-8x16?waves=out.vcd&trigger=MVM&to_us=500` (`ohmloom_twin.waves`).

As there, what has been sent is answered within `write`: the gateware runs until nothing more comes.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ohmloom_emulator.board import Board, board_of_url
from ohmloom_emulator.endpoint import protocol_emu
from ohmloom_twin.board import TwinBoard
from ohmloom_twin.waves import OPTIONS, Waves


class Serial(protocol_emu.Serial):
    """An open `rtl://` port. `board` is the virtual board itself."""

    board: TwinBoard

    def _board(self, url: str) -> Board:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True)
        waves = Waves.of_options({name: value for name, value in options if name in OPTIONS})
        others = urlencode([(name, value) for name, value in options if name not in OPTIONS], quote_via=quote)
        return board_of_url(urlunsplit(parts._replace(query=others)), partial(TwinBoard, waves=waves))

    def _sent(self, data: bytes) -> bytes:
        return self.board.feed_at(data, self._baudrate)

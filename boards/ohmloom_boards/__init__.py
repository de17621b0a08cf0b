"""One file a board: its pins, clock and parts as data. `board` finds one, `python -m ohmloom_boards.wiring` tells how to wire it."""

from ohmloom_boards.board import Board, board, board_names

__all__ = ["Board", "board", "board_names"]

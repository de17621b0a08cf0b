"""One file a board: its pins, clocks and parts as data."""

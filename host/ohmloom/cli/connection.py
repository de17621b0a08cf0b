"""Which chip a command works on: the options that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ohmloom import Chip

DEFAULT_CHIP = "lab-128x128x4"
DEFAULT_ENDPOINT = f"emu://{DEFAULT_CHIP}"

Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint",
        "-e",
        envvar="OHMLOOM_ENDPOINT",
        metavar="URL",
        help="emu://CHIP[?state=FILE], rtl://CHIP, replay://FILE, a serial port or a pyserial URL.",
    ),
]
Tile = Annotated[int, typer.Option("--tile", "-t", min=0, help="Tile, from 0.")]
Row = Annotated[int, typer.Option("--row", "-r", min=0, help="Row of the cell, from 0.")]
Column = Annotated[int, typer.Option("--column", "-c", min=0, help="Column of the cell, from 0.")]


@dataclass
class Line:
    """The command's global options on the line to the chip."""

    spec: str | None = None
    baud: int | None = None
    record: Path | None = None


line = Line()


def opened(url: str) -> Chip:
    """The chip at an endpoint, with the global options. Raises what `ohmloom.connect` raises."""
    from ohmloom import connect, record

    if line.record is not None:
        return record(url, line.record, spec=line.spec, baud=line.baud)
    return connect(url, spec=line.spec, baud=line.baud)

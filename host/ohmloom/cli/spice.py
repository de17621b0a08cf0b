"""`ohmloom export-spice`: a tile as a netlist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli.connection import Row, Tile
from ohmloom.cli.files import ENDINGS, array_ending, existing_folder, read_array
from ohmloom.cli.tools import tool
from ohmloom.errors import ArgumentError


def register(app: typer.Typer) -> None:
    app.command()(export_spice)


def export_spice(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="STATE_OR_ARRAY",
            help="State file of an emulated chip (emu://CHIP?state=FILE), or conductances (rows, columns) in siemens, "
            "as `ohmloom read --output` writes them: .npy or .csv.",
        ),
    ],
    chip: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Chip, or its TOML file; a state file of a bundled chip needs none."),
    ] = None,
    tile: Tile = 0,
    row: Row = 0,
    volts: Annotated[
        float | None,
        typer.Option("--volts", "-v", help="Drive of the rows from --row on; the chip's read voltage if not given."),
    ] = None,
    drive: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=array_ending, help="Or one voltage for each of these rows: .npy or .csv."
        ),
    ] = None,
    pulse: Annotated[
        float | None,
        typer.Option(
            metavar="VOLTS",
            help="Or a write pulse on --column of --row of a passive array: positive SETs, negative RESETs.",
        ),
    ] = None,
    column: Annotated[
        list[int] | None, typer.Option("--column", "-c", min=0, help="Column of the pulse; several with several -c.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", callback=existing_folder, help="Write here; stdout if not given."
        ),
    ] = None,
) -> None:
    """Write a tile's cells, wires and drives as a netlist; `ngspice -b FILE` prints the column currents in order."""
    if sum(option is not None for option in (volts, drive, pulse)) > 1:
        raise typer.BadParameter("one of --volts, --drive and --pulse")
    if (column is not None) != (pulse is not None):
        raise typer.BadParameter("--pulse and --column go together")
    if not source.is_file():
        raise ArgumentError(f"{source}: there is no such file")
    text: str = tool("export-spice")(
        read_array(source) if source.suffix.lower() in ENDINGS else source,
        chip,
        tile=tile,
        row=row,
        volts=volts if drive is None else read_array(drive).ravel(),
        pulse_v=pulse,
        columns=column or (0,),
    )
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")

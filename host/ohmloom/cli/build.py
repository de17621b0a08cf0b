"""`ohmloom build` and `ohmloom flash`: the controller's gateware on a board, and its firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ohmloom.cli.connection import DEFAULT_CHIP
from ohmloom.cli.output import print_table
from ohmloom.cli.tools import tool
from ohmloom.errors import Error

Board = Annotated[
    str | None, typer.Option("--board", "-b", metavar="NAME", help="Board: icebreaker, ulx3s, icepi_zero, ...")
]


def register(app: typer.Typer) -> None:
    app.command()(build)
    app.command()(flash)


def build(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for what is built; it is made if need be.")
    ],
    board: Board = None,
    chip: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Chip, or its TOML file; if not given, the board's own, or {DEFAULT_CHIP} for --firmware.",
        ),
    ] = None,
    verilog: Annotated[
        bool, typer.Option("--verilog", help="Write plain Verilog of --chip for another flow instead: top.v.")
    ] = False,
    firmware: Annotated[
        bool,
        typer.Option(
            "--firmware", help="Build the firmware of --chip instead: firmware.elf, firmware.bin, report.json."
        ),
    ] = False,
) -> None:
    """Build the controller's bitstream for a board: top.bin or top.bit, and report.json with its clocks and size."""
    if verilog:
        if board is not None or chip is None or firmware:
            raise typer.BadParameter("--verilog goes with --chip and without --board")
        print(_hdl("write-verilog", chip, output))
        return
    if firmware:
        if board is not None:
            raise typer.BadParameter("--firmware goes with --chip and without --board")
        report = tool("build-firmware")(chip or DEFAULT_CHIP, output)
        print_table(
            f"{output}: firmware", ("", ""), [(name.replace("_", " "), value) for name, value in report.items()]
        )
        return
    if board is None:
        raise typer.BadParameter("--board, --firmware or --verilog is wanted")
    report = _hdl("build-bitstream", board, output, chip)
    print_table(
        f"{output}: clocks",
        ("clock", "required (MHz)", "achieved (MHz)"),
        [(name, clock["required_mhz"], clock["achieved_mhz"]) for name, clock in report["clocks"].items()],
    )
    print_table(
        "",
        ("cells", "used", "available"),
        [(kind, cells["used"], cells["available"]) for kind, cells in report["utilisation"].items() if cells["used"]],
    )


def flash(
    board: Annotated[str, typer.Option("--board", "-b", metavar="NAME", help="Board that is connected.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder that `ohmloom build` has written.")
    ],
    temporary: Annotated[
        bool, typer.Option("--temporary", help="Keep the flash as it is: the board forgets this at power-off.")
    ] = False,
) -> None:
    """Load a built bitstream into a board, with openFPGALoader."""
    _hdl("flash", board, output, permanent=not temporary)


def _hdl(name: str, *arguments: Any, **options: Any) -> Any:
    """Do what the gateware's package has announced. Raises ohmloom.Error where its libraries are missing."""
    try:
        work = tool(name)
    except ImportError as error:
        raise Error(f"gateware needs {error.name}, which is not installed: pip install 'ohmloom[hdl]'") from error
    return work(*arguments, **options)

"""The `ohmloom` command. One file per group of commands; each imports what it needs when it runs: help is quick.

Exit codes: 0 good; 1 the job failed, with one line on stderr that says why; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli import (
    build,
    catalogue,
    cells,
    compare,
    conformance,
    connection,
    devices,
    explain,
    recordings,
    retention,
    serve,
    spice,
    upkeep,
    vectors,
)
from ohmloom.demos.cli import app as demos
from ohmloom.errors import Error

app = typer.Typer(
    name="ohmloom",
    help="Form, program, read and run memristor crossbars: emulated chips and boards alike.",
    epilog="An endpoint is emu://CHIP (emulated; ?state=FILE keeps the chip), a serial port's path or a pyserial URL; "
    "`ohmloom endpoints` lists them. Exit codes: 0 good, 1 failed, 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _common(
    spec: Annotated[
        str | None,
        typer.Option(
            envvar="OHMLOOM_SPEC", metavar="FILE", help="Spec (TOML) of a board's chip that is not a bundled one."
        ),
    ] = None,
    baud: Annotated[
        int | None, typer.Option(envvar="OHMLOOM_BAUD", min=1, help="Line rate; the controller's highest if not given.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            envvar="OHMLOOM_RECORD",
            metavar="FILE",
            help="Write all frames that pass, with their times, to a file; replay://FILE answers from it.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=catalogue.show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    connection.line.spec, connection.line.baud, connection.line.record = spec, baud, record


for group in (
    catalogue,
    cells,
    retention,
    vectors,
    explain,
    compare,
    devices,
    spice,
    upkeep,
    conformance,
    recordings,
    serve,
    build,
):
    group.register(app)
app.add_typer(demos, name="demo")


def main() -> None:
    """Entry point of the `ohmloom` command."""
    # A killed job, too, closes its endpoint: an emulated chip is saved, a board's lines are left floating.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except (Error, OSError) as error:
        print(f"ohmloom: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)

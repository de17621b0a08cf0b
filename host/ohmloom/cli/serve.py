"""`ohmloom serve`: a virtual board, or a shared real one, for any program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from ohmloom.cli.connection import DEFAULT_CHIP, line
from ohmloom.errors import Error


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    chip: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Emulated chip: name, or path of a TOML file. [default: {DEFAULT_CHIP}]"),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", "-e", metavar="URL", help="Serve this endpoint instead of an emulated chip."),
    ] = None,
    pty: Annotated[
        bool, typer.Option("--pty", help="As a pseudo-terminal, which any serial program opens. The default.")
    ] = False,
    tcp: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="As a TCP port of this machine alone; 0: any free one."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps the emulated chip; read if it exists.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which chip of its kind, and all its noise.")] = None,
    ber: Annotated[float | None, typer.Option(metavar="P", help="Bit error rate of the line, both ways.")] = None,
    stuck: Annotated[float | None, typer.Option(metavar="P", help="Share of stuck cells.")] = None,
    ideal: Annotated[bool, typer.Option("--ideal", help="No noise or spread, only quantisation.")] = False,
    effects: Annotated[
        str | None, typer.Option(metavar="A,B", help="Only these causes of error; all if not given.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the first client leaves.")] = False,
) -> None:
    """Serve a virtual board until Ctrl-C or SIGTERM, one client at a time. Prints `serving CHIP at ADDRESS` when ready.

    A pseudo-terminal has a line rate, and the board garbles what comes at another one, as a UART does. TCP has none.
    """
    try:
        from ohmloom.cli.bridge import Stop, bridge
        from ohmloom.cli.doors import PtyDoor, TcpDoor
    except ImportError as error:
        raise Error(f"serve needs a POSIX system: {error}") from None
    from ohmloom.link import open_port
    from ohmloom.recording import RecordingPort

    options = {
        "seed": seed,
        "state": state,
        "ber": ber,
        "stuck": stuck,
        "ideal": 1 if ideal else None,
        "effects": effects,
    }
    given = {key: value for key, value in options.items() if value is not None}
    if endpoint is not None and (chip is not None or given):
        raise typer.BadParameter("--endpoint stands for itself: --chip and its options do not go with it")
    if pty and tcp is not None:
        raise typer.BadParameter("--pty or --tcp, not both")
    name = endpoint or chip or DEFAULT_CHIP
    url = endpoint or f"emu://{quote(name)}?{urlencode(given, quote_via=quote)}".rstrip("?")
    port = open_port(url)
    if line.record is not None:
        port = RecordingPort(port, line.record, url)
    try:
        with Stop() as stop, PtyDoor() if tcp is None else TcpDoor(tcp) as door:
            bridge(port, door, stop, once=once, ready=lambda: print(f"serving {name} at {door.address}", flush=True))
    finally:
        port.close()

"""`ohmloom replay`: a recording's requests, sent to an endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli.connection import Endpoint
from ohmloom.errors import Error


def register(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recording: `ohmloom --record FILE COMMAND`.")],
    endpoint: Endpoint,
) -> None:
    """Send a recording's requests to an endpoint, and fail where an answer differs from the recorded one.

    The endpoint has to be in the state that the recorded one was in: the same seed, or the same chip.
    """
    from ohmloom.replay.against import compare

    difference = compare(file, endpoint)
    if difference is not None:
        raise Error(f"{endpoint} differs from {file}: {difference}")
    print(f"{endpoint} answers as recorded in {file}")

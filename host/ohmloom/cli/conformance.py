"""`ohmloom selftest`: the conformance suite on an endpoint, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli.connection import DEFAULT_ENDPOINT, Endpoint, line
from ohmloom.cli.output import Json, print_json, print_table, progress_bar
from ohmloom.errors import Error


def register(app: typer.Typer) -> None:
    app.command()(selftest)


def selftest(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report (Markdown) as well.")] = None,
    tile: Annotated[
        int | None, typer.Option("--tile", "-t", min=0, help="Tile whose cells are written; the last one if not given.")
    ] = None,
    keep_cells: Annotated[bool, typer.Option("--keep-cells", help="Leave out all checks that write cells.")] = False,
    json: Json = False,
) -> None:
    """Check that an endpoint does all that it should: commands, errors, limits, link, safety, and a whole network.

    Cells are formed and programmed: on a chip whose cells hold something, use --keep-cells. Memories are left as they were.
    """
    from ohmloom.conformance import CHECKS, Device, Outcome, markdown

    if report is not None and not report.absolute().parent.is_dir():
        raise typer.BadParameter(f"{report}: there is no folder {report.absolute().parent}")
    device = Device(endpoint, spec=line.spec, baud=line.baud, tile=tile, keep_cells=keep_cells, recording=line.record)
    try:
        with progress_bar() as progress:
            results = []
            for done, check in enumerate(CHECKS, start=1):
                results.append(check.run(device))
                progress("checks", done, len(CHECKS))
        if report is not None:
            report.write_text(markdown(endpoint, device.chip.info(), results), "utf-8")
    finally:
        device.close()
    if json:
        print_json([vars(result) for result in results])
    else:
        print_table(
            "", ("check", "outcome", ""), [(result.title, result.outcome.value, result.text) for result in results]
        )
    failed = [result.name for result in results if result.outcome is Outcome.FAILED]
    if failed:
        raise Error(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}")

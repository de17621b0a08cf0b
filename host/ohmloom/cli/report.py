"""How programming and forming ended, as a table and as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmloom.cli.files import existing_folder
from ohmloom.cli.output import print_json, print_table, to_json

if TYPE_CHECKING:
    from ohmloom import ProgramReport

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report-json",
        metavar="FILE",
        callback=existing_folder,
        help="Write the report with every cell's result to this file.",
    ),
]
Journal = Annotated[
    bool,
    typer.Option(
        "--journal", help="Keep targets and progress in the board's flash: `ohmloom resume` goes on after a power cut."
    ),
]


def show_report(report: ProgramReport, *, json: bool, file: Path | None) -> None:
    """Prints the totals; writes totals and cells to `file`."""
    totals = _totals(report)
    if file is not None:
        cells = {
            "selected": report.selected,
            "status": report.status,
            "pulses": report.pulses,
            "conductance_siemens": report.conductance,
        }
        file.write_text(to_json({**totals, "cells": cells}) + "\n", encoding="utf-8")
    if json:
        print_json(totals)
    else:
        print_table(
            "", ("result", "value"), [(name.replace("_", " "), f"{value:.6g}") for name, value in totals.items()]
        )


def _totals(report: ProgramReport) -> dict[str, Any]:
    return {
        "cells_selected": int(report.selected.sum()),
        "cells_formed_first": report.formed,
        "cells_converged": int(report.converged[report.selected].sum()),
        "converged_fraction": report.converged_fraction,
        "stuck_cells": int(report.stuck.sum()),
        "pulses_per_cell": report.pulses_per_cell,
    }

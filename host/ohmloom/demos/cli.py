"""`ohmloom demo ...`"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ohmloom.chip import Progress as Report
from ohmloom.demos.demo import Demo
from ohmloom.demos.digits import Digits
from ohmloom.demos.pipeline import run
from ohmloom.demos.results import Results
from ohmloom.errors import Error

DEFAULT_CHIP = "lab-128x128x4"

app = typer.Typer(no_args_is_help=True)

Endpoint = Annotated[str | None, typer.Option(help="URL of the chip, taken as it is. [default: an emulated chip]")]
ChipName = Annotated[
    str | None,
    typer.Option("--chip", help=f"Emulate this chip: a bundled name or a TOML file. [default: {DEFAULT_CHIP}]"),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Picks the emulated chip, the split and the training.")]
JsonFile = Annotated[Path | None, typer.Option("--json", dir_okay=False, writable=True, help="Write the numbers here.")]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", dir_okay=False, writable=True, help="Write a self-contained HTML report here."),
]


@app.callback()
def demos() -> None:
    """Whole jobs from data to a table: training, forming, programming, inference."""


@app.command()
def digits(
    endpoint: Endpoint = None,
    chip: ChipName = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    report: ReportFile = None,
) -> None:
    """Handwritten digits on a two-layer network, 64-32-10 where the chip has room for it."""
    _job(Digits(), endpoint, chip, seed, json_file, report)


def _job(
    demo: Demo, endpoint: str | None, chip: str | None, seed: int, json_file: Path | None, report: Path | None
) -> None:
    if endpoint is not None and chip is not None:
        raise typer.BadParameter("--endpoint and --chip exclude each other: an endpoint's URL names its chip")
    for path in (json_file, report):
        if path is not None and not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"{path}: there is no folder {path.absolute().parent}")
    url = endpoint or f"emu://{quote(chip or DEFAULT_CHIP)}?seed={seed}"
    command = shlex.join(["ohmloom", "demo", demo.name, "--endpoint", url, "--seed", str(seed)])
    try:
        if report is not None:
            from ohmloom.report import write_report  # before the work, so that a missing library is known at once
        with _bars() as bars:
            results = run(demo, url, seed, bars, command)
        Console().print(_table(results))
        if json_file is not None:
            json_file.write_text(json.dumps(results.to_json(), indent=2) + "\n", "utf-8")
        if report is not None:
            write_report(results, report, demo.pictures(results))
    except (Error, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"ohmloom: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(1) from None


@contextmanager
def _bars() -> Iterator[Report]:
    """A bar for each phase; a phase that begins again (the next tile) goes on in its own bar."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, tuple[TaskID, int]] = {}  # and what the bar held before the phase began again

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = (progress.add_task(what, total=0), 0)
            task, base = tasks[what]
            held = progress.tasks[task].total or 0
            if done == 0 or base + total > held:
                base = int(progress.tasks[task].completed)
                tasks[what] = (task, base)
                progress.update(task, total=base + total)
            progress.update(task, completed=base + done)

        yield report


def _table(results: Results) -> Table:
    table = Table(title=f"{results.title} on {results.endpoint}", caption=results.data.note or None)
    table.add_column("Quantity")
    table.add_column("Value", justify="right")
    for quantity, value in results.rows():
        table.add_row(quantity, value)
    return table

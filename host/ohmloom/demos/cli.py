"""`ohmloom demo ...`: one command a demo, with the options that all of them share."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

import typer

from ohmloom.demos import demo_class

if TYPE_CHECKING:  # what a job needs is imported when one runs: help is quick
    from ohmloom.chip import Progress
    from ohmloom.demos.demo import Demo
    from ohmloom.demos.results import Results

DEFAULT_CHIP = "lab-128x128x4"

app = typer.Typer(no_args_is_help=True)

Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint", "-e", metavar="URL", help="The chip's URL, taken as it is; an emulated chip if not given."
    ),
]
ChipName = Annotated[
    str | None,
    typer.Option("--chip", metavar="NAME", help=f"Emulate this chip, or TOML file; {DEFAULT_CHIP} if not given."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Picks the emulated chip, the split and the training.")]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the numbers here.")
]
ReportFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", dir_okay=False, help="Write a self-contained HTML report here."),
]


@app.callback()
def demos() -> None:
    """Run whole jobs, from data to a table: training, forming, programming, inference."""


Task = Annotated[str | None, typer.Option("--task", metavar="NAME", help="One of the tasks named above.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", file_okay=False, exists=True, help="The data's folder, laid out as published."
    ),
]
Mode = Annotated[
    Literal["hybrid", "analog"], typer.Option("--mode", help="A converter after each layer, or only after the last.")
]


@app.command()
def digits(
    mode: Mode = "hybrid",
    endpoint: Endpoint = None,
    chip: ChipName = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
    report: ReportFile = None,
) -> None:
    """Classify handwritten digits with a network of 64-32-10, or what the chip has room for."""
    _job("digits", None, None, mode, endpoint, chip, seed, json_file, report)


def _command(name: str, text: str) -> None:
    """Adds a command with a task and a data folder. text: its help, with the tasks and what each reads."""

    @app.command(name, help=text)
    def command(
        task: Task = None,
        data: Folder = None,
        mode: Mode = "hybrid",
        endpoint: Endpoint = None,
        chip: ChipName = None,
        seed: Seed = 0,
        json_file: JsonFile = None,
        report: ReportFile = None,
    ) -> None:
        _job(name, task, data, mode, endpoint, chip, seed, json_file, report)


_command("images", "Classify images. Tasks: digits; mnist and mnist-conv (a convolution), which read DIR/mnist.")
_command("wearable", "Classify what sensors record. Tasks: basicmotions (a smart watch), italypower (a power meter).")
_command(
    "speech",
    "Recognise speech. Tasks: digits and heldout-speaker, which read DIR/fsdd/recordings; japanesevowels.",
)
_command("robot", "Control in closed loop, a step an inference. Tasks: cartpole, pendulum, acrobot, lunarlander.")
_command("ecg", "Classify heartbeats. Tasks: beats (five kinds), normal (or not), stream (a record); all read DIR/ecg.")


def _demo(name: str, task: str | None, folder: Path | None, mode: Literal["hybrid", "analog"]) -> Demo:
    """The demo that a command names."""
    kind = demo_class(name)
    if task is not None and task not in kind.tasks:
        raise typer.BadParameter(f"--task: one of {', '.join(kind.tasks)} wanted, given {task!r}")
    return kind(task, folder, mode)


def _job(
    name: str,
    task: str | None,
    folder: Path | None,
    mode: Literal["hybrid", "analog"],
    endpoint: str | None,
    chip_name: str | None,
    seed: int,
    json_file: Path | None,
    report: Path | None,
) -> None:
    if endpoint is not None and chip_name is not None:
        raise typer.BadParameter("--endpoint and --chip exclude each other: an endpoint's URL names its chip")
    for path in (json_file, report):
        if path is not None and not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"{path}: there is no folder {path.absolute().parent}")
    demo = _demo(name, task, folder, mode)

    from ohmloom.cli.connection import line, opened
    from ohmloom.demos.pipeline import ideal_url, run

    if report is not None:
        from ohmloom.report import write_report  # before the work, so that a missing library is known at once
    url = endpoint or f"emu://{quote(chip_name or DEFAULT_CHIP)}?seed={seed}"
    words = ["ohmloom", "demo", name]
    words += ["--task", demo.task] if len(demo.tasks) > 1 else []
    words += ["--data", str(folder)] if folder is not None else []
    words += ["--mode", mode] if mode != "hybrid" else []
    command = shlex.join([*words, "--endpoint", url, "--seed", str(seed)])
    with opened(url) as chip, _bars() as progress:
        ideal = ideal_url(url, line.spec or chip.spec.name)
        results = run(demo, chip, endpoint=url, ideal=ideal, seed=seed, progress=progress, command=command)
    _print_table(results)
    if json_file is not None:
        json_file.write_text(json.dumps(results.to_json(), indent=2, allow_nan=False) + "\n", "utf-8")
    if report is not None:
        write_report(results, report, demo.pictures(results))


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each phase, on stderr; a phase that begins again, as for each tile, goes on in its bar."""
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.TextColumn("{task.description:<12}"), rich.BarColumn(), rich.MofNCompleteColumn())
    with rich.Progress(*columns, rich.TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, rich.TaskID] = {}
        before: dict[str, int] = {}  # what a bar held when its phase last began

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=0)
                before[what] = 0
            elif done == 0:
                before[what] = int(bars.tasks[tasks[what]].completed)
            bars.update(tasks[what], completed=before[what] + done, total=before[what] + total)

        yield show


def _print_table(results: Results) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for quantity, value in results.rows():
        table.add_row(quantity, value)
    console = Console()
    console.print(f"{results.title} on {results.endpoint}", highlight=False, markup=False, soft_wrap=True)
    if results.data.note:
        console.print(results.data.note, highlight=False, markup=False)
    console.print(table)

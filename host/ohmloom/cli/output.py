"""What commands show: tables and JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

_PIPE_COLUMNS = 200  # rich would cut tables at 80 columns when stdout is no terminal


def print_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of texts and numbers; numbers are set to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    lines = [list(row) for row in rows]
    table = Table()
    for index, heading in enumerate(headings):
        numeric = bool(lines) and all(isinstance(line[index], int | float) for line in lines)
        table.add_column(heading, justify="right" if numeric else "left")
    for line in lines:
        table.add_row(*(f"{value:.6g}" if isinstance(value, float) else escape(str(value)) for value in line))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    if title:  # as a line of its own: rich breaks a title to the table's width
        console.print(escape(title), highlight=False)
    console.print(table)


def print_json(value: Any) -> None:
    print(to_json(value))


def to_json(value: Any) -> str:
    """Valid JSON of plain values, dictionaries, sequences and arrays; NaN and infinities are null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy's arrays and scalars
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A `progress` for the chip's calls: a bar for each thing that is under way, on stderr, when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show

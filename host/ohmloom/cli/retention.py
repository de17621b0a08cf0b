"""How well cells keep their conductance: read, wait, read again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohmloom.cli.connection import DEFAULT_ENDPOINT, Endpoint, Tile, opened
from ohmloom.cli.files import existing_folder
from ohmloom.cli.output import Json, print_json, print_table, progress_bar
from ohmloom.errors import Error

if TYPE_CHECKING:
    from ohmloom import Chip

FIELDS = ("seconds", "mean_siemens", "std_siemens", "largest_siemens")
Deviation = tuple[float, float, float, float]  # FIELDS


def register(app: typer.Typer) -> None:
    app.command()(retention)


def retention(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    first: Annotated[float, typer.Option("--from", metavar="SECONDS", min=1e-3, help="First wait.")] = 1.0,
    until: Annotated[float, typer.Option("--until", metavar="SECONDS", min=1e-3, help="Last wait.")] = 3600.0,
    per_decade: Annotated[int, typer.Option(min=1, help="Reads in each decade of time.")] = 3,
    samples: Annotated[int, typer.Option(min=1, help="Conversions to average for each cell.")] = 4,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", callback=existing_folder, help="Write to this .csv file, line by line."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read a tile's formed cells at log-spaced times and show how far they have moved since the first read.

    On an emulated chip the time is made to pass; a board is really waited for.
    """
    if until < first:
        raise typer.BadParameter(f"--until {until:g} is before --from {first:g}")
    found: list[Deviation] = []
    with (
        opened(endpoint) as chip,
        output.open("w", encoding="utf-8") if output else nullcontext() as file,
        progress_bar() as progress,
    ):
        times = _times(first, until, per_decade)
        if file:
            print(*FIELDS, sep=",", file=file, flush=True)
        progress("reads", 0, len(times))
        for deviation in _deviations(chip, tile, times, samples):
            found.append(deviation)
            progress("reads", len(found), len(times))
            if file:  # line by line: a run of days that is broken off leaves what it has found
                print(*deviation, sep=",", file=file, flush=True)
    if json:
        print_json([dict(zip(FIELDS, deviation, strict=True)) for deviation in found])
    else:
        rows = [(f"{seconds:.4g}", *(f"{1e6 * value:.4f}" for value in rest)) for seconds, *rest in found]
        print_table(f"tile {tile}: change since the first read", ("s", "mean uS", "std uS", "largest uS"), rows)


def _times(first_s: float, until_s: float, per_decade: int) -> list[float]:
    """From the first to the last, evenly on a log axis, at least `per_decade` in a decade."""
    import numpy as np

    decades = float(np.log10(until_s / first_s))
    return [float(value) for value in np.geomspace(first_s, until_s, 1 + int(np.ceil(decades * per_decade)))]


def _deviations(chip: Chip, tile: int, times: list[float], samples: int) -> Iterator[Deviation]:
    import numpy as np

    from ohmloom.spec.policy import FORMED_SIEMENS

    emulated = chip.emulated
    before = chip.read_conductance(tile, samples=samples)
    formed = before >= FORMED_SIEMENS
    if not formed.any():
        raise Error(f"no cell of tile {tile} is formed: there is nothing to retain")

    def now_s() -> float:
        return chip.fabric_time_s if emulated else time.monotonic()

    start_s = now_s()
    for wanted_s in times:
        remaining_s = max(0.0, start_s + wanted_s - now_s())  # reads take time, too
        if emulated:
            chip.advance(remaining_s)
        else:
            time.sleep(remaining_s)
        seconds = now_s() - start_s
        change = (chip.read_conductance(tile, samples=samples) - before)[formed]
        yield seconds, float(change.mean()), float(change.std()), float(np.abs(change).max())

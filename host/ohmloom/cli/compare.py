"""Memristors against traditional machines: what one inference takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohmloom.cli.connection import DEFAULT_CHIP
from ohmloom.cli.files import array_ending, existing_folder, read_array
from ohmloom.cli.output import print_table, progress_bar, to_json
from ohmloom.demos import DEMOS
from ohmloom.errors import ArgumentError

if TYPE_CHECKING:
    from ohmloom.compare import Comparison
    from ohmloom.explain import Subject


def register(app: typer.Typer) -> None:
    app.command()(compare)


def compare(
    subject: Annotated[
        str,
        typer.Argument(metavar="DEMO_OR_NETWORK", help="A demo's name, or a network that Network.save wrote (.npz)."),
    ] = "digits",
    chip: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Chip, or its TOML file (default: {DEFAULT_CHIP}, or a saved network's own)."),
    ] = None,
    vectors: Annotated[int, typer.Option(min=1, help="Most vectors to measure.")] = 200,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The chip, and a demo's split and training.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=array_ending, help="A saved network's inputs (samples, inputs)."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", callback=existing_folder, help="Write the numbers here.")
    ] = None,
) -> None:
    """Compare energy, latency and throughput of a network with a Cortex-M class core and a plain MAC array.

    The chip's side is measured on an emulated chip, converters and link included; the others are computed from published
    energies, each of which is cited. Where the chip loses, it says so.
    """
    from urllib.parse import quote

    from ohmloom import connect
    from ohmloom.compare import compare as run

    what = _subject(subject, chip, seed, data)
    with progress_bar() as progress, connect(f"emu://{quote(what.chip)}", seed=seed) as connected:
        title = f"{what.title} on {what.spec.name}"
        comparison = run(what.network, what.X[:vectors], connected, title=title, progress=progress)
    _show(comparison)
    if json is not None:
        json.write_text(to_json(comparison.to_json()) + "\n", encoding="utf-8")


def _subject(name: str, chip: str | None, seed: int, data: Path | None) -> Subject:
    from ohmloom.explain import demo_subject, saved_subject

    if name in DEMOS:
        if data is not None:
            raise typer.BadParameter(f"--data belongs to a saved network; the demo {name!r} brings its own")
        return demo_subject(name, chip or DEFAULT_CHIP, seed=seed)
    path = Path(name)
    if not path.is_file():
        raise ArgumentError(f"{name!r} is neither a demo ({', '.join(DEMOS)}) nor a file that Network.save wrote")
    if data is None:
        raise typer.BadParameter("a saved network needs --data")
    return saved_subject(path, read_array(data), None, chip)


def _show(comparison: Comparison) -> None:
    from ohmloom.compare import FIGURES

    rows = [
        [
            result.name, f"{1e6 * result.joules:.4g}", f"{1e12 * result.joules / comparison.macs:.4g}",
            f"{1e6 * result.latency_s:.4g}", f"{result.per_s:,.0f}",
            ", ".join(f"{cause} {joules / result.joules:.1%}" for cause, joules in result.energy_j.items()),
        ]
        for result in comparison.results
    ]  # fmt: skip
    headings = ["machine", "uJ a vector", "pJ a MAC", "latency, us", "vectors a second", "where the energy goes"]
    print_table(f"{comparison.title}: {comparison.macs:,} multiply-accumulates a vector", headings, rows)
    for sentence in comparison.verdicts():
        print(sentence)
    for result in comparison.results:
        print(f"{result.name}: {result.notes}.")
    print("Published figures:")
    for key in dict.fromkeys(key for result in comparison.results for key in result.figures):
        figure = FIGURES[key]
        print(f"  {key} = {figure.value:g} {figure.unit}: {figure.what}. {figure.source} ({figure.status})")

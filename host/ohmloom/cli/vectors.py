"""Vectors through the chip: raw products, networks and inference."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmloom.cli.connection import DEFAULT_ENDPOINT, Endpoint, Tile, opened
from ohmloom.cli.files import InputFile, OutputFile, read_array, write_array
from ohmloom.cli.output import Json, print_json, progress_bar
from ohmloom.cli.report import Journal, ReportFile, show_report

if TYPE_CHECKING:
    from numpy.typing import NDArray


def register(app: typer.Typer) -> None:
    for command in (mvm, load, infer):
        app.command()(command)


def mvm(
    codes: InputFile,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    tia_range: Annotated[int, typer.Option(min=0, help="TIA range.")] = 0,
    output: OutputFile = None,
    json: Json = False,
) -> None:
    """Multiply row codes (n, rows) by a tile: raw column codes (n, columns), to a file or as CSV on stdout."""
    vectors = read_array(codes)
    with opened(endpoint) as chip:
        result = chip.mvm(tile, vectors, tia_range=tia_range)
    _deliver(result, "codes", output, json)


def load(
    network: Annotated[Path, typer.Argument(metavar="FILE.npz", help="Compiled network, saved with Network.save.")],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    cells: Annotated[
        bool, typer.Option(help="Program the cells; without, only the steps and biases are loaded.")
    ] = True,
    tolerance: Annotated[
        float, typer.Option(metavar="SIEMENS", help="A cell has converged within this of its target.")
    ] = 1e-6,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write-verify policy, or path of a TOML file; it stays loaded.")
    ] = None,
    journal: Journal = False,
    report_json: ReportFile = None,
    json: Json = False,
) -> None:
    """Put a compiled network on the chip: form and program the cells it uses, then load its steps and biases."""
    from ohmloom import Network

    compiled = Network.load(network)
    with opened(endpoint) as chip, progress_bar() as progress:
        if not cells:
            chip.load(compiled)
            return
        report = chip.program(compiled, tolerance_siemens=tolerance, policy=policy, journal=journal, progress=progress)
    show_report(report, json=json, file=report_json)


def infer(
    inputs: InputFile,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    classes: Annotated[
        bool, typer.Option("--classes", help="Classes (or values of a regression) instead of the outputs.")
    ] = False,
    output: OutputFile = None,
    json: Json = False,
) -> None:
    """Run inputs (samples, inputs) through the network that is on the chip; outputs to a file or as CSV on stdout."""
    values = read_array(inputs)
    with opened(endpoint) as chip, progress_bar() as progress:
        result: NDArray[Any] = chip.infer(values, progress=progress)
        if classes:
            result = chip.interface.decide(result)
    _deliver(result.reshape(len(values), -1), "classes" if classes else "outputs", output, json)


def _deliver(result: NDArray[Any], name: str, output: Path | None, json: bool) -> None:
    if output is not None:
        write_array(output, result)
    if json:
        print_json({name: result})
    elif output is None:
        csv.writer(sys.stdout, lineterminator="\n").writerows(
            [result.tolist()] if result.ndim == 1 else result.tolist()
        )

"""Work on single cells and whole tiles: form, program, read, pulse, I-V."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli.connection import DEFAULT_ENDPOINT, Column, Endpoint, Row, Tile, opened
from ohmloom.cli.files import InputFile, OutputFile, array_ending, read_array, write_array
from ohmloom.cli.output import Json, print_json, print_table, progress_bar
from ohmloom.cli.report import Journal, ReportFile, show_report

SHOWN_COLUMNS = 16  # wider tiles are summed up, not printed


def register(app: typer.Typer) -> None:
    for command in (form, program, resume, refresh, read, pulse, iv):
        app.command()(command)


def form(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", callback=array_ending, help="Array (rows, columns): form only the cells that are not 0."
        ),
    ] = None,
    report_json: ReportFile = None,
    json: Json = False,
) -> None:
    """Form the cells of a tile that are not formed yet."""
    cells = None if mask is None else read_array(mask) != 0
    with opened(endpoint) as chip, progress_bar() as progress:
        report = chip.form(tile, cells, progress=progress)
    show_report(report, json=json, file=report_json)


def program(
    targets: InputFile,
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    tolerance: Annotated[
        float, typer.Option(metavar="SIEMENS", help="A cell has converged within this of its target.")
    ] = 1e-6,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Write-verify policy, or path of a TOML file; it stays loaded.")
    ] = None,
    form: Annotated[bool, typer.Option(help="Form cells that are not formed yet first.")] = True,
    journal: Journal = False,
    report_json: ReportFile = None,
    json: Json = False,
) -> None:
    """Program a tile to target conductances (rows, columns) in siemens; NaN or an empty field leaves a cell alone."""
    values = read_array(targets)
    with opened(endpoint) as chip, progress_bar() as progress:
        report = chip.program_conductance(
            tile, values, tolerance, policy=policy, form=form, journal=journal, progress=progress
        )
    show_report(report, json=json, file=report_json)


def resume(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    policy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write-verify policy of the run, where it was not the chip's own."),
    ] = None,
    report_json: ReportFile = None,
    json: Json = False,
) -> None:
    """Go on with a journalled run that a power cut, a trip or a lost line has interrupted."""
    with opened(endpoint) as chip, progress_bar() as progress:
        report = chip.resume(policy=policy, progress=progress)
        status = chip.run_status()
    show_report(report, json=json, file=report_json)
    if status.kind.name == "FORM":
        print("the cells are formed; program them now", file=sys.stderr)


def refresh(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Annotated[
        int | None, typer.Option("--tile", "-t", min=0, help="Tile, from 0; all of them if not given.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=64, help="Conversions to average for each cell.")] = 16,
    report_json: ReportFile = None,
    json: Json = False,
) -> None:
    """Program again the cells that drifted out of their tolerance since the last journalled run."""
    with opened(endpoint) as chip, progress_bar() as progress:
        report = chip.refresh(tile, samples=samples, progress=progress)
    show_report(report, json=json, file=report_json)


def read(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    samples: Annotated[int, typer.Option(min=1, help="Conversions to average for each cell.")] = 1,
    output: OutputFile = None,
    json: Json = False,
) -> None:
    """Read the conductances of a tile, in siemens: to a file, or as a table and a summary in microsiemens."""
    with opened(endpoint) as chip:
        conductance = chip.read_conductance(tile, samples=samples)
    if output is not None:
        write_array(output, conductance)
    if json:
        print_json({"tile": tile, "conductance_siemens": conductance})
        return
    values = 1e6 * conductance
    if output is None and values.shape[1] <= SHOWN_COLUMNS:
        rows = [(row, *(f"{value:.2f}" for value in line)) for row, line in enumerate(values)]
        print_table(f"tile {tile}, uS", ("row", *map(str, range(values.shape[1]))), rows)
    summary = (values.size, *(f"{value:.3f}" for value in (values.mean(), values.std(), values.min(), values.max())))
    print_table("", ("cells", "mean uS", "std uS", "min uS", "max uS"), [summary])


def pulse(
    volts: Annotated[float, typer.Option("--volts", "-v", help="Amplitude: positive SETs, negative RESETs.")],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    row: Row = 0,
    column: Column = 0,
    gate: Annotated[float, typer.Option("--gate", metavar="VOLTS", help="Word line's level.")] = 4.0,
    width: Annotated[float, typer.Option("--width", metavar="SECONDS", help="Width of the pulse.")] = 1e-6,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Number of pulses; the cell is read after each.")
    ] = 1,
    json: Json = False,
) -> None:
    """Apply pulses to one cell and show its conductance after each."""
    with opened(endpoint) as chip, progress_bar() as progress:
        after = []
        for done in range(1, count + 1):
            after.append(chip.pulse(tile, row, column, volts, gate_v=gate, width_s=width))
            progress("pulses", done, count)
    if json:
        print_json({"tile": tile, "row": row, "column": column, "volts": volts, "conductance_siemens": after})
    else:
        rows = [(number, f"{1e6 * value:.3f}") for number, value in enumerate(after, start=1)]
        print_table(f"tile {tile}, row {row}, column {column}: {volts:g} V, {width:g} s", ("pulse", "uS"), rows)


def iv(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Tile = 0,
    row: Row = 0,
    column: Column = 0,
    start: Annotated[
        float | None,
        typer.Option("--from", metavar="VOLTS", help="First voltage; minus the chip's read limit if not given."),
    ] = None,
    stop: Annotated[
        float | None, typer.Option("--to", metavar="VOLTS", help="Last voltage; the chip's read limit if not given.")
    ] = None,
    points: Annotated[int, typer.Option("--points", "-n", min=2, help="Number of voltages.")] = 41,
    tia_range: Annotated[int | None, typer.Option(min=0, help="TIA range; the most sensitive if not given.")] = None,
    output: OutputFile = None,
    json: Json = False,
) -> None:
    """Sweep the read voltage over one cell: volts and amperes, to a file or as a table."""
    import numpy as np

    with opened(endpoint) as chip:
        limit_v = chip.spec.read_clamp * chip.spec.row_dac.lsb_v
        volts = np.linspace(-limit_v if start is None else start, limit_v if stop is None else stop, points)
        amperes = chip.iv_sweep(tile, row, column, volts, tia_range=tia_range)
    if output is not None:
        write_array(output, np.column_stack((volts, amperes)), ("volts", "amperes"))
    if json:
        print_json({"tile": tile, "row": row, "column": column, "volts": volts, "amperes": amperes})
    elif output is None:
        rows = [(f"{volt:.4f}", f"{1e6 * ampere:.4f}") for volt, ampere in zip(volts, amperes, strict=True)]
        print_table(f"tile {tile}, row {row}, column {column}", ("V", "uA"), rows)

"""A chip's health: what it is, calibration, self-test, time, events, emergency stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmloom.cli.connection import DEFAULT_ENDPOINT, Endpoint, opened
from ohmloom.cli.output import Json, print_json, print_table, progress_bar
from ohmloom.errors import Error


def register(app: typer.Typer) -> None:
    for command in (info, calibrate, check, update_firmware, advance, events, stop, clear_trip):
        app.command()(command)


def info(endpoint: Endpoint = DEFAULT_ENDPOINT, json: Json = False) -> None:
    """Show names, sizes, link, state and registers of an endpoint."""
    with opened(endpoint) as chip:
        content = chip.info()
    if json:
        print_json(content)
        return
    rows = [(key, value) for key, value in content.items() if not isinstance(value, dict)]
    for section, values in content.items():
        if isinstance(values, dict):
            rows += [(f"{section}.{key}", value) for key, value in values.items()]
    print_table("", ("key", "value"), [(key, str(value)) for key, value in rows])


def calibrate(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    tile: Annotated[
        int | None, typer.Option("--tile", "-t", min=0, help="Tile, from 0; all of them if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure and correct offset and gain of the columns. Fails when columns are out of bounds."""
    with opened(endpoint) as chip:
        reports = [{"tile": index, **report} for index, report in enumerate(chip.calibrate(tile), start=tile or 0)]
    if json:
        print_json(reports)
    else:
        # In the units of the command table: offsets and residuals in 1/16 codes, gain errors in 1/32768.
        rows = [
            (
                entry["tile"],
                entry["offset_max"] / 16,
                100 * entry["gain_error_max"] / 32768,
                entry["residual_max"] / 16,
                entry["failed"],
            )
            for entry in reports
        ]
        print_table("", ("tile", "offset, codes", "gain error, %", "residual, codes", "failed columns"), rows)
    failed = sum(entry["failed"] for entry in reports)
    if failed:
        raise Error(f"{failed} columns are out of bounds; run check")


def check(endpoint: Endpoint = DEFAULT_ENDPOINT, json: Json = False) -> None:
    """Have the chip test its memories, converters, references and rows. Fails when anything is wrong."""
    with opened(endpoint) as chip:
        findings = chip.selftest()
    if json:
        print_json([{**vars(found), "kind": found.kind.name} for found in findings])
    elif findings:
        print_table("", ("finding", "what"), [(found.kind.name, found.text) for found in findings])
    else:
        print("everything is well")
    if findings:
        raise Error(f"the self-test found {len(findings)} faults")


def update_firmware(
    image: Annotated[Path, typer.Argument(metavar="FILE", help="firmware.bin of `ohmloom build --firmware`.")],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    ram: Annotated[bool, typer.Option("--ram", help="Until the next power-up only; flash keeps its firmware.")] = False,
) -> None:
    """Load new firmware over the link and start it. A bad image is refused, and the old one goes on."""
    with opened(endpoint) as chip, progress_bar() as progress:
        version = chip.update_firmware(image, flash=not ram, progress=progress)
    print(f"firmware {version} runs")


def advance(
    seconds: Annotated[float, typer.Argument(min=0, help="Fabric time to pass.")],
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    json: Json = False,
) -> None:
    """Let time pass for an emulated chip, in which its cells relax."""
    with opened(endpoint) as chip:
        chip.advance(seconds)
        totals = {"fabric_time_s": chip.fabric_time_s, "energy_j": chip.energy_j}
    if json:
        print_json(totals)
    else:
        print_table("", ("fabric time, s", "energy, J"), [tuple(totals.values())])


def events(
    endpoint: Endpoint = DEFAULT_ENDPOINT,
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    json: Json = False,
) -> None:
    """List the controller's events: trips, forming, saturation."""
    with opened(endpoint) as chip:
        found = [
            {"number": number, "kind": kind.name, "argument": argument} for number, kind, argument in chip.events(after)
        ]
    if json:
        print_json(found)
    else:
        print_table("", ("number", "kind", "argument"), [tuple(entry.values()) for entry in found])


def stop(endpoint: Endpoint = DEFAULT_ENDPOINT) -> None:
    """Emergency stop: set the safety latch. All lines float until clear-trip."""
    with opened(endpoint) as chip:
        chip.stop()


def clear_trip(endpoint: Endpoint = DEFAULT_ENDPOINT) -> None:
    """Clear the safety latch."""
    with opened(endpoint) as chip:
        chip.clear_trip()

"""What there is: endpoints, chips, versions. None of these commands opens an endpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from ohmloom.cli.output import Json, print_json, print_table


def register(app: typer.Typer) -> None:
    app.command()(endpoints)
    app.command()(chips)
    app.command()(version)


def endpoints(json: Json = False) -> None:
    """List serial ports and emulated chips; each URL is an --endpoint."""
    from serial.tools import list_ports

    from ohmloom.chip import SPEC_SCHEMES
    from ohmloom.link import known_schemes
    from ohmloom.spec import chip_names

    found = [(port.device, port.description) for port in sorted(list_ports.comports())]
    found += [
        (f"{scheme}://{chip}", "emulated chip")
        for scheme in SPEC_SCHEMES
        if scheme in known_schemes()
        for chip in chip_names()
    ]
    if json:
        print_json([{"url": url, "description": text} for url, text in found])
    else:
        print_table("", ("endpoint", "what"), found)


def chips(
    name: Annotated[
        str | None, typer.Argument(metavar="[CHIP]", help="Bundled name, or path of a TOML file: show all of its spec.")
    ] = None,
    json: Json = False,
) -> None:
    """List the bundled chips, or show one chip's spec."""
    from ohmloom.spec import chip_names, load_chip

    if name is None:
        specs = [load_chip(known) for known in chip_names()]
        if json:
            print_json([spec.model_dump(mode="json") for spec in specs])
        else:
            rows = [(spec.name, spec.tiles, spec.rows, spec.columns, spec.summary) for spec in specs]
            print_table("", ("chip", "tiles", "rows", "columns", "summary"), rows)
        return
    content = load_chip(name).model_dump(mode="json")
    if json:
        print_json(content)
        return
    flat = [(key, value) for key, value in content.items() if not isinstance(value, dict)]
    for section, values in content.items():
        if isinstance(values, dict):
            flat += [(f"{section}.{key}", value) for key, value in values.items()]
    print_table("", ("key", "value"), [(key, str(value)) for key, value in flat])


def version() -> None:
    """Show the version."""
    from importlib.metadata import version as installed

    print(f"ohmloom {installed('ohmloom')}")


def show_version(wanted: bool) -> None:
    """Callback of the option `--version`."""
    if wanted:
        version()
        raise typer.Exit

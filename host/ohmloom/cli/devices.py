"""`ohmloom fit-device`: from measurements of one's own devices to a chip spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ohmloom.cli.connection import DEFAULT_CHIP
from ohmloom.cli.files import existing_folder
from ohmloom.cli.output import print_table, progress_bar, to_json
from ohmloom.cli.tools import tool

PLOT_ENDINGS = (".svg", ".png", ".pdf")


def register(app: typer.Typer) -> None:
    app.command()(fit_device)


def _plot_file(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PLOT_ENDINGS:
        raise typer.BadParameter(f"{path}: a name that ends in {', '.join(PLOT_ENDINGS)} is wanted")
    return existing_folder(path)


def _fixed(texts: list[str] | None) -> dict[str, float]:
    result = {}
    for text in texts or ():
        name, _, value = text.partition("=")
        try:
            result[name.strip()] = float(value)
        except ValueError:
            raise typer.BadParameter(f"{text!r}: NAME=NUMBER wanted") from None
    return result


def fit_device(
    measurements: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help="Pulse trains and reads: columns device, pulse_index, volts, width_s, resistance_ohm, and as needed "
            "current_a, read_v, gate_v, temperature_k.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="SPEC.toml", callback=existing_folder, help="The chip spec to write."),
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="statistical, vteam, stanford-pku, stanford-pku-hfox, messaris, linear-drift or yakopcic.",
        ),
    ] = "statistical",
    chip: Annotated[
        str, typer.Option(metavar="NAME", help="Chip, or its TOML file, that gets the fitted cells.")
    ] = DEFAULT_CHIP,
    fix: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter that is known and not fitted.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", callback=existing_folder, help="Write the report here.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_plot_file, help="Draw the fit here (.svg, .png, .pdf).")
    ] = None,
) -> None:
    """Fit a cell model to measured devices: a chip spec with such cells, and how well they predict what was held out.

    Data that cannot determine a parameter are refused, with what to measure.
    """
    if plot is not None:
        from ohmloom.cli.fit_picture import write_plot  # before the work, so that a missing library is known at once
    with progress_bar() as progress:
        fit = tool("fit-device")(measurements, model, chip, name=output.stem, fixed=_fixed(fix), progress=progress)
    output.write_text(fit.spec, encoding="utf-8")
    if json is not None:
        json.write_text(to_json(fit.report) + "\n", encoding="utf-8")
    if plot is not None:
        write_plot(fit, plot)
    _show(fit.report)


def _show(report: dict[str, Any]) -> None:
    held = report["held_out"]
    rows = [(name, entry["value"], entry["standard_error"], "fitted") for name, entry in report["parameters"].items()]
    rows += [(name, value, "", "found") for name, value in report["found"].items()]
    rows += [(name, value, "", "given") for name, value in report["fixed"].items()]
    rows += [(name, "", "", f"kept at its default: {why}") for name, why in report["kept"].items()]
    title = f"{report['model']} cells fitted to {report['pulses']} pulses on {report['devices']} devices"
    print_table(title, ("parameter", "value", "standard error", "how"), rows)
    left_out = "devices that the fit has not seen" if held["left_out"] == "devices" else "the last fifth of each train"
    range_siemens = held["range_siemens"]

    def line(name: str, key: str) -> tuple[str, str, str]:
        return name, f"{1e6 * held[key]:.4g}", f"{held[key] / range_siemens:.2%}"

    errors = [
        line("one pulse ahead", "next_pulse_rms_siemens"),
        line("whole trains", "whole_train_rms_siemens"),
        line("no change at all", "no_model_rms_siemens"),
    ]
    print_table(f"held-out error, on {left_out}", ("predicted", "rms, uS", "of the range"), errors)
    print(
        f"{held['within_95_percent_interval']:.1%} of the held-out measurements lie in their predicted 95 % intervals; "
        f"the median error one pulse ahead is {held['next_pulse_median_relative']:.2%} of the conductance"
    )
    if report["stuck_devices"]:
        print(f"stuck, and left out of the fit: {', '.join(report['stuck_devices'])}")
    for note in report["notes"]:
        print(f"note: {note}")

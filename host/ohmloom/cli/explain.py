"""Why did my accuracy drop: the loss of each cause."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmloom.cli.connection import DEFAULT_CHIP
from ohmloom.cli.files import array_ending, existing_folder, read_array
from ohmloom.cli.output import print_table, progress_bar, to_json
from ohmloom.demos import DEMOS
from ohmloom.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ohmloom.explain import Explanation, Subject

PLOT_ENDINGS = (".svg", ".png", ".pdf")


class Copies(StrEnum):
    AUTO, ONE, TWO, FOUR, EIGHT, SIXTEEN = "auto", "1", "2", "4", "8", "16"


def register(app: typer.Typer) -> None:
    app.command()(explain)


def _plot_file(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in PLOT_ENDINGS:
        raise typer.BadParameter(f"{path}: a name that ends in {', '.join(PLOT_ENDINGS)} is wanted")
    return existing_folder(path)


def explain(
    subject: Annotated[
        str,
        typer.Argument(metavar="DEMO_OR_NETWORK", help="A demo's name, or a network that Network.save wrote (.npz)."),
    ],
    chip: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help=f"Chip, or its TOML file (default: {DEFAULT_CHIP}, or a saved network's own)."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Chips for each cause.")] = 3,
    age: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Time between programming and inference.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="First chip, and a demo's split and training.")] = 0,
    copies: Annotated[
        Copies | None, typer.Option(help="Most pairs a weight of a demo's network (default: auto).")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=array_ending, help="A saved network's inputs (samples, inputs)."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=array_ending, help="Their classes, or values.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", callback=existing_folder, help="Write the losses here.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_plot_file, help="Draw them here (.svg, .png, .pdf).")
    ] = None,
) -> None:
    """Tell what a network loses against the software by each cause alone: quantisation, programming, relaxation, ...

    It runs on emulated chips that have one imperfection each, and on chips that have all of them.
    """
    from ohmloom.explain import explain as run

    if plot is not None:
        from ohmloom.explain.picture import write_plot  # before the work, so that a missing library is known at once
    what = _subject(subject, chip, seed, copies, data, labels)
    with progress_bar() as progress:
        explanation = run(what, seeds=seeds, first_seed=seed, age_s=age, progress=progress)
    _show(explanation)
    if json is not None:
        json.write_text(to_json(explanation.to_json()) + "\n", encoding="utf-8")
    if plot is not None:
        write_plot(explanation, plot)


def _subject(
    name: str, chip: str | None, seed: int, copies: Copies | None, data: Path | None, labels: Path | None
) -> Subject:
    from ohmloom.explain import demo_subject, saved_subject

    if name in DEMOS:
        if data is not None or labels is not None:
            raise typer.BadParameter(f"--data and --labels belong to a saved network; the demo {name!r} brings its own")
        pairs = None if copies is None or copies is Copies.AUTO else int(copies)
        return demo_subject(name, chip or DEFAULT_CHIP, copies=pairs or "auto", seed=seed)
    path = Path(name)
    if not path.is_file():
        raise ArgumentError(
            f"{name!r} is neither a demo ({', '.join(DEMOS)}) nor a file that Network.save wrote"
        )
    if copies is not None:
        raise typer.BadParameter("--copies belongs to a demo; a saved network is placed already")
    if data is None:
        raise typer.BadParameter("a saved network needs --data, and --labels for its accuracy")
    return saved_subject(path, read_array(data), None if labels is None else _labels(labels), chip)


def _labels(path: Path) -> NDArray[Any]:
    """As `read_array`, but a column or row of a .csv is a list, and an .npy file may hold texts."""
    import numpy as np

    if path.suffix.lower() == ".csv":
        values = read_array(path)
        return values.ravel() if 1 in values.shape else values
    with path.open("rb") as file:
        try:
            array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ArgumentError(f"{path}: not an array ({error})") from None
    return array


def _show(explanation: Explanation) -> None:
    from ohmloom.explain import LABELS

    rows = []
    for name, loss in explanation.ranked.items():
        share = f"{explanation.share(name):.1%}" if name in explanation.causes else ""
        row = [LABELS[name], f"{loss.output_error:.2%}", share]
        if loss.score is not None:
            # Rounded, as a sum of losses leaves 1e-15 for 0.
            row += [f"{round(loss.score, 6) + 0.0:+.3g}", "" if loss.standard_error is None else f"± {loss.standard_error:.2g}"]
        rows.append(row)
    title = explanation.title
    headings = ["cause", "output error", "share"]
    if explanation.software is not None:
        measure = (
            f"R2 {explanation.software:.4f}"
            if explanation.subject.regression
            else f"accuracy {explanation.software:.2%}"
        )
        title += f"; software: {measure}"
        headings += [explanation.score_name, "standard error"]
    print_table(title, headings, rows)

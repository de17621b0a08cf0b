"""Pictures of a run, as SVG, drawn without pyplot, so that nothing global is touched.

Colours: Okabe and Ito's palette, which the colour-blind can tell apart.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ohmloom.demos.results import Results, si
from ohmloom.spec.commands import Cause

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#E6E6E6"
CAUSES = {
    Cause.ARRAY_READ: ("array, reading", GREEN),
    Cause.ROW_DAC: ("row DACs", ORANGE),
    Cause.TIA: ("TIAs", PURPLE),
    Cause.ADC: ("column ADCs", BLUE),
    Cause.WRITE: ("write pulses", RED),
    Cause.IDLE: ("idle", GREY),
}
STYLE: Any = {  # matplotlib types keys as literals
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "ohmloom",
    "legend.frameon": False,
}
MICRO = 1e6
_P = ParamSpec("_P")
LONGEST_RUN = 40  # pulses that get their own bar


@dataclass(frozen=True)
class Picture:
    """An SVG picture with the text that stands in for it."""

    alt: str
    svg: bytes

    @property
    def uri(self) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def picture(draw: Callable[_P, tuple[Figure, str]]) -> Callable[_P, Picture]:
    """Makes a picture of the figure and the text that a function returns; the same figure gives the same bytes."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Picture:
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            figure, alt = draw(*args, **kwargs)
            figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return Picture(alt, buffer.getvalue())

    return drawn


def sheet(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, NDArray[Any]]:
    """A figure of that many inches, 10 being the page's width, and its axes (rows, columns)."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid: NDArray[Any] = figure.subplots(rows, columns, squeeze=False)
    return figure, grid


@picture
def conductance_maps(results: Results, tile: int) -> tuple[Figure, str]:
    """Target, conductance as read back later, and their difference, of one tile."""
    target, read = MICRO * results.network.targets[tile], MICRO * results.later[tile]
    read = np.where(np.isfinite(target), read, np.nan)
    figure, grid = sheet(10, 0.9 + 2.6 * max(0.5, min(1.0, results.spec.rows / results.spec.columns)), 1, 3)
    top = MICRO * results.spec.cell.g_max_siemens
    shown = [
        ("target", target, "viridis", 0.0, top),
        (f"read {results.age_s:g} s after programming", read, "viridis", 0.0, top),
        ("read − target", read - target, "RdBu_r", -5.0, 5.0),
    ]
    images = []
    for place, (title, values, colours, low, high) in zip(grid[0], shown, strict=True):
        place.set_facecolor(GREY)
        images.append(place.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest", aspect="auto"))
        place.set(title=title, xlabel="column", ylabel="row" if place is grid[0, 0] else "")
    figure.colorbar(images[1], ax=grid[0, :2], label="conductance (µS)", pad=0.02)
    figure.colorbar(images[2], ax=grid[0, 2], label="difference (µS)", pad=0.02, extend="both")
    return figure, f"tile {tile}: target conductances, conductances as read back, and their difference"


@picture
def error_histogram(results: Results) -> tuple[Figure, str]:
    """Distance from the target at verify, right after programming, and later."""
    figure, grid = sheet(5, 3.2)
    place: Axes = grid[0, 0]
    edges: list[float] = np.arange(-5.125, 5.2, 0.25).tolist()
    shown = [
        ("at the row's last verify", results.programming.conductance, BLUE),
        ("read after programming", results.after, ORANGE),
        (f"read {results.age_s:g} s later", results.later, RED),
    ]
    place.axvspan(-1, 1, color=GREY, lw=0, label="tolerance ±1 µS")
    for name, conductance, colour in shown:
        errors = MICRO * results.errors(conductance)
        place.hist(
            np.clip(errors, edges[0], edges[-1]),
            edges,
            histtype="step",
            color=colour,
            lw=1.6,
            label=f"{name}, σ = {errors.std():.2f} µS",
        )
    place.set(title="Error of converged cells", xlabel="conductance − target (µS)", ylabel="cells", xlim=(-5, 5))
    place.set_ylim(0, 1.45 * place.get_ylim()[1])
    place.legend(fontsize=8, loc="upper right")
    return figure, "histogram of conductance errors"


@picture
def pulse_histogram(results: Results) -> tuple[Figure, str]:
    report = results.programming
    figure, grid = sheet(5, 3.2)
    place: Axes = grid[0, 0]
    edges: list[float] = np.arange(-0.5, min(int(report.pulses.max()), LONGEST_RUN) + 1).tolist()
    done, failed = report.converged & report.selected, ~report.converged & report.selected
    place.hist(
        [np.minimum(report.pulses[cells], LONGEST_RUN) for cells in (done, failed)],
        edges,
        stacked=True,
        color=[BLUE, RED],
        label=[f"converged: {int(done.sum()):,}", f"stuck or exhausted: {int(failed.sum()):,}"],
    )
    mean = report.pulses_per_cell
    place.axvline(mean, color="black", ls="--", lw=1, label=f"mean {mean:.2f}")
    unit = f"pulses ({LONGEST_RUN}: that many or more)" if len(edges) > LONGEST_RUN else "pulses"
    place.set(title="Pulses a cell", xlabel=unit, ylabel="cells")
    place.set_yscale("symlog", linthresh=1)
    place.set_ylim(bottom=0)
    place.legend(fontsize=8)
    return figure, "histogram of pulses a cell"


@picture
def confusion_matrix(results: Results) -> tuple[Figure, str]:
    """What the chip answered for each class."""
    classes = results.model.classes
    assert classes is not None
    rows, columns = np.searchsorted(classes, results.data.y_test), np.searchsorted(classes, results.chip)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    names = [str(name) for name in classes]
    side = min(5.0, 2.2 + 0.28 * len(names))
    figure, grid = sheet(side, side)
    place: Axes = grid[0, 0]
    norm = PowerNorm(0.5, vmin=0, vmax=counts.max())  # the few errors stay visible
    place.imshow(counts, cmap="Blues", norm=norm)
    for row, column in zip(*np.nonzero(counts), strict=True):
        count = counts[row, column]
        colour = "white" if norm(count) > 0.6 else "black"
        place.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    ticks = range(len(classes))
    place.set(title="Confusion matrix, chip", xlabel="predicted", ylabel="true")
    words = max(map(len, names)) > 2  # side by side they would run into each other
    place.set_xticks(ticks, names, rotation=30 if words else 0, ha="right" if words else "center")
    place.set_yticks(ticks, names)
    return figure, "confusion matrix of the chip's predictions"


@picture
def where_it_went(results: Results, title: str, index: int, unit: str) -> tuple[Figure, str]:
    """Shares by cause for each phase; index 0 is energy, 1 is time."""
    assert results.meters is not None
    phases = {name: {cause: row[index] for cause, row in rows.items()} for name, rows in results.meters.items()}
    phases = {name: rows for name, rows in phases.items() if sum(rows.values()) > 0}
    figure, grid = sheet(10, 0.9 + 0.42 * len(phases))
    place: Axes = grid[0, 0]
    left = np.zeros(len(phases))
    totals = np.array([sum(rows.values()) for rows in phases.values()])
    for cause, (label, colour) in CAUSES.items():
        share = 100 * np.array([rows[cause] for rows in phases.values()]) / totals
        if share.any():
            place.barh(list(phases), share, left=left, color=colour, label=label, height=0.7)
            left += share
    for position, total in enumerate(totals):
        place.text(101, position, si(float(total), unit), va="center")
    place.set(title=f"{title} by cause", xlabel=f"share of the phase's {title.lower()} (%)", xlim=(0, 100))
    place.invert_yaxis()
    place.legend(loc="center left", bbox_to_anchor=(1.09, 0.5), fontsize=8)
    return figure, f"{title.lower()} by phase and cause"


@picture
def sample_images(results: Results, most: int = 12) -> tuple[Figure, str]:
    """Held-out images with the chip's predictions: a row of wrong ones, if there are any, and a row of right ones."""
    groups = shown_samples(results, most)
    figure, grid = sheet(10, 1.25 * len(groups), len(groups), most)
    for places, (colour, chosen) in zip(grid, groups, strict=True):
        for place in places:
            place.set_axis_off()
            place.set_box_aspect(1)
        for place, (sample, answer) in zip(places, chosen, strict=False):
            place.imshow(results.data.raw_test[sample], cmap="gray_r", interpolation="nearest")
            place.set_title(answer, color=colour, fontsize=10)
    return figure, "held-out samples with the chip's predictions, wrong ones in the first row"


def shown_samples(results: Results, most: int) -> list[tuple[str, list[tuple[int, str]]]]:
    """A colour with (sample, the chip's answer) for a row of wrong ones, if there are any, and one of right ones.

    Classes take turns, so that each is seen.
    """
    truth, answers = results.data.y_test, results.chip
    groups = []
    for colour, mine in ((RED, answers != truth), (GREEN, answers == truth)):
        samples = np.flatnonzero(mine)
        turns = np.array(
            [np.count_nonzero(truth[samples[:place]] == truth[sample]) for place, sample in enumerate(samples)]
        )
        chosen = samples[np.lexsort((truth[samples], turns))][:most] if len(samples) else samples
        texts = [f"{answers[n]}" if colour == GREEN else f"{answers[n]}, not {truth[n]}" for n in chosen]
        groups.append((colour, list(zip(chosen.tolist(), texts, strict=True))))
    return [group for group in groups if group[1]]

"""Pictures of a run, as SVG: drawn without pyplot, so that nothing global is touched. Colours: Okabe and Ito's, safe for the colour-blind."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ohmloom.demos.results import Results, si
from ohmloom.spec.commands import Cause

BLUE, ORANGE, GREEN, RED, PURPLE, YELLOW, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442", "#E6E6E6"
CAUSES = {
    Cause.ARRAY_READ: ("array, reading", GREEN), Cause.ROW_DAC: ("row DACs", ORANGE), Cause.TIA: ("TIAs", PURPLE), Cause.ADC: ("column ADCs", BLUE),
    Cause.WRITE: ("write pulses", RED), Cause.IDLE: ("idle", GREY),
}
STYLE = {
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "ohmloom", "legend.frameon": False,
}
MICRO = 1e6
LONGEST_RUN = 40  # pulses that get their own bar


@dataclass(frozen=True)
class Picture:
    """An SVG picture with the text that stands in for it."""

    alt: str
    svg: bytes

    @property
    def uri(self) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def finish(figure: Figure, alt: str) -> Picture:
    """The figure as a picture; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(alt, buffer.getvalue())


def figure(width: float, height: float) -> Figure:
    """Sizes in inches; a page is 10 wide."""
    return Figure(figsize=(width, height), layout="constrained")


def axes(sheet: Figure, rows: int = 1, columns: int = 1) -> NDArray[Any]:
    with matplotlib.rc_context(STYLE):
        grid: NDArray[Any] = sheet.subplots(rows, columns, squeeze=False)
    return grid


def conductance_maps(results: Results, tile: int) -> Picture:
    """Target, conductance as read back later, and their difference, of one tile."""
    target, read = MICRO * results.network.targets[tile], MICRO * results.later[tile]
    read = np.where(np.isfinite(target), read, np.nan)
    sheet = figure(10, 1.0 + 3.0 * max(0.45, min(1.2, results.spec.rows / results.spec.columns)))
    top = MICRO * results.spec.cell.g_max_siemens
    shown = [
        ("target", target, "viridis", 0.0, top), (f"read {results.age_s:g} s after programming", read, "viridis", 0.0, top),
        ("read − target", read - target, "RdBu_r", -5.0, 5.0),
    ]
    for place, (title, values, colours, low, high) in zip(axes(sheet, 1, 3)[0], shown, strict=True):
        place.set_facecolor(GREY)
        image = place.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")
        place.set(title=title, xlabel="column", ylabel="row" if title == "target" else "")
        sheet.colorbar(image, ax=place, label="µS", shrink=0.9, extend="both" if low < 0 else "neither")
    return finish(sheet, f"tile {tile}: target conductances, conductances as read back, and their difference")


def error_histogram(results: Results) -> Picture:
    """Distance from the target at verify, right after programming, and later."""
    sheet = figure(5, 3.2)
    place: Axes = axes(sheet)[0, 0]
    edges = np.arange(-5.125, 5.2, 0.25)
    shown = [
        ("at the passing verify", results.programming.conductance, BLUE), ("read after programming", results.after, ORANGE),
        (f"read {results.age_s:g} s later", results.later, RED),
    ]
    place.axvspan(-1, 1, color=GREY, lw=0, label="tolerance ±1 µS")
    for name, conductance, colour in shown:
        errors = MICRO * results.errors(conductance)
        place.hist(np.clip(errors, edges[0], edges[-1]), edges, histtype="step", color=colour, lw=1.6, label=f"{name}, σ = {errors.std():.2f} µS")
    place.set(title="Error of converged cells", xlabel="conductance − target (µS)", ylabel="cells", xlim=(-5, 5))
    place.set_ylim(0, 1.45 * place.get_ylim()[1])
    place.legend(fontsize=8, loc="upper right")
    return finish(sheet, "histogram of conductance errors")


def pulse_histogram(results: Results) -> Picture:
    report = results.programming
    sheet = figure(5, 3.2)
    place: Axes = axes(sheet)[0, 0]
    edges = np.arange(-0.5, min(int(report.pulses.max()), LONGEST_RUN) + 1)
    done, failed = report.converged & report.selected, ~report.converged & report.selected
    place.hist(
        [np.minimum(report.pulses[cells], LONGEST_RUN) for cells in (done, failed)], edges, stacked=True, color=[BLUE, RED],
        label=[f"converged: {int(done.sum()):,}", f"stuck or exhausted: {int(failed.sum()):,}"],
    )
    mean = report.pulses_per_cell
    place.axvline(mean, color="black", ls="--", lw=1, label=f"mean {mean:.2f}")
    place.set(title="Pulses a cell", xlabel=f"pulses ({LONGEST_RUN}: that many or more)" if len(edges) > LONGEST_RUN else "pulses", ylabel="cells")
    place.set_yscale("symlog", linthresh=1)
    place.set_ylim(bottom=0)
    place.legend(fontsize=8)
    return finish(sheet, "histogram of pulses a cell")


def confusion_matrix(results: Results) -> Picture:
    """What the chip answered for each class."""
    classes = results.model.classes
    assert classes is not None
    rows, columns = np.searchsorted(classes, results.data.y_test), np.searchsorted(classes, results.chip)
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    side = min(5.0, 1.4 + 0.36 * len(classes))
    sheet = figure(side, side)
    place: Axes = axes(sheet)[0, 0]
    norm = PowerNorm(0.5, vmin=0, vmax=counts.max())  # the few errors stay visible
    place.imshow(counts, cmap="Blues", norm=norm)
    for row, column in zip(*np.nonzero(counts), strict=True):
        count = counts[row, column]
        place.text(column, row, str(count), ha="center", va="center", fontsize=8, color="white" if norm(count) > 0.6 else "black")
    ticks = range(len(classes))
    place.set(title="Confusion matrix, chip", xlabel="predicted", ylabel="true")
    place.set_xticks(ticks, classes)
    place.set_yticks(ticks, classes)
    return finish(sheet, "confusion matrix of the chip's predictions")


def where_it_went(results: Results, title: str, index: int, unit: str) -> Picture:
    """Shares by cause for each phase; index 0 is energy, 1 is time."""
    assert results.meters is not None
    phases = {name: {cause: row[index] for cause, row in rows.items()} for name, rows in results.meters.items()}
    phases = {name: rows for name, rows in phases.items() if sum(rows.values()) > 0}
    sheet = figure(10, 0.9 + 0.42 * len(phases))
    place: Axes = axes(sheet)[0, 0]
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
    return finish(sheet, f"{title.lower()} by phase and cause")


def sample_images(results: Results, most: int = 12) -> Picture:
    """Held-out images with the chip's predictions: a row of wrong ones, if there are any, and a row of right ones."""
    truth = results.data.y_test
    groups = [("wrong", RED, np.flatnonzero(results.chip != truth)[:most]), ("right", GREEN, np.flatnonzero(results.chip == truth)[:most])]
    groups = [group for group in groups if len(group[2])]
    sheet = figure(10, 1.25 * len(groups))
    for places, (word, colour, chosen) in zip(axes(sheet, len(groups), most), groups, strict=True):
        for place in places:
            place.set_axis_off()
        for place, sample in zip(places, chosen, strict=False):
            place.imshow(results.data.raw_test[sample], cmap="gray_r", interpolation="nearest")
            answer = f"{results.chip[sample]}" if word == "right" else f"{results.chip[sample]}, not {truth[sample]}"
            place.set_title(answer, color=colour, fontsize=10)
    return finish(sheet, "held-out samples with the chip's predictions, wrong ones in the first row")

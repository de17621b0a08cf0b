"""Pictures that only some demos have: series, spectra and returns, beside the chip's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ohmloom.demos.results import Results
from ohmloom.report.pictures import BLUE, GREEN, ORANGE, picture, sheet, shown_samples

COLUMNS = 6


@picture
def sample_series(results: Results) -> tuple[Figure, str]:
    """Held-out series (channels, length) with the chip's predictions."""

    def draw(place: Axes, series: NDArray[Any]) -> None:
        place.plot(series.T, lw=0.8)

    return _samples(results, draw), "held-out series with the chip's predictions, wrong ones in the first row"


@picture
def sample_spectra(results: Results) -> tuple[Figure, str]:
    """Held-out cepstra (coefficients, frames) with the chip's predictions; the lowest coefficient is at the bottom."""

    def draw(place: Axes, cepstra: NDArray[Any]) -> None:
        place.imshow(cepstra[1:], aspect="auto", origin="lower", cmap="viridis", interpolation="nearest")

    return _samples(results, draw), "cepstra of held-out recordings with the chip's predictions, wrong ones first"


def _samples(results: Results, draw: Callable[[Axes, NDArray[Any]], None]) -> Figure:
    """A row of wrong ones, if there are any, and a row of right ones."""
    groups = shown_samples(results, COLUMNS)
    figure, grid = sheet(10, 1.6 * len(groups), len(groups), COLUMNS)
    for places, (colour, chosen) in zip(grid, groups, strict=True):
        for place in places:
            place.set_xticks([])
            place.set_yticks([])
            place.set_visible(False)
        for place, (sample, answer) in zip(places, chosen, strict=False):
            place.set_visible(True)
            draw(place, results.data.raw_test[sample])
            place.set_title(answer, color=colour, fontsize=9)
    return figure


@picture
def return_histogram(results: Results) -> tuple[Figure, str]:
    """Returns of the episodes, of the same starts, on chip, ideal chip and in software."""
    figure, grid = sheet(10, 3)
    place: Axes = grid[0, 0]
    shown = [("chip", results.chip, BLUE), ("ideal chip", results.ideal, ORANGE), ("software", results.software, GREEN)]
    low, high = min(part.min() for _, part, _ in shown), max(part.max() for _, part, _ in shown)
    edges: list[float] = np.linspace(low - 1, high + 1, 41).tolist()
    for name, returns, colour in shown:
        place.hist(returns, edges, histtype="step", lw=1.6, color=colour, label=f"{name}, mean {returns.mean():.1f}")
    place.set(title="Returns", xlabel="return of an episode", ylabel="episodes")
    place.legend(fontsize=8)
    return figure, "histogram of the episodes' returns"

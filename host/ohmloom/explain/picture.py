"""The losses as horizontal bars: the largest on top, the sum and the whole chip below."""

from __future__ import annotations

from pathlib import Path

from ohmloom.errors import Error
from ohmloom.explain.losses import LABELS, Explanation

try:
    import matplotlib

    from ohmloom.report.pictures import BLUE, ORANGE, STYLE, sheet
except ImportError as missing:
    raise Error(f"a plot needs matplotlib and jinja2 ({missing}): pip install 'ohmloom[plots]'") from None


def write_plot(explanation: Explanation, path: Path) -> None:
    """Draws to a file of matplotlib's formats (.svg, .png, .pdf). Raises OSError when it cannot be written."""
    ranked = explanation.ranked
    labels = [LABELS[name] for name in ranked]
    colours = [BLUE] * len(explanation.causes) + [ORANGE] * 2
    scored = explanation.sum.score is not None
    with matplotlib.rc_context(STYLE):
        figure, ((*axes,),) = sheet(9, 3.6, 1, 1 + scored)
        errors = [100 * loss.output_error for loss in ranked.values()]
        bars = axes[0].barh(labels, errors, color=colours)
        axes[0].bar_label(bars, fmt="%.1f", padding=3)
        axes[0].set_xlabel("output error, % of the outputs' rms")
        if scored:
            losses = [loss.score or 0.0 for loss in ranked.values()]
            deviations = [loss.standard_error or 0.0 for loss in ranked.values()]
            axes[1].barh(labels, losses, xerr=deviations, color=colours, error_kw={"elinewidth": 1, "capsize": 2})
            axes[1].set_xlabel(f"{explanation.score_name} (bars: standard error)")
            axes[1].tick_params(axis="y", labelleft=False)
            axes[1].axvline(0, color="black", linewidth=0.8)
        for axis in axes:
            axis.invert_yaxis()
            axis.margins(x=0.12)
        figure.suptitle(
            explanation.title,
            fontsize=10,
        )
        # Without a date, the same losses give the same bytes.
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None, dpi=150)

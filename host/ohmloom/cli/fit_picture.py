"""A fit as pictures: held-out predictions against measurements, and trains as measured and as simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ohmloom.errors import Error

try:
    import matplotlib

    from ohmloom.report.pictures import BLUE, ORANGE, STYLE, sheet
except ImportError as missing:
    raise Error(f"a plot needs matplotlib and jinja2 ({missing}): pip install 'ohmloom[plots]'") from None


def write_plot(fit: Any, path: Path) -> None:
    """Draws what `fit-device` returned to a file of matplotlib's formats. Raises OSError when it cannot be written."""
    with matplotlib.rc_context(STYLE):
        figure, ((scatter, curves),) = sheet(10, 3.8, 1, 2)
        held = fit.held_out
        measured, predicted = 1e6 * held.measured, 1e6 * held.next_pulse
        span = (float(measured.min()), float(measured.max()))
        scatter.vlines(measured, 1e6 * held.low, 1e6 * held.high, color=BLUE, alpha=0.15, linewidth=0.8)
        scatter.plot(measured, predicted, ".", color=BLUE, markersize=3)
        scatter.plot(span, span, color="black", linewidth=0.8)
        scatter.set_xlabel("measured, uS")
        scatter.set_ylabel("predicted one pulse ahead, uS")
        scatter.set_title("held out (bars: 95 % intervals)", fontsize=9)
        start = 0
        for train in fit.trains:
            pulses = np.arange(start, start + len(train.measured_siemens))
            first = train is fit.trains[0]
            curves.plot(pulses, 1e6 * train.measured_siemens, ".", color=BLUE, markersize=3,
                        label="measured" if first else None)  # fmt: skip
            curves.plot(pulses, 1e6 * train.simulated_siemens, color=ORANGE, linewidth=0.9,
                        label="simulated from its start" if first else None)  # fmt: skip
            start = int(pulses[-1]) + 2
        curves.set_xlabel(f"pulse, devices {', '.join(train.name for train in fit.trains)}")
        curves.set_ylabel("conductance, uS")
        curves.legend(fontsize=8)
        report = fit.report
        figure.suptitle(f"{report['model']} cells fitted to {report['file']}", fontsize=10)
        # Without a date, the same fit gives the same bytes.
        figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None, dpi=150)

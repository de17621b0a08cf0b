"""A device lab's first hour: form a row, pulse one cell with growing RESET and SET pulses, sweep its I-V curve, keep all of it.

    python examples/one_cell.py [URL [FILE.csv]]

The CSV is what `ohmloom fit-device` makes a chip of (docs/devices/fit-device.md); where matplotlib is installed, a picture is drawn beside it.

    ohmloom fit-device one_cell.csv --chip bench-8x16 --output my-chip.toml
"""

import csv
import sys
from pathlib import Path

import numpy as np

import ohmloom

url = sys.argv[1] if len(sys.argv) > 1 else "emu://bench-8x16?seed=1"
file = Path(sys.argv[2] if len(sys.argv) > 2 else "one_cell.csv")
TILE, ROW, COLUMN = 0, 2, 5
AMPLITUDES_V = np.arange(0.8, 3.01, 0.1)
WIDTHS_S = (0.2e-6, 1e-6, 5e-6)
GATE_V = {"RESET": 5.0, "SET": 4.0}  # the transistor bounds what a SET can reach

rows: list[tuple[object, ...]] = []  # of the CSV
curves: dict[str, list[float]] = {}  # conductances in uS after the pulses of one width and direction
pulses = 0

with ohmloom.connect(url) as chip:
    row = np.zeros((chip.spec.rows, chip.spec.columns), dtype=bool)
    row[ROW] = True
    report = chip.form(TILE, row)  # only cells that are not formed yet
    print(
        f"formed: {report.converged.sum()} of {report.selected.sum()} cells of row {ROW}, {report.pulses_per_cell:.1f} pulses each"
    )

    for width_s in WIDTHS_S:
        for kind, sign in (("RESET", -1), ("SET", 1)):
            curve = curves[f"{kind} {width_s * 1e6:g} us"] = []
            for volts in sign * AMPLITUDES_V:
                siemens = chip.pulse(TILE, ROW, COLUMN, volts, gate_v=GATE_V[kind], width_s=width_s)
                curve.append(1e6 * siemens)
                pulses += 1
                if siemens > 0:  # the noise of a read may be more than what is left of the cell
                    rows.append(("A1", pulses, f"{volts:.2f}", width_s, f"{1 / siemens:.0f}", "", GATE_V[kind]))
    for name, curve in curves.items():
        print(f"{name:12} {curve[0]:6.2f} uS -> {curve[-1]:6.2f} uS")

    sweep_v = np.linspace(-0.19, 0.19, 20)
    amperes = chip.iv_sweep(TILE, ROW, COLUMN, sweep_v)
    print(f"I-V: {1e6 * np.polyfit(sweep_v, amperes, 1)[0]:.2f} uS from {len(sweep_v)} points")
    for volts, ampere in zip(sweep_v, amperes, strict=True):
        if abs(volts) >= 0.1 and ampere * volts > 0:  # small currents would tell the converter's noise, not the cell's
            rows.append(("A1", rows[-1][1], f"{volts:.3f}", "", "", f"{ampere:.4g}", ""))  # a read: no width

with file.open("w", newline="", encoding="utf-8") as stream:
    csv.writer(stream).writerows(
        [("device", "pulse_index", "volts", "width_s", "resistance_ohm", "current_a", "gate_v"), *rows]
    )
print(f"{len(rows)} lines in {file}")

try:
    from matplotlib.figure import Figure
except ImportError:
    print("no picture: pip install matplotlib")
else:
    figure = Figure()
    axes = figure.subplots()
    for name, curve in curves.items():
        axes.plot(AMPLITUDES_V, curve, "o-", label=name)
    axes.set(xlabel="amplitude in V", ylabel="conductance in uS")
    axes.legend()
    figure.savefig(file.with_suffix(".png"))
    print(f"picture in {file.with_suffix('.png')}")

"""Draws the compact cell models for docs/devices and writes the page about them.

python bench/devices/plot.py [folder]        (default docs/devices; needs matplotlib)
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ohmloom_emulator.devices import (
    VTEAM,
    Biolek,
    Joglekar,
    LinearDrift,
    Messaris,
    Prodromakis,
    StanfordPKU,
    Yakopcic,
)
from ohmloom_emulator.devices.base import CompactCell
from ohmloom_emulator.devices.interface import FloatArray

FOLDER = Path(__file__).parents[2] / "docs" / "devices"
HFOX = "Stanford-PKU, HfOx bilayer"


@dataclass(frozen=True)
class Loop:
    """A sine that shows the model's hysteresis, its slowest period and the start, as a share of the range."""

    model: CompactCell
    volts: float
    period_s: float
    start: float = 0.5
    set_compliance_a: float | None = None


LOOPS = {
    "VTEAM": Loop(VTEAM(), 0.3, 1e-7),
    "Stanford-PKU": Loop(StanfordPKU(), 1.6, 1e-6, set_compliance_a=2e-3),
    HFOX: Loop(StanfordPKU.hfox_bilayer(), 1.6, 1e-5, set_compliance_a=100e-6),
    "Messaris": Loop(Messaris(), 0.8, 0.1),
    "Linear drift, Joglekar p = 10": Loop(LinearDrift(window=Joglekar(10)), 1.1, 1.0, start=0.3145),
    "Yakopcic": Loop(Yakopcic(), 0.5, 0.01, start=0.11),
}


def hysteresis(folder: Path) -> None:
    """I-V loops of a sine at three frequencies, each the second period."""
    figure, grid = plt.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    phase = np.linspace(0, 1, 61)  # of half a period
    for ax, (name, loop) in zip(grid.flat, LOOPS.items(), strict=True):
        for faster, style in ((1, "-"), (10, "--"), (1000, ":")):
            low, high = loop.model.state_range
            state = np.asarray(low + loop.start * (high - low))
            volts, amperes = [], []
            for half in range(4):
                v = (-1) ** half * loop.volts * np.sin(np.pi * phase)
                times = phase * loop.period_s / faster / 2
                limit = loop.set_compliance_a if half % 2 == 0 else None
                states, current = loop.model.waveform(state, times, v, compliance_a=limit)
                state = states[-1]
                volts.append(v)
                amperes.append(1e3 * current)
            label = f"{faster / loop.period_s:.0e} Hz"
            ax.plot(np.concatenate(volts[2:]), np.concatenate(amperes[2:]), style, label=label)
        _label(ax, name, "V", "mA")
    _save(figure, folder / "hysteresis.png")


def _crossing_s(model: CompactCell, volts: FloatArray, temperature_k: float = 300.0) -> FloatArray:
    """Seconds from off (SET) or on (RESET) to the middle of the range; NaN outside 1 fs to a year."""
    low, high = model.state_range
    off, on = (low, high) if float(model.conductance(low)) < float(model.conductance(high)) else (high, low)
    start = np.where(volts > 0, off, on)
    seconds = np.logspace(-15, 7.5, 600)[:, None]
    crossed = (model.pulse(start, volts, seconds, temperature_k) - (low + high) / 2) * (start - (low + high) / 2) < 0
    return np.where(crossed[-1] & ~crossed[0], seconds[crossed.argmax(axis=0), 0], np.nan)


def switching_time(folder: Path) -> None:
    """Time to mid range against voltage, SET to the right and RESET to the left."""
    figure, grid = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    volts = np.linspace(0.05, 2, 40)
    sides = np.concatenate([-volts[::-1], volts])
    stanford = {"Stanford-PKU, field threshold": StanfordPKU(), HFOX: StanfordPKU.hfox_bilayer()}
    for ax, (name, model) in zip(grid, stanford.items(), strict=False):
        for kelvin in (250.0, 300.0, 350.0, 400.0):
            ax.semilogy(sides, _crossing_s(model, sides, kelvin), label=f"{kelvin:.0f} K")
        _label(ax, name, "V", "s")
    others = {"VTEAM": VTEAM(), "Messaris": Messaris(), "Linear drift": LinearDrift(), "Yakopcic": Yakopcic()}
    for name, other in others.items():
        grid[2].semilogy(sides, _crossing_s(other, sides), label=name)
    _label(grid[2], "The others", "V", "s")
    _save(figure, folder / "switching_time.png")


def multilevel(folder: Path) -> None:
    """Levels by compliance, by RESET amplitude, and by trains of equal pulses."""
    figure, grid = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    hfox = StanfordPKU.hfox_bilayer()
    limits, amplitudes = np.logspace(-5, -3.5, 40), np.linspace(-0.5, -2.5, 41)
    for seconds in (1e-7, 1e-5, 1e-3):
        after_set = hfox.pulse(hfox.gap_max_nm, 1.6, seconds, compliance_a=limits)
        grid[0].loglog(1e6 * limits, 1e6 * hfox.conductance(after_set), label=f"{1e6 * seconds:g} us")
        after_reset = hfox.pulse(hfox.gap_min_nm, amplitudes, seconds)
        grid[1].semilogy(amplitudes, 1e6 * hfox.conductance(after_reset), label=f"{1e6 * seconds:g} us")
    _label(grid[0], "HfOx bilayer, SET at 1.6 V", "compliance, uA", "uS at 0.2 V")
    _label(grid[1], "HfOx bilayer, RESET", "V", "uS at 0.2 V")
    model, r = Messaris(), [np.asarray(16.25e3)]
    for volts in (-0.6, 0.6, -0.7, 0.7, -0.8, 0.8):
        for _ in range(50):  # ten of the paper's pulses each: equal voltages add up exactly
            r.append(model.pulse(r[-1], volts, 10 * 100e-6))
    grid[2].plot(10 * np.arange(len(r)), 1e-3 * np.array(r), label="-0.6, 0.6, -0.7, 0.7, -0.8, 0.8 V")
    _label(grid[2], "Messaris, Fig. 6: 100 us pulses", "pulse", "kohm")
    _save(figure, folder / "multilevel.png")


def windows(folder: Path) -> None:
    """The window functions over the doped share."""
    figure, grid = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained", sharey=True)
    x = np.linspace(0, 1, 81)
    for p in (1, 2, 10):
        grid[0].plot(x, Joglekar(p)(x, np.array(True)), label=f"p = {p}")
        (line,) = grid[1].plot(x, Biolek(p)(x, np.array(True)), label=f"p = {p}")
        grid[1].plot(x, Biolek(p)(x, np.array(False)), "--", color=line.get_color())
        grid[2].plot(x, Prodromakis(float(p))(x, np.array(True)), label=f"p = {p}")
    for ax, name in zip(grid, ("Joglekar", "Biolek (dashed: falling)", "Prodromakis, j = 1"), strict=True):
        _label(ax, name, "x", "")
    _save(figure, folder / "windows.png")


def figures(folder: Path) -> None:
    """Published loops (dots, read off) and the models at their parameters and drive, as in tests/devices."""
    points = np.loadtxt(FOLDER / "figures.csv", dtype=str, delimiter=",", skiprows=1)
    figure, grid = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
    vteam = VTEAM(2e3, 10e3, 0.0, 10.0, -1e-6, 1e-6, 3.0, 3.0, -0.8, 0.8, window=Biolek(10))
    phase = np.linspace(0, 4, 2001)
    sine = np.sin(2 * np.pi * phase)

    def draw(ax: Axes, series: str, volts: FloatArray, amperes: FloatArray) -> None:
        (line,) = ax.plot(volts, 1e3 * amperes, label=series)
        ax.plot(*points[points[:, 0] == series, 1:].astype(float).T, ".", color=line.get_color())

    for hertz in (10, 100, 1000):
        _, current = vteam.waveform(vteam.state_of(1 / 5e3), phase / hertz, 2 * sine)
        draw(grid[0], f"VTEAM {hertz} Hz", 2 * sine[1500:], current[1500:])
    _label(grid[0], "Biolek 2021, Fig. 9 (a)", "V", "mA")
    _, current = Yakopcic(v_p_v=0.65, v_n_v=0.56).waveform(0.11, phase[:1001] / 10, sine[:1001])
    draw(grid[1], "Yakopcic", sine[:1001], current)
    _label(grid[1], "The authors' subcircuit in LTspice", "V", "mA")
    _save(figure, folder / "figures.png")


def _label(ax: Axes, title: str, x: str, y: str) -> None:
    ax.set(title=title, xlabel=x, ylabel=y)
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")


def _save(figure: Figure, path: Path) -> None:
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=80)
    # 64 colours are plenty for lines and keep a committed picture near 30 kB.
    Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)
    plt.close(figure)
    print(path)


INTRODUCTION = """# Compact cell models

Written by `python bench/devices/plot.py`; the descriptions are the classes' own, `ohmloom_emulator.devices`.

Each model is a frozen dataclass of parameters with `pulse`, `current`, `conductance`, `state_of` and `waveform`
(`CellModel`), on arrays of any shape. Positive volts are SET everywhere. A pulse is solved for the time it takes from
state to state instead of being stepped through: nanoseconds and seconds cost the same, and no step can overshoot.

[Your own device](fit-device.md) fits them to measurements; [arrays for SPICE](export-spice.md) writes arrays of them.

![I-V loops](hysteresis.png)

Compliance, 2 mA and 0.1 mA, limits the positive halves of the two Stanford-PKU loops.

![Switching time](switching_time.png)

![Levels](multilevel.png)

![Windows](windows.png)

![Published loops](figures.png)

Dots: [read off](figures.csv) the drawings that VTEAM and Yakopcic are held to below.

## What each is held to

All in `tests/devices`; every model against solve_ivp of its equations as printed, and against the common properties of
memristors: pinched loops that close with frequency, monotone switching, one pulse equal to its two halves.

- **Stanford-PKU.** Slopes of ln t over voltage and 1/kT. The authors' release 1.0.0 prints HSPICE checklists: its DC
  RESET currents at three voltages are met within 0.4 %, of its 1.8 V SET the current at 23.2 ns. At 18.2 ns it prints
  1.31 mA where the equations give 2.12 mA; explicit steps of its 1 ns lag in that way. HfOx bilayer (2016, Table I,
  Figs. 6 and 8): SET voltage within 0.1 V and the ends of three RESET sweeps within 25 %, at a ramp of 1 us/V, which
  the paper does not state. *Not met:* between the ends, Fig. 8 is less steep in voltage than Table I's V0 allows.
- **Messaris.** Fig. 6: the ends of the six pulse trains within 1 %. Fig. 7 (b): rates. Two values differ from common
  copies: b is 2.81 in Table I (often 3), and r_n1 is printed ten times too large.
- **Linear drift.** Charge against flux in closed form; Joglekar's window against its hypergeometric integral; Strukov
  2008's i0, t0 and switching time; Biolek 2009, Fig. 5 (a): state, charge and current peaks within 5 %. *Not checked:*
  the loops of Strukov 2008, whose drive frequency is not given.
- **Windows.** Values at the ends, the middle and between, by the papers' formulas.
- **VTEAM.** Threshold power law, compliance levels. A later paper with VTEAM's first author, Biolek et al., IEEE Access 9,
  30242 (2021), Fig. 9: loops at 10, 100 and 1000 Hz and switching times within the steps of the drawing, 11 mV, 11 uA
  and 0.7 ms. Two things it leaves open are taken from the loops: the film's thickness, 10 nm (9 and 11 nm miss), and
  that they are the fourth period. *Not checked:* the figures of the 2015 paper, fits to other models.
- **Statistical.** Wan 2022's standard deviations after 1 s, 1 day and 2 days within 5 % over 1e5 cells. With two numbers of
  another technology (open measurements of Levy et al.), its spread from 10 ms to 1e5 s within 6 %; tails as heavy as
  measured there after 1e5 s. *Not met:* there the tails of the first second are heavier still (excess kurtosis of about
  4 instead of 1.5), and the mean falls by 1 to 2 uS in a day.
- **Yakopcic.** Exponential integrals beyond the knee. Formulas and parameters are those of the authors' SPICE
  subcircuit, and runs of it that others published are met: in Sandia's Xyce (Xyce_Regression) 20 pulses through 50 ohm
  within 1e-3, the error of its long steps; in LTspice (knowm/memristor-models-4-all, 2017) a loop within a pixel, 4 mV
  and 75 uA. *Not checked:* numbers and figures of the papers themselves, fits to measured devices.
"""


def page(models: Sequence[type[CompactCell]]) -> str:
    """The page: the introduction, then every model's docstring and defaults."""
    parts = [INTRODUCTION]
    for model in models:
        parts.append(f"## `{model.__name__}`\n\n{inspect.getdoc(model)}\n\n| parameter | default |\n|---|---|")
        parts += [f"| `{f.name}` | {f.default} |" for f in fields(model)]  # type: ignore[arg-type]
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for draw in (hysteresis, switching_time, multilevel, windows, figures):
        draw(target)
    (target / "devices.md").write_text(page([StanfordPKU, VTEAM, Messaris, LinearDrift, Yakopcic]))

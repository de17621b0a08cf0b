"""Draws docs/devices/fit.png: `ohmloom fit-device` on devices whose physics is another model's.

    python bench/devices/fit.py [folder]        (default docs/devices; needs matplotlib)

Eight Messaris cells that differ get RESET and SET trains, are read with noise, and are fitted with the statistical model.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ohmloom.cli.fit_picture import write_plot
from ohmloom_emulator.devices import CompactArrayCell, Messaris
from ohmloom_emulator.fit import fit_device

FOLDER = Path(__file__).parents[2] / "docs" / "devices"
DEVICES, ROUNDS, LENGTH = 8, 12, 3
SET_V, RESET_V, WIDTHS_S = (0.5, 1.2), (0.5, 1.0), (0.02, 0.2)


def measurements() -> str:
    """The CSV file of the experiment."""
    cells = CompactArrayCell(Messaris(), noise_max_siemens=100e-6, read_noise=0.005, cycle_noise=0.03, set_spread=0.01,
                             reset_spread=0.01, max_spread=0.02)  # fmt: skip
    rng, devices = np.random.default_rng(1), cells.device(1, 0, np.arange(DEVICES), 0, stuck=0.0)
    state, index = np.full(DEVICES, 70e-6), 0
    lines = ["device,pulse_index,volts,width_s,resistance_ohm", *(f"{k},0,,,{1 / g}" for k, g in enumerate(state))]
    for _ in range(ROUNDS):
        for sign, amplitudes in ((-1, RESET_V), (1, SET_V)):
            volts, width_s = sign * rng.uniform(*amplitudes, DEVICES), rng.choice(WIDTHS_S, DEVICES)
            for _ in range(LENGTH):
                index += 1
                state = cells.pulse(state, volts, width_s, device=devices, normals=rng.standard_normal(DEVICES))
                for step in (f"{index},{{}},{{}}", f"{index},,"):  # each state is read twice
                    read = state + cells.read_noise_siemens(state) * rng.standard_normal(DEVICES)
                    lines += [f"{k},{step.format(volts[k], width_s[k])},{1 / g}" for k, g in enumerate(read)]
    return "\n".join(lines) + "\n"


def main(folder: Path) -> None:
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "measurements.csv"
        path.write_text(measurements(), encoding="utf-8")
        fit = fit_device(path)
    write_plot(fit, folder / "fit.png")
    for name, entry in fit.report["parameters"].items():
        print(f"{name:28} {entry['value']:.4g} +- {entry['standard_error']:.2g}")
    print(fit.report["held_out"])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

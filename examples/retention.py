"""What a chip forgets: program a tile, let days pass, see how far the cells have drifted, refresh only those that need it, wait again.

    python examples/retention.py [URL [DAYS]]

On an emulated chip the days take no time; a board is really waited for.
"""

import sys

import numpy as np
from numpy.typing import NDArray

import ohmloom

url = sys.argv[1] if len(sys.argv) > 1 else "emu://bench-8x16?seed=1"
days = float(sys.argv[2]) if len(sys.argv) > 2 else 3.0
TILE = 0
TOLERANCE_SIEMENS = 2e-6


def show(when: str, error: NDArray[np.float64]) -> None:
    """How far cells are from their targets: the spread, the tail, and how many have left the tolerance."""
    size_us = 1e6 * np.abs(error)
    left = (size_us > 1e6 * TOLERANCE_SIEMENS).mean()
    print(f"{when:28} {1e6 * error.std():6.2f} {np.quantile(size_us, 0.99):6.2f} {size_us.max():6.2f} {left:8.1%}")


with ohmloom.connect(url) as chip:
    spec = chip.spec
    target = np.random.default_rng(0).uniform(
        spec.cell.g_min_siemens, spec.cell.g_max_siemens, (spec.rows, spec.columns)
    )
    # With the journal the controller itself keeps the targets, so that it can refresh them later, whoever asks.
    report = chip.program_conductance(TILE, target, TOLERANCE_SIEMENS, journal=True)
    works = report.converged
    print(
        f"{works.sum()} of {works.size} cells programmed within {1e6 * TOLERANCE_SIEMENS:g} uS, {report.pulses_per_cell:.1f} pulses each\n"
    )

    print(f"{'error in uS':28} {'std':>6} {'99 %':>6} {'worst':>6} {'outside':>8}")
    show("just programmed", (chip.read_conductance(TILE, samples=16) - target)[works])
    for turn in ("first", "second"):
        chip.wait(days * 86_400)
        show(f"{turn} time, after {days:g} days", (chip.read_conductance(TILE, samples=16) - target)[works])
        report = chip.refresh(TILE)
        show(f"refreshed {report.selected.sum()} cells", (chip.read_conductance(TILE, samples=16) - target)[works])
        print(
            f"  {report.pulses[report.selected].sum()} pulses, {report.converged_fraction:.0%} of the refreshed cells are back in place"
        )

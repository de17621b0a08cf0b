"""Write-verify policies on one fabric: pulses, time, energy, share converged, error after relaxation.

    python bench/policies/run.py --write

All policies program the same formed cells of tile 0 of the same emulated chip to the same targets, over the link.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import ohmloom
from ohmloom.spec import Policy, load_policy
from ohmloom_emulator.devices import Statistical

README = Path(__file__).with_name("README.md")
CHIP = "lab-128x128x4"
POLICIES = ("default", "radar", "neurram", "ispp", "fppv")
TOLERANCE_SIEMENS = 1e-6
DAY_S = 86400.0
READ_SAMPLES = 16  # of each error after relaxation: leaves a quarter of one read's noise
MORE_PASSES = (1, 2, 3)
GRIDS_V = (0.0, 0.04, 0.08, 0.16)

# Two bits a cell: the levels that Le, Levy et al. (2021) write, in ohm, from their open data; all cells start from the
# fourth. Scaled to this cell's range. The lowest in ohm is open there; here it ends at 1.2 times its conductance.
LEVELS_OHM = ((5000.0, 5000.0 / 1.2), (5770.0, 6010.0), (8510.0, 9310.0))
SCALE = 0.18
ERASED_SIEMENS = 1e-6
PUBLISHED = {"ispp": "21.8 / 11", "fppv": "17.0 / 8", "radar": "8.6 / 6"}

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Outcome:
    """Pulses and ends of the programmed cells; errors in siemens are those of the converged ones."""

    pulses: NDArray[np.int64]
    converged: Mask
    working: Mask  # not stuck
    rows: int
    seconds: float
    joules: float
    errors: tuple[Floats, ...] = ()  # at the verify, after 1 s, after 1 day


def prepared(chip: ohmloom.Chip, rows: int) -> Mask:
    """Calibrates the chip and forms the first rows of tile 0; where they are."""
    cells = np.zeros((chip.spec.rows, chip.spec.columns), dtype=np.bool_)
    cells[:rows] = True
    chip.calibrate(0)
    chip.form(0, cells)
    return cells


def working(cells: Mask, seed: int) -> Mask:
    rows, columns = np.nonzero(cells)
    return np.asarray(Statistical().device(seed, 0, rows, columns).stuck == 0)


def program(
    policy: str | Policy,
    rows: int,
    seed: int,
    *,
    chip_name: str = CHIP,
    tolerance_siemens: float = TOLERANCE_SIEMENS,
    more_passes: int = 0,
    relax: bool = False,
) -> Outcome:
    """Programs targets uniform in 1..40 uS, again `more_passes` times after 1 s each; `relax`: a day passes."""
    with ohmloom.connect(f"emu://{chip_name}", seed=seed) as chip:
        cells = prepared(chip, rows)
        target = np.where(cells, np.random.default_rng(seed).uniform(1e-6, 40e-6, cells.shape), np.nan)
        joules, seconds = chip.energy_j, chip.fabric_time_s
        report = chip.program_conductance(0, target, tolerance_siemens, policy=policy, form=False)
        pulses = report.pulses[cells]
        for _ in range(more_passes):
            chip.advance(1.0)
            report = chip.program_conductance(0, target, tolerance_siemens, form=False)
            pulses = pulses + report.pulses[cells]
        joules, seconds = chip.energy_j - joules, chip.fabric_time_s - seconds - more_passes * 1.0
        errors = [(report.conductance - target)[report.converged]]
        for wait_s in (1.0, DAY_S - 1.0) if relax else ():
            chip.advance(wait_s)
            errors.append((chip.read_conductance(0, samples=READ_SAMPLES) - target)[report.converged])
        return Outcome(
            pulses, report.converged[cells], working(cells, seed), rows, seconds, joules, tuple(errors)
        )


def two_bits(policy: str | Policy, rows: int, seed: int) -> Outcome:
    """Programs erased cells to the levels of `LEVELS_OHM`, a third of the cells each, level by level."""
    with ohmloom.connect(f"emu://{CHIP}", seed=seed) as chip:
        cells = prepared(chip, rows)
        chip.program_conductance(0, np.where(cells, ERASED_SIEMENS, np.nan), policy="default", form=False)
        level = np.random.default_rng(seed).integers(len(LEVELS_OHM), size=cells.shape)
        pulses, converged = np.zeros(cells.shape, np.int64), np.zeros(cells.shape, np.bool_)
        joules, seconds = chip.energy_j, chip.fabric_time_s
        for number, ohms in enumerate(LEVELS_OHM):
            low, high = sorted(SCALE / ohm for ohm in ohms)
            target = np.where(cells & (level == number), (low + high) / 2, np.nan)
            report = chip.program_conductance(0, target, (high - low) / 2, policy=policy, form=False)
            pulses += report.pulses
            converged |= report.converged
        joules, seconds = chip.energy_j - joules, chip.fabric_time_s - seconds
        return Outcome(pulses[cells], converged[cells], working(cells, seed), rows, seconds, joules)


COUNTS = ["policy", "pulses: mean", "median", "95th", "converged", "of working cells"]
COSTS = ["ms a row", "us a cell", "nJ a cell"]
ERRORS = ["at verify", "1 s", "1 day"]


def counts(outcome: Outcome) -> list[str]:
    p, converged = outcome.pulses, outcome.converged
    shares = [f"{converged.mean():.2%}", f"{converged[outcome.working].mean():.2%}"]
    return [f"{p.mean():.2f}", f"{np.median(p):.0f}", f"{np.percentile(p, 95):.0f}", *shares]


def costs(outcome: Outcome) -> list[str]:
    cells = len(outcome.pulses)
    row_ms, cell_us = 1e3 * outcome.seconds / outcome.rows, 1e6 * outcome.seconds / cells
    return [f"{row_ms:.2f}", f"{cell_us:.1f}", f"{1e9 * outcome.joules / cells:.0f}"]


def errors(outcome: Outcome) -> list[str]:
    return [f"{1e6 * values.std():.2f}" for values in outcome.errors]


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def analog_table(rows: int, seed: int) -> str:
    outcomes = {name: program(name, rows, seed, relax=True) for name in POLICIES}
    return table(
        [*COUNTS, *COSTS, *ERRORS], ([name, *counts(o), *costs(o), *errors(o)] for name, o in outcomes.items())
    )


def passes_table(rows: int, seed: int) -> str:
    lines = []
    for name in ("default", "neurram"):
        for more in (0, *MORE_PASSES):
            outcome = program(name, rows, seed, more_passes=more, relax=True)
            mean, _, _, converged, _ = counts(outcome)
            lines.append([name, str(more), mean, converged, *costs(outcome), *errors(outcome)[1:]])
    return table(["policy", "passes more", "pulses: mean", "converged", *COSTS, *ERRORS[1:]], lines)


def levels_table(rows: int, seed: int) -> str:
    outcomes = {name: two_bits(name, rows, seed) for name in POLICIES}
    return table(
        [*COUNTS, *COSTS, "published: mean / median"],
        ([name, *counts(o), *costs(o), PUBLISHED.get(name, "")] for name, o in outcomes.items()),
    )


def grid_table(rows: int, seed: int) -> str:
    default = load_policy("default")
    outcomes = {volts: program(default.model_copy(update={"grid_v": volts}), rows, seed) for volts in GRIDS_V}
    lines = ([f"{volts:g}", *counts(o), *costs(o)] for volts, o in outcomes.items())
    return table(["grid_v", *COUNTS[1:], *COSTS], lines)


def text(rows: int, seed: int) -> str:
    sections = [
        "# Write-verify policies",
        f"    python bench/policies/run.py --rows {rows} --seed {seed} --write",
        f"""Chip `{CHIP}`, tile 0, {rows} rows of 128 cells, over the link; the same formed cells and targets for all.
        Time and energy are the fabric's, all causes together. Energy is mostly the front end's quiescent power
        during the verify reads, of which a row takes as many as its slowest cell. The policies and their sources
        are in `host/ohmloom/spec/policies`; `bench/policies/sweep.py` shows how the published ones got their free
        numbers.""",
        f"## Analog targets, 1 to 40 uS, tolerance {1e6 * TOLERANCE_SIEMENS:g} uS",
        """Errors are standard deviations of the converged cells, in uS: at the verify that passed them, its noise
        included; 1 s and 1 day after the last row.""",
        analog_table(rows, seed),
        """Published, on its own cells: NeuRRAM about 8.5 pulses a cell, about 99 % converged (Wan et al., Nature 608
        (2022)).""",
        "## More passes after relaxation",
        """`Chip.program_conductance` called again 1 s after the last pass: cells that have left the tolerance are
        written once more, the others keep their age. Pulses, time and energy are sums over all passes, without the
        waiting; errors count from the last pass. A cell's share of the spread is fixed by its last write in this
        cell model, so that passes pick writes that stay; where a real cell's later drift is less tied to its first,
        they bring less. The mean of the relaxation is zero here: shifting targets against it would bring nothing.""",
        passes_table(rows, seed),
        "## Two bits a cell",
        f"""From erased cells to the levels of Le, Levy et al., RADAR, IEEE Trans. Electron Devices 68 (2021): 5.00 kohm
        and less, 5.77 to 6.01, 8.51 to 9.31; conductances scaled by {SCALE:g} to this cell's range. The erased
        level does not count, as it does not there. What differs: their amplitudes are word-line steps, which limit
        the current, ours are the bit line's; their `fppv` erases after every miss, ours after an overshoot only;
        the spread of their cells is not that of ours. So compare the ratios (published means: `ispp` 2.5 and `fppv`
        2.0 times `radar`), not the counts.""",
        levels_table(rows, seed),
        "## The grid of amplitudes",
        """`default` with other distances: each distinct amplitude of a round costs the rails' settling, so that cells
        that share one save time.""",
        grid_table(rows, seed),
    ]
    prose = (part if part[0] in "#| " else fill(" ".join(part.split()), 120) for part in sections)
    return "\n\n".join(prose) + "\n"


def main(
    rows: Annotated[int, typer.Option(min=1, max=128, help="Rows of 128 cells to program.")] = 64,
    seed: Annotated[int, typer.Option(help="Which chip.")] = 1,
    write: Annotated[bool, typer.Option("--write", help=f"Also write {README.name} beside this file.")] = False,
) -> None:
    """Print tables of the write-verify policies, all on the same cells."""
    result = text(rows, seed)
    print(result)
    if write:
        README.write_text(result)


if __name__ == "__main__":
    typer.run(main)

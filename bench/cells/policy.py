"""Write-verify by a table: the amplitude of a pulse from direction, |error| and present conductance.

    python bench/cells/policy.py [cells] [seed]

After each read, a cell that needs the same direction again gets `step_v` of its error bucket more. A cell that starts
or turns gets `first_v` of its error bucket plus `level_v` of its conductance bucket, less `backoff_v` for each reversal
so far: without that, a cell of low thresholds is thrown over its target from both sides for ever. Pulses lie on a grid
of amplitudes, below the amplitude that is kept. Compares NeuRRAM's policy with the table that the mean response of the
cell gives, on single cells; prints that table, which is the `default` policy's. `bench/policies` has whole rows.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from neurram import TOLERANCE_SIEMENS, Cells, targets
from numpy.typing import NDArray

from ohmloom_emulator.devices import Statistical

Floats = NDArray[np.float64]
SET, RESET = 0, 1
SIGNS = (1.0, -1.0)

# Upper edges of the buckets; the last bucket is open. Half octaves near the target, so that the steps shrink with the
# error; above 8 uS no wider than the spread of the cells' thresholds.
ERROR_EDGES = 1e-6 * np.array([1.5, 2, 3, 4, 6, 8, 11, 14, 17, 20, 24, 28, 32])
CONDUCTANCE_EDGES = 1e-6 * np.arange(5, 40, 5)
ERROR_MIDDLES = 1e-6 * np.array([1.25, 1.75, 2.5, 3.5, 5, 7, 9.5, 12.5, 15.5, 18.5, 22, 26, 30, 34])
CONDUCTANCE_MIDDLES = 1e-6 * np.arange(2.5, 40, 5)
GRID_V = 64 * 5.0 / 4096  # 64 codes of the rail DAC


@dataclass(frozen=True)
class Policy:
    first_v: Floats  # [direction, error bucket]
    level_v: Floats  # [direction, conductance bucket]
    step_v: Floats  # [direction, error bucket]
    backoff_v: float = 0.02
    grid_v: float = GRID_V
    max_backoffs: int = 8
    top_v: tuple[float, float] = (4.0, 4.0)
    gate_v: tuple[float, float] = (4.0, 5.0)
    seconds: float = 1e-6
    max_pulses: int = 60
    max_reversals: int = 50
    max_top_pulses: int = 3


@dataclass(frozen=True)
class Outcome:
    converged: NDArray[np.bool_]
    pulses: NDArray[np.int64]
    reversals: NDArray[np.int64]


def neurram() -> Policy:
    errors, levels = len(ERROR_MIDDLES), len(CONDUCTANCE_MIDDLES)
    return Policy(
        first_v=np.full((2, errors), 1.2),
        level_v=np.zeros((2, levels)),
        step_v=np.full((2, errors), 0.1),
        backoff_v=0.0,
        grid_v=0.0,
        gate_v=(3.0, 5.0),
        max_pulses=10_000,
        max_top_pulses=30,
    )


def needed_v(model: Statistical, direction: int, g: Floats, change: Floats) -> Floats:
    """Amplitude of the 1 us pulse that moves the mean cell from `g` by |`change`|; to 1 mV, 4 V at most."""
    volts = np.linspace(0.0, 4.0, 4001)[:, None]
    sign = SIGNS[direction]
    moved = sign * (model.pulse(g, np.broadcast_to(sign * volts, (4001, len(g))), 1e-6) - g)
    return np.asarray(np.minimum((moved < change).sum(axis=0), 4000) / 1000.0)


def from_mean_response(model: Statistical) -> Policy:
    """Aims a little short of the target, as turning back costs more than one more step; amplitudes to 10 mV.

    First amplitudes are up by half the grid, as pulses are rounded down to it.
    """
    first, level, step = [], [], []
    for direction, start in ((SET, 2.5e-6), (RESET, 37.5e-6)):
        aim = np.maximum(0.95 * ERROR_MIDDLES - 0.4e-6, 0.1e-6)
        reference = needed_v(model, direction, np.full(len(aim), start), aim)
        across = needed_v(model, direction, CONDUCTANCE_MIDDLES, np.full(len(CONDUCTANCE_MIDDLES), 1e-6))
        # The level line is straight, so that the two tables add up; RESET below 1 uS has no answer of its own.
        slope = np.polyfit(CONDUCTANCE_MIDDLES[1:], across[1:], 1)[0]
        first.append(reference + GRID_V / 2)
        level.append(slope * (CONDUCTANCE_MIDDLES - start))
        step.append(np.maximum(0.75 * ERROR_MIDDLES - 0.7e-6, 0.45e-6) * abs(slope))
    return Policy(np.round(first, 2), np.round(level, 2) + 0.0, np.round(step, 2))


def program(cells: Cells, target: Floats, policy: Policy) -> Outcome:
    count = len(target)
    converged = np.zeros(count, dtype=np.bool_)
    pulses, reversals, at_top = np.zeros((3, count), dtype=np.int64)
    direction = np.full(count, -1)
    volts = np.zeros(count)
    active = np.arange(count)
    top_v = np.array(policy.top_v)
    while active.size:
        read = cells.read(active)
        error = target[active] - read
        done = np.abs(error) <= TOLERANCE_SIEMENS
        converged[active[done]] = True
        active, error, read = active[~done], error[~done], read[~done]
        wanted = np.where(error > 0, SET, RESET)
        again = wanted == direction[active]
        reversals[active] += (direction[active] >= 0) & ~again
        bucket = np.searchsorted(ERROR_EDGES, np.abs(error), side="right")
        level = np.searchsorted(CONDUCTANCE_EDGES, read, side="right")
        backoff = policy.backoff_v * np.minimum(reversals[active], policy.max_backoffs)
        first = policy.first_v[wanted, bucket] + policy.level_v[wanted, level] - backoff
        more = volts[active] + policy.step_v[wanted, bucket]
        volts[active] = np.minimum(np.where(again, more, first), top_v[wanted])
        at_top[active] += volts[active] > top_v[wanted] - 1e-9
        direction[active] = wanted
        active = active[
            (reversals[active] <= policy.max_reversals)
            & (at_top[active] <= policy.max_top_pulses)
            & (pulses[active] < policy.max_pulses)
        ]
        for chosen_direction, sign in enumerate(SIGNS):
            chosen = active[direction[active] == chosen_direction]
            applied = np.floor(volts[chosen] / policy.grid_v) * policy.grid_v if policy.grid_v else volts[chosen]
            cells.pulse(chosen, sign * applied, policy.seconds, gate_v=policy.gate_v[chosen_direction])
        pulses[active] += 1
    return Outcome(converged, pulses, reversals)


def main(count: int = 50_000, seed: int = 1) -> None:
    model = Statistical()
    ours = from_mean_response(model)
    for name, policy in (("NeuRRAM", neurram()), ("mean response", ours)):
        cells = Cells.formed(model, count, seed)
        working = cells.device.stuck == 0
        outcome = program(cells, targets(count, seed), policy)
        middle, tail, end = np.percentile(outcome.pulses, (50, 95, 99.5))
        print(
            f"{name:14} pulses: mean {outcome.pulses.mean():.2f} median {middle:.0f} 95th {tail:.0f} 99.5th {end:.0f};"
            f" reversals {outcome.reversals.mean():.2f}; converged {outcome.converged.mean():.3%}"
            f" (working cells {outcome.converged[working].mean():.3%})"
        )
    for direction, key in ((SET, "set"), (RESET, "reset")):
        print(f"\n[{key}]")
        for name in ("first_v", "level_v", "step_v"):
            print(f"{name} = [{', '.join(f'{v:.2f}' for v in getattr(ours, name)[direction])}]")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

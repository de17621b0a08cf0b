"""NeuRRAM's published programming policy on the default cell: pulses a cell and share converged.

    python bench/cells/neurram.py [cells]

Wan et al., Nature 608 (2022): cells are formed (WL 1.5 V, BL 4.2 -> 4.5 V, 1 ms), then written to targets uniform in
1..40 uS with +-1 uS: one read and one 1 us pulse at a time, SET with WL 3.0 V and RESET with WL 5.0 V, both from 1.2 V
to 4.0 V in steps of 0.1 V, from 1.2 V again after each reversal; at most 50 reversals and 30 pulses at top voltage.
Published: about 8.5 pulses a cell, about 99 % converge.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom_emulator.devices import Devices, Statistical
from ohmloom_emulator.rng import Stream, normal

TOLERANCE_SIEMENS = 1e-6


@dataclass
class Cells:
    """A population of cells, pulsed and read with noise keyed by cell and count."""

    model: Statistical
    device: Devices
    seed: int
    g: NDArray[np.float64]
    pulses: NDArray[np.int64]
    reads: NDArray[np.int64]

    @classmethod
    def formed(cls, model: Statistical, count: int, seed: int) -> Cells:
        """Fresh cells after the published forming, checked after each pulse."""
        device = model.device(seed, 0, 0, np.arange(count))
        cells = cls(model, device, seed, device.initial_siemens.copy(), *np.zeros((2, count), dtype=np.int64))
        for volts in (4.2, 4.3, 4.4, 4.5):
            cells.pulse(np.flatnonzero(cells.g < model.formed_siemens), volts, 1e-3, gate_v=1.5)
        return cells

    def pulse(self, index: NDArray[np.intp], volts: object, seconds: float, *, gate_v: float) -> None:
        noise = normal(self.seed, Stream.CYCLE, 0, 0, index, self.pulses[index])
        self.g[index] = self.model.pulse(
            self.g[index], np.asarray(volts), seconds, device=self.device[index], normals=noise, gate_v=gate_v
        )
        self.pulses[index] += 1

    def read(self, index: NDArray[np.intp]) -> NDArray[np.float64]:
        noise = normal(self.seed, Stream.READ_NOISE, 0, 0, index, self.reads[index])
        self.reads[index] += 1
        return np.asarray(self.g[index] + self.model.read_noise_siemens(self.g[index]) * noise)


def targets(count: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).uniform(1e-6, 40e-6, count)


def program(
    cells: Cells, target: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Run the policy; (converged, pulses, reversals) a cell."""
    count = len(target)
    converged = np.zeros(count, dtype=np.bool_)
    pulses, reversals, at_top, direction = np.zeros((4, count), dtype=np.int64)
    step = np.zeros(count, dtype=np.int64)  # amplitude is 1.2 V + step * 0.1 V
    active = np.arange(count)
    while active.size:
        error = target[active] - cells.read(active)
        done = np.abs(error) <= TOLERANCE_SIEMENS
        converged[active[done]] = True
        active, error = active[~done], error[~done]
        wanted = np.where(error > 0, 1, -1)
        turned = wanted == -direction[active]
        reversals[active] += turned
        step[active] = np.where(wanted == direction[active], np.minimum(step[active] + 1, 28), 0)
        direction[active] = wanted
        at_top[active] += step[active] == 28
        alive = (reversals[active] <= 50) & (at_top[active] <= 30)
        active = active[alive]
        for sign, gate_v in ((1, 3.0), (-1, 5.0)):
            chosen = active[direction[active] == sign]
            cells.pulse(chosen, sign * (1.2 + 0.1 * step[chosen]), 1e-6, gate_v=gate_v)
        pulses[active] += 1
    return converged, pulses, reversals


def main(count: int = 50_000, seed: int = 1) -> None:
    cells = Cells.formed(Statistical(), count, seed)
    working = cells.device.stuck == 0
    formed = cells.g[working] * 1e6
    print(f"formed: {np.mean(formed > 0.2):.4%} of working cells, {formed.mean():.1f} +- {formed.std():.1f} uS")
    converged, pulses, reversals = program(cells, targets(count, seed))
    print(f"pulses: mean {pulses.mean():.2f} median {np.median(pulses):.0f} 95th {np.percentile(pulses, 95):.0f}")
    print(f"converged: {converged.mean():.3%} (working cells {converged[working].mean():.3%})")
    print(f"reversals: mean {reversals.mean():.2f} 95th {np.percentile(reversals, 95):.0f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

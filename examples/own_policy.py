"""A write-verify policy of your own against the bundled ones: pulses, cells that converged, time and energy, on the same cells.

    python examples/own_policy.py [URL]

Change own_policy.toml and run again; docs/reference/policies.md says what its keys do.
"""

import sys
from pathlib import Path

import numpy as np

import ohmloom

url = sys.argv[1] if len(sys.argv) > 1 else "emu://bench-8x16?seed=1"
POLICIES = {"own_policy": Path(__file__).with_name("own_policy.toml"), "default": "default", "neurram": "neurram"}
TILE, ROUNDS = 0, 4
TOLERANCE_SIEMENS = 1e-6

with ohmloom.connect(url) as chip:
    spec = chip.spec
    rng = np.random.default_rng(0)
    targets = rng.uniform(spec.cell.g_min_siemens, spec.cell.g_max_siemens, (ROUNDS, spec.rows, spec.columns))
    emulated = chip.emulated  # only emulated fabrics have meters
    chip.form(TILE)  # once, so that no policy pays for it

    print(f"{targets.size} cells to random targets within {1e6 * TOLERANCE_SIEMENS:g} uS")
    print(f"{'policy':12} {'pulses':>8} {'converged':>10}" + (f" {'ms':>8} {'uJ':>8}" if emulated else ""))
    for name, policy in POLICIES.items():
        with chip.using_policy(policy):  # afterwards the chip has its own again
            # The same start for all.
            chip.program_conductance(TILE, np.full((spec.rows, spec.columns), spec.cell.g_min_siemens))
            before = (chip.fabric_time_s, chip.energy_j) if emulated else (0.0, 0.0)
            reports = [chip.program_conductance(TILE, target, TOLERANCE_SIEMENS) for target in targets]
        pulses = np.mean([report.pulses_per_cell for report in reports])
        converged = np.mean([report.converged_fraction for report in reports])
        line = f"{name:12} {pulses:8.2f} {converged:10.2%}"
        if emulated:
            line += f" {1e3 * (chip.fabric_time_s - before[0]):8.1f} {1e6 * (chip.energy_j - before[1]):8.1f}"
        print(line)

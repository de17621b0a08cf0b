"""How fast the twin starts and runs: seconds to the first answer, simulated cycles a second, and its time over the fabric's.

    python bench/twin/run.py [--chip bench-8x16] [--cold]

Seconds are those of the processor, so that what else runs on the machine matters little; of starts, those of the clock as well.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import cProfile
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

import ohmloom

START = "import ohmloom; ohmloom.connect('rtl://{chip}').info()"
IDLE_CYCLES = 1_000_000


def seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    began = time.process_time()
    work()
    return time.process_time() - began


def start(chip: str, cache: str | None) -> tuple[float, float]:
    """Seconds of a process of its own from its start to the first answer: by the clock, and of the processor."""
    environment = {**os.environ, **({"OHMLOOM_CACHE": cache} if cache else {})}
    wall, cpu = time.perf_counter(), _children_s()
    subprocess.run([sys.executable, "-c", START.format(chip=chip)], env=environment, check=True)
    return time.perf_counter() - wall, _children_s() - cpu


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def python_share(work: Callable[[], object]) -> float:
    """Share of the time that is not spent in the compiled gateware."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats = pstats.Stats(profile)
    rows = stats.stats.items()  # type: ignore[attr-defined]
    feed = next(row for (file, _, name), row in rows if name == "feed" and file.endswith("ohmloom_twin/twin.py"))
    return 1 - feed[2] / stats.total_tt  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chip", default="bench-8x16")
    parser.add_argument("--cold", action="store_true", help="compile anew, in a cache that is thrown away")
    chosen = parser.parse_args()
    if chosen.cold:
        with tempfile.TemporaryDirectory() as cache:
            wall, cpu = start(chosen.chip, cache)
            print(f"first start: {wall:.1f} s, {cpu:.1f} s of the processor")
    start(chosen.chip, None)
    wall, cpu = min(start(chosen.chip, None) for _ in range(3))
    print(f"later starts: {wall:.2f} s to the first answer, {cpu:.2f} s of the processor, python's own start included")

    chip = ohmloom.connect(f"rtl://{chosen.chip}", seed=1)
    spec = chip.spec
    twin = chip._session._wire._port.board.twin  # type: ignore[attr-defined]
    before = twin.cycles
    cpu = seconds(
        lambda: twin._library.twin_feed(
            twin._handle, b"", 0, spec.link.baud_max, IDLE_CYCLES, twin._received.ctypes.data, 0
        )
    )
    print(f"idle: {(twin.cycles - before) / cpu / 1e6:.2f} million cycles a second")
    rng = np.random.default_rng(0)
    codes = rng.integers(-spec.read_clamp, spec.read_clamp + 1, (200, spec.rows))
    mask = np.zeros((spec.rows, spec.columns), bool)
    mask[0] = True
    target = np.where(mask, np.linspace(5e-6, 35e-6, spec.columns), np.nan)
    jobs: dict[str, Callable[[], object]] = {
        "200 MVMs": lambda: chip.mvm(0, codes),
        "calibration of a tile": lambda: chip.calibrate(0),
        "forming of a row": lambda: chip.form(0, mask),
        "programming of a row": lambda: chip.program_conductance(0, target, form=False),
        "reading of a tile": lambda: chip.read_conductance(0),
    }
    print("| job | million cycles | million cycles/s | time / fabric time | Python and fabric |\n|---|---|---|---|---|")
    for name, job in jobs.items():
        cycles, fabric_s = twin.cycles, chip.fabric_time_s
        cpu = seconds(job)
        cycles, fabric_s = twin.cycles - cycles, chip.fabric_time_s - fabric_s
        share = python_share(job)
        print(f"| {name} | {cycles / 1e6:.2f} | {cycles / cpu / 1e6:.2f} | {cpu / fabric_s:.0f} | {share:.0%} |")
    chip.close()


if __name__ == "__main__":
    main()

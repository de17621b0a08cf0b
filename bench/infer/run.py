"""Vectors a second of `Chip.infer` and `Chip.mvm` on the emulator, and where the time goes: frames, fabric, controller, host.

python bench/infer/run.py [--vectors 20000] [--chip lab-128x128x4]
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import cProfile
import itertools
import pstats
import statistics
import time
from collections.abc import Callable

import numpy as np

import ohmloom

SHARES = {
    "frames": ("/link/", "binascii", "cobs", "/receiver.py", "/layout.py", "/endpoint/"),
    "fabric": ("/fabric.py", "/array/", "/afe/", "/rng.py", "/devices/"),
    "controller": ("/controller/", "/arithmetic.py", "/memories.py"),
}


def network(spec: ohmloom.ChipSpec, X: np.ndarray, widths: tuple[int, ...]) -> ohmloom.Network:
    rng = np.random.default_rng(0)
    layers = [
        ohmloom.Layer(rng.normal(size=(n, m)) / np.sqrt(n), np.zeros(m), "none" if index == len(widths) - 2 else "relu")
        for index, (n, m) in enumerate(itertools.pairwise(widths))
    ]
    return ohmloom.compile(ohmloom.Model(tuple(layers), "regression"), spec, X)


def shares(job: Callable[[], object]) -> dict[str, float]:
    """Share of the profiled time by room; built-in functions count where they are called from."""
    profile = cProfile.Profile()
    profile.runcall(job)
    times = dict.fromkeys([*SHARES, "host"], 0.0)

    def room(path: str) -> str | None:
        return next(
            (name for name, marks in SHARES.items() if any(mark in path for mark in marks)),
            "host" if "/ohmloom/" in path else None,
        )

    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (path, _, _), (_, _, own, _, callers) in stats.items():
        if (mine := room(path)) is not None:
            times[mine] += own
            continue
        for (caller, _, _), (_, _, part, _) in callers.items():
            times[room(caller) or "host"] += part
    total = sum(times.values())
    return {name: value / total for name, value in times.items()}


def rate(job: Callable[[], object], vectors: int) -> float:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return vectors / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=20_000)
    parser.add_argument("--chip", default="lab-128x128x4")
    arguments = parser.parse_args()
    spec = ohmloom.load_chip(arguments.chip)
    widths = (64, 32, 10) if spec.rows >= 64 else (4, 8, 2)
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 1, (arguments.vectors, widths[0]))
    codes = rng.integers(-spec.read_clamp, spec.read_clamp + 1, (arguments.vectors, spec.rows))
    with ohmloom.connect(f"emu://{arguments.chip}") as chip:
        chip.program(network(spec, X[:500], widths))
        chip.advance(1)
        print(f"{arguments.chip}, {arguments.vectors} vectors, one thread, median of 5\n")
        print("| job | vectors/s | fabric time a vector | wall / fabric time | frames | fabric | controller | host |")
        print("|---|---|---|---|---|---|---|---|")
        jobs: dict[str, Callable[[], object]] = {
            f"infer {'-'.join(map(str, widths))}": lambda: chip.infer(X),
            f"mvm {spec.rows}x{spec.columns}": lambda: chip.mvm(0, codes),
        }
        for name, job in jobs.items():
            job()
            before = chip.fabric_time_s
            vectors_s = rate(job, arguments.vectors)
            fabric_s = (chip.fabric_time_s - before) / 5 / arguments.vectors
            part = shares(job)
            print(
                f"| {name} | {vectors_s:,.0f} | {fabric_s * 1e6:.1f} us | {1 / (vectors_s * fabric_s):.2f} | "
                + " | ".join(f"{part[key]:.0%}" for key in ("frames", "fabric", "controller", "host"))
                + " |"
            )


if __name__ == "__main__":
    main()

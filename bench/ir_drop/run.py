"""Times the exact IR-drop solver against scipy's sparse LU, plain matrix products and badcrossbar."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy loads its BLAS
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import math
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import scipy
import typer
from contestants import ORDERINGS, WIRES, Array, Nodal, badcrossbar, badcrossbar_is_installed

from ohmloom_emulator.array import Crossbar, half_select, solve_nonlinear

README = Path(__file__).with_name("README.md")
BATCHES = (1, 100, 1024)
ALPHAS = (1.0, 3.0, 10.0)  # 1/V, of sinh cells
TOO_LONG, FAILED = math.inf, math.nan  # in place of a time


def seconds(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def interleaved(jobs: Sequence[Callable[[], float]], repeats: int, budget_s: float) -> list[list[float]]:
    """Times of each job, taken in turn; a job that has used up its budget is not repeated."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(repeats):
        for job, taken in zip(jobs, times, strict=True):
            if sum(taken) < budget_s:
                taken.append(job())
    return times


def example(n: int, batch: int) -> tuple[Array, Array]:
    """Conductances (n, n) of 1 to 40 uS and voltages (batch, n) of up to 0.2 V."""
    rng = np.random.default_rng(n)
    return rng.uniform(1e-6, 40e-6, (n, n)), rng.uniform(-0.2, 0.2, (batch, n))


def transfer(g: Array) -> Array:
    return Crossbar(g, **WIRES).transfer


def currents(g: Array, v: Array) -> Array:
    return Crossbar(g, **WIRES).currents(v)


def one_off(n: int, repeats: int, budget_s: float) -> list[str]:
    """Transfer matrix against one factorisation with the ordering that is fastest at this size."""
    g, _ = example(n, 1)
    nodal = Nodal(g)
    best = fastest_ordering(nodal)
    jobs = [partial(seconds, partial(transfer, g)), partial(seconds, partial(nodal.factor, best))]
    ours, splu = interleaved(jobs, repeats, budget_s)
    return [str(n), ms(ours), ms(splu), f"{median(ours) / median(splu):.2f}", best]


def fastest_ordering(nodal: Nodal) -> str:
    trial = {ordering: seconds(partial(nodal.factor, ordering)) for ordering in ORDERINGS}
    return min(trial, key=trial.__getitem__)


def gemm(n: int, repeats: int) -> list[str]:
    """A batch through the transfer matrix against the plain product of the same shape."""
    g, v = example(n, 1024)
    crossbar = Crossbar(g, **WIRES)
    crossbar.currents(v)
    jobs = [partial(seconds, partial(crossbar.currents, v)), partial(seconds, partial(np.matmul, v, g))]
    ours, plain = interleaved(jobs, 10 * repeats, budget_s=60.0)
    return [str(n), ms(ours), ms(plain), f"{median(ours) / median(plain):.2f}"]


def mvm(n: int, batch: int, repeats: int, budget_s: float, limit_s: float) -> list[str]:
    """From conductances to currents, the results compared."""
    g, v = example(n, batch)
    nodal, expected = Nodal(g), currents(g, v)
    ordering = fastest_ordering(nodal)
    differences = []

    def compare(result: Array) -> None:
        differences.append(float(abs(result - expected).max() / abs(expected).max()))

    def by_scipy() -> float:
        start = time.perf_counter()
        result = nodal.currents(ordering, v)
        taken = time.perf_counter() - start
        compare(result)
        return taken

    def by_badcrossbar() -> float:
        try:
            taken, result = badcrossbar(g, v, limit_s)
        except TimeoutError:
            return TOO_LONG
        except ChildProcessError:
            return FAILED
        compare(result)
        return taken

    jobs: list[Callable[[], float]] = [partial(seconds, partial(currents, g, v)), by_scipy]
    if badcrossbar_is_installed():
        jobs.append(by_badcrossbar)
    ours, splu, *bad = (ms(times, limit_s) for times in interleaved(jobs, repeats, budget_s))
    return [str(n), str(batch), ours, splu, *(bad or ["not installed"]), f"{max(differences):.0e}"]


def nonlinear(n: int, alpha: float, repeats: int, budget_s: float) -> list[str]:
    """A passive array of cells g/alpha sinh(alpha v), one of them selected with 1 V and the V/2 scheme."""
    g, _ = example(n, 1)
    v_rows, v_columns = half_select(n, n, n // 2, n // 2, 1.0, "V/2")

    def current(v: Array) -> Array:
        return g / alpha * np.sinh(alpha * v)

    solve = partial(solve_nonlinear, current, v_rows, v_columns, **WIRES)
    solution = solve()
    (times,) = interleaved([partial(seconds, solve)], repeats, budget_s)
    return [str(n), f"{alpha:g}", str(solution.steps), str(solution.factorisations), ms(times)]


def ms(times: list[float], limit_s: float = math.inf) -> str:
    if any(map(math.isnan, times)):
        return "failed"
    if TOO_LONG in times:
        return f"more than {1e3 * limit_s:.4g}"
    return f"{1e3 * median(times):.4g}" + (f" (x{len(times)})" if len(times) < 3 else "")


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, ["---:"] * len(header), *rows))


def main(
    sizes: Annotated[str, typer.Option(help="Rows (= columns) of the arrays, separated by commas.")] = "64,128,256,512",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of which the median is reported.")] = 5,
    budget: Annotated[float, typer.Option(help="Seconds after which one contestant is not repeated.")] = 30.0,
    limit: Annotated[float, typer.Option(help="Seconds that badcrossbar may take.")] = 60.0,
    write: Annotated[bool, typer.Option("--write", help=f"Also write {README.name} beside this file.")] = False,
) -> None:
    """Print tables of the IR-drop solver's speed, on one thread, medians of interleaved runs."""
    numbers = [int(size) for size in sizes.split(",")]
    sections = [
        "# IR drop: speed of the exact solver",
        "    python bench/ir_drop/run.py --write",
        f"One BLAS thread; medians of up to {repeats} interleaved runs (x1, x2: that few within {budget:.0f} s).\n"
        f"{processor()}; Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}.",
        "## One-off cost of an n x n array",
        "Transfer matrix, against one sparse LU factorisation of the nodal matrix, without any solve.",
        table(
            ["n", "transfer, ms", "one splu, ms", "ratio", "fastest ordering"],
            (one_off(n, repeats, budget) for n in numbers),
        ),
        "## 1,024 vectors",
        "The transfer matrix is there already; checks of the input are included.",
        table(["n", "with IR drop, ms", "plain GEMM, ms", "ratio"], (gemm(n, repeats) for n in numbers)),
        "## Conductances to currents, one-off cost included",
        "scipy solves for as many right-hand sides as there are vectors or rows, whichever is less. badcrossbar\n"
        f"(PyPI) computes output currents only, and is ended where that takes more than {limit:g} s. The last column\n"
        "compares all results, relative to the largest current.",
        table(
            ["n", "batch", "ohmloom, ms", "scipy splu + solves, ms", "badcrossbar, ms", "largest difference"],
            (mvm(n, batch, repeats, budget, limit) for n in numbers for batch in BATCHES),
        ),
        "## Non-linear cells",
        "A passive array of cells g/alpha sinh(alpha v), one of them selected with 1 V by the V/2 scheme.",
        table(
            ["n", "alpha, 1/V", "steps", "factorisations", "ms"],
            (nonlinear(n, alpha, repeats, budget) for n in numbers for alpha in ALPHAS),
        ),
    ]
    text = "\n\n".join(sections) + "\n"
    print(text)
    if write:
        README.write_text(text)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    typer.run(main)

"""All demos over several chips: software against chip, 1 s after programming, a day later, and after a second pass.

    python bench/demos/run.py --data DIR [--seeds 5] [--tasks images/mnist robot/cartpole ...] [--modes hybrid analog]

Writes its section of docs/results.md. A seed picks the chip, the split and the training. DIR: see `ohmloom demo`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ohmloom
from ohmloom.demos.demo import Demo, Floats
from ohmloom.demos.deployment import AGE_S, Deployment
from ohmloom.demos.ecg import Ecg
from ohmloom.demos.images import Images
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import Results, si
from ohmloom.demos.robot import Robot
from ohmloom.demos.speech import Speech
from ohmloom.demos.wearable import Wearable

CHIP = "lab-128x128x4"
DAY_S = 86_400.0
RESULTS = Path(__file__).parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- bench/demos/run.py -->\n", "<!-- /bench/demos/run.py -->\n"
DEMOS: tuple[type[Demo], ...] = (Images, Wearable, Speech, Ecg, Robot)
TASKS = {f"{demo.name}/{task}": (demo, task) for demo in DEMOS for task in demo.tasks}
AT_1_S, AT_A_DAY, AT_SECOND_PASS, CONTROL = 0.3, 1.0, 0.5, 3.0  # points, and percent of the return


@dataclass(frozen=True)
class Outcome:
    """One chip. scores: software, chip after 1 s, after a day, after a second pass, ideal chip; trials: each episode's difference."""

    results: Results
    scores: Floats
    trials: Floats


def outcome(name: str, mode: Any, seed: int, folder: Path, trained: dict[Any, Deployment]) -> Outcome:
    kind, task = TASKS[name]
    demo = kind(task, folder, mode)
    train = demo.deployment

    def cached(data: Any, spec: Any, seed: int, done: Any) -> Deployment:
        key = (name, mode, seed)
        if key not in trained:
            trained[key] = train(data, spec, seed, done)
        return trained[key]

    demo.deployment = cached  # type: ignore[method-assign]
    url = f"emu://{CHIP}?seed={seed}"
    with ohmloom.connect(url) as chip:
        results = run(demo, chip, endpoint=url, ideal=ideal_url(url, CHIP), seed=seed, progress=lambda what, done, total: None)

        def score() -> float:
            def predict(X: Floats) -> Any:
                return results.model.decide(results.compiled.infer(chip, X, lambda what, done, total: None))

            return results.score(demo.evaluate(results.data, predict, lambda done, total: None))

        chip.advance(DAY_S)
        day = score()
        chip.program(results.network)
        chip.advance(AGE_S)
        scores = [results.score(results.software), results.score(results.chip), day, score(), results.score(results.ideal)]
    trials = results.chip - results.software if results.metric == "return" else np.empty(0)
    return Outcome(results, np.array(scores), trials)


def mean(outcomes: list[Outcome], value: Callable[[dict[str, Any]], float]) -> float:
    return float(np.mean([value(found.results.to_json()) for found in outcomes]))


def verdict(loss: float, limit: float) -> str:
    return f"{loss:+.2f}" if loss <= limit + 1e-9 else f"**{loss:+.2f}**"


def classification(name: str, outcomes: list[Outcome]) -> str:
    scores = 100 * np.mean([found.scores for found in outcomes], axis=0)
    samples = len(outcomes[0].results.data.y_test)
    limits = [max(limit, 100 / samples) for limit in (AT_1_S, AT_A_DAY, AT_SECOND_PASS)]
    losses = [verdict(scores[0] - score, limit) for score, limit in zip(scores[1:4], limits, strict=True)]
    return row(name, network(outcomes), f"{samples:,}", f"{scores[0]:.2f}", f"{scores[1]:.2f}", *losses, f"{scores[0] - scores[4]:+.2f}", *spent(outcomes))


def control(name: str, outcomes: list[Outcome]) -> str:
    scores = np.mean([found.scores for found in outcomes], axis=0)
    differences = np.concatenate([found.trials for found in outcomes])
    error = float(differences.std(ddof=1) / np.sqrt(len(differences)))
    lost, limit = scores[0] - scores[1], max(CONTROL / 100 * abs(scores[0]), 2 * error)
    misses, steps = (sum(found.results.measured[key] for found in outcomes) for key in ("deadline_misses", "timed_steps"))
    times = [si(mean(outcomes, lambda numbers, key=key: numbers[key]), "s") for key in ("latency_per_step_s", "wire_per_step_s", "deadline_s")]  # type: ignore[misc]
    return row(
        name, network(outcomes), f"{scores[0]:.1f}", f"{scores[1]:.1f}", verdict(lost, limit), f"{2 * error:.1f}", f"{scores[2]:.1f}",
        f"{scores[3]:.1f}", *times, f"{misses} of {steps:,}", spent(outcomes)[1],
    )


def network(outcomes: list[Outcome]) -> str:
    return "-".join(map(str, outcomes[0].results.to_json()["layers"]))


def spent(outcomes: list[Outcome]) -> tuple[str, str]:
    """Latency and energy an inference."""
    pairs = [found.results.spent("inference") for found in outcomes]
    trials = [found.results.inferences for found in outcomes]
    energy, latency = (float(np.mean([(pair[index] or 0.0) / count for pair, count in zip(pairs, trials, strict=True)])) for index in (0, 1))
    return si(latency, "s"), si(energy, "J")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(title: str, head: str, rows: list[str]) -> str:
    if not rows:
        return ""
    columns = head.count("|") + 1
    return f"\n### {title}\n\n| {head} |\n|{'---|' * 2}{'---:|' * (columns - 2)}\n{''.join(rows)}"


def section(found: dict[tuple[str, str], list[Outcome]], command: str, seeds: int) -> str:
    text = (
        f"## The demos\n\n    {command}\n\nEach number is the mean over {seeds} seeds; a seed picks the emulated chip `{CHIP}` with its default noise, the split "
        f"and the training. Software: the same weights in float32. A loss is software less chip, in points (classification) or units of return; bold: more than "
        f"{AT_1_S} points 1 s after programming, {AT_A_DAY:g} after a day untouched or {AT_SECOND_PASS} after a second programming pass then (or one test sample, if that is "
        f"larger); in control more than {CONTROL:g} % of |return| and than two standard errors of the paired episodes. Latency and energy are the fabric's, an inference in a batch.\n"
    )
    names = {"hybrid": "A converter after each layer", "analog": "Analog between layers"}
    for mode, name in names.items():
        groups: dict[str, list[str]] = {"accuracy": [], "return": []}
        for (task, where), outcomes in found.items():
            if where == mode:
                metric = outcomes[0].results.metric
                groups[metric].append((classification if metric == "accuracy" else control)(task, outcomes))
        text += table(
            f"{name}: classification",
            "task | network | test samples | software % | chip, 1 s % | loss, 1 s | loss, 1 day | loss, second pass | loss, ideal chip | latency | energy",
            groups["accuracy"],
        )
        text += table(
            f"{name}: control, 100 episodes a seed",
            "task | network | software | chip, 1 s | loss | two standard errors | chip, 1 day | chip, second pass | latency a step | wire a step | period | deadline misses | energy a step",
            groups["return"],
        )
    notes = {task: outcomes[0].results.data.note for (task, mode), outcomes in found.items() if outcomes[0].results.data.note}
    if notes:
        text += "\nNotes, of seed 0:\n\n" + "".join(f"- {task}: {note}.\n" for task, note in notes.items())
    return text


def write(text: str) -> None:
    """Replaces the section in docs/results.md, or begins it."""
    old = RESULTS.read_text("utf-8") if RESULTS.exists() else f"# Results\n\n{BEGIN}{END}"
    before, _, rest = old.partition(BEGIN)
    RESULTS.write_text(before + BEGIN + text + END + rest.partition(END)[2], "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS), metavar="DEMO/TASK")
    parser.add_argument("--modes", nargs="+", default=["hybrid", "analog"], choices=["hybrid", "analog"])
    arguments = parser.parse_args()
    command = shlex.join(["python", "bench/demos/run.py", *sys.argv[1:]]).replace(str(arguments.data), "DIR")
    found: dict[tuple[str, str], list[Outcome]] = {}
    trained: dict[Any, Deployment] = {}
    for task in arguments.tasks:
        for mode in arguments.modes:
            started = time.perf_counter()
            found[task, mode] = [outcome(task, mode, seed, arguments.data, trained) for seed in range(arguments.seeds)]
            scores = np.array([one.scores for one in found[task, mode]])
            print(task, mode, f"{time.perf_counter() - started:.0f} s", scores.mean(axis=0).round(4), scores.round(4).tolist(), flush=True)
        trained.clear()
        write(section(found, command, arguments.seeds))


if __name__ == "__main__":
    main()

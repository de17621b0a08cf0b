"""All demos over several chips: software against chip, 1 s after programming, a day later, and after a second pass.

    python bench/demos/run.py --data DIR [--seeds 5] [--tasks images/mnist robot/cartpole ...] [--modes hybrid analog]

A seed picks the chip, the split and the training. What is measured goes into outcomes.json beside this file, and all
that is there into the demos' section of docs/results.md; --seeds 0 only writes that. DIR: see `ohmloom demo`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ohmloom
from ohmloom.demos.demo import Demo, Floats
from ohmloom.demos.deployment import AGE_S
from ohmloom.demos.ecg import Ecg
from ohmloom.demos.images import Images
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import si
from ohmloom.demos.robot import Robot
from ohmloom.demos.speech import Speech
from ohmloom.demos.wearable import Wearable

CHIP = "lab-128x128x4"
DAY_S = 86_400.0
OUTCOMES = Path(__file__).with_name("outcomes.json")
RESULTS = Path(__file__).parents[2] / "docs" / "results.md"
BEGIN, END = "<!-- bench/demos/run.py -->\n", "<!-- /bench/demos/run.py -->\n"
KINDS: tuple[type[Demo], ...] = (Images, Wearable, Speech, Ecg, Robot)
TASKS = {f"{kind.name}/{task}": (kind, task) for kind in KINDS for task in kind.tasks}
# Points that may be lost after 1 s, after a day, and after a second pass then; None: nothing is promised.
LIMITS: dict[str, tuple[float | None, ...]] = {"hybrid": (0.3, 1.0, 0.5), "analog": (1.0, None, None)}
CONTROL = 3.0  # percent of the return
COMMAND = "python bench/demos/run.py --data DIR"
TITLES = {"hybrid": "A converter after each layer", "analog": "Analog between layers"}

Outcome = dict[str, Any]


def outcome(name: str, mode: Any, seed: int, folder: Path) -> Outcome:
    """One chip. scores: software, chip after 1 s, after a day, after a second pass, ideal chip."""
    kind, task = TASKS[name]
    demo = kind(task, folder, mode)
    url = f"emu://{CHIP}?seed={seed}"
    with ohmloom.connect(url) as chip:
        results = run(demo, chip, endpoint=url, ideal=ideal_url(url, CHIP), seed=seed, progress=unseen)

        def score() -> float:
            def predict(X: Floats) -> Any:
                return results.model.decide(results.compiled.infer(chip, X, unseen))

            return results.score(demo.evaluate(results.data, predict, lambda done, total: None))

        chip.advance(DAY_S)
        day = score()
        chip.program(results.network)
        chip.advance(AGE_S)
        second = score()
    numbers = results.to_json()
    found: Outcome = {
        "metric": results.metric,
        "scores": [results.score(part) for part in (results.software, results.chip)] + [day, second, results.score(results.ideal)],
        "trials": len(results.chip),
        "layers": numbers["layers"],
        "copies": numbers["copies"],
        "note": numbers["note"],
        "latency_s": numbers["latency_per_inference_s"],
        "energy_j": numbers["energy_per_inference_j"],
        "measured": dict(results.measured),
    }
    if results.metric == "return":
        difference = results.chip - results.software
        found |= {"difference": float(difference.mean()), "difference_variance": float(difference.var(ddof=1))}
    return found


def unseen(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def mean(outcomes: list[Outcome], value: Callable[[Outcome], Any]) -> Any:
    return np.mean([value(found) for found in outcomes], axis=0)


def verdict(loss: float, limit: float | None) -> str:
    return f"{loss:+.2f}" if limit is None or loss <= limit + 1e-9 else f"**{loss:+.2f}**"


def classification(name: str, mode: str, outcomes: list[Outcome]) -> str:
    scores = 100 * mean(outcomes, lambda found: found["scores"])
    samples = outcomes[0]["trials"]
    limits = [limit and max(limit, 100 / samples) for limit in LIMITS[mode]]
    losses = [verdict(scores[0] - score, limit) for score, limit in zip(scores[1:4], limits, strict=True)]
    return row(name, network(outcomes), f"{samples:,}", f"{scores[0]:.2f}", f"{scores[1]:.2f}", *losses, f"{scores[0] - scores[4]:+.2f}", *spent(outcomes))


def control(name: str, mode: str, outcomes: list[Outcome]) -> str:
    scores = mean(outcomes, lambda found: found["scores"])
    # The variance of all paired episodes: within the seeds and between them.
    variance = mean(outcomes, lambda found: found["difference_variance"]) + np.var([found["difference"] for found in outcomes])
    error = float(np.sqrt(variance / sum(found["trials"] for found in outcomes)))
    limit = max(CONTROL / 100 * abs(scores[0]), 2 * error) if mode == "hybrid" else None
    times = [si(mean(outcomes, lambda found, key=key: found["measured"][key]), "s") for key in ("latency_per_step_s", "wire_per_step_s", "deadline_s")]  # type: ignore[misc]
    misses, steps = (sum(found["measured"][key] for found in outcomes) for key in ("deadline_misses", "timed_steps"))
    return row(
        name, network(outcomes), f"{scores[0]:.1f}", f"{scores[1]:.1f}", verdict(scores[0] - scores[1], limit), f"{2 * error:.1f}",
        f"{scores[2]:.1f}", f"{scores[3]:.1f}", *times, f"{misses} of {steps:,}", spent(outcomes)[1],
    )


def network(outcomes: list[Outcome]) -> str:
    return "-".join(map(str, outcomes[0]["layers"]))


def spent(outcomes: list[Outcome]) -> tuple[str, str]:
    """Latency and energy an inference."""
    return si(mean(outcomes, lambda found: found["latency_s"]), "s"), si(mean(outcomes, lambda found: found["energy_j"]), "J")


def heartbeats(name: str, mode: str, outcomes: list[Outcome]) -> str:
    def share(*keys: str) -> str:
        values = [found["measured"] for found in outcomes]
        for key in keys:
            values = [value.get(key) for value in values]
        return "" if None in values else f"{100 * np.mean(values):.2f}"

    recall = " ".join(f"{kind}: {share('recall', kind)}" for kind in outcomes[0]["measured"]["recall"] if kind.isdigit())
    figures = map(share, ("sensitivity", "specificity", "detection_sensitivity", "detection_precision"))
    return row(name, mode, *figures, recall, *reversed(spent(outcomes)))


def shares(name: str, hybrid: list[Outcome], analog: list[Outcome]) -> str:
    """Latency and energy of the analog mode against the converter's, and what either mode loses."""
    ratios = [mean(analog, lambda found, key=key: found[key]) / mean(hybrid, lambda found, key=key: found[key]) for key in ("latency_s", "energy_j")]  # type: ignore[misc]
    unit = 100 if hybrid[0]["metric"] == "accuracy" else 1
    losses = [unit * mean(mode, lambda found: found["scores"][0] - found["scores"][1]) for mode in (hybrid, analog)]
    return row(name, network(hybrid), network(analog), *(f"{loss:+.2f}" for loss in losses), *(f"{ratio:.2f}" for ratio in ratios))


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(title: str, head: str, rows: list[str]) -> str:
    if not rows:
        return ""
    columns = head.count("|") + 1
    return f"\n### {title}\n\n| {head} |\n|{'---|' * 2}{'---:|' * (columns - 2)}\n{''.join(rows)}"


def section(found: dict[tuple[str, str], list[Outcome]]) -> str:
    seeds = sorted({len(outcomes) for outcomes in found.values()})
    hybrid, analog = LIMITS["hybrid"], LIMITS["analog"]
    text = (
        f"## The demos\n\n    {COMMAND}\n\nEach number is the mean over {' or '.join(map(str, seeds))} seeds; a seed picks the emulated chip `{CHIP}` with its default "
        f"noise, the split and the training. Software: the same weights in float32. A loss is software less chip, in points (classification) or units of return. Bold: "
        f"more than {hybrid[0]} points 1 s after programming, {hybrid[1]} after a day untouched or {hybrid[2]} after a second programming pass then (or one test sample, "
        f"if that is larger), in analog mode more than {analog[0]} after 1 s; in control more than {CONTROL:g} % of the return and than two standard errors of the paired "
        f"episodes. Latency and energy are the fabric's, an inference in a batch.\n"
    )
    for mode, name in TITLES.items():
        groups: dict[str, list[str]] = {"accuracy": [], "return": []}
        for (task, where), outcomes in found.items():
            if where == mode:
                metric = outcomes[0]["metric"]
                groups[metric].append((classification if metric == "accuracy" else control)(task, mode, outcomes))
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
    text += table(
        "The modes side by side",
        "task | network | network, analog | loss | loss, analog | latency, analog / converters | energy, analog / converters",
        [shares(task, found[task, "hybrid"], found[task, "analog"]) for task in TASKS if {(task, "hybrid"), (task, "analog")} <= set(found)],
    )
    text += table(
        "Heartbeats on the chip, 1 s after programming, in %",
        "task | mode | sensitivity | specificity | beats detected | detections that are beats | recall by kind | energy a beat | latency a beat",
        [heartbeats(task, mode, outcomes) for (task, mode), outcomes in found.items() if task.startswith("ecg/")],
    )
    notes = {f"{task}, {mode}": outcomes[0]["note"] for (task, mode), outcomes in found.items() if outcomes[0]["note"]}
    if notes:
        text += "\nNotes, of seed 0:\n\n" + "".join(f"- {task}: {note}.\n" for task, note in notes.items())
    return text


def stored() -> dict[str, Outcome]:
    """Outcomes by "task mode seed"."""
    return dict(json.loads(OUTCOMES.read_text("utf-8"))) if OUTCOMES.exists() else {}


def keep(new: dict[str, Outcome]) -> None:
    """Adds outcomes to those kept, and writes the section of docs/results.md, or begins it."""
    kept = stored() | new
    lines = [f"{json.dumps(key)}: {json.dumps(kept[key])}" for key in sorted(kept)]
    OUTCOMES.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    found: dict[tuple[str, str], list[Outcome]] = {}
    for task in TASKS:
        for mode in TITLES:
            mine = [kept[key] for key in sorted(kept) if key.split()[:2] == [task, mode]]
            if mine:
                found[task, mode] = mine
    old = RESULTS.read_text("utf-8") if RESULTS.exists() else f"# Results\n\n{BEGIN}{END}"
    before, _, rest = old.partition(BEGIN)
    RESULTS.write_text(before + BEGIN + section(found) + END + rest.partition(END)[2], "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS), metavar="DEMO/TASK")
    parser.add_argument("--modes", nargs="+", default=list(TITLES), choices=list(TITLES))
    arguments = parser.parse_args()
    for task in arguments.tasks:
        for mode in arguments.modes:
            started = time.perf_counter()
            new = {f"{task} {mode} {seed}": outcome(task, mode, seed, arguments.data) for seed in range(arguments.seeds)}
            scores = np.array([found["scores"] for found in new.values()])
            if arguments.seeds:
                print(task, mode, f"{time.perf_counter() - started:.0f} s", scores.mean(axis=0).round(4), scores.round(4).tolist(), flush=True)
            keep(new)


if __name__ == "__main__":
    main()

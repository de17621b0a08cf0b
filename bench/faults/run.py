"""Digits on chips with stuck cells: what a map of them, and fine-tuning on the chip, bring back.

    python bench/faults/run.py --write
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from pathlib import Path
from textwrap import fill
from typing import Annotated

import numpy as np
import typer

import ohmloom
from ohmloom.demos import demo_class
from ohmloom.train import ChipNoise, train_mlp

README = Path(__file__).with_name("README.md")
CHIP, AGE_S, DAY_S = "lab-128x128x4", 1.0, 86_400.0
WAYS = ("no repair", "repair", "repair, fine-tuned", "map", "map, fine-tuned", "map, fine-tuned, a day later")


def losses(stuck: float, seed: int) -> list[float]:
    """Points of accuracy lost against the same model in float32, in the order of WAYS."""
    with ohmloom.connect(f"emu://{CHIP}", seed=seed, stuck=stuck) as chip:
        spec, data = chip.spec, demo_class("digits")().data(chip.spec, seed)
        X, y = data.X_train, data.y_train
        model = train_mlp(X, y, hidden=data.hidden, noise=ChipNoise.of(spec, AGE_S), seed=seed)
        software = float((model.predict(data.X_test) == data.y_test).mean())
        found: list[float] = []

        def measure(wait_s: float = AGE_S) -> None:
            chip.wait(wait_s)
            found.append(100 * (software - float((chip.predict(data.X_test) == data.y_test).mean())))

        plain = ohmloom.compile(model, spec, X)
        chip.program(plain, repair=False)
        measure()
        chip.program(plain)
        measure()
        chip.fine_tune(plain, X, y, seed=seed)
        measure()
        mapped = ohmloom.compile(model, spec, X, faults=chip.find_faults())
        chip.program(mapped)
        measure()
        chip.fine_tune(mapped, X, y, seed=seed)
        measure()
        measure(DAY_S)
    return found


def text(shares: list[float], seeds: int) -> str:
    lines = [["stuck cells", *WAYS], ["---"] + ["---:"] * len(WAYS)]
    for share in shares:
        values = np.array([losses(share, seed) for seed in range(seeds)])
        typer.echo(f"{share:.0%}: {values.tolist()}", err=True)
        errors = values.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.zeros(len(WAYS))
        cells = [f"{m:.2f} +- {e:.2f}" for m, e in zip(values.mean(axis=0), errors, strict=True)]
        lines.append([f"{share:.0%}", *cells])
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    stuck = " ".join(f"--stuck {share:g}" for share in shares)
    prose = [
        "# Digits on chips with stuck cells",
        f"    python bench/faults/run.py {stuck} --seeds {seeds} --write",
        f"""Points of accuracy lost against the same weights in float32, means over {seeds} chips with their standard errors;
        64-32-10 on `emu://{CHIP}`, all through the link, {AGE_S:g} s after the last write. A third of the stuck cells each is at
        the lower end, at the upper end and anywhere between. "Repair" is what `Chip.program` does by itself: the working
        cells of a weight make up for those that failed. "Map": compiled with `faults=chip.find_faults()`, which also
        reorders inputs, hidden units and outputs, takes spare pairs and keeps some of the cells' range free.""",
        table,
    ]
    parts = (part if part[0] in "#| " else fill(" ".join(part.split()), 120) for part in prose)
    return "\n\n".join(parts) + "\n"


def main(
    stuck: Annotated[list[float], typer.Option(help="Shares of stuck cells.")] = [0.0, 0.05, 0.1, 0.2],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=1, help="Chips.")] = 5,
    write: Annotated[bool, typer.Option("--write", help=f"Also write {README.name} beside this file.")] = False,
) -> None:
    """Print what is lost with stuck cells, with and without knowing them."""
    result = text(stuck, seeds)
    print(result)
    if write:
        README.write_text(result)


if __name__ == "__main__":
    typer.run(main)

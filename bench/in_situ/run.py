"""In-situ training of MNIST images at 14 x 14 on chips with stuck cells: from random weights, by single pulses over the link.

    python bench/in_situ/run.py --data DIR --write      # DIR/mnist holds MNIST's gzipped IDX files
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from pathlib import Path
from textwrap import fill
from time import monotonic
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

import ohmloom
from ohmloom.demos.digits import block_means
from ohmloom.demos.mnist import mnist

README = Path(__file__).with_name("README.md")
CHIP, GRID, HIDDEN = "lab-128x128x4", (14, 14), (64,)
AGE_S = 1.0  # between the last pulse and the test
PUBLISHED = "Li et al., Nature Communications 9, 2385 (2018): 91.71 % with 11 % stuck cells, trained on 60,000 images"


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, 196) means of 2 x 2 pixels, within 0..1."""
    return block_means(images / 255.0, GRID)


def trained(root: Path, stuck: float, seed: int, updates: int) -> dict[str, float]:
    """Trains on one chip; accuracies are within 0..1, time and energy the fabric's."""
    X, y, X_test, y_test, _ = mnist(root)
    with ohmloom.connect(f"emu://{CHIP}", seed=seed, stuck=stuck) as chip:
        joules, seconds, started = chip.energy_j, chip.fabric_time_s, monotonic()
        network = chip.train_in_situ(pixels(X), y, hidden=HIDDEN, updates=updates, seed=seed)
        joules, seconds, wall_s = chip.energy_j - joules, chip.fabric_time_s - seconds, monotonic() - started
        pulses = int(chip.info()["registers"]["pulses"])
        chip.wait(AGE_S)
        accuracy = float((chip.predict(pixels(X_test)) == y_test).mean())
        read = float((network.model.predict(pixels(X_test)) == y_test).mean())
    return {
        "accuracy": accuracy, "read": read, "pulses": pulses, "joules": joules, "seconds": seconds, "wall_s": wall_s,
        "cells": network.cells,
    }  # fmt: skip


def table(rows: list[list[str]]) -> str:
    header = ["chip", "test accuracy", "in software, weights read back", "rail pulses", "fabric: s", "J", "wall: s"]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def text(root: Path, stuck: float, seeds: int, updates: int) -> str:
    found = []
    for seed in range(seeds):
        found.append(trained(root, stuck, seed, updates))
        typer.echo(f"seed {seed}: {found[-1]}", err=True)
    rows = [
        [str(seed), f"{r['accuracy']:.2%}", f"{r['read']:.2%}", f"{r['pulses']:,}", f"{r['seconds']:.1f}", f"{r['joules']:.2f}", f"{r['wall_s']:.0f}"]
        for seed, r in enumerate(found)
    ]
    mean, spread = (float(f([r["accuracy"] for r in found])) for f in (np.mean, np.std))
    rows.append(["mean", f"{mean:.2%} +- {spread:.2%}", f"{np.mean([r['read'] for r in found]):.2%}", "", "", "", ""])
    note = mnist(root)[4].replace(str(root), "DIR")
    protocol = note[:1].upper() + note[1:] if note else "Its own training and test images"
    prose = [
        "# In-situ training with stuck cells",
        f"    python bench/in_situ/run.py --data DIR --stuck {stuck:g} --seeds {seeds} --updates {updates} --write",
        f"""`Chip.train_in_situ` on `emu://{CHIP}` with {stuck:.0%} of the cells stuck, through the link: 196-{HIDDEN[0]}-10 on
        {found[0]["cells"]:.0f} cells, random weights, {updates} updates of 400 images, one pulse a cell and update, by sign. The images are
        MNIST's at 14 x 14 (means of 2 x 2 pixels). {protocol}. Tested {AGE_S:g} s
        after the last pulse; +- is the chips' standard deviation. A rail pulse is one amplitude on up to 32 cells of a row; random weights and forming are among them.""",
        table(rows),
        f"Published: {PUBLISHED}.",
    ]  # fmt: skip
    parts = (part if part[0] in "#| " else fill(" ".join(part.split()), 120) for part in prose)
    return "\n\n".join(parts) + "\n"


def main(
    data: Annotated[Path, typer.Option(help="Folder that holds mnist/.")],
    stuck: Annotated[float, typer.Option(help="Share of stuck cells.")] = 0.11,
    seeds: Annotated[int, typer.Option(min=1, help="Chips.")] = 5,
    updates: Annotated[int, typer.Option(min=1, help="Updates of the training.")] = 120,
    write: Annotated[bool, typer.Option("--write", help=f"Also write {README.name} beside this file.")] = False,
) -> None:
    """Train on several chips and print a table."""
    result = text(data, stuck, seeds, updates)
    print(result)
    if write:
        README.write_text(result)


if __name__ == "__main__":
    typer.run(main)

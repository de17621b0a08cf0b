"""The way of every demo: data, training, compiling, forming, programming, reading back, inference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from ohmloom.chip import SPEC_SCHEMES, Chip, Progress, connect
from ohmloom.demos.demo import Demo
from ohmloom.demos.deployment import AGE_S, Compiled
from ohmloom.demos.results import Meters, Results
from ohmloom.model import Model

__all__ = ["AGE_S", "ideal_url", "run"]

READ_SAMPLES = 4


def run(
    demo: Demo, chip: Chip, *, endpoint: str, ideal: str, seed: int, progress: Progress, command: str = ""
) -> Results:
    """Runs a demo on a chip, and the same network on an ideal one beside it.

    endpoint: the chip's URL, for the record; ideal: URL of the ideal chip; seed: of the data's split and the training;
    progress: called as (phase, done, of how many).
    Raises Error when the job cannot be done.
    """
    clock = _Clock(chip)
    data = demo.data(chip.spec, seed)
    with clock.phase("training"):
        deployment = demo.deployment(data, chip.spec, seed, lambda done, total: progress("training", done, total))
    model = deployment.model
    faults, formed = None, []
    if demo.around_faults:
        with clock.phase("forming"):
            formed = [chip.form(tile, progress=progress) for tile in range(chip.spec.tiles)]
        with clock.phase("finding faults"):
            faults = chip.find_faults(progress=lambda what, done, total: progress("faults", done, total))
    with clock.phase("calibration"):
        compiled = deployment.compiled(chip, demo.mode, faults)
        network = compiled.network
        used = np.isfinite(network.targets)
        tiles = [tile for tile in range(chip.spec.tiles) if used[tile].any()]
        if demo.mode == "hybrid":  # on a route the cells hold the corrections that were measured before compiling
            for tile in tiles:
                chip.calibrate(tile)
    if not demo.around_faults:
        with clock.phase("forming"):
            formed = [chip.form(tile, used[tile], progress=progress) for tile in tiles]
    with clock.phase("programming"):
        report = chip.program(network, progress=progress)
    after = _read(chip, tiles)
    if clock.emulated:
        chip.advance(AGE_S)
    else:
        sleep(AGE_S)
    later = _read(chip, tiles)
    device = _Device(chip, compiled, model, progress if demo.metric == "accuracy" else _silent)
    with clock.phase("inference"):
        predicted = demo.evaluate(data, device.predict, lambda done, total: progress("inference", done, total))
    measured = demo.measure(chip, data, model, predicted)
    with clock.phase("ideal chip"), connect(ideal) as perfect:
        best = deployment.compiled(perfect, demo.mode)
        perfect.program(best.network, progress=lambda what, done, total: progress("ideal chip", done, total))
        ideal_predicted = demo.evaluate(data, _Device(perfect, best, model, _silent).predict, _unseen)
    return Results(
        demo=demo.name,
        task=demo.task,
        mode=demo.mode,
        metric=demo.metric,
        title=demo.title,
        command=command,
        endpoint=endpoint,
        emulated=clock.emulated,
        spec=chip.spec,
        seed=seed,
        data=data,
        model=model,
        compiled=compiled,
        programming=report,
        formed=sum(int((tile.converged & (tile.pulses > 0)).sum()) for tile in formed) + report.formed,
        after=after,
        later=later,
        age_s=AGE_S,
        software=demo.evaluate(data, lambda X: model.decide(deployment.forward(X)), _unseen),
        chip=predicted,
        ideal=ideal_predicted,
        inferences=device.vectors,
        measured=measured,
        measured_rows=tuple(demo.rows(measured)),
        meters=clock.meters if clock.emulated else None,
        wall_s=clock.wall_s,
        link=dict(chip.info()["link"]),
    )


def ideal_url(endpoint: str, chip: str) -> str:
    """The emulator, without spread, noise, faults and wires, of an endpoint's chip; its name where the URL has none."""
    parts = urlsplit(endpoint)
    name = (parts.netloc + parts.path).rstrip("/") if parts.scheme in SPEC_SCHEMES else quote(chip)
    return f"emu://{name}?ideal=1"


class _Device:
    """A programmed chip as a demo sees it: inputs in, predictions out."""

    def __init__(self, chip: Chip, compiled: Compiled, model: Model, progress: Progress) -> None:
        self._chip, self._compiled, self._model, self._progress = chip, compiled, model, progress
        self.vectors = 0

    def predict(self, X: NDArray[np.float64]) -> NDArray[Any]:
        self.vectors += len(X)
        return self._model.decide(self._compiled.infer(self._chip, X, self._progress))


def _silent(what: str, done: int, total: int) -> None:
    """Progress of a demo that shows its own."""


def _unseen(done: int, total: int) -> None:
    """Progress that nobody watches."""


def _read(chip: Chip, tiles: list[int]) -> NDArray[np.float64]:
    """(tiles, rows, columns) siemens; NaN on tiles that are not asked for."""
    conductance = np.full((chip.spec.tiles, chip.spec.rows, chip.spec.columns), np.nan)
    for tile in tiles:
        conductance[tile] = chip.read_conductance(tile, samples=READ_SAMPLES)
    return conductance


class _Clock:
    """Wall time and, on emulated endpoints, the fabric's energy and time by phase."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self.emulated = chip.emulated
        self.wall_s: dict[str, float] = {}
        self.meters: dict[str, Meters] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        before, started = self._chip.meters if self.emulated else {}, monotonic()
        yield
        self.wall_s[name] = monotonic() - started
        if self.emulated:
            after = self._chip.meters
            self.meters[name] = {
                cause: (after[cause][0] - before[cause][0], after[cause][1] - before[cause][1]) for cause in after
            }

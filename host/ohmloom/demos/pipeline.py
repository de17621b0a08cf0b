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
from ohmloom.compiler import Network, compile_model
from ohmloom.demos.demo import Demo
from ohmloom.demos.results import Meters, Results
from ohmloom.train import ChipNoise, train_mlp

AGE_S = 1.0  # between programming and inference: cells relax most in their first second
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
        # Against a single copy's noise, whatever the compiler finds room for: more noise costs no accuracy.
        model = train_mlp(
            data.X_train,
            data.y_train,
            hidden=data.hidden,
            noise=ChipNoise.of(chip.spec, AGE_S),
            seed=seed,
            progress=lambda done, total, loss: progress("training", done, total),
        )
    network = compile_model(model, chip.spec, data.X_train)
    used = np.isfinite(network.targets)
    tiles = [tile for tile in range(chip.spec.tiles) if used[tile].any()]
    with clock.phase("calibration"):
        for tile in tiles:
            chip.calibrate(tile)
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
    with clock.phase("inference"):
        outputs = chip.infer(data.X_test, progress=progress)
    with clock.phase("ideal chip"):
        ideal_predictions = _predict_ideally(ideal, network, data.X_test, progress)
    return Results(
        demo=demo.name,
        title=demo.title,
        command=command,
        endpoint=endpoint,
        emulated=clock.emulated,
        spec=chip.spec,
        seed=seed,
        data=data,
        model=model,
        network=network,
        programming=report,
        formed=sum(int((tile.converged & (tile.pulses > 0)).sum()) for tile in formed) + report.formed,
        after=after,
        later=later,
        age_s=AGE_S,
        software=model.predict(data.X_test),
        chip=model.decide(outputs),
        ideal=ideal_predictions,
        meters=clock.meters if clock.emulated else None,
        wall_s=clock.wall_s,
        link=dict(chip.info()["link"]),
    )


def ideal_url(endpoint: str, chip: str) -> str:
    """The emulator, without spread, noise, faults and wires, of an endpoint's chip; its name where the URL has none."""
    parts = urlsplit(endpoint)
    name = (parts.netloc + parts.path).rstrip("/") if parts.scheme in SPEC_SCHEMES else quote(chip)
    return f"emu://{name}?ideal=1"


def _predict_ideally(url: str, network: Network, X: NDArray[np.float64], progress: Progress) -> NDArray[Any]:
    with connect(url) as chip:
        chip.program(network, progress=lambda what, done, total: progress("ideal chip", done, total))
        return chip.predict(X)


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
        self.emulated = bool(chip.info()["emulated"])
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

"""The digits demo: what it takes from a chip, what it finds out, and what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ohmloom import Error
from ohmloom.demos.digits import Digits, block_means, fitting
from ohmloom.demos.pipeline import ideal_url
from ohmloom.demos.results import Results, si
from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.commands import CellStatus

CONTRACT = {
    "software_accuracy": float,
    "chip_accuracy": float,
    "ideal_accuracy": float,
    "cells_programmed": int,
    "converged_fraction": float,
    "pulses_per_cell": float,
    "stuck_cells": int,
    "energy_per_inference_j": float,
    "latency_per_inference_s": float,
    "programming_time_s": float,
    "link_bytes": int,
    "seed": int,
}
ON_A_BOARD_NULL = {"energy_per_inference_j", "latency_per_inference_s", "programming_time_s"}

Run = tuple[Results, dict[str, list[tuple[int, int]]]]


def resized(tiles: int, rows: int, columns: int) -> ChipSpec:
    return load_chip("lab-128x128x4").model_copy(update={"tiles": tiles, "rows": rows, "columns": columns})


@pytest.mark.parametrize("chip", ["bench", "lab"])
def test_json_has_the_agreed_keys_and_survives_a_round_trip(chip: str, request: pytest.FixtureRequest) -> None:
    results: Results = request.getfixturevalue(chip)[0]
    numbers = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert {key: type(numbers[key]) for key in CONTRACT} == CONTRACT
    assert numbers["seed"] == results.seed


@pytest.mark.parametrize("chip", ["bench", "lab"])
def test_numbers_say_what_the_arrays_hold(chip: str, request: pytest.FixtureRequest) -> None:
    results: Results = request.getfixturevalue(chip)[0]
    numbers, report, data = results.to_json(), results.programming, results.data
    assert numbers["chip_accuracy"] * len(data.y_test) == pytest.approx(np.count_nonzero(results.chip == data.y_test))
    first, last = results.model.layers
    hidden = np.maximum(data.X_test.astype(np.float32) @ first.weights.astype(np.float32) + first.bias, 0)
    guesses = (hidden.astype(np.float32) @ last.weights.astype(np.float32) + last.bias).argmax(axis=1)
    assert numbers["software_accuracy"] == pytest.approx(np.mean(guesses == data.y_test))
    used = np.isfinite(results.network.targets)
    assert numbers["cells_programmed"] == used.sum()
    assert numbers["stuck_cells"] == (report.status == CellStatus.STUCK).sum()
    assert numbers["pulses_per_cell"] == pytest.approx(report.pulses[used].mean())
    working = used & (report.status != CellStatus.STUCK)
    assert numbers["converged_fraction"] == pytest.approx((report.status[working] == CellStatus.CONVERGED).mean())
    assert numbers["link_bytes"] == results.link["bytes_sent"] + results.link["bytes_received"]
    # A cell passes within the tolerance, 1 uS; what the row's later verifies read has its own noise.
    assert np.mean(np.abs(results.errors(report.conductance)) < 1.1e-6) > 0.95


def test_lab_chip_takes_the_whole_network_and_keeps_its_accuracy(lab: Run) -> None:
    numbers = lab[0].to_json()
    assert numbers["layers"] == [64, 32, 10]
    assert numbers["note"] == ""
    assert numbers["software_accuracy"] >= 0.97
    # 450 samples: the standard error of a difference of half a point is about 0.5 points.
    assert numbers["chip_accuracy"] >= numbers["software_accuracy"] - 0.015
    assert numbers["ideal_accuracy"] >= numbers["software_accuracy"] - 0.01
    assert numbers["converged_fraction"] >= 0.998


def test_small_chip_takes_what_fits_and_says_so(bench: Run) -> None:
    results = bench[0]
    numbers = results.to_json()
    assert numbers["layers"] == [8, 8, 8]
    assert set(results.data.y_train) == set(range(8))
    assert "64-32-10 does not fit bench-8x16" in numbers["note"]
    assert "8 features" in numbers["note"]
    assert "digits 0 to 7" in numbers["note"]
    assert numbers["chip_accuracy"] > 0.5  # guessing: 0.125


def test_held_out_samples_were_not_trained_on_and_are_a_quarter_of_each_class() -> None:
    data = Digits().data(load_chip("lab-128x128x4"), seed=3)
    assert len(data.y_test) == 450
    assert len(data.y_train) + 450 == 1797
    together = np.concatenate([data.X_train, data.X_test])
    assert (together.min(), together.max()) == (0.0, 1.0)
    trained = {row.tobytes() for row in data.X_train}
    assert not any(row.tobytes() in trained for row in data.X_test)
    total = np.bincount(data.y_train) + np.bincount(data.y_test)
    assert np.abs(np.bincount(data.y_test) - total / 4).max() <= 1


def test_seed_picks_split_and_training_and_repeats(bench: Run, run_digits: Callable[[str, int], Run]) -> None:
    def numbers(run: Run) -> dict[str, Any]:
        return {key: value for key, value in run[0].to_json().items() if key != "wall_s"}

    assert numbers(run_digits("bench-8x16", 1)) == numbers(bench)
    other = run_digits("bench-8x16", 2)[0]
    assert other.data.X_test.tobytes() != bench[0].data.X_test.tobytes()
    assert other.model.layers[0].weights.tobytes() != bench[0].model.layers[0].weights.tobytes()


def test_every_phase_shows_progress_to_its_end(bench: Run) -> None:
    seen = bench[1]
    assert list(seen) == ["training", "forming", "programming", "inference", "ideal chip"]
    for phase, steps in seen.items():
        done, total = steps[-1]
        assert done == total > 0, phase


def test_relaxation_spreads_conductances(lab: Run) -> None:
    numbers = lab[0].to_json()
    at_verify, after, later = (numbers[f"error_sigma_{when}_siemens"] for when in ("verify", "after", "later"))
    assert at_verify < after < later


def test_a_board_that_has_no_meters_gives_nulls(bench: Run) -> None:
    board = replace(bench[0], meters=None)
    assert {key for key, value in board.to_json().items() if value is None} == ON_A_BOARD_NULL
    assert ("Energy an inference", "not measured here") in board.rows()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (load_chip("lab-128x128x4"), ((8, 8), 32, 10)),
        (load_chip("bench-8x16"), ((4, 2), 8, 8)),
        (resized(8, 32, 32), ((8, 8), 32, 10)),  # two row tiles times two pair tiles for layer 0 still fit
        (resized(2, 16, 64), ((4, 4), 16, 10)),
        (resized(1, 16, 16), ((4, 2), 8, 8)),  # both layers share the tile's rows
        (resized(2, 4, 16), ((2, 2), 4, 8)),
    ],
)
def test_what_fits_a_chip(spec: ChipSpec, expected: tuple[tuple[int, int], int, int]) -> None:
    assert fitting(spec) == expected


def test_a_chip_too_small_for_anything_is_refused() -> None:
    with pytest.raises(Error, match="too small"):
        fitting(resized(1, 1, 2))


def test_block_means_are_means_of_blocks() -> None:
    images = np.random.default_rng(0).random((3, 8, 8))
    means = block_means(images, (4, 2))
    for image, row in zip(images, means, strict=True):
        for block, mean in enumerate(row):
            top, left = 2 * (block // 2), 4 * (block % 2)
            assert mean == pytest.approx(image[top : top + 2, left : left + 4].mean())


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("emu://lab-128x128x4?seed=3&stuck=0.1", "emu://lab-128x128x4?ideal=1"),
        ("rtl://bench-8x16", "emu://bench-8x16?ideal=1"),
        ("/dev/ttyUSB1", "emu://own?ideal=1"),
        ("socket://localhost:4000", "emu://own?ideal=1"),
    ],
)
def test_ideal_chip_of_an_endpoint(endpoint: str, expected: str) -> None:
    assert ideal_url(endpoint, "own") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.31e-5, "23.1 µs"),
        (0.0, "0 s"),
        (None, "not measured here"),
        (1.5, "1.5 s"),
        (1e-9, "1 ns"),
        (999.9e-6, "1e+03 µs"),
    ],
)
def test_si_prefixes(value: float | None, expected: str) -> None:
    assert si(value, "s") == expected

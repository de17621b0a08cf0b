"""Every demo and task, run for real on an emulated chip, converted after each layer and analog between layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import ohmloom
from ohmloom.demos import DEMOS, demo_class
from ohmloom.demos.demo import fits
from ohmloom.demos.pipeline import ideal_url, run
from ohmloom.demos.results import Results
from ohmloom.errors import ArgumentError, Error
from ohmloom.report import render
from ohmloom.spec import load_chip
from ohmloom.spec.network import StepFlag

LAB, BENCH = "lab-128x128x4", "bench-8x16"
slow = pytest.mark.slow

# Task, mode, what the float network reaches at least, and the most that the chip may lose: the promised share and four
# standard errors of a difference on one chip's test samples.
CLASSIFICATIONS = [
    ("wearable", "basicmotions", "hybrid", 0.90, 0.05),
    ("wearable", "italypower", "analog", 0.94, 0.02),
    ("speech", "japanesevowels", "analog", 0.96, 0.03),
    ("ecg", "beats", "hybrid", 0.91, 0.03),
    ("ecg", "normal", "analog", 0.96, 0.03),
    ("ecg", "stream", "analog", 0.99, 0.01),
    pytest.param("images", "digits", "analog", 0.97, 0.025, marks=slow),
    pytest.param("images", "mnist", "hybrid", 0.96, 0.012, marks=slow),
    pytest.param("images", "mnist", "analog", 0.955, 0.02, marks=slow),
    pytest.param("images", "mnist-conv", "hybrid", 0.975, 0.012, marks=slow),
    pytest.param("speech", "digits", "hybrid", 0.95, 0.03, marks=slow),
    pytest.param("speech", "heldout-speaker", "analog", 0.40, 0.06, marks=slow),
]
FOLDERS = {("ecg", "stream"): "ecg/mitdb-100.hea"}


def a_run(name: str, task: str, mode: str, chip: str, folder: Path | None, seed: int = 0) -> Results:
    demo = demo_class(name)(task, folder, mode)
    url = f"emu://{chip}?seed={seed}"
    with ohmloom.connect(url) as opened:
        results = run(
            demo, opened, endpoint=url, ideal=ideal_url(url, chip), seed=seed, progress=lambda what, done, total: None
        )
    page = render(results, demo.pictures(results))
    assert page.count("data:image/svg+xml") == page.count("<img")
    for picture in demo.pictures(results):
        assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
    json.dumps(results.to_json(), allow_nan=False)
    return results


@pytest.mark.parametrize(("name", "task", "mode", "least", "lost"), CLASSIFICATIONS)
def test_classification(
    name: str, task: str, mode: str, least: float, lost: float, data_folder: Callable[[str], Path]
) -> None:
    wanted = demo_class(name).folders.get(task)
    if wanted is None and name in ("wearable", "speech") and find_spec("aeon") is None:
        pytest.skip("no aeon, which brings the data: pip install --no-deps aeon")
    folder = data_folder(FOLDERS.get((name, task), wanted)) if wanted else None
    results = a_run(name, task, mode, LAB, folder)
    numbers = results.to_json()
    assert (numbers["demo"], numbers["task"], numbers["mode"]) == (name, task, mode)
    assert numbers["software_accuracy"] >= least
    assert numbers["chip_accuracy"] >= numbers["software_accuracy"] - lost
    assert numbers["ideal_accuracy"] >= numbers["software_accuracy"] - 0.02
    flags = results.network.steps["flags"]
    assert bool((flags & StepFlag.ANALOG).any()) == (mode == "analog")
    if name == "ecg":
        recall = {kind: np.mean(results.chip[results.data.y_test == kind] == kind) for kind in set(results.data.y_test)}
        assert numbers["recall"] == pytest.approx({str(kind): value for kind, value in recall.items()})
        if task != "beats":
            assert (numbers["sensitivity"], numbers["specificity"]) == (recall["abnormal"], recall["normal"])
        assert ("detection_sensitivity" in numbers) == (task == "stream")


CONTROLS = [
    ("cartpole", "hybrid", BENCH, 490, 0.0),
    ("cartpole", "analog", BENCH, 490, 5.0),
    pytest.param("pendulum", "hybrid", LAB, -180, 8.0, marks=slow),
    pytest.param("acrobot", "hybrid", LAB, -95, 6.0, marks=slow),
    pytest.param("acrobot", "analog", LAB, -95, 12.0, marks=slow),
    pytest.param("lunarlander", "hybrid", LAB, 200, 30.0, marks=slow),
]


@pytest.mark.parametrize(("task", "mode", "chip", "least", "lost"), CONTROLS)
def test_control(task: str, mode: str, chip: str, least: float, lost: float) -> None:
    results = a_run("robot", task, mode, chip, None)
    numbers = results.to_json()
    assert numbers["software_return"] >= least
    assert numbers["chip_return"] >= numbers["software_return"] - lost
    assert numbers["episodes"] == 100
    assert "chip_accuracy" not in numbers
    assert numbers["latency_per_step_s"] < numbers["deadline_s"]
    assert numbers["deadline_misses"] == 0
    assert ("Return, chip", f"{numbers['chip_return']:.1f}") in results.rows()


def test_cartpole_of_eight_hidden_units_fits_the_bench_chip_in_analog_mode() -> None:
    spec = load_chip(BENCH)
    assert fits(4, 8, 2, spec, "analog")
    assert not fits(4, 9, 2, spec, "analog")
    assert not fits(8, 8, 2, spec, "analog")  # no row left for the biases


@pytest.mark.parametrize("name", DEMOS)
def test_tasks_have_titles_and_unknown_ones_are_refused(name: str) -> None:
    kind = demo_class(name)
    assert all(kind(task).title for task in kind.tasks)
    with pytest.raises(ArgumentError, match="unknown task 'golf'; known: "):
        kind("golf")


def test_the_first_task_is_one_whose_data_are_there(tmp_path: Path) -> None:
    speech, images = demo_class("speech"), demo_class("images")
    assert (speech(None, None).task, images(None, None).task) == ("japanesevowels", "digits")
    assert (speech(None, tmp_path).task, images(None, tmp_path).task) == ("japanesevowels", "digits")
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    (tmp_path / "mnist").mkdir()
    assert (speech(None, tmp_path).task, images(None, tmp_path).task) == ("digits", "mnist")


@pytest.mark.parametrize(
    ("name", "task", "mode"),
    [
        ("wearable", "basicmotions", "analog"),
        ("speech", "japanesevowels", "analog"),
        ("robot", "lunarlander", "analog"),
        ("images", "mnist-conv", "hybrid"),
        ("ecg", "beats", "hybrid"),
    ],
)
def test_a_chip_too_small_is_named_with_its_size(
    name: str, task: str, mode: str, data_folder: Callable[[str], Path]
) -> None:
    wanted = demo_class(name).folders.get(task)
    demo = demo_class(name)(task, data_folder(wanted) if wanted else None, mode)
    with pytest.raises(Error, match=rf"{name} {task}: .*bench-8x16"):
        demo.data(load_chip(BENCH), 0)

"""Training in the cells: pulses by sign, over the link, on chips with spread, noise and stuck cells."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import ohmloom
from ohmloom.demos.digits import block_means
from ohmloom.demos.mnist import mnist
from ohmloom.errors import ArgumentError
from ohmloom.spec import load_chip, load_policy
from ohmloom.spec.policy import POLICY_DTYPE
from ohmloom.train.in_situ import single_pulse

DATA = Path(os.environ.get("OHMLOOM_DATA", Path(__file__).parents[3] / "shared" / "data"))


def chip_with(stuck=0.11, seed=1):
    return ohmloom.connect("emu://bench-8x16", seed=seed, stuck=stuck)


def rings(samples=400, seed=0):
    """Two classes that no linear layer tells apart: the inner and outer half of a disc, 4 features."""
    rng = np.random.default_rng(seed)
    angle, inner = rng.uniform(0, 2 * np.pi, samples), rng.random(samples) < 0.5
    radius = np.where(inner, rng.uniform(0, 0.5, samples), rng.uniform(0.7, 1.0, samples))
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.stack([x, y, x**2, y**2], axis=1), np.where(inner, "in", "out")


def policy_of(chip):
    return chip._session._wire._port.board.controller.memories.policy.tobytes()


def test_a_single_pulse_policy_has_one_amplitude_for_each_conductance():
    spec, policy = load_chip("lab-128x128x4"), load_policy("default")
    record = np.frombuffer(single_pulse(policy).pack(spec), POLICY_DTYPE)[0]
    original = np.frombuffer(policy.pack(spec), POLICY_DTYPE)[0]
    assert record["max_pulses"] == 1
    for way in ("set", "reset"):
        assert (record[way]["first"] == original[way]["first"][0]).all()
        np.testing.assert_array_equal(record[way]["level"], original[way]["level"])


@pytest.mark.parametrize("seed", [1, 2])
def test_it_learns_from_random_weights_on_a_faulty_chip(seed):
    X, y = rings()
    X_test, y_test = rings(seed=1)
    done = []
    with chip_with(seed=seed) as chip:
        before = policy_of(chip)
        network = chip.train_in_situ(
            X, y, hidden=(6,), updates=40, batch_size=64, seed=seed, progress=lambda what, n, of: done.append((what, n, of))
        )
        assert policy_of(chip) == before
        chip.wait(1.0)
        assert (chip.predict(X_test) == y_test).mean() > 0.9
        assert (network.model.predict(X_test) == y_test).mean() > 0.85  # the weights are those of the cells
        assert chip.interface.to_json() == network.interface.to_json()
    assert ("in-situ training", 40, 40) in done


def test_an_update_pulses_each_cell_once_at_most_and_none_besides_the_networks(monkeypatch):
    X, y = rings(100)
    with chip_with() as chip:
        reports = []
        original = type(chip).program_conductance

        def spy(self, tile, target, *arguments, **options):
            report = original(self, tile, target, *arguments, **options)
            reports.append((np.array(target), report))
            return report

        monkeypatch.setattr(type(chip), "program_conductance", spy)
        network = chip.train_in_situ(X, y, hidden=(4,), updates=6, batch_size=50)
    updates = reports[chip.spec.tiles :]  # the first ones write the random weights
    assert any(report.selected.any() for _, report in updates)
    cell = chip.spec.cell
    for target, report in updates:
        assert set(target[np.isfinite(target)]) <= {cell.g_min_siemens, cell.g_max_siemens}
        assert report.pulses.max() <= 1
        pairs = target.reshape(8, 8, 2)
        np.testing.assert_array_equal(np.isfinite(pairs[..., 0]), np.isfinite(pairs[..., 1]))
        both = pairs[np.isfinite(pairs[..., 0])]
        assert (both[:, 0] != both[:, 1]).all()  # opposite ways
    used = np.isfinite(network.targets).any(axis=0)
    assert not any(np.isfinite(target)[~used].any() for target, _ in updates)


def test_values_are_learned_too():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (400, 3))
    y = 50 + 20 * (X[:, 0] + X[:, 1])
    with chip_with() as chip:
        chip.train_in_situ(X, y, hidden=(6,), task="regression", updates=40, batch_size=64)
        error = ((chip.predict(X) - y) ** 2).mean()
    assert error < 0.05 * y.var()


def test_the_same_seeds_give_the_same_chip():
    X, y = rings(100)
    outputs = []
    for _ in range(2):
        with chip_with() as chip:
            chip.train_in_situ(X, y, hidden=(4,), updates=3, batch_size=50)
            outputs.append(chip.infer(X))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(("options", "message"), [
    ({"updates": 0}, "updates: 1 or more"), ({"batch_size": 0}, "batch_size: 1 or more"), ({"hidden": (0,)}, "hidden: 1 or more"),
    ({"learning_rate": 0.0}, "learning_rate and rest_s"), ({"rest_s": -1.0}, "learning_rate and rest_s"),
    ({"hidden": (400,)}, "too large|takes at most"), ({"y": ["in"]}, "labels or values wanted"),
])  # fmt: skip
def test_what_cannot_be_trained_pulses_nothing(options, message):
    X, y = rings(20)
    with chip_with() as chip:
        with pytest.raises(ArgumentError, match=message):
            chip.train_in_situ(X, **{"y": y, **options})
        assert chip.info()["registers"]["pulses"] == 0


def test_policies_come_back_after_an_error():
    with chip_with() as chip:
        before = policy_of(chip)
        loaded = []

        def fails():
            with chip.using_policy("neurram"):
                loaded.append(policy_of(chip))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fails()
        assert loaded != [before]
        assert policy_of(chip) == before


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="needs MNIST's files: OHMLOOM_DATA=DIR with DIR/mnist")
def test_mnist_at_14_x_14_with_eleven_percent_stuck():
    """One of the five chips of bench/in_situ: the first 8,000 test images train, the other 2,000 test."""
    X, y, X_test, y_test, _ = mnist(DATA)
    images, images_test = (block_means(part / 255.0, (14, 14)) for part in (X, X_test))
    with ohmloom.connect("emu://lab-128x128x4", seed=0, stuck=0.11) as chip:
        chip.train_in_situ(images, y, hidden=(64,))
        chip.wait(1.0)
        assert (chip.predict(images_test) == y_test).mean() >= 0.925

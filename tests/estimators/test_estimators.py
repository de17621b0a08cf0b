"""The estimators on emulated chips: accuracy, scaling, copies, saved chips, errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score, train_test_split

import ohmloom
from ohmloom import CrossbarMLPClassifier, CrossbarMLPRegressor
from ohmloom.spec.commands import Cause

SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 60, "copies": 1, "random_state": 0}
IDEAL = "emu://lab-128x128x4?ideal=1"


@pytest.fixture(scope="module")
def wine() -> list[Any]:
    X, y = load_wine(return_X_y=True)
    return list(train_test_split(X, np.array(["red", "rosé", "white"])[y], stratify=y, random_state=0))


def test_classifies_unscaled_features_under_their_names(wine: list[Any]) -> None:
    X, X_test, y, y_test = wine
    classifier = CrossbarMLPClassifier(random_state=0).fit(X, y)
    assert classifier.score(X_test, y_test) >= 0.95
    assert classifier.report_.converged_fraction > 0.98
    assert classifier.network_.cells == classifier.report_.selected.sum()
    assert classifier.n_iter_ == len(classifier.loss_curve_)
    shares = classifier.predict_proba(X_test)
    assert shares.shape == (len(X_test), 3)
    assert shares.sum(axis=1) == pytest.approx(1.0)


def test_units_of_features_do_not_matter(wine: list[Any]) -> None:
    X, X_test, y, _ = wine
    factors, offsets = 10.0 ** np.linspace(-8, 8, X.shape[1]), np.linspace(-50, 50, X.shape[1])
    one = CrossbarMLPClassifier(endpoint=IDEAL, **SMALL).fit(X, y)
    other = CrossbarMLPClassifier(endpoint=IDEAL, **SMALL).fit((X + offsets) * factors, y)
    assert other.predict_proba((X_test + offsets) * factors) == pytest.approx(one.predict_proba(X_test), abs=0.02)


def test_probabilities_are_the_softmax_of_the_software_network_on_an_ideal_chip(wine: list[Any]) -> None:
    X, X_test, y, _ = wine
    classifier = CrossbarMLPClassifier(endpoint=IDEAL, **SMALL).fit(X, y)
    first, last = classifier.model_.layers
    inputs = (X_test - X.mean(axis=0)) / X.std(axis=0)
    scores = np.maximum(inputs @ first.weights + first.bias, 0) @ last.weights + last.bias
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert classifier.predict_proba(X_test) == pytest.approx(expected, abs=0.05)


def test_regresses_one_and_several_values() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = 1000.0 + 40.0 * np.column_stack([X[:, 0] - 2 * X[:, 1], np.abs(X[:, 2])])
    both = CrossbarMLPRegressor(random_state=0).fit(X[:200], y[:200])
    assert both.predict(X[200:]).shape == (100, 2)
    assert both.score(X[200:], y[200:]) > 0.9
    one = CrossbarMLPRegressor(hidden_layer_sizes=16, random_state=0).fit(X[:200], y[:200, 0])
    assert one.predict(X[200:]).shape == (100,)
    assert one.score(X[200:], y[200:, 0]) > 0.9


def test_constant_features_and_values_do_no_harm() -> None:
    X = np.column_stack([np.full(40, 1e9 / 3), np.linspace(-1, 1, 40)])
    labels = (X[:, 1] > 0).astype(int)
    assert CrossbarMLPClassifier(**SMALL).fit(X, labels).score(X, labels) > 0.9
    assert CrossbarMLPRegressor(**SMALL).fit(X, np.full(40, 7.0)).predict(X) == pytest.approx(7.0, abs=0.5)


def test_a_pickled_copy_programs_the_same_chip_again(wine: list[Any]) -> None:
    X, X_test, y, _ = wine
    classifier = CrossbarMLPClassifier(**SMALL).fit(X, y)
    copy = pickle.loads(pickle.dumps(classifier))
    # The same chip, programmed with the same pulses, read for the first time: the same noise, to the last bit.
    assert (copy.predict_proba(X_test) == classifier.predict_proba(X_test)).all()


def test_refitting_starts_anew(wine: list[Any]) -> None:
    X, X_test, y, _ = wine
    classifier = CrossbarMLPClassifier(**SMALL).fit(X, y)
    before = classifier.predict_proba(X_test)
    assert (classifier.fit(X, y).predict_proba(X_test) == before).all()
    assert not hasattr(clone(classifier), "network_")


def test_a_saved_chip_is_read_and_not_programmed_again(wine: list[Any], tmp_path: Path) -> None:
    X, X_test, y, y_test = wine
    url = f"emu://lab-128x128x4?state={tmp_path / 'chip.npz'}"
    classifier = CrossbarMLPClassifier(endpoint=url, **SMALL).fit(X, y)
    classifier.close()
    classifier.close()

    def written_j() -> float:
        with ohmloom.connect(url) as chip:
            return chip.meters[Cause.WRITE][0]

    spent = written_j()
    copy = pickle.loads(pickle.dumps(classifier))
    assert copy.score(X_test, y_test) > 0.9
    copy.close()
    assert written_j() == spent
    # Another network on the same chip: the first one is programmed again when it is asked.
    CrossbarMLPClassifier(endpoint=url, **SMALL).fit(X[:, ::-1], y).close()
    assert written_j() > spent
    assert classifier.score(X_test, y_test) > 0.9


def test_cross_validation(wine: list[Any]) -> None:
    X, _, y, _ = wine
    assert cross_val_score(CrossbarMLPClassifier(**SMALL), X, y, cv=3).mean() > 0.9


def test_errors_are_clear_and_leave_the_estimator_usable(wine: list[Any]) -> None:
    X, X_test, y, y_test = wine
    classifier = CrossbarMLPClassifier(endpoint="emu://bench-8x16", **SMALL)
    with pytest.raises(NotFittedError):
        classifier.predict(X_test)
    with pytest.raises(ValueError, match="too large for bench-8x16"):
        classifier.fit(X, y)
    with pytest.raises(ValueError, match="unknown chip 'nonsense'"):
        classifier.set_params(endpoint="emu://nonsense").fit(X, y)
    with pytest.raises(ValueError, match="learning_rate"):
        classifier.set_params(endpoint=IDEAL, learning_rate_init=-1.0).fit(X, y)
    with pytest.raises(ValueError, match="hidden"):
        classifier.set_params(learning_rate_init=0.03, hidden_layer_sizes=(0,)).fit(X, y)
    assert classifier.set_params(hidden_layer_sizes=(8,)).fit(X, y).score(X_test, y_test) > 0.9

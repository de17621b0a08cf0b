"""scikit-learn's own checks of what an estimator is, on an emulated chip with all its noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from ohmloom import CrossbarMLPClassifier, CrossbarMLPRegressor
from ohmloom.estimators import EXPECTED_FAILED_CHECKS

# Small and single, so that a check's many fits are quick.
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 40, "copies": 1, "random_state": 0}


@parametrize_with_checks(
    [CrossbarMLPClassifier(**SMALL), CrossbarMLPRegressor(**SMALL)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILED_CHECKS,
)
def test_scikit_learn_check(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)

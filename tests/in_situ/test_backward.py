"""Gradients against differences, and Adam against its paper's formulas."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.errors import ArgumentError
from ohmloom.train.backward import Adam, gradients, training_data


def test_gradients_are_the_slopes_of_the_loss():
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((4, 6), (6, 5), (5, 3))]
    biases = [rng.normal(size=n) for n in (6, 5, 3)]
    limits = [np.inf, 1.5, 2.0]
    X, aim = rng.normal(size=(7, 4)), rng.normal(size=(7, 3))

    def forward():
        inputs = [X]
        for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = inputs[-1] @ w + b
            inputs.append(z if layer == 2 else np.clip(z, 0, limits[layer + 1]))
        return inputs

    *inputs, out = forward()
    assert any(((a > 0) & (a < limit)).any() and (a == limit).any() for a, limit in zip(inputs[1:], limits[1:], strict=True))
    found = gradients(weights, inputs, out - aim, limits)
    for layer, (dw, db) in enumerate(found):
        for array, gradient in ((weights[layer], dw), (biases[layer], db)):
            assert gradient.shape == array.shape
            for index in list(np.ndindex(array.shape))[::3]:
                values = []
                for step in (1e-6, -2e-6):
                    array[index] += step
                    values.append(0.5 * ((forward()[-1] - aim) ** 2).sum())
                array[index] += 1e-6
                assert gradient[index] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-6)


def test_adam_follows_its_formulas():
    rng = np.random.default_rng(0)
    adam, m, v = Adam([(3,)], (0.7, 0.98)), np.zeros(3), np.zeros(3)
    for t in range(1, 6):
        g = rng.normal(size=3)
        m, v = 0.7 * m + 0.3 * g, 0.98 * v + 0.02 * g**2
        (way,) = adam.directions([g])
        np.testing.assert_allclose(way, -(m / (1 - 0.7**t)) / (np.sqrt(v / (1 - 0.98**t)) + 1e-8))


@pytest.mark.parametrize(("X", "y", "task", "message"), [
    (np.ones(3), [1, 2, 3], "regression", "X: shape"),
    (np.ones((3, 2)), [1, 2], "regression", "3 labels or values"),
    (np.ones((3, 2)), np.ones((3, 1, 1)), "regression", "3 labels or values"),
    (np.ones((3, 2)), [1, 2, np.inf], "regression", "y must be finite"),
    (np.ones((3, 2)), ["a", "b", "c"], "classification", "c is not one of the classes a, b"),
])  # fmt: skip
def test_wrong_data_are_named(X, y, task, message):
    with pytest.raises(ArgumentError, match=message):
        training_data(X, y, task, np.array(["a", "b"]), None)


def test_labels_become_rows_of_their_class():
    _, wanted = training_data(np.ones((3, 2)), [7, 5, 7], "classification", np.array([5, 7]), 2)
    np.testing.assert_array_equal(wanted, [[0, 1], [1, 0], [0, 1]])

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_friedman1
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ohmloom.errors import ArgumentError
from ohmloom.spec.chip import load_chip
from ohmloom.train import ChipNoise, train_mlp

NOISE = ChipNoise.of(load_chip("lab-128x128x4"))
DAY = ChipNoise.of(load_chip("lab-128x128x4"), age_s=86_400.0)


def chip_accuracy(noise, model, X, y, draws=20):
    rng = np.random.default_rng(7)
    return np.mean([np.mean(noise.perturb(model, rng).predict(X) == y) for _ in range(draws)])


def test_digits_survive_the_chip():
    X, y = load_digits(return_X_y=True)
    gaps, floats, days, plain_gaps = [], [], [], []
    for seed in range(2):
        X_train, X_test, y_train, y_test = train_test_split(
            X / 16, y, test_size=0.25, stratify=y, random_state=seed
        )
        model = train_mlp(X_train, y_train, noise=NOISE, seed=seed)
        plain = train_mlp(X_train, y_train, seed=seed)
        floats.append(np.mean(model.predict(X_test) == y_test))
        gaps.append(floats[-1] - chip_accuracy(NOISE, model, X_test, y_test))
        days.append(floats[-1] - chip_accuracy(DAY, model, X_test, y_test))
        plain_gaps.append(np.mean(plain.predict(X_test) == y_test) - chip_accuracy(NOISE, plain, X_test, y_test))
    assert np.mean(floats) >= 0.975
    assert np.mean(gaps) <= 0.005
    assert np.mean(days) <= 0.01
    assert np.mean(plain_gaps) > 2 * max(np.mean(gaps), 0.0025)  # the noise in the loop is what makes the difference


def split(X, y, seed=0):
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


@pytest.mark.parametrize("noise", [None, NOISE])
def test_other_classification(noise):
    X_train, X_test, y_train, y_test = split(*load_iris(return_X_y=True))
    names = np.array(["setosa", "versicolor", "virginica"])
    model = train_mlp(X_train, names[y_train], noise=noise)
    assert model.task == "classification"
    assert np.mean(model.predict(X_test) == names[y_test]) >= 0.92


@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize(
    ("data", "floor"),
    # Means of five splits, where scikit-learn's MLPRegressor with (32,) hidden units has 0.39 and 0.93.
    [(load_diabetes(return_X_y=True), 0.36), (make_friedman1(600, random_state=0), 0.93)],
    ids=["diabetes", "friedman"],
)
def test_regression(data, floor, noise):
    software, chip = [], []
    for seed in range(5):
        X_train, X_test, y_train, y_test = split(*data, seed)
        model = train_mlp(X_train, y_train, task="regression", noise=noise, seed=seed)
        software.append(r2_score(y_test, model.predict(X_test)))
        programmed = NOISE.perturb(model, np.random.default_rng(seed))
        chip.append(r2_score(y_test, programmed.predict(X_test)))
    assert np.mean(software) >= floor
    if noise is not None:
        assert np.mean(chip) >= np.mean(software) - 0.02


def test_a_seed_gives_one_model():
    X, y = load_iris(return_X_y=True)
    models = [train_mlp(X, y, noise=NOISE, epochs=5, seed=seed) for seed in (4, 4, 5)]
    for first, second, other in zip(*(model.layers for model in models), strict=True):
        np.testing.assert_array_equal(first.weights, second.weights)
        np.testing.assert_array_equal(first.bias, second.bias)
        assert not np.array_equal(first.weights, other.weights)


def test_progress_counts_epochs_and_losses_fall():
    X, y = load_iris(return_X_y=True)
    seen = []
    train_mlp(X, y, epochs=30, progress=lambda *event: seen.append(event))
    assert [event[:2] for event in seen] == [(epoch, 30) for epoch in range(1, 31)]
    assert seen[-1][2] < 0.7 * seen[0][2]


def test_units_of_inputs_and_targets_do_not_matter():
    X, y = make_friedman1(60, random_state=0)
    model = train_mlp(X, y, task="regression", noise=NOISE, epochs=20)
    scaled = train_mlp(X * 1024, y * 4096, task="regression", noise=NOISE, epochs=20)
    np.testing.assert_allclose(scaled.predict(X * 1024), 4096 * model.predict(X), rtol=1e-4)


@pytest.mark.parametrize("noise", [None, NOISE])
@pytest.mark.parametrize("hidden", [(), (1,), (4, 3)])
@pytest.mark.parametrize("samples", [1, 2, 65])
def test_odd_data(samples, hidden, noise):
    rng = np.random.default_rng(0)
    for X in (rng.random((samples, 1)), np.zeros((samples, 3)), 1e9 * rng.random((samples, 2))):
        values = train_mlp(X, rng.random((samples, 2)), task="regression", hidden=hidden, noise=noise, epochs=2)
        assert values.predict(X).shape == (samples, 2)
        labels = train_mlp(X, np.arange(samples) % 2, hidden=hidden, noise=noise, epochs=2).predict(X)
        assert set(labels) <= {0, 1}


X_FOUR, Y_FOUR = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("X", "y", "settings", "message"),
    [
        (X_FOUR[0], Y_FOUR, {}, "X: shape"),
        (np.zeros((0, 2)), [], {}, "X: shape"),
        (np.full((4, 2), np.inf), Y_FOUR, {}, "X must be finite"),
        (X_FOUR, Y_FOUR[:3], {}, "y: 4 labels"),
        (X_FOUR, np.zeros((4, 2)), {}, "y: 4 labels"),
        (X_FOUR, [0.0, np.nan, 1.0, 2.0], {"task": "regression"}, "y must be finite"),
        (X_FOUR, Y_FOUR, {"task": "ranking"}, "task: .*'ranking'"),
        (X_FOUR, Y_FOUR, {"hidden": (3, 0)}, r"hidden: .*\(3, 0\)"),
        (X_FOUR, Y_FOUR, {"epochs": 0}, "epochs"),
        (X_FOUR, Y_FOUR, {"batch_size": 0}, "batch_size"),
        (X_FOUR, Y_FOUR, {"learning_rate": 0.0}, "learning_rate"),
        (X_FOUR, Y_FOUR, {"l2": -1.0}, "l2"),
        (X_FOUR, Y_FOUR, {"label_smoothing": 1.0}, "label_smoothing"),
    ],
)
def test_bad_arguments_are_refused(X, y, settings, message):
    with pytest.raises(ArgumentError, match=message):
        train_mlp(X, y, **settings)

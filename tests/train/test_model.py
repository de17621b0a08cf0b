import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import minmax_scale, scale

from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model, from_sklearn


def test_forward_by_hand():
    first = Layer(np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.5, 0.0]), "relu")
    second = Layer(np.array([[1.0], [10.0]]), np.array([-1.0]), "none")
    model = Model((first, second), "regression")
    # (1, 1): hidden (3.5, -0.5 -> 0), output 2.5. (-4, 2): hidden (0.5, 5), output 49.5.
    outputs = model.forward([[1, 1], [-4, 2]])
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, [[2.5], [49.5]])
    np.testing.assert_array_equal(model.predict([[1, 1], [-4, 2]]), [2.5, 49.5])


def test_classification_predicts_the_label_of_the_largest_output():
    model = Model((Layer(np.eye(3), np.zeros(3), "none"),), "classification", np.array(["a", "b", "c"]))
    assert model.predict([[0, 1, 0], [0, 0, 2], [1, -5, 0]]).tolist() == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("weights", "bias", "activation", "message"),
    [
        (np.zeros(3), np.zeros(3), "none", r"weights: shape \(inputs, outputs\) wanted, given \(3,\)"),
        (np.zeros((0, 3)), np.zeros(3), "none", "weights: shape"),
        (np.zeros((2, 3)), np.zeros(2), "none", r"bias: shape \(3,\) wanted, given \(2,\)"),
        (np.full((2, 3), np.nan), np.zeros(3), "none", "finite"),
        (np.zeros((2, 3)), np.full(3, np.inf), "none", "finite"),
        (np.zeros((2, 3)), np.zeros(3), "tanh", "activation: .*'tanh'"),
        ([["a"]], np.zeros(1), "none", "weights: not an array of numbers"),
    ],
)
def test_bad_layers_are_refused(weights, bias, activation, message):
    with pytest.raises(ArgumentError, match=message):
        Layer(weights, bias, activation)


def layer(n_in, n_out):
    return Layer(np.zeros((n_in, n_out)), np.zeros(n_out), "none")


@pytest.mark.parametrize(
    ("layers", "task", "classes", "message"),
    [
        ((), "regression", None, "at least one layer"),
        ((layer(2, 3), layer(4, 1)), "regression", None, "layer 1 takes 4 inputs, but layer 0 has 3 outputs"),
        ((layer(2, 3),), "ranking", None, "task: .*'ranking'"),
        ((layer(2, 3),), "classification", None, "classes"),
        ((layer(2, 3),), "classification", np.arange(2), r"classes: shape \(3,\) wanted .* layer 0, given \(2,\)"),
        ((layer(2, 3),), "regression", np.arange(3), "classes"),
    ],
)
def test_bad_models_are_refused(layers, task, classes, message):
    with pytest.raises(ArgumentError, match=message):
        Model(layers, task, classes)


@pytest.mark.parametrize("X", [np.zeros(2), np.zeros((4, 3))])
def test_bad_inputs_are_refused(X):
    with pytest.raises(ArgumentError, match=r"X: shape \(samples, 2\) wanted"):
        Model((layer(2, 3),), "regression").forward(X)


def test_a_model_keeps_its_weights_when_the_source_changes():
    weights = np.ones((1, 1))
    model = Model((Layer(weights, np.zeros(1), "none"),), "regression")
    weights[:] = 7.0
    assert model.predict([[1.0]]) == 1.0
    with pytest.raises(ValueError, match="read-only"):
        model.layers[0].weights[0, 0] = 2.0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ["relu", "identity"])
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])  # three classes and two
def test_imported_classifier_predicts_as_scikit_learn(load, activation):
    X, y = load(return_X_y=True)
    X, y = minmax_scale(X), np.array(["zero", "one", "two"])[y]
    estimator = MLPClassifier((12, 6), activation=activation, max_iter=30, random_state=1).fit(X, y)
    model = from_sklearn(estimator)
    outputs = model.forward(X, dtype=np.float64)
    probability = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probability, estimator.predict_proba(X), atol=1e-12)
    np.testing.assert_array_equal(model.decide(outputs), estimator.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("columns", [1, 2])
def test_imported_regressor_predicts_as_scikit_learn(columns):
    X, y = load_diabetes(return_X_y=True)
    target = scale(y) if columns == 1 else np.column_stack([scale(y), -scale(y)])
    estimator = MLPRegressor(hidden_layer_sizes=(12,), max_iter=30, random_state=1).fit(X, target)
    model = from_sklearn(estimator)
    np.testing.assert_allclose(model.predict(X), estimator.predict(X), rtol=1e-4, atol=1e-5)
    assert model.predict(X).shape == target.shape


X_SMALL = np.arange(12.0).reshape(6, 2) / 12


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression().fit(X_SMALL, [0, 1] * 3), "LogisticRegression is not a multilayer perceptron"),
        (MLPClassifier(), "MLPClassifier is not fitted"),
        (MLPClassifier((2,), activation="tanh", max_iter=2), "activation 'tanh'"),
        (MLPClassifier((2,), max_iter=2), "output activation 'logistic'"),
    ],
)
def test_other_estimators_are_refused(estimator, message):
    if "not fitted" not in message and not hasattr(estimator, "classes_"):
        estimator.fit(X_SMALL, np.array([[0, 1], [1, 0]] * 3))  # multi-label
    with pytest.raises(ArgumentError, match=f"{message}.*supported: fitted MLPClassifier"):
        from_sklearn(estimator)

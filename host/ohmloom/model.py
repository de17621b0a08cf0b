"""The neutral network that the compiler takes: dense layers, whoever trained them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ohmloom.errors import ArgumentError

Activation = Literal["relu", "none"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Layer:
    """A dense layer, `activation(x @ weights + bias)`: weights (inputs, outputs) and bias (outputs,), kept as float64.

    Raises ArgumentError for a wrong shape, an unknown activation, or a value that is not finite.
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    activation: Activation

    def __post_init__(self) -> None:
        for name in ("weights", "bias"):
            try:
                value = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise ArgumentError(f"{name}: not an array of numbers ({error})") from None
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        if self.weights.ndim != 2 or 0 in self.weights.shape:
            raise ArgumentError(f"weights: shape (inputs, outputs) wanted, given {self.weights.shape}")
        if self.bias.shape != self.weights.shape[1:]:
            raise ArgumentError(f"bias: shape {self.weights.shape[1:]} wanted, given {self.bias.shape}")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.bias).all()):
            raise ArgumentError("weights and bias must be finite, given NaN or infinity")
        if self.activation not in get_args(Activation):
            raise ArgumentError(f"activation: one of {get_args(Activation)} wanted, given {self.activation!r}")

    @property
    def inputs(self) -> int:
        return int(self.weights.shape[0])

    @property
    def outputs(self) -> int:
        return int(self.weights.shape[1])


@dataclass(frozen=True, eq=False)
class Model:
    """A stack of dense layers. A classification predicts the class of the largest output, a regression the outputs.

    classes: (outputs of the last layer,), for classification only.
    Raises ArgumentError, naming the layer, when the layers do not fit together.
    """

    layers: tuple[Layer, ...]
    task: Task
    classes: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ArgumentError("layers: at least one layer wanted, given none")
        for index, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False), start=1):
            if before.outputs != after.inputs:
                raise ArgumentError(
                    f"layer {index} takes {after.inputs} inputs, but layer {index - 1} has {before.outputs} outputs"
                )
        if self.task not in get_args(Task):
            raise ArgumentError(f"task: one of {get_args(Task)} wanted, given {self.task!r}")
        if self.task == "regression" and self.classes is not None:
            raise ArgumentError("classes: a regression model has none")
        if self.task == "classification":
            if self.classes is None:
                raise ArgumentError("classes: a classification model needs them")
            object.__setattr__(self, "classes", np.asarray(self.classes))
            if self.classes.shape != (self.outputs,):
                raise ArgumentError(
                    f"classes: shape {(self.outputs,)} wanted for the outputs of layer {len(self.layers) - 1}, "
                    f"given {self.classes.shape}"
                )

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    def forward(self, X: ArrayLike, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Outputs (samples, outputs) of inputs (samples, inputs), computed in `dtype`.

        In float32 it is the software that a chip is compared with.
        Raises ArgumentError when X is not a matrix with the first layer's number of columns.
        """
        values: NDArray[Any] = np.asarray(X, dtype=dtype)
        if values.ndim != 2 or values.shape[1] != self.inputs:
            raise ArgumentError(f"X: shape (samples, {self.inputs}) wanted, given {values.shape}")
        for layer in self.layers:
            values = values @ layer.weights.astype(dtype) + layer.bias.astype(dtype)
            if layer.activation == "relu":
                values = np.maximum(values, 0)
        return values

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Classes (samples,) or values (samples,) or (samples, outputs), computed in float32; see `decide`."""
        return self.decide(self.forward(X))

    def decide(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """The prediction that raw outputs (samples, outputs) stand for, from `forward` or from a chip."""
        if self.classes is not None:
            labels: NDArray[Any] = self.classes[outputs.argmax(axis=1)]
            return labels
        return outputs[:, 0] if self.outputs == 1 else outputs


def from_sklearn(estimator: Any) -> Model:
    """The model of a fitted scikit-learn MLPClassifier or MLPRegressor with relu or identity hidden layers.

    A binary classifier's logit z becomes the outputs (-z/2, z/2), whose softmax is its probability.
    Raises ArgumentError for an estimator that is not fitted, or that is of another kind.
    """
    supported = "supported: fitted MLPClassifier (one label a sample) and MLPRegressor, activation 'relu' or 'identity'"
    if not hasattr(estimator, "activation") or not hasattr(estimator, "hidden_layer_sizes"):
        raise ArgumentError(f"{type(estimator).__name__} is not a multilayer perceptron; {supported}")
    if not hasattr(estimator, "coefs_"):
        raise ArgumentError(f"{type(estimator).__name__} is not fitted; {supported}")
    hidden: dict[str, Activation] = {"relu": "relu", "identity": "none"}
    if estimator.activation not in hidden:
        raise ArgumentError(f"activation {estimator.activation!r}; {supported}")
    activations: Sequence[Activation] = [*[hidden[estimator.activation]] * (len(estimator.coefs_) - 1), "none"]
    parameters = [*zip(estimator.coefs_, estimator.intercepts_, strict=True)]
    classes = getattr(estimator, "classes_", None)
    out = estimator.out_activation_
    binary = classes is not None and out == "logistic" and len(classes) == 2 and len(parameters[-1][1]) == 1
    if binary:
        halves = np.array([[-0.5, 0.5]])
        weights, bias = parameters[-1]
        parameters[-1] = (weights @ halves, bias @ halves)
    elif out != ("identity" if classes is None else "softmax"):
        raise ArgumentError(f"{type(estimator).__name__} with output activation {out!r}; {supported}")
    layers = tuple(Layer(w, b, activation) for (w, b), activation in zip(parameters, activations, strict=True))
    return Model(layers, "regression" if classes is None else "classification", classes)

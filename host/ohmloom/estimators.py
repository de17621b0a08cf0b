"""scikit-learn estimators on a crossbar: `fit` trains and programs, `predict` runs on the endpoint."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ohmloom.chip import Chip, connect
from ohmloom.compiler import Network, compile_model
from ohmloom.errors import Error
from ohmloom.model import Task
from ohmloom.train import ChipNoise, train_mlp

Floats = NDArray[np.float64]

# For `sklearn.utils.estimator_checks.check_estimator(..., expected_failed_checks=...)`.
EXPECTED_FAILED_CHECKS = {
    "check_classifiers_train": (
        "wants predict to agree with predict_proba for every sample, but each call reads the cells anew, with new "
        "noise: a sample between two classes may change sides"
    )
}


class _CrossbarMLP(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Parameters, training and the connection, for both tasks."""

    _task: Task
    _chip: Chip | None

    def __init__(
        self,
        hidden_layer_sizes: int | tuple[int, ...] = (32,),
        *,
        endpoint: str = "emu://lab-128x128x4",
        alpha: float | None = None,
        batch_size: int = 64,
        learning_rate_init: float = 0.03,
        max_iter: int | None = None,
        copies: int | Literal["auto"] = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.endpoint = endpoint
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.copies = copies
        self.random_state = random_state

    def _fit(self, X: Floats, y: NDArray[Any]) -> Self:
        """Trains on X (samples, features) and y and programs the endpoint. An emulated chip starts anew."""
        self.close()
        self.mean_, self.scale_ = X.mean(axis=0), X.std(axis=0)
        # A constant feature's deviation is rounding at most; dividing by it would make noise of it.
        self.scale_[self.scale_ <= 1e-12 * np.abs(self.mean_)] = 1.0
        inputs = (X - self.mean_) / self.scale_
        losses: list[float] = []
        chip = connect(self.endpoint)
        try:
            self.model_ = train_mlp(
                inputs,
                y,
                hidden=tuple(np.atleast_1d(np.asarray(self.hidden_layer_sizes, dtype=int)).tolist()),
                task=self._task,
                noise=ChipNoise.of(chip.spec),
                epochs=self.max_iter,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate_init,
                l2=self.alpha,
                seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
                progress=lambda done, total, loss: losses.append(loss),
            )
            self.network_ = compile_model(self.model_, chip.spec, inputs, copies=self.copies)
            self.report_ = chip.program(self.network_)
        except BaseException:
            chip.close()
            raise
        self.loss_curve_, self.n_iter_ = losses, len(losses)
        self._chip = chip
        return self

    def _infer(self, X: ArrayLike) -> Floats:
        """Outputs (samples, outputs) of the endpoint."""
        check_is_fitted(self, "network_")
        inputs = (validate_data(self, X, dtype=np.float64, reset=False) - self.mean_) / self.scale_
        return self._connected().infer(inputs)

    def _connected(self) -> Chip:
        """The chip; opened if need be, and then programmed unless the network is still on it."""
        chip: Chip | None = getattr(self, "_chip", None)
        if chip is None:
            chip = connect(self.endpoint)
            try:
                if not _holds(chip, self.network_):
                    chip.program(self.network_)
            except BaseException:
                chip.close()
                raise
            self._chip = chip
        return chip

    def close(self) -> None:
        """Ends the connection, which saves an emulated chip's `state`. The next prediction opens it again."""
        chip: Chip | None = getattr(self, "_chip", None)
        if chip is not None:
            self._chip = None
            chip.close()

    def __getstate__(self) -> dict[str, Any]:
        # A connection belongs to its process.
        return {key: value for key, value in super().__getstate__().items() if key != "_chip"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # every read of a cell has its own noise
        return tags


def _holds(chip: Chip, network: Network) -> bool:
    """Whether the network on the chip is this one; its scales, which data and weights set, tell it from others."""
    try:
        return chip.interface.to_json() == network.interface.to_json()
    except Error:
        return False


_PARAMETERS = """
    Features of any size may be given: `fit` learns their means and standard deviations, and the host standardises them.
    (Folded into the first layer they would cost resolution: all rows of a chip share one voltage scale, and all cells
    one range of conductance.)

    The connection stays open between calls and is not pickled. A copy connects again when it first predicts, and then
    programs the network again unless the chip still holds it, as boards and emulated chips with `state` do.

    Parameters
    ----------
    hidden_layer_sizes: widths of the hidden layers, which are ReLU.
    endpoint: URL of the chip, see `ohmloom.connect`.
    alpha: weight decay, as in MLPClassifier; None for the trainer's default.
    batch_size: samples in an optimiser's step.
    learning_rate_init: largest step size of Adam; it is warmed up and then lowered to 0.
    max_iter: epochs; None for 300, more on small data and fewer on large.
    copies: cell pairs for each weight, a power of two; "auto" takes as many as fit the chip.
    random_state: of the training. The emulated chip's own randomness is `seed` in the endpoint's URL.

    Attributes
    ----------
    model_: the trained `ohmloom.Model`, on standardised features.
    network_: the compiled `ohmloom.Network`; report_: the `ProgramReport` of programming it.
    mean_, scale_: (features,) of the standardisation.
    loss_curve_: mean loss of each epoch; n_iter_: number of epochs.
    n_features_in_, feature_names_in_: as everywhere in scikit-learn.
"""


class CrossbarMLPClassifier(ClassifierMixin, _CrossbarMLP):  # type: ignore[misc]
    __doc__ = f"""A multilayer perceptron on a memristor crossbar that classifies.
{_PARAMETERS}    classes_: the class labels.
    """

    _task = "classification"

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Trains for the chip's noise on X (samples, features) and labels y (samples,), and programs the endpoint.

        Raises ValueError for unsuitable data, parameters or a network too large for the chip, LinkError when the
        endpoint does not answer.
        """
        features, given = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(given)
        self.classes_, labels = np.unique(given, return_inverse=True)
        return self._fit(features, labels)

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Probabilities (samples, classes): the softmax of the endpoint's outputs."""
        scores = self._infer(X)
        exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return shares

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Labels (samples,) of X (samples, features), decided by the endpoint."""
        scores = self._infer(X)
        labels: NDArray[Any] = self.classes_[scores.argmax(axis=1)]
        return labels


class CrossbarMLPRegressor(RegressorMixin, _CrossbarMLP):  # type: ignore[misc]
    __doc__ = f"""A multilayer perceptron on a memristor crossbar that predicts one or several values.
{_PARAMETERS}    """

    _task = "regression"

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Trains for the chip's noise on X (samples, features) and y (samples,) or (samples, outputs), and programs.

        Raises ValueError for unsuitable data, parameters or a network too large for the chip, LinkError when the
        endpoint does not answer.
        """
        features, values = validate_data(
            self, X, y, dtype=np.float64, ensure_min_samples=2, multi_output=True, y_numeric=True
        )
        return self._fit(features, values)

    def predict(self, X: ArrayLike) -> Floats:
        """Values (samples,) or (samples, outputs) for X (samples, features), computed by the endpoint."""
        outputs = self._infer(X)
        values: Floats = self.model_.decide(outputs)
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

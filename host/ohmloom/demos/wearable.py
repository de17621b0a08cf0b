"""Series from a wrist and from a meter, with the features that a sensor node would compute.

BasicMotions: four students' smart watches, accelerometer and gyroscope, 10 s at 10 Hz. ItalyPowerDemand: power over the
hours of a day, October to March (1) or April to September (2). Both from the UCR and UEA archives, with their own split
(timeseriesclassification.com).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.demo import Data, Demo, fitted_note, standardised
from ohmloom.demos.files import time_series
from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

PROBLEMS = {"basicmotions": "BasicMotions", "italypower": "ItalyPowerDemand"}
HIDDEN = {"basicmotions": 32, "italypower": 16}


class Wearable(Demo):
    name: ClassVar[str] = "wearable"
    tasks: ClassVar[dict[str, str]] = {
        "basicmotions": "Activities from a smart watch",
        "italypower": "Season from the power over a day",
    }

    def data(self, spec: ChipSpec, seed: int) -> Data:
        (train, y_train), (test, y_test) = time_series(PROBLEMS[self.task], self.folder)
        raw_train, raw_test = np.array(train), np.array(test)
        if self.task == "basicmotions":
            X_train, X_test = standardised(motion_features(raw_train), motion_features(raw_test))
        else:
            X_train, X_test = raw_train[:, 0], raw_test[:, 0]
        wanted, inputs, classes = HIDDEN[self.task], X_train.shape[1], len(np.unique(y_train))
        hidden = self.hidden(inputs, wanted, classes, spec)
        note = fitted_note(wanted, hidden, inputs, classes, spec)
        return Data(X_train, y_train, X_test, y_test, (hidden,), raw_test, note)

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.demos.pictures import sample_series

        return [sample_series(results)]


def motion_features(windows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(windows, 5 x channels) of windows (windows, channels, length).

    For each channel its mean, the logarithms of its deviation and of its mean absolute step, its share of mean
    crossings and the centre of its power spectrum in units of half the sampling rate.
    """
    steps = np.abs(np.diff(windows, axis=2)).mean(axis=2)
    centred = windows - windows.mean(axis=2, keepdims=True)
    crossings = (centred[..., 1:] * centred[..., :-1] < 0).mean(axis=2)
    power = np.abs(np.fft.rfft(centred, axis=2)) ** 2
    centre = power @ np.linspace(0, 1, power.shape[2]) / np.maximum(power.sum(axis=2), 1e-12)
    features = [windows.mean(axis=2), np.log(centred.std(axis=2) + 1e-3), np.log(steps + 1e-3), crossings, centre]
    return np.concatenate(features, axis=1)

"""Heartbeats: single ones of five kinds, and a stream in which a detector finds them and the chip judges each.

ECG5000 of the UCR archive (Chen et al. 2015, from PhysioNet's BIDMC congestive heart failure database, record chf07):
beats of 140 samples, the class first in each line. The stream is a record of the MIT-BIH arrhythmia database (Moody and
Mark, IEEE Engineering in Medicine and Biology 20, 2001).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.beats import beat_features, detected, matched
from ohmloom.demos.demo import Data, Demo, fitted_note
from ohmloom.demos.files import data_file
from ohmloom.demos.wfdb import NORMAL, read_record
from ohmloom.errors import Error
from ohmloom.model import Model
from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.chip import Chip
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

FOLDER, BEATS_FILE = "ecg", "ecg/ECG5000_TRAIN.txt"
HIDDEN = {"beats": 32, "normal": 16, "stream": 16}
LENGTH, BLOCK = 140, 2  # samples of a beat; neighbours that are averaged
TEST_SHARE = 0.5
LEARNED = 1 / 3  # of the record; what follows is the stream
RECORD = "a two-channel record of physionet.org/content/mitdb (.hea, .dat, .atr)"
GOOD, BAD = "normal", "abnormal"


class Ecg(Demo):
    name: ClassVar[str] = "ecg"
    tasks: ClassVar[dict[str, str]] = {
        "beats": "Five kinds of heartbeats",
        "normal": "Normal heartbeats and others",
        "stream": "Heartbeats in a stream",
    }
    folders: ClassVar[dict[str, str]] = dict.fromkeys(tasks, FOLDER)

    def data(self, spec: ChipSpec, seed: int) -> Data:
        X, y, raw, train, test, note = self._stream() if self.task == "stream" else self._beats(seed)
        wanted, classes = HIDDEN[self.task], len(np.unique(y[train]))
        hidden = self.hidden(X.shape[1], wanted, classes, spec)
        notes = "; ".join(filter(None, [note, fitted_note(wanted, hidden, X.shape[1], classes, spec)]))
        return Data(X[train], y[train], X[test], y[test], (hidden,), raw[test][:, None], notes)

    def _beats(self, seed: int) -> tuple[Any, ...]:
        try:
            from sklearn.model_selection import train_test_split
        except ImportError as error:
            raise Error(f"the split needs scikit-learn ({error}): pip install 'ohmloom[demos]'") from None
        path = data_file(self.folder, BEATS_FILE, "the UCR archive's ECG5000 as text (timeseriesclassification.com)")
        try:
            table = np.loadtxt(path)
        except ValueError as error:
            raise Error(f"{path}: {error}") from None
        if table.ndim != 2 or table.shape[1] != 1 + LENGTH:
            raise Error(f"{path}: lines of a class and {LENGTH} samples wanted, given {table.shape}")
        kinds, beats = table[:, 0].astype(int), table[:, 1:]
        X = beats.reshape(len(beats), -1, BLOCK).mean(axis=2)
        train, test = train_test_split(np.arange(len(X)), test_size=TEST_SHARE, stratify=kinds, random_state=seed)
        y = kinds if self.task == "beats" else np.where(kinds == NORMAL, GOOD, BAD)
        return X, y, beats, train, test, ""

    def _stream(self) -> tuple[Any, ...]:
        X, y, places, rate_hz, samples, _ = _stream(self._record())
        learned = places < LEARNED * samples
        few = np.flatnonzero(learned & (y == BAD))
        if not len(few) or (y[learned] == BAD).all():
            raise Error(f"{self._record()}: the first {LEARNED:.0%} of the record hold beats of one kind only")
        # As many abnormal beats as normal ones, each many times over: they are rare.
        again = np.repeat(few, max(0, round(np.count_nonzero(learned) / len(few)) - 2))
        note = (
            f"trained on the first {LEARNED * samples / rate_hz / 60:.0f} minutes, {len(few)} abnormal beats of them; "
            f"the {(1 - LEARNED) * samples / rate_hz / 60:.0f} minutes after them are the stream"
        )
        return X, y, X[:, 2:], np.append(np.flatnonzero(learned), again), np.flatnonzero(~learned), note

    def _record(self) -> Path:
        folder = data_file(self.folder, FOLDER, RECORD)
        headers = sorted(folder.glob("*.hea"))
        if not headers:
            raise Error(f"{folder}: no .hea file; {RECORD} wanted")
        return headers[0]

    def measure(self, chip: Chip, data: Data, model: Model, predicted: NDArray[Any]) -> dict[str, Any]:
        """Recall by class, sensitivity to abnormal beats and specificity; of the stream the detector's figures, too."""
        truth = data.y_test
        recall = {str(kind): float((predicted[truth == kind] == kind).mean()) for kind in np.unique(truth)}
        numbers: dict[str, Any] = {"recall": recall}
        if self.task != "beats":
            numbers |= {"sensitivity": recall.get(BAD), "specificity": recall.get(GOOD)}
        if self.task == "stream":
            numbers |= _stream(self._record())[-1]
        return numbers

    def rows(self, measured: Mapping[str, Any]) -> list[tuple[str, str]]:
        rows = [(f"Recall, chip, {kind}", f"{value:.2%}") for kind, value in measured["recall"].items()]
        if "detection_sensitivity" in measured:
            rows += [
                ("Beats detected, of those annotated", f"{measured['detection_sensitivity']:.2%}"),
                ("Detections that are beats", f"{measured['detection_precision']:.2%}"),
            ]
        return rows

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.demos.pictures import sample_series

        return [sample_series(results)]


@lru_cache(maxsize=1)
def _stream(header: Path) -> tuple[Any, ...]:
    """Features, labels and places of the detected beats, the rate, the record's samples and the detector's figures.

    A detection that is no beat counts as normal: nothing there is to be reported.
    """
    record = read_record(header)
    signal = record.signals[0]
    places = detected(signal, record.rate_hz)
    beats = matched(places, record.beats, record.rate_hz)
    codes = np.where(beats >= 0, record.codes[beats], NORMAL)
    stream = len(signal) * LEARNED
    found = int((beats[places >= stream] >= 0).sum())
    figures = {
        "detection_sensitivity": found / int((record.beats >= stream).sum()),
        "detection_precision": found / int((places >= stream).sum()),
    }
    y = np.where(codes == NORMAL, GOOD, BAD)
    return beat_features(signal, places, record.rate_hz), y, places, record.rate_hz, len(signal), figures

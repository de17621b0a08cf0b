"""The beat detector, on drawn and on real signals, and what is said of each beat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ohmloom.demos.beats import beat_features, detected, matched
from ohmloom.demos.ecg import LENGTH, Ecg
from ohmloom.demos.wfdb import read_record
from ohmloom.errors import Error
from ohmloom.spec import load_chip

RATE_HZ = 360.0


def drawn(places: list[int], length: int) -> np.ndarray:
    """R peaks of 1 mV and 10 ms, T waves of 0.2 mV and 50 ms behind them, a drifting baseline and noise, in mV."""
    times = np.arange(length)
    signal = 0.3 * np.sin(2 * np.pi * 0.2 * times / RATE_HZ) + np.random.default_rng(0).normal(0.0, 0.01, length)
    for place in places:
        signal += np.exp(-0.5 * ((times - place) / (0.010 * RATE_HZ)) ** 2)
        signal += 0.2 * np.exp(-0.5 * ((times - place - 0.3 * RATE_HZ) / (0.050 * RATE_HZ)) ** 2)
    return signal


def test_every_drawn_beat_is_found_where_it_is() -> None:
    places = np.cumsum([400, 300, 290, 310, 180, 420, 300, 300, 280, 320]).tolist()
    found = detected(drawn(places, 4000), RATE_HZ)
    assert len(found) == len(places)
    assert np.abs(found - places).max() <= 2


def test_matching_by_hand() -> None:
    annotated = np.array([1000, 2000, 3000])
    # 150 ms are 54 samples: within, beyond; two at one beat, of which the nearer counts.
    found = np.array([1054, 1945, 2990, 3010])
    assert matched(found, annotated, RATE_HZ).tolist() == [0, -1, 2, -1]
    assert matched(found, np.array([], np.int64), RATE_HZ).tolist() == [-1] * 4


def test_a_beat_that_comes_early_is_told_so_and_so_is_the_next() -> None:
    places = np.cumsum([360] * 12)
    places[6] -= 180
    early = beat_features(np.zeros(6000), places, RATE_HZ)[:, :2]
    # Half of the usual interval: 4 * (0.5 - 1). The next is 1.5 s against a mean of 6.5 / 7 s, beyond the limit of 2.
    assert early[6, 0] == pytest.approx(-2.0)
    assert early[7, 0] == 2.0
    assert early[7, 1] == early[6, 0]
    np.testing.assert_allclose(early[2:6], 0.0, atol=1e-12)


def test_a_beats_shape_is_the_signal_around_it_less_its_mean() -> None:
    signal = np.repeat(np.arange(1000.0), 4)[:4000]
    shape = beat_features(signal, np.array([2000]), RATE_HZ)[0, 2:]
    assert shape.sum() == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(np.diff(shape), 1.0)  # at 90 Hz, one step of the stairs a sample


def test_the_detector_on_a_real_record(data_folder: Callable[[str], Path]) -> None:
    record = read_record(data_folder("ecg/mitdb-100.hea") / "ecg" / "mitdb-100.hea")
    found = detected(record.signals[0], record.rate_hz)
    right = np.count_nonzero(matched(found, record.beats, record.rate_hz) >= 0)
    # Pan and Tompkins miss 0.275 % of the database's beats and add 0.4 %; this is one of its clean records.
    assert right / len(record.beats) > 0.995
    assert right / len(found) > 0.995


def test_stream_learns_from_the_past_only(data_folder: Callable[[str], Path]) -> None:
    demo = Ecg("stream", data_folder("ecg/mitdb-100.hea"))
    data = demo.data(load_chip("lab-128x128x4"), 0)
    assert data.y_test.tolist().count("abnormal") == 28
    trained = {row.tobytes() for row in data.X_train}
    assert not any(row.tobytes() in trained for row in data.X_test)
    assert data.y_train.tolist().count("abnormal") >= 0.9 * data.y_train.tolist().count("normal")
    assert "first 10 minutes, 6 abnormal beats of them" in data.note


@pytest.mark.parametrize("text", ["1 2 3\n4 5 6\n", "1 x\n", "1 2\n3\n"])
def test_beats_of_another_layout_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ecg").mkdir()
    (tmp_path / "ecg" / "ECG5000_TRAIN.txt").write_text(text)
    with pytest.raises(Error, match=r"ECG5000_TRAIN\.txt"):
        Ecg("beats", tmp_path).data(load_chip("lab-128x128x4"), 0)


def test_beats_are_split_by_kind(tmp_path: Path) -> None:
    (tmp_path / "ecg").mkdir()
    kinds = np.repeat([1, 2, 4], [20, 10, 6])
    beats = np.random.default_rng(0).normal(size=(36, LENGTH))
    np.savetxt(tmp_path / "ecg" / "ECG5000_TRAIN.txt", np.column_stack([kinds, beats]))
    data = Ecg("beats", tmp_path).data(load_chip("lab-128x128x4"), 0)
    assert np.unique(data.y_test, return_counts=True)[1].tolist() == [10, 5, 3]
    binary = Ecg("normal", tmp_path).data(load_chip("lab-128x128x4"), 0)
    assert np.unique(binary.y_test, return_counts=True)[1].tolist() == [8, 10]


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ecg").mkdir()
    with pytest.raises(Error, match=r"no \.hea file"):
        Ecg("stream", tmp_path).data(load_chip("lab-128x128x4"), 0)

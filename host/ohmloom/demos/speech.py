"""Spoken digits and speakers: recordings become cepstra, a network decides.

FSDD: Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset), 8 kHz WAV files; its protocol tests
the recordings 0 to 4 of each digit and speaker. JapaneseVowels: nine speakers say /ae/, 12 cepstra a frame, its
own split (Kudo, Toyama and Shimbo, Pattern Recognition Letters 20, 1999).
"""

from __future__ import annotations

import wave
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ohmloom.demos.cepstra import RATE_HZ, cepstra, stretched
from ohmloom.demos.demo import Data, Demo, fitted_note, standardised
from ohmloom.demos.files import data_file, time_series
from ohmloom.errors import Error
from ohmloom.spec import ChipSpec

if TYPE_CHECKING:
    from ohmloom.demos.results import Results
    from ohmloom.report.pictures import Picture

FOLDER = "fsdd/recordings"
SOURCE = "the recordings of github.com/Jakobovski/free-spoken-digit-dataset"
TEST_INDICES = 5
SEGMENTS = {"digits": 9, "heldout-speaker": 9, "japanesevowels": 8}
HIDDEN = {"digits": 48, "heldout-speaker": 48, "japanesevowels": 32}


class Speech(Demo):
    name: ClassVar[str] = "speech"
    tasks: ClassVar[dict[str, str]] = {
        "digits": "Spoken digits",
        "heldout-speaker": "Spoken digits of a speaker never heard",
        "japanesevowels": "Who says the vowels",
    }
    folders: ClassVar[dict[str, str]] = {"digits": FOLDER, "heldout-speaker": FOLDER}

    def data(self, spec: ChipSpec, seed: int) -> Data:
        note = ""
        if self.task == "japanesevowels":
            (train, y_train), (test, y_test) = time_series("JapaneseVowels", self.folder)
            raw_test: NDArray[Any] = np.array([stretched(series.T, 32).T for series in test])
        else:
            recordings = data_file(self.folder, FOLDER, SOURCE)
            digits, speakers, indices, features = _recordings(recordings)
            held = indices < TEST_INDICES
            if self.task == "heldout-speaker":
                known = np.unique(speakers)
                held = speakers == known[seed % len(known)]
                note = f"trained without {known[seed % len(known)]}, one of {len(known)} speakers (the seed picks)"
            if held.all() or not held.any():
                raise Error(f"{recordings}: nothing to train on or nothing to test with in {len(held)} recordings")
            train, y_train = [features[i] for i in np.flatnonzero(~held)], digits[~held]
            test, y_test = [features[i] for i in np.flatnonzero(held)], digits[held]
            raw_test = np.array([stretched(series.T, 32).T for series in test])
        segments, wanted = SEGMENTS[self.task], HIDDEN[self.task]
        features_of = [np.array([stretched(series.T, segments).ravel() for series in part]) for part in (train, test)]
        X_train, X_test = standardised(*features_of)
        inputs, classes = X_train.shape[1], len(np.unique(y_train))
        hidden = self.hidden(inputs, wanted, classes, spec)
        notes = [note, fitted_note(wanted, hidden, inputs, classes, spec)]
        return Data(X_train, y_train, X_test, y_test, (hidden,), raw_test, "; ".join(filter(None, notes)))

    def pictures(self, results: Results) -> list[Picture]:
        from ohmloom.demos.pictures import sample_spectra

        return [sample_spectra(results)]


@lru_cache(maxsize=1)
def _recordings(folder: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[NDArray[np.float64]]]:
    """Digits, speakers and indices (recordings,) and cepstra, (coefficients, frames) each, of the folder's files."""
    names = [path.stem.split("_") for path in sorted(folder.glob("*.wav"))]
    if not names or any(len(name) != 3 or not (name[0].isdigit() and name[2].isdigit()) for name in names):
        raise Error(f"{folder}: files named DIGIT_SPEAKER_INDEX.wav wanted")
    digits, speakers, indices = (np.array(part) for part in zip(*names, strict=True))
    features = [cepstra(read_wav(path)) for path in sorted(folder.glob("*.wav"))]
    return digits.astype(int), speakers, indices.astype(int), features


def read_wav(path: Path) -> NDArray[np.float64]:
    """Samples (n,) within -1..1 of a mono 16-bit file at 8 kHz. Raises Error for another kind."""
    try:
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE_HZ):
                raise Error(f"{path}: mono, 16 bit, {RATE_HZ} Hz wanted, given {file.getparams()}")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    except (wave.Error, EOFError) as error:
        raise Error(f"{path}: not a WAV file ({str(error) or 'it ends too early'})") from None

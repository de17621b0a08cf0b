"""Published files, written here byte by byte from their specifications, and damaged ones."""

from __future__ import annotations

import gzip
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ohmloom import Error
from ohmloom.demos import files
from ohmloom.demos.mnist import SIDE, TRAIN, mnist, read_idx
from ohmloom.demos.speech import Speech, read_wav
from ohmloom.spec import load_chip

TS = """# a comment
@problemName Demo
@timeStamps false
@classLabel true up down
@data
1.0,2.5,-3:4,5,6:up
7,8,9:1e-3,0,2:down

"""


def idx(path: Path, values: np.ndarray) -> None:
    header = b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.astype(np.uint8).tobytes()))


def mnist_part(folder: Path, part: str, count: int, first: int) -> None:
    folder.mkdir(exist_ok=True)
    images = np.zeros((count, SIDE, SIDE))
    images[:, 0, 0] = first
    idx(folder / f"{part}-images-idx3-ubyte.gz", images)
    idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 10)


def test_ts_file(tmp_path: Path) -> None:
    path = tmp_path / "Demo_TRAIN.ts"
    path.write_text(TS)
    series, labels = files.read_ts(path)
    assert labels.tolist() == ["up", "down"]
    assert [part.tolist() for part in series] == [[[1, 2.5, -3], [4, 5, 6]], [[7, 8, 9], [1e-3, 0, 2]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no data", "with @data and without time stamps"),
        (TS.replace("@timeStamps false", "@timeStamps true"), "without time stamps"),
        (TS.replace("2.5", "x"), "series 0"),
        (TS.replace("1e-3,0,2", "1,2"), "series 1"),
    ],
)
def test_damaged_ts_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "Demo_TRAIN.ts"
    path.write_text(text)
    with pytest.raises(Error, match=message):
        files.read_ts(path)


def test_series_come_from_the_users_folder_first(tmp_path: Path) -> None:
    (tmp_path / "BasicMotions").mkdir()
    for part in ("TRAIN", "TEST"):
        (tmp_path / "BasicMotions" / f"BasicMotions_{part}.ts").write_text(TS)
    (train, labels), _ = files.time_series("BasicMotions", tmp_path)
    assert len(train) == len(labels) == 2


def test_series_that_nobody_has_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(Error, match=r"aeon.*--no-deps.*--data DIR with BasicMotions/BasicMotions_TRAIN.ts"):
        files.time_series("BasicMotions", tmp_path)


def test_idx_file(tmp_path: Path) -> None:
    values = np.arange(24).reshape(2, 3, 4)
    idx(tmp_path / "x.gz", values)
    np.testing.assert_array_equal(read_idx(tmp_path / "x.gz"), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "gzip"),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05abcd"), "4 values, its header says"),
        (gzip.compress(b"\0\0\x0d\x01\0\0\0\x01abcd"), "unsigned bytes"),
        (gzip.compress(b"\0\0"), "unsigned bytes"),
        (gzip.compress(b"\0\0\x08\x03\0\0"), "unsigned bytes"),
        (gzip.compress(b"0123456789" * 9)[:-12], "x.gz"),
    ],
    # The compressed bytes hold the time, and would name the tests differently in each process.
    ids=["not compressed", "short", "type", "header", "shape", "cut"],
)
def test_damaged_idx_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(Error, match=message):
        read_idx(tmp_path / "x.gz")


def test_mnist_without_training_images_is_split_and_says_so(tmp_path: Path) -> None:
    mnist_part(tmp_path / "mnist", "t10k", TRAIN + 5, 7)
    images, _, test, test_labels, note = mnist(tmp_path)
    assert (images.shape, test.shape) == ((TRAIN, SIDE, SIDE), (5, SIDE, SIDE))
    assert test_labels.tolist() == [(TRAIN + n) % 10 for n in range(5)]
    assert "trained on the first 8000 test images, tested on the other 5" in note


def test_mnist_with_training_images_keeps_its_protocol(tmp_path: Path) -> None:
    mnist_part(tmp_path / "mnist", "t10k", 3, 7)
    mnist_part(tmp_path / "mnist", "train", 4, 9)
    images, _, test, _, note = mnist(tmp_path)
    assert (images[:, 0, 0].tolist(), test[:, 0, 0].tolist(), note) == ([9] * 4, [7] * 3, "")


def test_too_little_of_mnist_is_refused(tmp_path: Path) -> None:
    mnist_part(tmp_path / "mnist", "t10k", 3, 7)
    with pytest.raises(Error, match="3 test images and no training images"):
        mnist(tmp_path)
    idx(tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz", np.arange(2))
    with pytest.raises(Error, match="a label each"):
        mnist(tmp_path)


def test_no_folder_and_an_empty_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Error, match="give the folder that holds mnist with --data DIR"):
        mnist(None)
    with pytest.raises(Error, match="mnist is missing: --data DIR wants mnist in DIR"):
        mnist(tmp_path)


def sound(path: Path, rate: int = 8000, channels: int = 1, frames: int = 4) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{frames * channels}h", *([16384, -32768, 0, 1] * frames)[: frames * channels]))


def test_wav_file(tmp_path: Path) -> None:
    sound(tmp_path / "x.wav")
    assert read_wav(tmp_path / "x.wav").tolist() == [0.5, -1.0, 0.0, 1 / 32768]


@pytest.mark.parametrize("options", [{"rate": 16000}, {"channels": 2}])
def test_another_kind_of_wav_file_is_refused(tmp_path: Path, options: dict[str, int]) -> None:
    sound(tmp_path / "x.wav", **options)
    with pytest.raises(Error, match="mono, 16 bit, 8000 Hz wanted"):
        read_wav(tmp_path / "x.wav")


def test_no_wav_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"x")
    with pytest.raises(Error, match=r"x\.wav: not a WAV file \(it ends too early\)"):
        read_wav(tmp_path / "x.wav")


@pytest.mark.parametrize("name", ["", "zero.wav", "0_someone.wav", "0_someone_x.wav"])
def test_recordings_of_another_layout_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    if name:
        sound(folder / name)
    with pytest.raises(Error, match="DIGIT_SPEAKER_INDEX"):
        Speech("digits", tmp_path).data(load_chip("lab-128x128x4"), 0)


def test_recordings_are_held_out_by_index_or_by_speaker(tmp_path: Path) -> None:
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit in range(2):
        for speaker in ("ann", "bob"):
            for index in (0, 4, 5):
                sound(folder / f"{digit}_{speaker}_{index}.wav", frames=2000)
    spec = load_chip("lab-128x128x4")
    by_index = Speech("digits", tmp_path).data(spec, 0)
    assert (len(by_index.y_train), len(by_index.y_test)) == (4, 8)
    by_speaker = Speech("heldout-speaker", tmp_path).data(spec, 1)
    assert (len(by_speaker.y_train), len(by_speaker.y_test)) == (6, 6)
    assert "trained without bob" in by_speaker.note


def test_without_other_recordings_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    sound(folder / "0_ann_0.wav")
    with pytest.raises(Error, match="nothing to train on or nothing to test with in 1 recordings"):
        Speech("digits", tmp_path).data(load_chip("lab-128x128x4"), 0)


def test_mnists_own_files(data_folder: Callable[[str], Path]) -> None:
    images, labels = (
        read_idx(data_folder("mnist") / "mnist" / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
    )
    assert images.shape == (10_000, 28, 28)
    # As published: the first test image is a seven, and so many of each digit.
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]

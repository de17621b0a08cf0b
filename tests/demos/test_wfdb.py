"""WFDB records, packed here by their specification, and a real one against its published figures."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ohmloom import Error
from ohmloom.demos.wfdb import read_annotations, read_record, unpack_212

NORMAL, VENTRICULAR, RHYTHM = 1, 5, 28


def pack_212(samples: list[int]) -> bytes:
    """signal(5): two samples in three bytes, the second one's high nibble in the upper half of the middle byte."""
    content = b""
    for first, second in zip(samples[0::2], samples[1::2], strict=True):
        first, second = first & 0xFFF, second & 0xFFF
        content += bytes([first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF])
    return content


def word(code: int, interval: int) -> bytes:
    return struct.pack("<H", code << 10 | interval)


def write(folder: Path, samples: list[int], annotations: bytes, signal: str = "212 200 11 1024") -> Path:
    header = folder / "r.hea"
    header.write_text(
        f"r 2 360 {len(samples) // 2}\nr.dat {signal} 0 0 0 MLII\nr.dat 212 0 11 0 0 0 0 V5\n# a comment\n"
    )
    (folder / "r.dat").write_bytes(pack_212(samples))
    (folder / "r.atr").write_bytes(annotations)
    return header


def test_samples_of_format_212() -> None:
    samples = [0, 1, -1, 2047, -2048, -2, 100, -100]
    assert unpack_212(pack_212(samples)).tolist() == samples


def test_a_record(tmp_path: Path) -> None:
    annotations = word(RHYTHM, 1) + word(NORMAL, 2) + word(VENTRICULAR, 4) + word(0, 0)
    record = read_record(write(tmp_path, [1024, 200, 1224, -200], annotations))
    assert record.rate_hz == 360
    # A gain of 0 says that none is known; 200 codes a mV are customary then.
    np.testing.assert_allclose(record.signals, [[0.0, 1.0], [1.0, -1.0]])
    assert (record.beats.tolist(), record.codes.tolist()) == ([3, 7], [NORMAL, VENTRICULAR])


def test_annotations_between_which_something_else_stands() -> None:
    content = (
        word(NORMAL, 10)
        + word(63, 3) + b"(N\0\0"  # AUX: 3 bytes of text, filled up to words
        + word(59, 0) + struct.pack("<HH", 1, 2)  # SKIP 65538 samples, high half first
        + word(62, 1)  # CHN
        + word(VENTRICULAR, 5)
        + word(59, 0) + struct.pack("<Hh", 0xFFFF, -20)  # a SKIP back
        + word(NORMAL, 0)
        + word(0, 0) + word(NORMAL, 1)
    )  # fmt: skip
    places, codes = read_annotations(content)
    assert places.tolist() == [10, 65553, 65533]
    assert codes.tolist() == [NORMAL, VENTRICULAR, NORMAL]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not the header of a record"),
        ("r 2 x 10\n", "not the header of a record"),
        ("r 1 360 10\nr.dat 212 200 11 1024\n", "two signals in format 212 wanted"),
        ("r 2 360 10\nr.dat 16 200 11 1024\nr.dat 212 200 11 1024\n", r"given formats \['16', '212'\]"),
        ("r 2 360 10\nr.dat 212 200 11 1024\nr.dat 212 200 11 1024\n", "2 samples a signal, the header says 10"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, text: str, message: str) -> None:
    header = write(tmp_path, [0, 0, 0, 0], word(0, 0))
    header.write_text(text)
    with pytest.raises(Error, match=message):
        read_record(header)


def test_record_100_of_the_arrhythmia_database(data_folder: Callable[[str], Path]) -> None:
    record = read_record(data_folder("ecg/mitdb-100.hea") / "ecg" / "mitdb-100.hea")
    assert record.signals.shape == (2, 650_000)
    # The directory of the database lists 2239 normal beats, 33 atrial and 1 ventricular premature ones.
    codes, counts = np.unique(record.codes, return_counts=True)
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {NORMAL: 2239, 8: 33, VENTRICULAR: 1}
    np.testing.assert_allclose(record.signals[:, 0], [-0.145, -0.065])

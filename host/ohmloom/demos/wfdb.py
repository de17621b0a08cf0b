"""Records of PhysioNet (Goldberger et al., Circulation 101, 2000): header, signals in format 212, MIT annotations.

Specification: WFDB Applications Guide, header(5), signal(5) and annot(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import Error

NORMAL = 1
# Annotation codes that mark a beat, of ecgcodes.h.
BEATS = (*range(1, 14), 25, 30, 34, 35, 38, 41)
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63


@dataclass(frozen=True, eq=False)
class Record:
    """signals: (channels, samples) in mV; beats: (n,) sample numbers; codes: (n,) annotation codes of the beats."""

    rate_hz: float
    signals: NDArray[np.float64]
    beats: NDArray[np.int64]
    codes: NDArray[np.int64]


def read_record(header: Path) -> Record:
    """The record whose .hea file is given, with the .dat and .atr files beside it. Raises Error for another format."""
    try:
        lines = [line.split() for line in header.read_text("ascii").splitlines() if line.strip() and line[0] != "#"]
        channels, rate, samples = int(lines[0][1]), float(lines[0][2].split("/")[0]), int(lines[0][3])
        signals = lines[1 : 1 + channels]
        kinds = [(line[1], float(line[2].split("/")[0].split("(")[0]), int(line[4])) for line in signals]
    except (IndexError, ValueError) as error:
        raise Error(f"{header}: not the header of a record ({error})") from None
    if [kind for kind, _, _ in kinds] != ["212"] * 2:
        raise Error(f"{header}: two signals in format 212 wanted, given formats {[kind for kind, _, _ in kinds]}")
    codes = unpack_212(header.with_suffix(".dat").read_bytes())[: 2 * samples].reshape(-1, 2).T
    if codes.shape[1] != samples:
        raise Error(f"{header.with_suffix('.dat')}: {codes.shape[1]} samples a signal, the header says {samples}")
    gains, zeros = (np.array([kind[index] for kind in kinds])[:, None] for index in (1, 2))
    places, types = read_annotations(header.with_suffix(".atr").read_bytes())
    beat = np.isin(types, BEATS)
    # A gain of 0 says that it was not measured; the customary one is 200 codes a mV.
    return Record(rate, (codes - zeros) / np.where(gains == 0, 200.0, gains), places[beat], types[beat])


def unpack_212(content: bytes) -> NDArray[np.int64]:
    """Signed 12-bit samples, two in three bytes: low bytes in the first and the third, high nibbles in the second."""
    first, middle, third = np.frombuffer(content[: len(content) // 3 * 3], np.uint8).reshape(-1, 3).T.astype(np.int64)
    pairs = np.column_stack([first | (middle & 15) << 8, third | (middle >> 4) << 8]).ravel()
    return (pairs ^ 2048) - 2048


def read_annotations(content: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sample numbers and codes. A word holds a code (6 bits) and the samples since the last one (10 bits).

    Some codes are no annotations: SKIP is a longer interval, NUM, SUB, CHN and AUX belong to the annotation before.
    """
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2").tolist()
    places, codes, now, index = [], [], 0, 0
    while index < len(words) and words[index]:
        code, interval = words[index] >> 10, words[index] & 1023
        index += 1
        if code == SKIP and index + 1 < len(words):
            skipped = words[index] << 16 | words[index + 1]  # the high half first
            now += skipped - ((skipped & 1 << 31) << 1)
            index += 2
        elif code == AUX:
            index += (interval + 1) // 2
        elif code not in (SKIP, NUM, SUB, CHN):
            now += interval
            places.append(now)
            codes.append(code)
    return np.array(places, np.int64), np.array(codes, np.int64)

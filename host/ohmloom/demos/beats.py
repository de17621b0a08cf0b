"""Heartbeats in a stream: where they are, and what a network is told of each.

The detector is that of Pan and Tompkins, IEEE Trans. Biomedical Engineering 32 (1985), with one threshold: band pass,
slope, square, moving mean, and of the peaks those that reach a share of the recent ones. It only looks back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, find_peaks, sosfilt

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

BAND_HZ = (5.0, 15.0)
MEAN_S, REFRACTORY_S = 0.15, 0.2
THRESHOLD, RECENT = 0.3, 8  # share of the mean of that many last beats
SEARCH_S = 0.35  # the beat itself lies at most this long before the moving mean's peak
BEFORE_S, AFTER_S, SHAPE_HZ = 0.25, 0.4, 90.0
MATCH_S = 0.15  # ANSI/AAMI EC57: a detection within 150 ms of an annotation is that beat


def detected(signal: Floats, rate_hz: float) -> Places:
    """Sample numbers of the R peaks in a signal (samples,) in mV."""
    band = sosfilt(butter(2, BAND_HZ, "bandpass", fs=rate_hz, output="sos"), signal)
    width = round(MEAN_S * rate_hz)
    power = np.convolve(np.square(np.gradient(band)), np.ones(width) / width)[: len(signal)]
    peaks, _ = find_peaks(power, distance=round(REFRACTORY_S * rate_hz))
    beats: list[int] = []
    recent = [float(power[: round(2 * rate_hz)].max())]
    for peak in peaks:
        if power[peak] > THRESHOLD * np.mean(recent[-RECENT:]):
            start = max(0, int(peak) - round(SEARCH_S * rate_hz))
            place = start + int(np.argmax(signal[start : peak + 1]))
            if not beats or place - beats[-1] > REFRACTORY_S * rate_hz:
                beats.append(place)
                recent.append(float(power[peak]))
    return np.array(beats, np.int64)


def matched(found: Places, annotated: Places, rate_hz: float) -> NDArray[np.int64]:
    """(found,) index of the annotated beat that each detection is, -1 where none is; no beat is found twice."""
    if not len(annotated):
        return np.full(len(found), -1)
    nearest = np.abs(found[:, None] - annotated[None, :]).argmin(axis=1)
    distance = np.abs(found - annotated[nearest])
    order = np.lexsort((distance, nearest))
    first = np.ones(len(found), dtype=bool)
    first[order[1:]] = nearest[order[1:]] != nearest[order[:-1]]
    return np.where(first & (distance <= MATCH_S * rate_hz), nearest, -1)


def beat_features(signal: Floats, beats: Places, rate_hz: float) -> Floats:
    """(beats, 2 + shape): how early a beat and the one before come, against the last eight, and the signal around it.

    The signal is taken at 90 Hz, less its mean.
    """
    times = beats / rate_hz
    intervals = np.diff(times, prepend=times[0] - 1.0)
    usual = np.array([intervals[max(0, n - RECENT) : max(n, 1)].mean() for n in range(len(beats))])
    early = np.clip(4.0 * (intervals / usual - 1.0), -2.0, 2.0)
    offsets = np.arange(-BEFORE_S, AFTER_S, 1 / SHAPE_HZ) * rate_hz
    step = round(rate_hz / SHAPE_HZ)
    smooth = np.convolve(signal, np.ones(step) / step, "same")
    shapes = smooth[np.clip(np.rint(beats[:, None] + offsets).astype(int), 0, len(signal) - 1)]
    return np.column_stack([early, np.append(0.0, early[:-1]), shapes - shapes.mean(axis=1, keepdims=True)])

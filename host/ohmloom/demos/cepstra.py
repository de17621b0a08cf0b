"""Mel-frequency cepstral coefficients (Davis and Mermelstein, IEEE Trans. ASSP 28, 1980).

Pre-emphasis 0.97, Hamming windows of 25 ms every 10 ms, 256-point spectrum, 23 triangular filters equally spaced on
O'Shaughnessy's mel scale, logarithm, DCT-II. The first coefficient, loudness, counts from the recording's peak, and
what is quieter than it by more than 22 dB is cut off both ends: recordings begin and end with different silences.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Floats = NDArray[np.float64]

RATE_HZ = 8000
WINDOW, HOP, SPECTRUM = 200, 80, 256
FILTERS, COEFFICIENTS = 23, 13
PRE_EMPHASIS = 0.97
LOWEST_HZ = 64.0
QUIET_DB = 22.0
FLOOR = 1e-8  # of a filter's power: silence, well below a 16-bit recording's last bit


def cepstra(samples: Floats) -> Floats:
    """(13, frames) of samples (n,) within -1..1; less than a window is filled up with silence."""
    emphasised = np.append(samples[:1], samples[1:] - PRE_EMPHASIS * samples[:-1])
    emphasised = np.pad(emphasised, (0, max(0, WINDOW - len(emphasised))))
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, WINDOW)[::HOP] * np.hamming(WINDOW)
    power = np.abs(np.fft.rfft(frames, SPECTRUM)) ** 2 / SPECTRUM
    found: Floats = np.array(dct(np.log(power @ _filters().T + FLOOR), norm="ortho"))[:, :COEFFICIENTS].T
    found[0] -= found[0].max()
    # The first row of an orthonormal DCT is the mean times sqrt(FILTERS); the logarithms are natural ones, of power.
    spoken = np.flatnonzero(found[0] >= -QUIET_DB / 10 * math.log(10) * math.sqrt(FILTERS))
    return found[:, spoken[0] : spoken[-1] + 1]


def _filters() -> Floats:
    """(filters, bins): triangles between neighbouring points of the mel scale."""
    low_mel, high_mel = (2595 * math.log10(1 + hertz / 700) for hertz in (LOWEST_HZ, RATE_HZ / 2))
    points = 700 * (10 ** (np.linspace(low_mel, high_mel, FILTERS + 2) / 2595) - 1)
    bins = np.arange(SPECTRUM // 2 + 1) * RATE_HZ / SPECTRUM
    low, centre, high = points[:-2, None], points[1:-1, None], points[2:, None]
    triangles: Floats = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return triangles


def stretched(frames: Floats, segments: int) -> Floats:
    """(segments, coefficients) of frames (frames, coefficients): means over equal parts of the time.

    A frame in which a part ends is shared.
    """
    sums = np.vstack([np.zeros(frames.shape[1]), frames.cumsum(axis=0)])
    edges = np.linspace(0, len(frames), segments + 1)
    whole = edges.astype(int).clip(max=len(frames) - 1)
    at_edges = sums[whole] + (edges - whole)[:, None] * frames[whole]
    means: Floats = np.diff(at_edges, axis=0) * (segments / len(frames))
    return means

"""Front ends against their definitions, written out sample by sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ohmloom.demos.cepstra import RATE_HZ, cepstra, stretched
from ohmloom.demos.demo import standardised
from ohmloom.demos.wearable import motion_features


def spelled_out(samples: np.ndarray) -> np.ndarray:
    """Davis and Mermelstein's coefficients of 8 kHz speech, the slow way."""
    x = [samples[0]] + [samples[n] - 0.97 * samples[n - 1] for n in range(1, len(samples))]
    mel = lambda hertz: 2595 * math.log10(1 + hertz / 700)  # noqa: E731
    points = [700 * (10 ** (m / 2595) - 1) for m in np.linspace(mel(64), mel(4000), 25)]
    frames = []
    for start in range(0, len(x) - 200 + 1, 80):
        window = [x[start + n] * (0.54 - 0.46 * math.cos(2 * math.pi * n / 199)) for n in range(200)]
        phases = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(200)) / 256)
        power = np.abs(phases @ window) ** 2 / 256
        bands = []
        for low, centre, high in zip(points, points[1:], points[2:], strict=False):
            weights = [
                max(0.0, min((f - low) / (centre - low), (high - f) / (high - centre)))
                for f in np.arange(129) * 8000 / 256
            ]
            bands.append(math.log(float(np.dot(weights, power)) + 1e-8))
        frames.append(
            [
                math.sqrt((1 if k == 0 else 2) / 23)
                * sum(band * math.cos(math.pi * k * (m + 0.5) / 23) for m, band in enumerate(bands))
                for k in range(13)
            ]
        )
    found = np.array(frames).T
    found[0] -= found[0].max()
    return found


def test_cepstra_are_what_the_paper_says() -> None:
    times = np.arange(1000) / RATE_HZ
    samples = 0.3 * np.sin(2 * np.pi * 700 * times) + np.random.default_rng(0).normal(0.0, 0.05, 1000)
    np.testing.assert_allclose(cepstra(samples), spelled_out(samples), atol=1e-8)


def test_silence_is_cut_off_both_ends_only() -> None:
    word, pause = np.random.default_rng(0).normal(0.0, 0.1, 1600), np.zeros(2400)
    recording = np.concatenate([pause, word, pause, word, pause])
    frames = cepstra(recording).shape[1]
    spoken = len(word) * 2 + len(pause)
    # A window that touches the word counts: at most two windows more, of 200 samples every 80.
    assert spoken / 80 - 3 <= frames <= (spoken + 400) / 80


def test_loudness_does_not_matter() -> None:
    samples = np.random.default_rng(0).normal(0.0, 0.1, 1600)
    np.testing.assert_allclose(cepstra(0.5 * samples), cepstra(samples), atol=0.01)  # up to the floor


def test_less_than_a_window_is_filled_up() -> None:
    assert cepstra(np.array([0.5, -0.5, 0.25])).shape == (13, 1)


@pytest.mark.parametrize(("frames", "segments"), [(7, 3), (3, 7), (12, 4), (1, 5), (8, 8)])
def test_stretched_series_are_means_over_equal_times(frames: int, segments: int) -> None:
    series = np.random.default_rng(0).normal(size=(frames, 2))
    fine = np.repeat(series, segments, axis=0)  # each frame as `segments` equal pieces; a segment is `frames` of them
    expected = fine.reshape(segments, frames, 2).mean(axis=1)
    np.testing.assert_allclose(stretched(series, segments), expected, atol=1e-12)


def test_motion_features_of_waves_that_are_known() -> None:
    """Mean, log of deviation, log of mean step, share of crossings, centre of the spectrum; channels side by side."""
    n = np.arange(100)
    slow, fast = 2.0 + np.sin(2 * np.pi * 5 * (n + 0.5) / 100), 3.0 * np.cos(np.pi * n)
    features = motion_features(np.array([[slow, fast]]))[0].reshape(5, 2)
    np.testing.assert_allclose(features[0], [2.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(features[1], np.log([math.sqrt(0.5) + 1e-3, 3.0 + 1e-3]))
    np.testing.assert_allclose(features[2, 1], math.log(6.0 + 1e-3))
    # Ten crossings within the wave's five periods, of which none lies at its ends; the other changes sign each step.
    np.testing.assert_allclose(features[3], [9 / 99, 1.0])
    np.testing.assert_allclose(features[4], [5 / 50, 1.0], atol=1e-9)


def test_a_channel_that_does_not_move_has_finite_features() -> None:
    assert np.isfinite(motion_features(np.full((2, 3, 10), 5.0))).all()


def test_standardising_uses_the_training_set_alone_and_clips() -> None:
    train, test = np.array([[0.0, 7.0], [2.0, 7.0]]), np.array([[3.0, 8.0], [100.0, 7.0], [-100.0, 7.0]])
    scaled, held_out = standardised(train, test)
    assert scaled.tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert held_out.tolist() == [[2.0, 1.0], [3.0, 0.0], [-3.0, 0.0]]

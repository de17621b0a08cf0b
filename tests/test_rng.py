"""Counter-based random numbers: reproducible, independent of grouping, and random enough."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from ohmloom_emulator.rng import Stream, normal, uniform

MASK = (1 << 64) - 1


def splitmix_output(state: int) -> int:
    """SplitMix64's output function, from the published C code."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
    return state ^ (state >> 31)


def reference(seed: int, stream: int, *keys: int) -> float:
    golden = 0x9E3779B97F4A7C15
    counter = splitmix_output(((splitmix_output((seed + golden) & MASK)) + stream * golden) & MASK)
    for place, key in enumerate(keys, start=1):
        counter += key * (splitmix_output(place * golden & MASK) | 1)
    return ((splitmix_output(counter & MASK) >> 12) + 0.5) / 2**52


def test_the_reference_is_splitmix64() -> None:
    assert splitmix_output(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # its first output from seed 0


@pytest.mark.parametrize("keys", [(), (0,), (3, 5), (-1, 2**40, 7), (1, 2, 3, 4, 5, 6, 7, 2**63)])
@pytest.mark.parametrize("seed", [0, 1, -5, 2**70 + 3])
def test_matches_scalar_arithmetic(seed: int, keys: tuple[int, ...]) -> None:
    u = reference(seed, Stream.CYCLE, *keys)
    assert uniform(seed, Stream.CYCLE, *keys) == u
    assert normal(seed, Stream.CYCLE, *keys) == pytest.approx(NormalDist().inv_cdf(u), rel=1e-12)


def test_grouping_order_and_dtype_do_not_matter() -> None:
    rows, columns, count = np.arange(70)[:, None], np.arange(600), np.arange(600) % 9
    whole = normal(7, Stream.CYCLE, 2, rows, columns, count)
    assert whole.shape == (70, 600)
    order = np.random.default_rng(1).permutation(600)
    shuffled = normal(7, Stream.CYCLE, np.uint64(2), rows[::-1].astype(np.int16), columns[order], count[order])
    np.testing.assert_array_equal(shuffled, whole[::-1, order])
    transposed = normal(7, Stream.CYCLE, 2, rows.T, columns[:, None], count[:, None])
    np.testing.assert_array_equal(transposed, whole.T)
    assert normal(7, Stream.CYCLE, 2, 69, 599, int(count[599])) == whole[69, 599]
    assert uniform(7, Stream.CYCLE, columns[:0]).shape == (0,)


@pytest.mark.parametrize("vary", ["seed", "stream", "first key", "last key", "high bits"])
def test_distribution_and_neighbours(vary: str) -> None:
    """Kolmogorov-Smirnov, and correlations of each sequence with its neighbours, whichever argument counts."""
    n = np.arange(200_000)
    u = {
        "seed": lambda: np.concatenate([uniform(seed, Stream.CYCLE, np.arange(10)) for seed in range(20_000)]),
        "stream": lambda: np.stack([uniform(1, stream, n[:10_000]) for stream in Stream], axis=1).ravel(),
        "first key": lambda: uniform(1, Stream.CYCLE, n, 5),
        "last key": lambda: uniform(1, Stream.CYCLE, 5, n),
        "high bits": lambda: uniform(1, Stream.CYCLE, n << 44, 5),
    }[vary]()
    assert 0.0 < u.min() <= u.max() < 1.0
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    z = stats.norm.ppf(u)
    assert stats.kurtosis(z) == pytest.approx(0.0, abs=0.06)
    bound = 4.5 / np.sqrt(len(z))
    assert abs(z.mean()) < bound
    for lag in (1, 2, 3, 10, len(Stream), 128, 1024):
        for f in (lambda x: x, np.square):  # squares show dependence without correlation
            assert abs(np.corrcoef(f(z[lag:]), f(z[:-lag]))[0, 1]) < bound, lag


def test_avalanche() -> None:
    """One flipped bit of a key flips each bit of the number half of the time."""
    keys = np.arange(4000, dtype=np.uint64)
    bits = np.arange(52, dtype=np.uint64)

    def word(key: np.ndarray) -> np.ndarray:
        return np.floor(uniform(3, Stream.RELAXATION, 1, key) * 2.0**52).astype(np.uint64)

    base = word(keys)
    for bit in range(64):
        flipped = base ^ word(keys ^ np.uint64(1 << bit))
        share = (flipped[:, None] >> bits & np.uint64(1)).mean(axis=0)
        assert np.abs(share - 0.5).max() < 5.0 * 0.5 / np.sqrt(len(keys)), bit


def test_neighbouring_cells_are_independent_in_two_dimensions() -> None:
    z = normal(1, Stream.SET_THRESHOLD, 0, np.arange(512)[:, None], np.arange(512))
    spectrum = np.abs(np.fft.rfft2(z)) ** 2 / z.size
    # The power of white noise is exponential: a lattice structure would stand out as a peak.
    assert spectrum[1:, 1:].max() < 25.0
    assert z.mean(axis=0).std() == pytest.approx(1 / np.sqrt(512), rel=0.15)
    assert z.mean(axis=1).std() == pytest.approx(1 / np.sqrt(512), rel=0.15)


def test_bad_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="integers, not float64"):
        uniform(1, Stream.CYCLE, np.array([1.0]))
    with pytest.raises(ValueError, match="at most 8"):
        uniform(1, Stream.CYCLE, *range(9))

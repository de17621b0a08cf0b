import numpy as np
import pytest

from ohmloom_emulator.line import NoisyLine


def flips(noisy, data):
    return np.unpackbits(np.frombuffer(noisy, np.uint8) ^ np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("ber", [1e-4, 3e-3, 0.2])
def test_rate_and_independence_of_the_flips(ber):
    data = bytes(250_000)
    hit = flips(NoisyLine(ber, seed=3)(data), data)
    sigma = np.sqrt(ber * (1 - ber) * hit.size)
    assert abs(hit.sum() - ber * hit.size) < 5 * sigma
    # Neighbours are hit together as often as chance has it.
    expected = ber**2 * hit.size
    assert abs((hit[1:] & hit[:-1]).sum() - expected) < 5 * np.sqrt(expected) + 3


def test_flips_do_not_depend_on_how_the_stream_is_cut():
    data = np.random.default_rng(1).bytes(20_000)
    whole = NoisyLine(2e-3, seed=8)(data)
    line, cut, rng = NoisyLine(2e-3, seed=8), b"", np.random.default_rng(2)
    while len(cut) < len(data):
        cut += line(data[len(cut) : len(cut) + int(rng.integers(0, 90))])
    assert cut == whole != data


def test_a_clean_line_changes_nothing():
    data = bytes(range(256))
    assert NoisyLine(0, seed=0)(data) == data


@pytest.mark.parametrize("ber", [-0.1, 1.0, float("nan")])
def test_rates_that_are_none(ber):
    with pytest.raises(ValueError, match="bit error rate"):
        NoisyLine(ber, seed=0)

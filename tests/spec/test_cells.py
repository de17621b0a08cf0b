"""Spread of programmed cells against the published polynomials."""

from __future__ import annotations

import numpy as np
import pytest

from ohmloom.spec.cells import total_sigma

# Wan et al. 2022 as fitted in aihwkit's ReRamWan2022: standard deviation in uS, coefficients from (g / 40 uS)^0 on.
PUBLISHED = {
    1.0: (0.348, 16.030, -43.853, 45.393, -16.815),
    86_400.0: (0.701, 22.086, -50.773, 47.095, -16.458),
    172_800.0: (0.782, 20.274, -43.507, 37.062, -11.934),
}
CONDUCTANCE = np.linspace(2e-6, 40e-6, 191)


@pytest.mark.parametrize("age_s", PUBLISHED)
def test_the_published_ages(age_s: float) -> None:
    x = CONDUCTANCE / 40e-6
    sigma_us = sum(coefficient * x**power for power, coefficient in enumerate(PUBLISHED[age_s]))
    np.testing.assert_allclose(1e6 * total_sigma(CONDUCTANCE, age_s), sigma_us, rtol=0.05)


def test_the_variance_is_linear_in_the_logarithm_of_age() -> None:
    variances = [total_sigma(CONDUCTANCE, age_s) ** 2 for age_s in (1.0, 10.0, 100.0, 1e6)]
    decade = variances[1] - variances[0]
    np.testing.assert_allclose(variances[2] - variances[1], decade, rtol=1e-6)
    np.testing.assert_allclose(variances[3] - variances[0], 6 * decade, rtol=1e-6)
    assert np.all(decade > 0)


def test_no_age_gives_a_negative_variance_and_no_conductance_leaves_the_fit() -> None:
    assert np.all(np.isfinite(total_sigma(CONDUCTANCE, 0.0)))
    assert np.all(total_sigma(CONDUCTANCE, 1e-9) >= 0)
    assert total_sigma(-1e-6, 1.0) == total_sigma(0.0, 1.0) == pytest.approx(0.348e-6)
    assert total_sigma(55e-6, 1.0) == total_sigma(40e-6, 1.0)
    assert total_sigma(np.full((3, 2), 1e-6), 60.0).shape == (3, 2)

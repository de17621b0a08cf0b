"""`row_ladder` against plain nodal analysis."""

import numpy as np
import pytest

from ohmloom_emulator.array import row_ladder


def ladder(n, seed=0):
    rng = np.random.default_rng(seed)
    g = np.where(rng.random(n) < 0.1, 0.0, rng.uniform(1e-6, 40e-6, n))
    return g, rng.uniform(0, 2, n), rng.uniform(10, 300, n)


@pytest.mark.parametrize("n", [1, 2, 16, 128])
@pytest.mark.parametrize("r_driver", [0.0, 50.0])
@pytest.mark.parametrize("r_row", [0.0, 1.0, 200.0])
@pytest.mark.parametrize("series", [0.0, 1.0])
def test_agrees_with_nodal_analysis(n, r_driver, r_row, series, ladder_reference):
    g, v_column, r_series = ladder(n)
    wires = {"r_driver": r_driver, "r_row": r_row, "r_series": series * r_series}
    v, i = row_ladder(g, 1.5, v_column, **wires)
    v_reference, i_reference = ladder_reference(g, 1.5, v_column, **wires)
    np.testing.assert_allclose(v, v_reference, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(i, i_reference, rtol=1e-10, atol=1e-17)


def test_a_batch_is_its_single_ladders():
    g = np.stack([ladder(40, seed)[0] for seed in range(6)]).reshape(2, 3, 40)
    _, v_column, r_series = ladder(40)
    v_driver = np.linspace(0, 2, 6).reshape(2, 3)
    v, i = row_ladder(g, v_driver, v_column, r_driver=50.0, r_row=1.0, r_series=r_series)
    for index in np.ndindex(2, 3):
        alone = row_ladder(g[index], v_driver[index], v_column, r_driver=50.0, r_row=1.0, r_series=r_series)
        np.testing.assert_allclose((v[index], i[index]), alone, rtol=1e-13)


def test_without_wires_each_cell_has_the_full_voltage():
    g, v_column, _ = ladder(10)
    v, i = row_ladder(g, 1.0, v_column, r_driver=0.0, r_row=0.0, r_series=0.0)
    assert np.array_equal(v, 1.0 - v_column)
    assert np.array_equal(i, g * (1.0 - v_column))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("conductance", [-1e-6, 1e-6]),
        ("conductance", [np.nan, 1e-6]),
        ("v_driver", np.nan),
        ("v_column", [0.0, np.inf]),
        ("r_driver", -1.0),
        ("r_row", -1.0),
        ("r_series", [1.0, -1.0]),
        ("conductance", []),
        ("conductance", 1.0),
    ],
)
def test_a_bad_argument_is_named(name, bad):
    good = {
        "conductance": [1e-6, 2e-6], "v_driver": 1.0, "v_column": 0.0, "r_driver": 1.0, "r_row": 1.0, "r_series": 1.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match=name):
        row_ladder(**good | {name: bad})

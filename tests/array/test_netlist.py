"""ngspice, fed with the exported netlist, against `Crossbar`."""

import numpy as np
import pytest

from ohmloom_emulator.array import Crossbar


@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (5, 9)])
@pytest.mark.parametrize(
    "resistances",
    [
        {"r_row": 1.0, "r_column": 2.0, "r_driver": 50.0, "r_sense": 10.0},
        {"r_row": 0.0, "r_column": 2.0, "r_driver": 0.0, "r_sense": 0.0},
        {"r_row": 3.0, "r_column": 0.0, "r_driver": 0.0, "r_sense": 10.0},
        {"r_row": 0.0, "r_column": 0.0, "r_driver": 0.0, "r_sense": 0.0},
    ],
    ids=["all", "columns only", "rows and sense", "none"],
)
def test_ngspice_agrees(shape, resistances, ngspice):
    rng = np.random.default_rng(5)
    g = np.where(rng.random(shape) < 0.1, 0.0, rng.uniform(1e-6, 40e-6, shape))
    v = rng.uniform(-0.2, 0.2, shape[0])
    crossbar = Crossbar(g, **resistances)
    expected = crossbar.currents(v)
    np.testing.assert_allclose(ngspice(crossbar.spice_netlist(v)), expected, rtol=1e-6, atol=1e-6 * abs(expected).max())

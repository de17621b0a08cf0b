"""`Crossbar` against closed forms and plain nodal analysis."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ohmloom_emulator.array import Crossbar

TYPICAL = {"r_row": 1.0, "r_column": 2.0, "r_driver": 50.0, "r_sense": 10.0}
NAMES = tuple(TYPICAL)


def random_conductance(shape, seed=0, zeros=0.1):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < zeros, 0.0, rng.uniform(1e-6, 40e-6, shape))


def assert_same(actual, reference, relative=1e-11):
    np.testing.assert_allclose(actual, reference, rtol=relative, atol=relative * np.abs(reference).max())


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (2, 1), (3, 5), (1, 300), (300, 1), (31, 33), (32, 64), (100, 70), (33, 129), (128, 128)],
)
def test_agrees_with_nodal_analysis(shape, crossbar_reference):
    g = random_conductance(shape)
    crossbar = Crossbar(g, **TYPICAL)
    transfer, admittance = crossbar_reference(g, **TYPICAL)
    assert_same(crossbar.transfer, transfer)
    assert_same(crossbar.row_admittance, admittance)


@pytest.mark.parametrize("without", [c for n in range(5) for c in itertools.combinations(NAMES, n)], ids="-".join)
def test_each_resistance_may_be_zero(without, crossbar_reference):
    g = random_conductance((37, 21), seed=1)
    resistances = TYPICAL | dict.fromkeys(without, 0.0)
    crossbar = Crossbar(g, **resistances)
    transfer, admittance = crossbar_reference(g, **resistances)
    assert_same(crossbar.transfer, transfer)
    assert_same(crossbar.row_admittance, admittance)


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    resistances=st.fixed_dictionaries(
        {name: st.just(0.0) | st.floats(1e-2, 1e3) for name in NAMES},
    ),
    zeros=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
@example(
    rows=1, columns=6, resistances={"r_row": 0.01171875, "r_column": 0.0, "r_driver": 375.5, "r_sense": 0.0}, zeros=0.0, seed=7
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_shape_and_resistance(rows, columns, resistances, zeros, seed, crossbar_reference):
    g = random_conductance((rows, columns), seed, zeros)
    transfer, _ = crossbar_reference(g, **resistances)
    assert_same(Crossbar(g, **resistances).transfer, transfer)


def test_one_cell_is_a_series_circuit():
    crossbar = Crossbar([[20e-6]], r_row=7.0, r_column=9.0, r_driver=50.0, r_sense=10.0)
    assert crossbar.transfer[0, 0] == pytest.approx(1 / (1 / 20e-6 + 60.0), rel=1e-15)


def test_wires_of_very_different_resistance_keep_their_precision():
    """One row of equal cells, no resistance below: i_j = g u_j with u'' = r g u, a discrete cosh."""
    n, g, r = 50, 1e-4, 1e-7
    crossbar = Crossbar(np.full((1, n), g), r_row=r, r_column=1e3, r_driver=0.0, r_sense=0.0)
    k = 2 * np.arcsinh(np.sqrt(r * g) / 2)
    u = np.cosh(k * (n - 0.5 - np.arange(n))) / np.cosh(k * (n - 0.5))
    np.testing.assert_allclose(crossbar.transfer[:, 0], g * u, rtol=1e-14)


def test_without_resistance_is_exactly_the_matrix_product():
    g = random_conductance((100, 70))
    rng = np.random.default_rng(2)
    one, batch = rng.normal(size=100), rng.normal(size=(9, 100))
    crossbar = Crossbar(g, r_row=0, r_column=0, r_driver=0, r_sense=0)
    assert np.array_equal(crossbar.transfer, g.T)
    assert np.array_equal(crossbar.currents(one), g.T @ one)
    assert np.array_equal(crossbar.currents(batch), batch @ g)


def test_currents_of_a_vector_and_of_a_batch_are_the_transfer_applied():
    crossbar = Crossbar(random_conductance((20, 30)), **TYPICAL)
    batch = np.random.default_rng(3).normal(size=(5, 20))
    currents = crossbar.currents(batch)
    assert currents.shape == (5, 30)
    np.testing.assert_allclose(currents, np.einsum("cr,nr->nc", crossbar.transfer, batch), rtol=1e-12)
    np.testing.assert_allclose(crossbar.currents(batch[0]), currents[0], rtol=1e-12)


def test_the_transfer_is_computed_once_and_stays_that_of_the_state_given():
    g = random_conductance((8, 8))
    crossbar = Crossbar(g, **TYPICAL)
    g[:] = 0
    assert crossbar.transfer.max() > 0
    assert crossbar.transfer is crossbar.transfer
    with pytest.raises(ValueError, match="read-only"):
        crossbar.transfer[0, 0] = 1.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "wide", [1.0, 2.0], None])
def test_a_bad_resistance_is_named(name, bad):
    with pytest.raises(ValueError, match=name):
        Crossbar(np.ones((2, 2)), **TYPICAL | {name: bad})


@pytest.mark.parametrize("bad", [[1.0, 2.0], np.ones((2, 2, 2)), np.ones((0, 3)), [[np.nan]], [[-1e-6]], [[np.inf]]])
def test_a_bad_conductance_is_named(bad):
    with pytest.raises(ValueError, match="conductance"):
        Crossbar(bad, **TYPICAL)


@pytest.mark.parametrize("bad", [1.0, np.ones(3), np.ones((2, 3)), np.ones((1, 1, 2)), [0.1, np.nan]])
def test_bad_voltages_are_named(bad):
    crossbar = Crossbar(np.ones((2, 3)), **TYPICAL)
    with pytest.raises(ValueError, match="v_rows"):
        crossbar.currents(bad)
    with pytest.raises(ValueError, match="v_rows"):
        crossbar.spice_netlist(bad)

"""Crossbars of non-linear cells against closed forms, the linear solver and ngspice."""

import numpy as np
import pytest

from ohmloom.errors import Error
from ohmloom_emulator.array import Crossbar, half_select, nonlinear_netlist, solve_nonlinear

WIRES = {"r_row": 1.0, "r_column": 2.0, "r_driver": 50.0, "r_sense": 10.0}
IDEAL = dict.fromkeys(WIRES, 0.0)


def conductance(shape, seed=0):
    return np.random.default_rng(seed).uniform(1e-6, 40e-6, shape)


def sinh_cells(g, alpha):
    """Cells of conductance g at small voltages and g/alpha sinh(alpha v): as functions and for ngspice."""
    text = np.array([[f"{x / alpha!r}*sinh({alpha!r}*v)" for x in line] for line in g.tolist()])
    return (lambda v: g / alpha * np.sinh(alpha * v)), (lambda v: g * np.cosh(alpha * v)), text


@pytest.mark.parametrize("without", [(), ("r_row",), ("r_column", "r_driver"), ("r_row", "r_sense"), tuple(WIRES)])
def test_linear_cells_are_a_crossbar(without):
    g, v = conductance((24, 17)), np.random.default_rng(1).uniform(-0.2, 0.2, 24)
    wires = WIRES | dict.fromkeys(without, 0.0)
    solution = solve_nonlinear(lambda cell_v: g * cell_v, v, np.zeros(17), **wires)
    crossbar = Crossbar(g, **wires)
    np.testing.assert_allclose(solution.column_a, crossbar.currents(v), rtol=1e-10)
    np.testing.assert_allclose(solution.row_a, crossbar.row_admittance @ v, rtol=1e-10)
    assert solution.factorisations == 1


def test_weakly_nonlinear_cells_need_no_second_factorisation():
    current, slope, _ = sinh_cells(conductance((16, 16)), 1.0)
    solution = solve_nonlinear(current, np.full(16, 0.2), np.zeros(16), slope=slope, **WIRES)
    assert solution.factorisations == 1


@pytest.mark.parametrize("alpha", [3.0, 20.0, 40.0])
def test_kirchhoffs_laws_hold_for_strongly_nonlinear_cells(alpha):
    """Independent of the solver's matrices: potentials are followed along the wires with the currents found."""
    n, m = 12, 9
    current, _, _ = sinh_cells(conductance((n, m)), alpha)
    v_rows, v_columns = half_select(n, m, 3, 5, 1.2, "V/2")
    solution = solve_nonlinear(current, v_rows, v_columns, **WIRES)
    i = solution.cell_a
    in_row = np.cumsum(i[:, ::-1], axis=1)[:, ::-1]  # through the wire at each cell's left
    drop = in_row * np.r_[WIRES["r_driver"], np.full(m - 1, WIRES["r_row"])]
    in_column = np.cumsum(i, axis=0)  # through the wire below each cell
    rise = in_column * np.r_[np.full(n - 1, WIRES["r_column"]), WIRES["r_sense"]][:, None]
    row_side = v_rows[:, None] - np.cumsum(drop, axis=1)
    column_side = v_columns + np.cumsum(rise[::-1], axis=0)[::-1]
    np.testing.assert_allclose(solution.cell_v, row_side - column_side, rtol=0, atol=1e-9)
    np.testing.assert_allclose(i, current(row_side - column_side), rtol=0, atol=1e-7 * np.abs(i).max())


@pytest.mark.parametrize("shape", [(16, 16), (64, 64)])
@pytest.mark.parametrize("scheme", ["V/2", "V/3"])
def test_ngspice_agrees_on_half_selected_passive_arrays(shape, scheme, ngspice):
    current, slope, text = sinh_cells(conductance(shape), 4.0)
    v_rows, v_columns = half_select(*shape, 2, shape[1] - 2, 1.0, scheme)
    solution = solve_nonlinear(current, v_rows, v_columns, slope=slope, **WIRES)
    simulated = ngspice(nonlinear_netlist(text, v_rows, v_columns, **WIRES))
    np.testing.assert_allclose(simulated, solution.column_a, rtol=1e-6, atol=1e-6 * np.abs(simulated).max())


def test_ngspice_agrees_on_sneak_paths_through_floating_lines(ngspice):
    current, _, text = sinh_cells(conductance((16, 16)), 4.0)
    floating = WIRES | {"r_driver": np.full(16, np.inf), "r_sense": np.full(16, np.inf)}
    floating["r_driver"][3] = floating["r_sense"][5] = 0.0
    solution = solve_nonlinear(current, np.full(16, 1.0), np.zeros(16), **floating)
    simulated = ngspice(nonlinear_netlist(text, np.full(16, 1.0), np.zeros(16), **floating))
    assert simulated[5] == pytest.approx(solution.column_a[5], rel=1e-6)
    assert np.abs(np.delete(solution.column_a, 5)).max() < 1e-9 * simulated[5]


def test_the_sneak_path_of_a_2x2_array_is_three_cells_in_series():
    g = np.array([[1e-6, 20e-6], [30e-6, 40e-6]])
    one_cell = IDEAL | {"r_driver": [0.0, np.inf], "r_sense": [0.0, np.inf]}
    solution = solve_nonlinear(lambda v: g * v, [0.5, 0.0], [0.0, 0.0], **one_cell)
    sneak = 1 / (1 / g[0, 1] + 1 / g[1, 1] + 1 / g[1, 0])
    assert solution.column_a[0] == pytest.approx(0.5 * (g[0, 0] + sneak), rel=1e-12)


@pytest.mark.parametrize(("scheme", "beside", "elsewhere"), [("V/2", 0.6, 0.0), ("V/3", 0.4, -0.4)])
def test_half_select_voltages(scheme, beside, elsewhere):
    v_rows, v_columns = half_select(4, 5, 1, 3, 1.2, scheme)
    expected = np.full((4, 5), elsewhere)
    expected[1, :] = expected[:, 3] = beside
    expected[1, 3] = 1.2
    np.testing.assert_allclose(v_rows[:, None] - v_columns, expected, atol=1e-15)


def test_v_third_leaks_less_than_v_half_through_the_half_selected_cells():
    current, _, _ = sinh_cells(conductance((32, 32)), 6.0)
    beside = {}
    for scheme in ("V/2", "V/3"):
        solution = solve_nonlinear(current, *half_select(32, 32, 0, 31, 1.0, scheme), **WIRES)
        beside[scheme] = np.abs(solution.cell_a[0, :-1]).sum()
    assert beside["V/3"] < 0.6 * beside["V/2"]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("v_rows", [np.nan, 0.0]),
        ("v_columns", [[0.0]]),
        ("r_row", np.inf),
        ("r_row", [1.0, 1.0]),
        ("r_column", -1.0),
        ("r_driver", [1.0, 1.0, 1.0]),
        ("r_sense", np.nan),
        ("current", lambda v: v[0]),
        ("current", lambda v: np.full_like(v, np.nan)),
    ],
)
def test_a_bad_argument_is_named(name, bad):
    good = {"current": lambda v: 1e-6 * v, "v_rows": [1.0, 0.0], "v_columns": [0.0, 0.0, 0.0]} | WIRES
    with pytest.raises(ValueError, match=name):
        solve_nonlinear(**good | {name: bad})


def test_cells_without_an_operating_point_are_an_error():
    with pytest.raises(Error, match="operating point"):
        solve_nonlinear(lambda v: np.where(v > 0.5, 1.0, 0.0), [1.0], [0.0], **WIRES | {"r_driver": 1.0})


def test_half_select_and_netlist_refuse_bad_arguments():
    with pytest.raises(ValueError, match="scheme"):
        half_select(2, 2, 0, 0, 1.0, "V/4")
    with pytest.raises(ValueError, match="outside"):
        half_select(2, 2, 2, 0, 1.0, "V/2")
    with pytest.raises(ValueError, match="cells"):
        nonlinear_netlist([["v"]], [0.0, 0.0], [0.0], **WIRES)

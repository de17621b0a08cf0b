"""Reference circuits: plain nodal analysis by scipy.sparse, and ngspice."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.csgraph as csgraph
import scipy.sparse.linalg as sla


class Circuit:
    """Resistors between numbered nodes, some of them at fixed potentials; a resistor of 0 ohm makes two nodes one."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.branches = []
        self.shorts = [(np.arange(nodes), np.arange(nodes))]

    def resistors(self, start, end, ohm):
        """`ohm` is one number for all pairs, 0 allowed."""
        if ohm == 0:
            self.shorts.append((np.ravel(start), np.ravel(end)))
        else:
            self.conductors(start, end, np.full(np.size(start), 1.0 / ohm))

    def conductors(self, start, end, siemens):
        self.branches.append((np.ravel(start), np.ravel(end), np.ravel(siemens)))

    def solve(self, fixed, volts):
        """Node voltages (nodes, k) for `volts` (len(fixed), k) at the nodes `fixed`."""
        start, end = map(np.concatenate, zip(*self.shorts, strict=True))
        links = sp.coo_matrix((np.ones(start.size), (start, end)), shape=(self.nodes, self.nodes))
        count, self.merged = csgraph.connected_components(links, directed=False)
        p, q, g = map(np.concatenate, zip(*self.branches, strict=True))
        p, q = self.merged[p], self.merged[q]
        laplacian = sp.csr_matrix(
            (np.concatenate([g, g, -g, -g]), (np.concatenate([p, q, p, q]), np.concatenate([p, q, q, p]))),
            shape=(count, count),
        )
        known = self.merged[fixed]
        unknown = np.setdiff1d(np.arange(count), known)
        v = np.zeros((count, volts.shape[1]))
        v[known] = volts
        if unknown.size:
            matrix = laplacian[unknown][:, unknown].tocsc()
            factors = sla.splu(matrix, permc_spec="MMD_AT_PLUS_A")
            rhs = -(laplacian[unknown][:, known] @ volts)
            v[unknown] = factors.solve(rhs)
            # A sum of a wire's conductance and a cell's keeps few digits of the cell's: what is missing is found branch by branch.
            v, g = v.astype(np.longdouble), g.astype(np.longdouble)[:, None]
            for _ in range(3):
                missing = np.zeros_like(v)
                currents = g * (v[p] - v[q])
                np.subtract.at(missing, p, currents)
                np.add.at(missing, q, currents)
                v[unknown] += factors.solve(missing[unknown].astype(float))
        return v[self.merged]


def nodal_crossbar(g, *, r_row, r_column, r_driver, r_sense):
    """Transfer matrix (columns, rows) and row admittance (rows, rows) by nodal analysis."""
    rows, columns = g.shape
    a = np.arange(g.size).reshape(g.shape)  # row side of each cell
    b = a + g.size  # column side
    drivers = 2 * g.size + np.arange(rows)
    senses = 2 * g.size + rows + np.arange(columns)
    circuit = Circuit(2 * g.size + rows + columns)
    circuit.conductors(a, b, g)
    circuit.resistors(a[:, :-1], a[:, 1:], r_row)
    circuit.resistors(b[:-1], b[1:], r_column)
    circuit.resistors(drivers, a[:, 0], r_driver)
    circuit.resistors(b[-1], senses, r_sense)
    fixed = np.concatenate([drivers, senses])
    v = circuit.solve(fixed, np.vstack([np.eye(rows), np.zeros((columns, rows))]))
    # Sums of cell currents: a driver's own current is the tiny difference of two almost equal voltages.
    cell_currents = g[..., None] * (v[a] - v[b])
    return cell_currents.sum(axis=0), cell_currents.sum(axis=1)


def nodal_ladder(g, v_driver, v_column, *, r_driver, r_row, r_series):
    """Cell currents of one row by nodal analysis."""
    n = g.size
    a, b, sources, driver = np.arange(n), n + np.arange(n), 2 * n + np.arange(n), 3 * n
    circuit = Circuit(3 * n + 1)
    circuit.conductors(a, b, g)
    circuit.resistors(a[:-1], a[1:], r_row)
    circuit.resistors(driver, a[0], r_driver)
    for j in range(n):
        circuit.resistors(b[j], sources[j], r_series[j])
    v = circuit.solve(np.r_[driver, sources], np.r_[v_driver, v_column][:, None])[:, 0]
    return v[a] - v[b], g * (v[a] - v[b])


@pytest.fixture(scope="session")
def crossbar_reference() -> Callable:
    return nodal_crossbar


@pytest.fixture(scope="session")
def ladder_reference() -> Callable:
    return nodal_ladder


@pytest.fixture
def ngspice(tmp_path: Path) -> Callable[[str], np.ndarray]:
    """Runs a netlist and returns the printed sense currents in order."""
    program = shutil.which("ngspice")
    if program is None:
        raise RuntimeError("ngspice is not installed, but these tests need it: apt-get install ngspice")

    def run(netlist: str) -> np.ndarray:
        path = tmp_path / "crossbar.cir"
        path.write_text(netlist)
        result = subprocess.run([program, "-b", path.name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        printed = re.findall(r"^i\(vsense(\d+)\) = (\S+)", result.stdout, re.MULTILINE)
        assert result.returncode == 0, result.stderr
        assert [int(index) for index, _ in printed] == list(range(len(printed))), result.stdout
        return np.array([float(value) for _, value in printed])

    return run

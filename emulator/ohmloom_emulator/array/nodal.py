"""Nodal equations of a crossbar's wires, with sparse matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sla
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class WireNetwork:
    """Wires between driven lines and the two sides of each cell; nodes that no resistance separates are one.

    Nodes are ordered with the `free` ones first, then those with known potentials. `row_side` and `column_side`,
    (rows, columns), are the nodes of the cells.
    """

    row_side: Indices
    column_side: Indices
    wires: sp.csr_array  # conductances as a Laplacian over all nodes
    free: int
    known_v: Array
    first_guess: Array

    @classmethod
    def of(
        cls,
        v_rows: ArrayLike,
        v_columns: ArrayLike,
        r_row: float,
        r_column: float,
        r_driver: ArrayLike,
        r_sense: ArrayLike,
    ) -> WireNetwork:
        """The network of (rows,) and (columns,) driven lines; a line at the end of infinite ohm floats."""
        v_row, v_column = _potentials("v_rows", v_rows), _potentials("v_columns", v_columns)
        rows, columns = v_row.size, v_column.size
        cells = rows * columns
        a = np.arange(cells).reshape(rows, columns)
        b = a + cells
        ends = 2 * cells + np.arange(rows + columns)
        links = [
            (a[:, :-1].ravel(), a[:, 1:].ravel(), _ohm("r_row", r_row, ())),
            (b[:-1].ravel(), b[1:].ravel(), _ohm("r_column", r_column, ())),
            (ends[:rows], a[:, 0], _ohm("r_driver", r_driver, (rows,))),
            (ends[rows:], b[-1], _ohm("r_sense", r_sense, (columns,))),
        ]
        p, q = (np.concatenate([link[k] for link in links]) for k in (0, 1))
        ohm = np.concatenate([np.broadcast_to(r, p.shape) for p, _, r in links])

        total = 2 * cells + rows + columns
        short = ohm == 0
        same = sp.coo_array((np.ones(short.sum()), (p[short], q[short])), shape=(total, total))
        count, merged = connected_components(same, directed=False)
        known = merged[ends]
        order = np.concatenate([np.setdiff1d(np.arange(count), known), known])
        number = np.empty(count, dtype=np.intp)
        number[order] = np.arange(count)
        node = number[merged]

        y = 1.0 / ohm[~short]
        p, q = node[p[~short]], node[q[~short]]
        laplacian = _laplacian(p, q, y, count)
        known_v = np.concatenate([v_row, v_column])
        driven = np.isfinite(np.concatenate([links[2][2], links[3][2]]))
        line_v = np.where(driven, known_v, known_v[driven].mean() if driven.any() else 0.0)
        guess = np.empty(count)
        guess[node[a]] = line_v[:rows, None]
        guess[node[b]] = line_v[rows:]
        free = count - known.size
        return cls(node[a], node[b], laplacian, free, known_v, guess[:free])

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.row_side.shape
        return rows, columns

    @property
    def largest_potential(self) -> float:
        return float(np.abs(self.known_v).max())

    def start(self) -> Array:
        """Free potentials if no current flowed: each line at its driver's potential, floating ones in the middle."""
        return self.first_guess.copy()

    def cell_v(self, free_v: Array) -> Array:
        """Cell voltages (rows, columns) for potentials of the free nodes."""
        v = np.concatenate([free_v, self.known_v])
        difference: Array = v[self.row_side] - v[self.column_side]
        return difference

    def residual(self, free_v: Array, cell_a: Array) -> Array:
        """Currents that leave the free nodes through wires and cells; zero at the operating point."""
        flat, nodes = cell_a.ravel(), self.wires.shape[0]
        from_rows = np.bincount(self.row_side.ravel(), flat, nodes)
        to_columns = np.bincount(self.column_side.ravel(), flat, nodes)
        out: Array = self.wires @ np.concatenate([free_v, self.known_v]) + from_rows - to_columns
        return out[: self.free]

    def factor(self, cell_siemens: Array) -> sla.SuperLU:
        """Factors of the free nodes' equations with the given conductances (rows, columns) in the cells."""
        cells = _laplacian(self.row_side.ravel(), self.column_side.ravel(), cell_siemens.ravel(), self.wires.shape[0])
        matrix = (self.wires + cells)[: self.free, : self.free].tocsc()
        return sla.splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _laplacian(p: Indices, q: Indices, y: Array, count: int) -> sp.csr_array:
    places = np.concatenate([p, q, p, q]), np.concatenate([p, q, q, p])
    return sp.coo_array((np.concatenate([y, y, -y, -y]), places), shape=(count, count)).tocsr()


def _potentials(name: str, value: ArrayLike) -> Array:
    v = np.asarray(value, dtype=np.float64)
    if v.ndim != 1 or v.size == 0 or not np.isfinite(v).all():
        raise ValueError(f"{name} must be finite volts, one a line, not {value!r}")
    return v


def _ohm(name: str, value: ArrayLike, lines: tuple[int, ...]) -> Array:
    """Resistance, one a line where `lines` says so, where infinity (no connection) is then allowed as well."""
    r = np.asarray(value, dtype=np.float64)
    allowed = (r >= 0) if lines else (r >= 0) & (r < np.inf)
    if r.shape not in ((), lines) or not allowed.all():
        raise ValueError(f"{name} must be ohm, at least 0, of the shape () or {lines}, not {value!r}")
    return np.broadcast_to(r, lines)

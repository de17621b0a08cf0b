"""SPICE netlists of crossbars (the dialect of ngspice, run by `ngspice -b`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from .blocks import Array


def linear_netlist(
    conductance: Array, v_rows: Array, r_row: float, r_column: float, r_driver: float, r_sense: float
) -> str:
    """Netlist of a crossbar of resistors, conductances (rows, columns) in siemens, whose columns are sensed at 0 V."""

    def cell(i: int, j: int, row: str, column: str) -> str:
        g = float(conductance[i, j])
        return f"Rcell{i}_{j} {row} {column} {1.0 / g!r}" if g > 0 else ""

    v_columns = np.zeros(conductance.shape[1])
    return _netlist(cell, v_rows, v_columns, r_row, r_column, r_driver, r_sense)


def nonlinear_netlist(
    cells: ArrayLike,
    v_rows: ArrayLike,
    v_columns: ArrayLike,
    *,
    r_row: float,
    r_column: float,
    r_driver: ArrayLike,
    r_sense: ArrayLike,
) -> str:
    """Netlist of a crossbar of non-linear cells; it prints `i(vsense0)`, `i(vsense1)`, ... as `Crossbar`'s does.

    Args:
        cells: (rows, columns) ngspice expressions of the cell current in ampere, in the cell voltage `v`, for example
            `2e-5*sinh(3*v)/3`.
        v_rows, v_columns, r_row, r_column, r_driver, r_sense: as for `solve_nonlinear`.

    Raises:
        ValueError: the shapes do not agree.
    """
    expressions = np.asarray(cells, dtype=np.str_)
    rows, columns = np.asarray(v_rows, dtype=np.float64), np.asarray(v_columns, dtype=np.float64)
    if expressions.shape != (rows.size, columns.size):
        raise ValueError(f"cells must have the shape {(rows.size, columns.size)} of the lines, not {expressions.shape}")

    def cell(i: int, j: int, row: str, column: str) -> str:
        return f"Bcell{i}_{j} {row} {column} I=" + re.sub(r"\bv\b", f"V({row},{column})", expressions[i, j])

    return _netlist(cell, rows, columns, r_row, r_column, r_driver, r_sense)


def _netlist(
    cell: Callable[[int, int, str, str], str],
    v_rows: Array,
    v_columns: Array,
    r_row: float,
    r_column: float,
    r_driver: ArrayLike,
    r_sense: ArrayLike,
) -> str:
    """Lines, drives and senses around `cell`, which gives a cell's element line for its row's and column's node.

    Wires without resistance are made by giving both ends one name: SPICE turns a resistor of 0 ohm into a small one.
    """
    rows, columns = v_rows.size, v_columns.size
    lines = [f"crossbar of {rows} rows x {columns} columns"]

    def wire(name: str, start: str, end: str, ohm: float) -> str:
        """Name of the end, after a resistor from `start` to it where there is resistance."""
        if ohm == 0:
            return start
        if np.isfinite(ohm):  # else the line floats
            lines.append(f"R{name} {start} {end} {float(ohm)!r}")
        return end

    driver_ohm, sense_ohm = np.broadcast_to(r_driver, rows), np.broadcast_to(r_sense, columns)
    column_nodes = []
    for j, volts in enumerate(v_columns.tolist()):
        lines.append(f"Vsense{j} s{j} 0 {volts!r}")
        nodes = [wire(f"sense{j}", f"s{j}", f"c{rows - 1}_{j}", sense_ohm[j])]
        for i in range(rows - 2, -1, -1):
            nodes.append(wire(f"column{i}_{j}", nodes[-1], f"c{i}_{j}", r_column))
        column_nodes.append(nodes[::-1])
    for i, volts in enumerate(v_rows.tolist()):
        lines.append(f"Vdrive{i} d{i} 0 {volts!r}")
        node = wire(f"driver{i}", f"d{i}", f"r{i}_0", driver_ohm[i])
        for j in range(columns):
            if j:
                node = wire(f"row{i}_{j}", node, f"r{i}_{j}", r_row)
            lines.append(cell(i, j, node, column_nodes[j][i]))
    lines += [".options reltol=1e-9 abstol=1e-18 vntol=1e-12 itl1=1000", ".control", "set numdgt=12", "op"]
    lines += [f"print i(vsense{j})" for j in range(columns)]
    lines += ["quit", ".endc", ".end"]
    return "\n".join(line for line in lines if line) + "\n"

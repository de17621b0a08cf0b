"""Crossbars of cells whose current is not proportional to their voltage: passive arrays, half-select, sneak paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg as sla
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import Error

from .nodal import WireNetwork

Array = NDArray[np.float64]

_MAX_STEPS = 200
_LEAST_SLOPE = 1e-15  # siemens; keeps the Jacobian regular where a cell has none. It does not move the solution.
_CONTRACTS = 0.25  # chord steps that shrink more slowly than this are worth a new factorisation


@dataclass(frozen=True, slots=True)
class NonlinearSolution:
    """The operating point of a crossbar.

    `cell_v` (rows, columns) row side minus column side, volt; `cell_a` (rows, columns) out of the row, ampere;
    `column_a` (columns,) into the senses, ampere; `row_a` (rows,) out of the drivers, ampere. `steps` of the iteration
    were made, with `factorisations` of the Jacobian.
    """

    cell_v: Array
    cell_a: Array
    steps: int
    factorisations: int

    @property
    def column_a(self) -> Array:
        total: Array = self.cell_a.sum(axis=0)
        return total

    @property
    def row_a(self) -> Array:
        total: Array = self.cell_a.sum(axis=1)
        return total


def solve_nonlinear(
    current: Callable[[Array], Array],
    v_rows: ArrayLike,
    v_columns: ArrayLike,
    *,
    r_row: float,
    r_column: float,
    r_driver: ArrayLike,
    r_sense: ArrayLike,
    slope: Callable[[Array], Array] | None = None,
    tolerance: float = 1e-10,
) -> NonlinearSolution:
    """Operating point of a crossbar of non-linear cells, driven from the left and from below.

    The linear system of the first iterate is kept for chord steps, each of which costs one sparse solve, for as long as
    they contract well. Where they do not, the Jacobian is renewed (Newton), and steps that do not contract at all are
    halved. Contraction is measured by natural monotonicity (P. Deuflhard, Newton Methods for Nonlinear Problems,
    Springer 2004, section 3.3), which does not depend on the units of voltages and currents.

    Args:
        current: cell currents, ampere, at cell voltages (rows, columns), volt; not falling with the voltage.
        v_rows: (rows,) driver potentials, volt.
        v_columns: (columns,) potentials at the lower ends of the columns, volt; 0 where a column is sensed.
        r_row, r_column: wire resistance between neighbouring cells, ohm, at least 0.
        r_driver, r_sense: one for all lines or one a line, ohm, at least 0; infinity leaves a line floating.
        slope: derivative of `current`, siemens; by central differences if not given.
        tolerance: the last step's largest change of a node's potential, relative to the largest potential.

    Raises:
        ValueError: an argument has a wrong shape or is not allowed, or `current` returned a wrong shape or NaN.
        ohmloom.Error: no convergence, for example because the current jumps or falls with the voltage.
    """
    network = WireNetwork.of(v_rows, v_columns, r_row, r_column, r_driver, r_sense)

    def cell_current(v: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):  # a step may go too far
            i = np.asarray(current(v), dtype=np.float64)
        if i.shape != network.shape:
            raise ValueError(f"current must return amperes of the shape {network.shape}, not {i.shape}")
        return i

    def differences(v: Array) -> Array:
        h = 1e-6 * np.maximum(np.abs(v), 0.1)
        return (cell_current(v + h) - cell_current(v - h)) / (2 * h)

    derivative = slope or differences

    def factor(at: Array) -> sla.SuperLU:
        siemens = np.maximum(derivative(network.cell_v(at)), _LEAST_SLOPE)
        try:
            return network.factor(siemens)
        except RuntimeError as error:
            raise Error("the crossbar's equations are singular: is a whole part of it floating?") from error

    def correction(at: Array) -> tuple[Array, float]:
        """The step that the present factors suggest at these potentials, and its largest change."""
        step = factors.solve(-network.residual(at, cell_current(network.cell_v(at))))
        size = float(np.abs(step).max(initial=0.0))
        return step, size if np.isfinite(size) else np.inf

    potentials = network.start()
    if not np.isfinite(cell_current(network.cell_v(potentials))).all():
        raise ValueError("current must return finite amperes at the potentials of the drivers")
    factors, factorisations, damping = factor(potentials), 1, 1.0
    step, size = correction(potentials)
    for steps in range(1, _MAX_STEPS + 1):
        trial = potentials + damping * step
        next_step, next_size = correction(trial)
        if next_size <= tolerance * network.largest_potential:
            v = network.cell_v(trial + next_step)
            return NonlinearSolution(v, cell_current(v), steps, factorisations)
        if next_size >= size:
            damping /= 2
            continue
        potentials = trial
        if damping < 1.0 or next_size > _CONTRACTS * size:
            factors, factorisations = factor(potentials), factorisations + 1
            next_step, next_size = correction(potentials)
        step, size, damping = next_step, next_size, min(1.0, 2 * damping)
    raise Error(f"no operating point was found in {_MAX_STEPS} steps; does a cell's current jump or fall?")


def half_select(rows: int, columns: int, row: int, column: int, volts: float, scheme: str) -> tuple[Array, Array]:
    """Potentials (rows,) and (columns,) that put `volts` on one cell of a passive array and a fraction on the others.

    `V/2` holds all other lines at half of it: cells beside the selected one see V/2, all others 0. `V/3` holds other
    rows at a third and other columns at two thirds: all other cells see V/3 in magnitude.

    Raises:
        ValueError: an unknown scheme, or a cell outside the array.
    """
    fractions = {"V/2": (1 / 2, 1 / 2), "V/3": (1 / 3, 2 / 3)}
    if scheme not in fractions:
        raise ValueError(f"scheme must be one of {', '.join(fractions)}, not {scheme!r}")
    if not (0 <= row < rows and 0 <= column < columns):
        raise ValueError(f"cell ({row}, {column}) is outside an array of {rows} rows x {columns} columns")
    other_rows, other_columns = fractions[scheme]
    v_rows, v_columns = np.full(rows, other_rows * volts), np.full(columns, other_columns * volts)
    v_rows[row], v_columns[column] = volts, 0.0
    return v_rows, v_columns

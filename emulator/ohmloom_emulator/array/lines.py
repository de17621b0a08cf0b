"""The lines of a tile: which rows are connected, and what wires make of voltages and currents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import Error
from ohmloom_emulator.array.crossbar import Crossbar
from ohmloom_emulator.array.ladder import row_ladder
from ohmloom_emulator.array.nonlinear import solve_nonlinear

Floats = NDArray[np.float64]
Law = Callable[[Floats], Floats]  # cell currents (A) at cell voltages (V), row over column

_MAX_STEPS = 60
_LEAST_SLOPE = 1e-7  # siemens, of a cell in current limit; too low a slope only costs steps, not accuracy


@dataclass(frozen=True)
class Lines:
    """Resistances (ohm) of a tile's wires, drivers and senses. passive: no word lines, all rows always connected."""

    rows: int
    row_ohm: float
    column_ohm: float
    driver_ohm: float
    sense_ohm: float
    passive: bool

    def series_ohm(self, row: int) -> float:
        """From a row's cells down their columns into the senses."""
        return self.sense_ohm + (self.rows - 1 - row) * self.column_ohm

    def transfer(self, g: Floats, row: int, rows: int) -> Floats:
        """(rows, columns) siemens from the drives of a window of rows to the currents of columns held at 0 V.

        g: conductances of the whole tile. Rows outside the window are off, or held at 0 V if the array is passive.
        """
        if self.passive:
            first, last, below = 0, self.rows, 0
        else:
            first, last, below = row, row + rows, self.rows - row - rows
        crossbar = Crossbar(
            g[first:last], r_row=self.row_ohm, r_column=self.column_ohm, r_driver=self.driver_ohm,
            r_sense=self.sense_ohm + below * self.column_ohm,
        )  # fmt: skip
        return np.ascontiguousarray(crossbar.transfer.T[row - first : row - first + rows])

    def sensed(self, law: Law, volts: Floats, row: int, columns: int) -> Floats:
        """Column currents (columns,) of non-linear cells with the rows from `row` on driven at `volts`.

        law: of the cells of those rows, or of all if the array is passive.
        """
        below = 0 if self.passive else self.rows - row - len(volts)
        driven = np.zeros(self.rows) if self.passive else volts
        if self.passive:
            driven[row : row + len(volts)] = volts
        if not driven.any():
            return np.zeros(columns)
        solution = solve_nonlinear(
            law, driven, np.zeros(columns), r_row=self.row_ohm, r_column=self.column_ohm, r_driver=self.driver_ohm,
            r_sense=self.sense_ohm + below * self.column_ohm,
        )  # fmt: skip
        return solution.column_a

    def row(self, g: Floats, v_row: Floats | float, v_columns: Floats | float, row: int) -> tuple[Floats, Floats]:
        """Cell voltages and currents (..., columns) of one row of linear cells, all other rows being off."""
        return row_ladder(
            g, v_row, v_columns, r_driver=self.driver_ohm, r_row=self.row_ohm, r_series=self.series_ohm(row)
        )

    def row_point(self, law: Law, v_row: Floats, v_columns: Floats, row: int) -> tuple[Floats, Floats]:
        """The same of non-linear cells; v_row (n,), v_columns (n, columns).

        Newton: each step replaces the cells by their tangents, a conductance with a source in series, so that it is one
        linear ladder. A drive that has arrived stays, so that its numbers do not depend on the others'. Raises
        ohmloom.Error when no operating point is found.
        """
        v = v_row[:, None] - v_columns
        enough = 1e-12 * np.maximum(np.abs(v).max(axis=1, keepdims=True), 1e-3)
        moving = np.ones(enough.shape, dtype=np.bool_)
        for step in range(_MAX_STEPS):
            width = 1e-6 * np.maximum(np.abs(v), 0.1)
            slope = np.maximum((law(v + width) - law(v - width)) / (2 * width), _LEAST_SLOPE)
            zero = v - law(v) / slope
            across, _ = self.row(slope, v_row, v_columns + zero, row)
            change = across + zero - v
            # A kink of the law can make full steps alternate.
            v = np.where(moving, v + change * (1.0 if step < _MAX_STEPS // 4 else 0.5), v)
            moving &= np.abs(change).max(axis=1, keepdims=True) > enough
            if not moving.any():
                return v, law(v)
        raise Error(f"row {row}: no operating point was found in {_MAX_STEPS} steps")

    def write_point(
        self, law: Law, row: int, selected: NDArray[np.bool_], volts: float, scheme: str, *, is_set: bool
    ) -> tuple[Floats, float]:
        """Cell voltages (rows, columns) of a passive array while a row's `selected` columns are written; its current."""
        v_rows, v_columns = write_potentials(self.rows, row, selected, volts, scheme, is_set=is_set)
        solution = solve_nonlinear(
            law, v_rows, v_columns, r_row=self.row_ohm, r_column=self.column_ohm, r_driver=self.driver_ohm,
            r_sense=self.sense_ohm,
        )  # fmt: skip
        return solution.cell_v, float(np.abs(solution.row_a[row]))


def write_potentials(
    rows: int, row: int, selected: NDArray[np.bool_], volts: float, scheme: str, *, is_set: bool
) -> tuple[Floats, Floats]:
    """Potentials (rows,) and (columns,) of a passive array's lines while a row's `selected` columns are written.

    SET puts the columns `volts` over the row, RESET the row over the columns. All other lines are held at a half (V/2),
    or rows and columns at thirds such that every other cell sees a third in magnitude (V/3).
    """
    other_rows, other_columns = {"V/2": (1 / 2, 1 / 2), "V/3": (2 / 3, 1 / 3)}[scheme]
    v_rows = np.full(rows, other_rows * volts)
    v_rows[row] = 0.0
    v_columns = np.where(selected, volts, other_columns * volts)
    return (v_rows, v_columns) if is_set else (volts - v_rows, volts - v_columns)

"""Exact IR drop of a linear crossbar, as one transfer matrix per conductance state."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .netlist import linear_netlist
from .reduce import reduce_crossbar

if TYPE_CHECKING:
    from .blocks import Array, Block


class Crossbar:
    """A crossbar of linear cells with wires, drivers and senses that have resistance.

    Row i is driven with a voltage at column 0 through `r_driver`; column j is sensed, as a current into virtual ground,
    below the last row through `r_sense`. `r_row` lies between neighbouring cells of a row, `r_column` between
    neighbouring cells of a column. Each resistance may be 0, which is treated exactly.

    Args:
        conductance: (rows, columns), siemens, at least 0. It is copied; a changed state is a new `Crossbar`.
        r_row, r_column, r_driver, r_sense: ohm, at least 0.

    Raises:
        ValueError: an argument has a wrong shape, is negative or is not finite; the message names it.
    """

    def __init__(
        self, conductance: ArrayLike, *, r_row: float, r_column: float, r_driver: float, r_sense: float
    ) -> None:
        g = np.array(conductance, dtype=np.float64)
        if g.ndim != 2 or g.size == 0:
            raise ValueError(f"conductance must have the shape (rows, columns) with at least one cell, not {g.shape}")
        if not (np.isfinite(g).all() and (g >= 0).all()):
            raise ValueError("conductance must be finite and at least 0 siemens in every cell")
        g.flags.writeable = False
        self.conductance: Array = g
        self.r_row = _resistance("r_row", r_row)
        self.r_column = _resistance("r_column", r_column)
        self.r_driver = _resistance("r_driver", r_driver)
        self.r_sense = _resistance("r_sense", r_sense)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns

    @cached_property
    def transfer(self) -> Array:
        """Sensed column currents per driver voltage, (columns, rows), siemens; computed at the first use.

        Without any resistance it is the conductance matrix itself, transposed.
        """
        if not any((self.r_row, self.r_column, self.r_driver, self.r_sense)):
            return self.conductance.T
        left, bottom, _, _ = self._reduced.ports()
        return _read_only(-self._reduced.hybrid[bottom, left])  # sensed currents leave the array

    @cached_property
    def row_admittance(self) -> Array:
        """Driver currents per driver voltage, (rows, rows), siemens, symmetric; shares the transfer matrix's work."""
        left = self._reduced.ports()[0]
        return _read_only(self._reduced.hybrid[left, left].copy())

    @cached_property
    def _reduced(self) -> Block:
        return reduce_crossbar(self.conductance, self.r_row, self.r_column, self.r_driver, self.r_sense)

    def currents(self, v_rows: ArrayLike) -> Array:
        """Sensed column currents, ampere.

        Args:
            v_rows: driver voltages, (rows,) for one vector or (n, rows) for a batch, volt.

        Returns:
            (columns,) or (n, columns).

        Raises:
            ValueError: `v_rows` has a wrong shape or is not finite.
        """
        v = np.asarray(v_rows, dtype=np.float64)
        if v.ndim not in (1, 2) or v.shape[-1] != self.shape[0]:
            raise ValueError(f"v_rows must have the shape ({self.shape[0]},) or (n, {self.shape[0]}), not {v.shape}")
        if not np.isfinite(v).all():
            raise ValueError("v_rows must be finite")
        result: Array = self.transfer @ v if v.ndim == 1 else v @ self.transfer.T
        return result

    def spice_netlist(self, v_rows: ArrayLike) -> str:
        """A netlist that, run by `ngspice -b`, prints the column currents `i(vsense0)`, `i(vsense1)`, ... in order.

        Args:
            v_rows: driver voltages, (rows,), volt.

        Raises:
            ValueError: `v_rows` has a wrong shape or is not finite.
        """
        v = np.asarray(v_rows, dtype=np.float64)
        if v.shape != (self.shape[0],) or not np.isfinite(v).all():
            raise ValueError(f"v_rows must be finite and have the shape ({self.shape[0]},), not {v.shape}")
        return linear_netlist(self.conductance, v, self.r_row, self.r_column, self.r_driver, self.r_sense)


def _resistance(name: str, value: float) -> float:
    try:
        ohm = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be one number in ohm, not {value!r}") from error
    if not (np.isfinite(ohm) and ohm >= 0):
        raise ValueError(f"{name} must be finite and at least 0 ohm, not {value!r}")
    return ohm


def _read_only(x: Array) -> Array:
    x.flags.writeable = False
    return x

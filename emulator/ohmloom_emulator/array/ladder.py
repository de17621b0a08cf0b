"""One enabled word line: the ladder that a row is while it is programmed or verified."""

from __future__ import annotations

from functools import lru_cache
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg.lapack import dgtsv

Array = NDArray[np.float64]


def row_ladder(
    conductance: ArrayLike,
    v_driver: ArrayLike,
    v_column: ArrayLike,
    *,
    r_driver: float,
    r_row: float,
    r_series: ArrayLike,
) -> tuple[Array, Array]:
    """Voltages and currents of the cells of one row, all other rows being switched off by their word lines.

    The row is driven with `v_driver` through `r_driver` at column 0, `r_row` lies between neighbouring columns. Each
    cell leads to a source `v_column` through `r_series`, the column's wire and its driver or sense. Each resistance may
    be 0.

    The unknowns are the wire currents and the node voltages in turn. This keeps the system tridiagonal and regular
    where wires have no resistance or cells no conductance. A batch is one long system whose parts are not connected.

    Args:
        conductance: (..., n) siemens, at least 0.
        v_driver: (...) volt.
        v_column: (..., n) or (n,) or a scalar, volt.
        r_driver, r_row: ohm, at least 0.
        r_series: (..., n) or (n,) or a scalar, ohm, at least 0.

    Returns:
        Cell voltages (row side minus column side, volt) and cell currents (out of the row, ampere), both (..., n).

    Raises:
        ValueError: a conductance or resistance is negative, or any argument is not finite.
    """
    g = np.asarray(conductance, dtype=np.float64)
    v_column = np.asarray(v_column, dtype=np.float64)
    r_series = np.asarray(r_series, dtype=np.float64)
    if g.ndim == 0 or g.size == 0:
        raise ValueError(f"conductance must have the shape (..., n) with at least one cell, not {g.shape}")
    with np.errstate(all="ignore"):  # bad arguments show in the result
        share = 1.0 / (1.0 + g * r_series)  # the cell's part of the voltage between row and column source
        y = g * share
        shape = (*g.shape, 2)
        diagonal, right_side = np.empty(shape), np.zeros(shape)
        diagonal[..., 0] = -r_row
        diagonal[..., 0, 0] = -r_driver
        diagonal[..., 1] = y
        right_side[..., 0, 0] = -np.asarray(v_driver)
        np.multiply(y, v_column, out=right_side[..., 1])
        off = _off_diagonal(g.size, g.shape[-1])
        *_, x, singular = dgtsv(
            off, diagonal.reshape(-1), off, right_side.reshape(-1), overwrite_d=1, overwrite_b=1
        )
        v_cell = (x.reshape(shape)[..., 1] - v_column) * share
    lowest = min(g.min(), r_series.min(), r_row, r_driver)
    if singular or not np.isfinite(v_cell).all() or lowest < 0:
        _complain(g, v_driver, v_column, r_driver, r_row, r_series)
    return v_cell, g * v_cell


@lru_cache(maxsize=64)
def _off_diagonal(cells: int, columns: int) -> Array:
    """Each current leaves one node and enters the next; after every `columns` cells another ladder starts."""
    off = np.tile([-1.0, 1.0], cells)
    off[2 * columns - 1 :: 2 * columns] = 0.0
    off.flags.writeable = False
    return off[:-1]


def _complain(
    conductance: ArrayLike,
    v_driver: ArrayLike,
    v_column: ArrayLike,
    r_driver: float,
    r_row: float,
    r_series: ArrayLike,
) -> NoReturn:
    """Looked into only after a result is wrong, because a check of every argument takes longer than the solution."""
    for name, value in locals().items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} must be finite")
        if not name.startswith("v_") and np.min(value) < 0:
            raise ValueError(f"{name} must be at least 0, not {np.min(value)}")
    raise ValueError("conductances and resistances are too far apart for double precision")

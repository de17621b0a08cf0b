"""`ohmloom export-spice`: a tile's cells, wires and drives as a netlist of what the emulator computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import ArgumentError, StateError
from ohmloom.spec import ChipSpec, load_chip
from ohmloom_emulator import state as state_file
from ohmloom_emulator.array import Crossbar, nonlinear_netlist
from ohmloom_emulator.array.lines import Lines, write_potentials
from ohmloom_emulator.array.tile import is_straight, lines_of
from ohmloom_emulator.board import Board
from ohmloom_emulator.devices import cells_of

Floats = NDArray[np.float64]


def export_spice(
    source: Path | ArrayLike,
    chip: str | None = None,
    *,
    tile: int = 0,
    row: int = 0,
    volts: ArrayLike | None = None,
    pulse_v: float | None = None,
    columns: ArrayLike = (0,),
) -> str:
    """A netlist that, run by `ngspice -b`, prints the column currents `i(vsense0)`, `i(vsense1)`, ... in order.

    Args:
        source: state file of an emulated chip, or conductances at the read voltage (rows, columns), siemens.
        chip: bundled name or TOML file; a state file of a bundled chip needs none.
        tile: of a state file.
        volts: drive against Vmid of the rows from `row` on, (n,); one number for all of them up to the last; by default
            the read voltage. Without word lines all other rows are held at 0 V, with them they are off.
        pulse_v: instead of a read, a write pulse on `columns` of `row`, positive SET, with the chip's write scheme.

    Cells are resistors where the emulator takes them as such (I-V curves that bend by less than 1 % up to the read
    voltage), else sources of their I-V curve. Raises ArgumentError for an argument out of range, SpecError for an
    unknown chip, StateError for a file that is no state or belongs to another chip.
    """
    array = _state(source, chip, tile) if isinstance(source, Path) else _given(source, chip)
    if not 0 <= row < array.spec.rows:
        raise ArgumentError(f"row: {row} is not within 0..{array.spec.rows - 1}")
    return _read(array, row, volts) if pulse_v is None else _pulse(array, row, pulse_v, columns)


@dataclass(frozen=True)
class _Array:
    spec: ChipSpec
    lines: Lines
    straight: bool  # cells are resistors
    siemens: Floats  # (rows, columns)

    def expressions(self, rows: slice) -> NDArray[Any]:
        model, _ = cells_of(self.spec)
        return np.array([[model.spice_current(g) for g in line] for line in self.siemens[rows].tolist()])


def _state(path: Path, chip: str | None, tile: int) -> _Array:
    """A tile of a state file, with its conductances as a read finds them."""
    meta, _ = state_file.load(path)
    name = str(meta.get("chip")) if chip is None else chip
    spec = load_chip(name)
    if not 0 <= tile < spec.tiles:
        raise ArgumentError(f"tile: {tile} is not within 0..{spec.tiles - 1}")
    if meta.get("digest") != spec.digest:
        raise StateError(
            f"state {path}: belongs to another chip than this {spec.name!r}; give the TOML file of its own"
        )
    found = Board(name, state=path).fabric.tiles[tile]  # a board that nobody saves
    return _Array(spec, found.lines, found.straight, found.seen(slice(None)))


def _given(conductance: ArrayLike, chip: str | None) -> _Array:
    if chip is None:
        raise ArgumentError("chip: conductances alone do not tell their chip; give its name or TOML file")
    spec, g = load_chip(chip), np.asarray(conductance, dtype=np.float64)
    if g.shape != (spec.rows, spec.columns) or not (np.isfinite(g).all() and (g >= 0).all()):
        raise ArgumentError(f"conductance: finite siemens of 0 or more, shape ({spec.rows}, {spec.columns}), wanted; "
                            f"given shape {g.shape}")  # fmt: skip
    return _Array(spec, lines_of(spec), is_straight(cells_of(spec)[0], spec), g)


def _read(array: _Array, row: int, volts: ArrayLike | None) -> str:
    spec, lines = array.spec, array.lines
    v = np.asarray(spec.limits.read_v if volts is None else volts, dtype=np.float64)
    if v.ndim == 0:
        v = np.full(spec.rows - row, float(v))
    if v.ndim != 1 or not 1 <= v.size <= spec.rows - row or not np.isfinite(v).all():
        raise ArgumentError(f"volts: 1 to {spec.rows - row} finite numbers wanted, one a row from {row} on; "
                            f"given shape {v.shape}")  # fmt: skip
    rows, driven, below = slice(row, row + v.size), v, spec.rows - row - v.size
    if lines.passive:
        rows, driven, below = slice(None), np.zeros(spec.rows), 0
        driven[row : row + v.size] = v
    ohms = {"r_row": lines.row_ohm, "r_column": lines.column_ohm, "r_driver": lines.driver_ohm,
            "r_sense": lines.sense_ohm + below * lines.column_ohm}  # fmt: skip
    if array.straight:
        return Crossbar(array.siemens[rows], **ohms).spice_netlist(driven)
    return nonlinear_netlist(array.expressions(rows), driven, np.zeros(spec.columns), **ohms)


def _pulse(array: _Array, row: int, pulse_v: float, columns: ArrayLike) -> str:
    spec, lines, chosen = array.spec, array.lines, np.asarray(columns)
    if not lines.passive:
        raise ArgumentError(f"pulse_v: {spec.name} has a transistor in each cell, whose pulses reach one row alone; "
                            "half-select and sneak paths are those of passive arrays (cell.access = none)")  # fmt: skip
    if chosen.ndim != 1 or not chosen.size or not np.isin(chosen, np.arange(spec.columns)).all():
        raise ArgumentError(f"columns: {columns!r} are not columns within 0..{spec.columns - 1}")
    if not np.isfinite(pulse_v) or pulse_v == 0:
        raise ArgumentError(f"pulse_v: {pulse_v} is no amplitude; positive volts SET, negative ones RESET")
    selected = np.isin(np.arange(spec.columns), chosen)
    v_rows, v_columns = write_potentials(
        spec.rows, row, selected, abs(pulse_v), spec.cell.write_scheme, is_set=pulse_v > 0
    )
    return nonlinear_netlist(
        array.expressions(slice(None)), v_rows, v_columns, r_row=lines.row_ohm, r_column=lines.column_ohm,
        r_driver=lines.driver_ohm, r_sense=lines.sense_ohm,
    )  # fmt: skip

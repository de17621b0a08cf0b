"""The cells of one tile and what time and pulses do to them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Polarity
from ohmloom.spec.effects import Effect
from ohmloom_emulator.array.crossbar import Crossbar
from ohmloom_emulator.array.ladder import row_ladder
from ohmloom_emulator.devices import Statistical
from ohmloom_emulator.rng import Stream, normal

Floats = NDArray[np.float64]
Window = tuple[int, int]

FIRST_EPOCH_NS = 1_000_000
# A pulse that moves a cell by less has not rewritten it: its relaxation goes on.
REWRITE_SIEMENS = 0.1e-6
ROW_STATE = ("written", "conductance", "written_ns", "writes", "pulses")


class Tile:
    """Conductances, shape (rows, columns), that change by pulses and, at epochs, by relaxation.

    An epoch is each time at which the time since the tile's last write has doubled, from 1 ms on. Between epochs conductances are
    constant. `update(now_ns)` comes before every event on the tile.
    """

    def __init__(self, spec: ChipSpec, index: int, model: Statistical, *, seed: int, stuck: float | None, effects: Set[Effect]) -> None:
        self.index, self.seed, self._effects, self._model = index, seed, effects, model
        rows, columns = np.arange(spec.rows)[:, None], np.arange(spec.columns)
        self._rows, self._columns = spec.rows, columns
        share = stuck if Effect.STUCK in effects else 0.0
        self.devices = model.device(seed, index, rows, columns, stuck=share, ideal=Effect.SPREAD not in effects)
        self._row_devices = [self.devices[row] for row in range(spec.rows)]
        wires = spec.wires
        self._row_ohm, self._column_ohm, self._driver_ohm, self._sense_ohm = (
            (wires.row_ohm, wires.column_ohm, wires.driver_ohm, wires.sense_ohm) if Effect.WIRES in effects else (0.0,) * 4
        )
        shape = (spec.rows, spec.columns)
        self.written = np.array(self.devices.initial_siemens, dtype=np.float64)  # right after the last write
        self.conductance = self.written.copy()  # as of the current epoch
        self.written_ns = np.zeros(shape, dtype=np.int64)
        self.writes = np.zeros(shape, dtype=np.int64)
        self.pulses = np.zeros(shape, dtype=np.int64)
        self.last_write_ns = -1  # never written: nothing relaxes
        self.next_epoch_ns = np.iinfo(np.int64).max
        self._transfers: dict[Window, tuple[Floats, Floats]] = {}
        self._energy_weights: dict[Window, Floats] = {}

    def update(self, now_ns: int) -> None:
        """Evaluates relaxation at the last epoch before `now_ns`, if one has passed since the last evaluation."""
        if now_ns < self.next_epoch_ns:
            return
        doublings = ((now_ns - self.last_write_ns) // FIRST_EPOCH_NS).bit_length() - 1
        epoch_ns = self.last_write_ns + (FIRST_EPOCH_NS << doublings)
        self.next_epoch_ns = self.last_write_ns + (FIRST_EPOCH_NS << (doublings + 1))
        if Effect.RELAXATION not in self._effects:
            return
        rows, columns = np.nonzero(self.writes)
        if rows.size == 0:
            return
        z = normal(self.seed, Stream.RELAXATION, self.index, rows, columns, self.writes[rows, columns])
        age_s: Floats = (epoch_ns - self.written_ns[rows, columns]).astype(np.float64) * 1e-9
        self.conductance[rows, columns] = self._model.relaxed(
            self.written[rows, columns], age_s, z, device=self.devices[rows, columns]
        )
        self.forget()

    def pulse(
        self, row: int, groups: NDArray[np.bool_], polarity: Polarity, volts: Floats, gate_v: float, width_ns: int,
        starts_ns: NDArray[np.int64], temperature_k: float,
    ) -> Floats:
        """Applies pulses in turn, each to its own columns of one row; returns each pulse's total current (A) at its start.

        groups: (n, columns), no column in two of them; volts, starts_ns: (n,). SET raises the columns over the row, RESET the row over the
        columns; all other columns are held at the row's potential, so that their cells carry nothing and the pulses do not disturb each other.
        """
        g = self.conductance[row]
        is_set = polarity is Polarity.SET
        row_v, column_v = (0.0, volts[:, None]) if is_set else (volts, 0.0)
        cell_v, current = row_ladder(
            np.where(groups, g, 0.0), row_v, np.broadcast_to(column_v, groups.shape),
            r_driver=self._driver_ohm, r_row=self._row_ohm, r_series=self._series_ohm(row),
        )
        pulse_of, columns = np.nonzero(groups)
        cycle = normal(self.seed, Stream.CYCLE, self.index, row, columns, self.pulses[row, columns])
        before = g[columns]
        after = self._model.pulse(
            before, -cell_v[pulse_of, columns], 1e-9 * width_ns, temperature_k,
            device=self._row_devices[row][columns], normals=cycle, gate_v=gate_v,
        )
        self.pulses[row, columns] += 1
        moved = np.abs(after - before) > REWRITE_SIEMENS
        rewritten = columns[moved]
        self.written[row, columns] += after - before
        self.written[row, rewritten] = after[moved]
        self.written_ns[row, rewritten] = starts_ns[pulse_of[moved]]
        self.writes[row, rewritten] += 1
        self.conductance[row, columns] = after
        self.last_write_ns = int(starts_ns[-1])
        self.next_epoch_ns = self.last_write_ns + FIRST_EPOCH_NS
        self.forget()
        totals: Floats = np.abs(current).sum(axis=1)
        return totals

    def read_row(self, row: int, volts: float) -> Floats:
        """Column currents (A) with only this row's word line on and its driver at `volts`."""
        _, current = row_ladder(
            self.conductance[row], volts, 0.0, r_driver=self._driver_ohm, r_row=self._row_ohm, r_series=self._series_ohm(row)
        )
        return current

    def transfer(self, row: int, rows: int) -> tuple[Floats, Floats]:
        """(rows, columns) siemens from the enabled rows' drives to column currents, and the read noise's variance (siemens**2)."""
        window = (row, rows)
        if window not in self._transfers:
            g = self.conductance[row : row + rows]
            below = self._rows - row - rows
            crossbar = Crossbar(
                g, r_row=self._row_ohm, r_column=self._column_ohm, r_driver=self._driver_ohm,
                r_sense=self._sense_ohm + below * self._column_ohm,
            )
            self._transfers[window] = (np.ascontiguousarray(crossbar.transfer.T), self.noise_variance(row, rows))
        return self._transfers[window]

    def noise_variance(self, row: int, rows: int) -> Floats:
        """Variance (siemens**2) of one reading of each cell of a window, shape (rows, columns)."""
        g = self.conductance[row : row + rows]
        return self._model.read_noise_siemens(g) ** 2 if Effect.READ_NOISE in self._effects else np.zeros_like(g)

    def row_conductance(self, row: int, rows: int) -> Floats:
        """Sum over the columns (siemens), shape (rows,): what the row drivers feed."""
        window = (row, rows)
        if window not in self._energy_weights:
            self._energy_weights[window] = self.conductance[row : row + rows].sum(axis=1)
        return self._energy_weights[window]

    def save_row(self, row: int) -> tuple[Any, ...]:
        """All that a pulse changes; `restore_row` undoes it."""
        arrays = tuple(getattr(self, key)[row].copy() for key in ROW_STATE)
        return (*arrays, self.last_write_ns, self.next_epoch_ns)

    def restore_row(self, row: int, state: tuple[Any, ...]) -> None:
        *arrays, self.last_write_ns, self.next_epoch_ns = state
        for key, array in zip(ROW_STATE, arrays, strict=True):
            getattr(self, key)[row] = array
        self.forget()

    def _series_ohm(self, row: int) -> float:
        return self._sense_ohm + (self._rows - 1 - row) * self._column_ohm

    def forget(self) -> None:
        self._transfers.clear()
        self._energy_weights.clear()

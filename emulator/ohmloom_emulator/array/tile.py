"""The cells of one tile and what time, reads and pulses do to them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Polarity
from ohmloom.spec.effects import Effect
from ohmloom_emulator.array.lines import Law, Lines
from ohmloom_emulator.devices import ArrayCell, Devices, Reliability, Telegraph
from ohmloom_emulator.devices.reliability import SLOT_NS
from ohmloom_emulator.rng import Stream, normal

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Window = tuple[int, int]

FIRST_EPOCH_NS = 1_000_000
NEVER_NS = int(np.iinfo(np.int64).max)
# A pulse that moves a cell by less has not rewritten it: its relaxation goes on.
REWRITE_SIEMENS = 0.1e-6
# I-V curves that bend by less than this share up to the read voltage are taken as straight.
STRAIGHT = 0.01
STRAIN_UNIT_NS = 2.0**-20  # fine enough that rounding a drive's share of it never shows
CELL_ARRAYS = ("written", "conductance", "written_ns", "writes", "pulses", "turns")
CELL_STATE = (*CELL_ARRAYS, "strain", "last_write_ns", "next_epoch_ns", "next_slot_ns")


class Tile:
    """Conductances, shape (rows, columns), that change by pulses, at epochs by relaxation and at slots by reading.

    An epoch is each time at which the time since the tile's last write has doubled, from 1 ms on. A slot is a second:
    at its start fluctuating cells take their levels, and what the reads of the last one have moved is added. Between
    these conductances are constant. `update(now_ns)` comes before every event on the tile. `CELL_STATE` names all that
    changes.
    """

    def __init__(
        self, spec: ChipSpec, index: int, model: ArrayCell, reliability: Reliability, *,
        seed: int, stuck: float | None, effects: Set[Effect],
    ) -> None:  # fmt: skip
        self.index, self.seed, self._effects, self._model, self._reliability = index, seed, effects, model, reliability
        self._temperature_k, self._read_v, self._scheme = spec.temperature_k, spec.limits.read_v, spec.cell.write_scheme
        rows, columns = np.arange(spec.rows)[:, None], np.arange(spec.columns)
        shape = self._shape = (spec.rows, spec.columns)
        share = stuck if Effect.STUCK in effects else 0.0
        self.devices = model.device(seed, index, rows, columns, stuck=share, ideal=Effect.SPREAD not in effects)
        self._row_devices = [self.devices[row] for row in range(spec.rows)]
        real = Effect.WIRES in effects
        self.lines = lines_of(spec, real=real)
        self.straight = not real or is_straight(model, spec)
        cold_a, warm_a = (float(model.current(1.0, self._read_v, kelvin)) for kelvin in (300.0, spec.temperature_k))
        self._warm = warm_a / cold_a
        noisy = Effect.READ_NOISE in effects
        self._telegraph = Telegraph(reliability, seed, index, shape) if noisy and reliability.telegraph_share else None
        self._levels: tuple[int, Floats] = (-1, np.zeros(shape))
        self._endurance = reliability.endurance(seed, index, *np.indices(shape))
        self._sound_turns = 0.1 * float(self._endurance.min()) if Effect.STUCK in effects else np.inf
        both = np.array([-self._read_v, self._read_v])
        self._strains = Effect.RELAXATION in effects and bool(model.read_stress(both).any())
        self.written = np.array(self.devices.initial_siemens, dtype=np.float64)  # right after the last write
        self.conductance = self.written.copy()  # as of the current epoch and slot
        self.written_ns = np.zeros(shape, dtype=np.int64)
        self.writes = np.zeros(shape, dtype=np.int64)
        self.pulses = np.zeros(shape, dtype=np.int64)
        self.turns = np.zeros(shape, dtype=np.int64)  # changes of direction: odd after SET, even after RESET
        self.strain = np.zeros((2, spec.rows), dtype=np.int64)  # by reads above and below 0 V, since the slot's start
        self.last_write_ns = -1  # never written: nothing relaxes
        self.next_epoch_ns = NEVER_NS
        self.next_slot_ns = SLOT_NS if self._telegraph or self._strains else NEVER_NS
        self._transfers: dict[Window, tuple[Floats, Floats]] = {}
        self._energy_weights: dict[Window, Floats] = {}

    @property
    def next_change_ns(self) -> int:
        """When conductances may next change on their own."""
        return min(self.next_epoch_ns, self.next_slot_ns)

    # Time

    def update(self, now_ns: int) -> None:
        """Enters the slot of `now_ns`, and evaluates relaxation at the last epoch before it, where they are new."""
        if now_ns >= self.next_slot_ns:
            self.next_slot_ns = (now_ns // SLOT_NS + 1) * SLOT_NS
            self._release_strain()
            self.forget()
        if now_ns < self.next_epoch_ns:
            return
        doublings = ((now_ns - self.last_write_ns) // FIRST_EPOCH_NS).bit_length() - 1
        epoch_ns = self.last_write_ns + (FIRST_EPOCH_NS << doublings)
        self.next_epoch_ns = self.last_write_ns + (FIRST_EPOCH_NS << (doublings + 1))
        if Effect.RELAXATION not in self._effects:
            return
        cells = np.nonzero(self.writes)
        if cells[0].size == 0:
            return
        z = normal(self.seed, Stream.RELAXATION, self.index, *cells, self.writes[cells])
        age_s: Floats = (epoch_ns - self.written_ns[cells]).astype(np.float64) * 1e-9
        relaxed = self._model.relaxed(
            self.written[cells], age_s, z, device=self.devices[cells], temperature_k=self._temperature_k
        )
        if not np.array_equal(relaxed, self.conductance[cells]):
            self.conductance[cells] = relaxed
            self.forget()

    def read_strain(self, volts: Floats) -> Integers | None:
        """What a nanosecond of each drive, volts (n, rows), adds to `strain`: (2, rows). None: nothing, ever."""
        if not self._strains:
            return None
        stress = np.rint(self._model.read_stress(volts) / STRAIN_UNIT_NS).astype(np.int64)
        return np.stack([np.where(volts > 0, stress, 0).sum(axis=0), np.where(volts < 0, stress, 0).sum(axis=0)])

    def _release_strain(self) -> None:
        """Moves cells as if each row had been read at the read voltage for its strain, above 0 V first."""
        # A row above 0 V pulls its cells towards RESET.
        for volts, units in zip((-self._read_v, self._read_v), self.strain, strict=True):
            rows = np.flatnonzero(units)
            if rows.size:
                seconds: Floats = (1e-9 * STRAIN_UNIT_NS * units[rows].astype(np.float64)).repeat(self._shape[1])
                before = self.conductance[rows].ravel()
                moved = self._model.pulse(
                    before, np.full(before.size, volts), seconds, self._temperature_k,
                    device=_flat(self.devices[rows]),
                ) - before  # fmt: skip
                self.conductance[rows] += moved.reshape(rows.size, -1)
                self.written[rows] += moved.reshape(rows.size, -1)
        self.strain[:] = 0

    # Pulses

    def pulse(
        self, row: int, groups: NDArray[np.bool_], polarity: Polarity, volts: Floats, gate_v: float, width_ns: int,
        starts_ns: Integers,
    ) -> Floats:  # fmt: skip
        """Applies pulses in turn, each to its own columns of one row; returns their total currents (A) at the start.

        groups: (n, columns), no column in two of them; volts, starts_ns: (n,). SET raises the columns over the row,
        RESET the row over the columns. With word lines all other columns are held at the row's potential, so that their
        cells carry nothing and the pulses do not disturb each other; a passive array is solved as a whole for each
        pulse, and each moves all cells.
        """
        is_set = polarity is Polarity.SET
        if self.lines.passive:
            totals = np.array([
                self._pulse_passive(row, group, is_set, level, width_ns, start)
                for group, level, start in zip(groups, volts, starts_ns, strict=True)
            ])  # fmt: skip
        else:
            v_row, v_columns = (0.0, volts[:, None]) if is_set else (volts, 0.0)
            g, wide = np.where(groups, self.conductance[row], 0.0), np.broadcast_to(v_columns, groups.shape)
            if self.straight:
                cell_v, current = self.lines.row(g, v_row, wide, row)
            else:
                v_rows = np.broadcast_to(np.asarray(v_row, dtype=np.float64), len(volts))
                law = self._law(g, self._model.gate_limit_a(gate_v))
                cell_v, current = self.lines.row_point(law, v_rows, wide, row)
            pulse_of, columns = np.nonzero(groups)
            self._apply(
                (row, columns), -cell_v[pulse_of, columns], is_set, 1e-9 * width_ns, gate_v, starts_ns[pulse_of],
                self._row_devices[row][columns],
            )  # fmt: skip
            totals = np.abs(current).sum(axis=1)
        self.last_write_ns = int(starts_ns[-1])
        self.next_epoch_ns = self.last_write_ns + FIRST_EPOCH_NS
        self.forget()
        return totals

    def _pulse_passive(
        self, row: int, group: NDArray[np.bool_], is_set: bool, level_v: float, width_ns: int, start_ns: int
    ) -> float:
        cell_v, total_a = self.lines.write_point(
            self._law(self.conductance), row, group, level_v, self._scheme, is_set=is_set
        )
        rows, columns = (index.ravel() for index in np.indices(self._shape))
        starts_ns = np.full(rows.size, start_ns)
        self._apply(
            (rows, columns), -cell_v.ravel(), is_set, 1e-9 * width_ns, None, starts_ns, _flat(self.devices)
        )
        return total_a

    def _apply(
        self, cells: tuple[Any, NDArray[Any]], volts: Floats, is_set: bool, seconds: float, gate_v: float | None,
        starts_ns: Integers, devices: Devices,
    ) -> None:  # fmt: skip
        """One pulse on each of `cells` (row or rows, columns), positive volts SET."""
        cycle = normal(self.seed, Stream.CYCLE, self.index, *cells, self.pulses[cells])
        before = self.conductance[cells]
        after = self._model.pulse(
            before, volts, seconds, self._temperature_k, device=devices, normals=cycle, gate_v=gate_v
        )
        turns = self.turns[cells]
        if turns.max(initial=0) > self._sound_turns:
            limits = self._model.limits_siemens(devices)
            after = self._reliability.worn(before, after, 0.5 * turns, self._endurance[cells], limits)
        self.pulses[cells] += 1
        moved = np.abs(after - before) > REWRITE_SIEMENS
        rewritten = (cells[0] if isinstance(cells[0], int) else cells[0][moved], cells[1][moved])
        self.written[cells] += after - before
        self.written[rewritten] = after[moved]
        self.written_ns[rewritten] = starts_ns[moved]
        self.writes[rewritten] += 1
        self.turns[rewritten] += (turns[moved] & 1) != is_set
        self.conductance[cells] = after

    # Reads

    def currents(self, volts: Floats, row: int) -> tuple[Floats, Floats]:
        """Currents (A) of drives (n, rows) from `row` on, and their noise's variance (A**2): (n, columns) each."""
        rows = volts.shape[1]
        if self.straight and rows == 1 and not self.lines.passive:
            unit = self.lines.row(self.seen(slice(row, row + 1))[0], 1.0, 0.0, row)[1]
            return volts * unit, volts**2 * self._noise_variance(row, 1)
        transfer, variance = self._transfer(row, rows)
        if self.straight:
            return volts @ transfer, (volts * volts) @ variance
        law = self._law(self.seen(slice(None) if self.lines.passive else slice(row, row + rows)))
        # A drive that comes again has the same answer: verify reads and I-V points are taken many times.
        distinct, of = np.unique(volts, axis=0, return_inverse=True)
        current = np.array([self.lines.sensed(law, drive, row, self._shape[1]) for drive in distinct])
        return current[of.ravel()], (volts * volts) @ variance

    def row_conductance(self, row: int, rows: int) -> Floats:
        """Sum over the columns (siemens), shape (rows,): what the row drivers feed."""
        window = (row, rows)
        if window not in self._energy_weights:
            self._energy_weights[window] = self.seen(slice(row, row + rows)).sum(axis=1)
        return self._energy_weights[window]

    def _transfer(self, row: int, rows: int) -> tuple[Floats, Floats]:
        """(rows, columns) siemens from drives to column currents, if cells are linear; the noise's variance in S**2."""
        window = (row, rows)
        if window not in self._transfers:
            linear = self.lines.transfer(self.seen(slice(None)), row, rows) if self.straight else np.empty(0)
            self._transfers[window] = (linear, self._noise_variance(row, rows))
        return self._transfers[window]

    def _noise_variance(self, row: int, rows: int) -> Floats:
        """Variance (siemens**2) of one reading of each cell of a window, shape (rows, columns)."""
        g = self.seen(slice(row, row + rows))
        return self._model.read_noise_siemens(g) ** 2 if Effect.READ_NOISE in self._effects else np.zeros_like(g)

    def seen(self, rows: slice) -> Floats:
        """Conductances at the read voltage as a read finds them: in this slot, at this temperature."""
        g = self.conductance[rows]
        if self._telegraph is not None:
            if self._levels[0] != self.next_slot_ns:
                self._levels = (self.next_slot_ns, self._telegraph.levels(self.next_slot_ns // SLOT_NS - 1))
            g = g * (1.0 + self._levels[1][rows] * self._reliability.swing(g))
        return g if self._warm == 1.0 else g * self._warm

    def _law(self, g: Floats, limit_a: float = np.inf) -> Law:
        """Cell currents at cell voltages, row over column."""
        return lambda volts: np.clip(self._model.current(g, volts), -limit_a, limit_a)

    # Undoing

    def save(self, row: int) -> tuple[Any, ...]:
        """All that a pulse on this row changes; `undo` takes it back."""
        where = slice(None) if self.lines.passive else row
        return where, [getattr(self, key)[where].copy() for key in CELL_ARRAYS], self.last_write_ns, self.next_epoch_ns

    def undo(self, saved: tuple[Any, ...]) -> None:
        where, arrays, self.last_write_ns, self.next_epoch_ns = saved
        for key, array in zip(CELL_ARRAYS, arrays, strict=True):
            getattr(self, key)[where] = array
        self.forget()

    def forget(self) -> None:
        """After conductances have changed."""
        self._transfers.clear()
        self._energy_weights.clear()


def lines_of(spec: ChipSpec, *, real: bool = True) -> Lines:
    """A tile's lines; not real: without resistance."""
    wires = spec.wires
    return Lines(
        spec.rows, real * wires.row_ohm, real * wires.column_ohm, real * wires.driver_ohm, real * wires.sense_ohm,
        passive=spec.cell.access == "none",
    )  # fmt: skip


def is_straight(model: ArrayCell, spec: ChipSpec) -> bool:
    """Whether the chip's cells are taken as linear."""
    full_a, small_a = (float(model.current(1.0, share * spec.limits.read_v)) for share in (1.0, 0.1))
    return abs(10.0 * small_a / full_a - 1.0) <= STRAIGHT


def _flat(devices: Devices) -> Devices:
    """One-dimensional arrays of devices, by rows."""
    return Devices(*(value.ravel() for value in vars(devices).values()))

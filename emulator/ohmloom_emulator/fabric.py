"""The fabric: all that is analog, behind the events that a controller's pins cause.

    select(tile, row, rows, tia_range)   word lines and TIA range
    route(stages)                        tiles in a chain, with no converter between them
    drive(codes)                         row DACs take new codes and settle
    sample(columns)                      ADCs convert
    pulse(...)                           one write pulse
    advance(duration_ns)                 time passes

Fabric time is the sum of these events' nominal durations, in ns; energy is in fJ; both are integers, kept by cause. The same events
give the same numbers, whoever sends them: all randomness is keyed by cell or column and its own event count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Cause, Polarity
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.afe import AnalogStage, ColumnReadout, Faults, RowDrivers
from ohmloom_emulator.array.tile import CELL_STATE, FIRST_EPOCH_NS, Tile
from ohmloom_emulator.devices import cells_of

Integers = NDArray[np.int64]
FJ_PER_J = 1e15
# Extra bits of the integer weight in the array's energy, so that rounding it costs less than 0.1 %.
ENERGY_BITS = 24


@dataclass(frozen=True)
class Stage:
    """One tile of a route. bias: its last row is driven by its DAC also where the tile before drives the others. Nothing is behind the last."""

    tile: int
    tia_range: int
    attenuator: int
    relu: bool
    bias: bool


class Fabric:
    """Tiles, converters, clock and meters of one chip.

    seed picks the chip: every device's spread and all noise. `stuck` overrides the cell model's share of stuck cells. `effects`
    are the causes of error that are in force; `ideal` leaves out all of them, so that only quantisation remains. faults: what is broken.
    """

    def __init__(
        self,
        spec: ChipSpec,
        *,
        seed: int = 0,
        stuck: float | None = None,
        ideal: bool = False,
        effects: Set[Effect] = ALL_EFFECTS,
        faults: Faults | None = None,
    ) -> None:
        self._faults = Faults(spec) if faults is None else faults
        effects = frozenset() if ideal else frozenset(effects)
        self.spec, self.seed, self.stuck, self.effects = spec, seed, stuck, effects
        model, reliability = cells_of(spec)
        self.tiles = [
            Tile(spec, index, model, reliability, seed=seed, stuck=stuck, effects=effects)
            for index in range(spec.tiles)
        ]
        self._columns = [ColumnReadout(spec, index, seed=seed, effects=effects) for index in range(spec.tiles)]
        self._rows = RowDrivers(spec, seed=seed, effects=effects)
        self._samples = np.zeros((spec.tiles, spec.rows + 1, spec.columns), dtype=np.int64)
        self._stages = [
            AnalogStage(spec, index, readout, seed=seed, effects=effects) for index, readout in enumerate(self._columns)
        ]
        self._passes = np.zeros((spec.tiles, spec.columns), dtype=np.int64)
        self.time_ns = dict.fromkeys(Cause, 0)
        self.energy_fj = dict.fromkeys(Cause, 0)
        self._array_energy = 0  # fJ, shifted by ENERGY_BITS: a conversion in parts costs what it costs at once
        self.now_ns = 0
        self.select(0, 0, 1, 0)

    @property
    def reference_row(self) -> int:
        """The row of precision resistors that calibration selects, one a column."""
        return self.spec.rows

    def select(self, tile: int, row: int, rows: int, tia_range: int) -> None:
        """Switches word lines row..row+rows-1 of a tile on, all others off, and sets its TIA range. Switching takes no fabric time."""
        self._tile, self._row, self._row_count, self._range = tile, row, rows, tia_range
        self._route: Sequence[Stage] = ()

    def route(self, stages: Sequence[Stage]) -> None:
        """Chains tiles: `drive` drives all rows of the first, `sample` converts the last. At least two stages, no tile twice."""
        first = stages[0]
        self.select(first.tile, 0, self.spec.rows, first.tia_range)
        self._route = tuple(stages)

    def quiet_ns(self, tile: int) -> int:
        """Time until the tile's conductances may next change on their own."""
        return self.tiles[tile].next_change_ns - self.now_ns

    def drive_ns(self, columns: int, stages: int = 1) -> int:
        """Duration of one drive through `stages` tiles and of the conversion of the first `columns` columns."""
        settle_ns = self.spec.settle_ns + (stages - 1) * self.spec.afe.stage_settle_ns
        return settle_ns + self._slots(np.arange(columns)) * self.spec.column_adc.conversion_ns

    def drive(self, codes: NDArray[Any]) -> None:
        """Row codes (n, rows) for the selected rows: n drives in turn, each of which `sample` then converts.

        Precondition for n > 1: no epoch falls into the batch (see `quiet_ns`).
        """
        if self._route:  # the drive before has ended at the last tile
            self._tile, self._range = self._route[0].tile, self._route[0].tia_range
        tile = self.tiles[self._tile]
        volts = self._rows.volts(codes, self._row)
        if self._row == self.reference_row:
            siemens = np.full((self._row_count, self.spec.columns), 1.0 / self.spec.afe.reference_ohm)
            self._faults.siemens(self._tile, siemens)
            self._current, self._variance, fed = (
                volts @ siemens,
                np.zeros((len(codes), self.spec.columns)),
                siemens.sum(axis=1),
            )
            self._strains: list[tuple[Tile, int, Integers]] = []
        else:
            tile.update(self.now_ns)
            self._faults.volts(self._tile, self._row, volts)
            self._current, self._variance = tile.currents(volts, self._row)
            fed = tile.row_conductance(self._row, self._row_count)
            self._strains = _strains(tile, self._row, volts)
        watts_per_code2 = self._rows.lsb_v**2 * fed
        weight = np.rint(watts_per_code2 * (1e-9 * FJ_PER_J * (1 << ENERGY_BITS))).astype(np.int64)
        self._load: Integers = (codes.astype(np.int64) ** 2) @ weight  # fJ per ns, shifted by ENERGY_BITS; one a drive
        settle_ns = self.spec.settle_ns
        if self._route:
            self._pass_stages(codes[:, -1:])
            settle_ns += (len(self._route) - 1) * self.spec.afe.stage_settle_ns
        self._spend_time(Cause.ROW_DAC, len(codes) * settle_ns)
        self._spend_static(len(codes) * settle_ns)
        self._spend_array(settle_ns)

    def _pass_stages(self, bias_codes: NDArray[Any]) -> None:
        """Takes the first tile's currents through the route; afterwards the last tile is the one that `sample` converts.

        bias_codes (n, 1): what the last row's DAC holds, the one driver of all bias rows.
        """
        for stage, following in pairwise(self._route):
            counts = self._passes[stage.tile]
            keys = counts + np.arange(len(self._current))[:, None]
            pair_v = self._stages[stage.tile].volts(
                self._current, self._variance, stage.tia_range, stage.attenuator, stage.relu, keys
            )
            counts += len(self._current)
            volts = np.zeros((len(pair_v), self.spec.rows))
            wired = min(self.spec.pairs, self.spec.rows)
            volts[:, :wired] = pair_v[:, :wired]
            if following.bias:
                bias_row = self.spec.rows - 1
                volts[:, bias_row] = self._rows.volts(bias_codes, bias_row)[:, 0]
            self._faults.volts(following.tile, 0, volts)
            tile = self.tiles[following.tile]
            tile.update(self.now_ns)
            self._current, self._variance = tile.currents(volts, 0)
            self._strains += _strains(tile, 0, volts)
            watts = (volts * volts) @ tile.row_conductance(0, self.spec.rows)
            self._load += np.rint(watts * (1e-9 * FJ_PER_J * (1 << ENERGY_BITS))).astype(np.int64)
            self._tile, self._range = following.tile, following.tia_range

    def sample(self, columns: NDArray[Any]) -> tuple[Integers, NDArray[np.bool_]]:
        """Raw signed codes (n, len(columns)) of the last `drive`, and which samples saturated."""
        result = self.foresee(columns)
        self.convert(columns)
        return result

    def foresee(self, columns: NDArray[Any]) -> tuple[Integers, NDArray[np.bool_]]:
        """What `sample` would answer; nothing happens yet."""
        keys = self._samples[self._tile, self._row][columns] + np.arange(len(self._current))[:, None]
        raw, saturated = self._columns[self._tile].sample(
            self._current[:, columns], self._variance[:, columns], self._range, columns, self._row, keys
        )
        self._faults.raw(self._tile, columns, raw, saturated)
        return raw, saturated

    def convert(self, columns: NDArray[Any]) -> None:
        """What `sample` does, without its answer."""
        drives = len(self._current)
        self._samples[self._tile, self._row][columns] += drives
        duration_ns = self._slots(columns) * self.spec.column_adc.conversion_ns
        self._spend_time(Cause.ADC, drives * duration_ns)
        self._spend_static(drives * duration_ns)
        self._spend_array(duration_ns)
        self._spend(Cause.ADC, self.spec.column_adc.power_w * self.spec.afe.column_adcs, drives * duration_ns)

    def pulse(
        self,
        tile: int,
        row: int,
        groups: NDArray[np.bool_],
        polarity: Polarity,
        rails: NDArray[Any],
        gate: int,
        width_ns: int,
    ) -> int:
        """Write pulses in turn on one row, each after the gap that the rails and the duty ask for; returns how many went well.

        groups: (n, columns), the columns of each pulse, no column in two of them; rails: (n,) and gate: codes of the rail DAC. The pulse whose
        current goes over the rail's limit is cut short, and the last one applied.
        """
        dac, cells = self.spec.rail_dac, self.tiles[tile]
        duration_ns = self.spec.pulse_gap_ns(width_ns) + width_ns
        done = 0
        while done < len(groups):
            cells.update(self.now_ns)
            # Pulses that follow each other within less than an epoch can be computed at once.
            batch = slice(done, len(groups) if duration_ns < FIRST_EPOCH_NS else done + 1)
            volts = rails[batch] * dac.lsb_v
            starts_ns = self.now_ns + duration_ns * np.arange(1, len(volts) + 1)
            before = cells.save(row)
            total_a = self._write(tile, row, groups[batch], polarity, volts, gate * dac.lsb_v, width_ns, starts_ns)
            over = np.flatnonzero(total_a > self.spec.limits.over_current_a)
            if over.size and (over[0] + 1 < len(volts) or width_ns > self.spec.trip_width_ns):
                # The trip cuts the pulse, and what would come after it never happens.
                cells.undo(before)
                first, trips = done, done + int(over[0])
                self.pulse(tile, row, groups[first:trips], polarity, rails[first:trips], gate, width_ns)
                cut_ns = min(width_ns, self.spec.trip_width_ns)
                self.pulse(tile, row, groups[trips : trips + 1], polarity, rails[trips : trips + 1], gate, cut_ns)
                return trips
            for current_a, level_v in zip(total_a, volts, strict=True):
                self._spend(Cause.WRITE, float(current_a * level_v), width_ns)
            self._spend(Cause.WRITE, dac.power_w, duration_ns * len(volts))
            self._spend_time(Cause.WRITE, duration_ns * len(volts))
            done += len(volts)
            if over.size:
                return done - 1
        return done

    def _write(
        self, tile: int, row: int, groups: NDArray[np.bool_], polarity: Polarity, volts: NDArray[np.float64], gate_v: float,
        width_ns: int, starts_ns: Integers,
    ) -> NDArray[np.float64]:  # fmt: skip
        """`Tile.pulse`, on a row whose driver may work against a short: then no cell sees its voltage."""
        shorted = self._faults.fights(tile, row, polarity)
        total_a = self.tiles[tile].pulse(row, groups, polarity, volts * (not shorted), gate_v, width_ns, starts_ns)
        return total_a + 2 * shorted * self.spec.limits.over_current_a

    def pulse_current_a(
        self, tile: int, row: int, groups: NDArray[np.bool_], polarity: Polarity, rails: NDArray[Any], gate: int
    ) -> float:
        """Total current of one pulse, groups (1, columns) and rails (1,), at its start; nothing is changed."""
        cells, lsb_v = self.tiles[tile], self.spec.rail_dac.lsb_v
        cells.update(self.now_ns)
        before = cells.save(row)
        total_a = self._write(tile, row, groups, polarity, rails * lsb_v, gate * lsb_v, 1, np.array([self.now_ns]))
        cells.undo(before)
        return float(total_a[0])

    def advance(self, duration_ns: int) -> None:
        """Lets time pass with the front end asleep."""
        self._spend_time(Cause.IDLE, duration_ns)

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of everything that changes, as arrays; `restore` takes it back."""
        arrays = {
            f"tile{index}_{key}": np.array(getattr(tile, key))
            for index, tile in enumerate(self.tiles)
            for key in CELL_STATE
        }
        arrays["samples"] = self._samples.copy()
        arrays["passes"] = self._passes.copy()
        arrays["time_ns"] = np.array([self.time_ns[cause] for cause in Cause], dtype=np.int64)
        arrays["energy_fj"] = np.array([self.energy_fj[cause] for cause in Cause], dtype=np.int64)
        arrays["energy_fraction"] = np.array(self._array_energy & ((1 << ENERGY_BITS) - 1), dtype=np.int64)
        return arrays

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes over what `state` gave. Raises ValueError, and changes nothing, when an array is missing or has another shape."""
        for key, mine in self.state().items():
            if key not in arrays or arrays[key].shape != mine.shape or arrays[key].dtype != mine.dtype:
                raise ValueError(f"array {key!r} is missing or is not {mine.dtype} of shape {mine.shape}")
        for index, tile in enumerate(self.tiles):
            for key in CELL_STATE:
                value = arrays[f"tile{index}_{key}"]
                setattr(tile, key, int(value) if value.ndim == 0 else value.copy())
            tile.forget()
        self._samples = arrays["samples"].copy()
        self._passes = arrays["passes"].copy()
        for cause in Cause:
            self.time_ns[cause] = int(arrays["time_ns"][cause])
            self.energy_fj[cause] = int(arrays["energy_fj"][cause])
        self._array_energy = self.energy_fj[Cause.ARRAY_READ] << ENERGY_BITS | int(arrays["energy_fraction"])
        self.now_ns = sum(self.time_ns.values())

    def _slots(self, columns: NDArray[Any]) -> int:
        """Conversions in turn: the columns of one channel number are converted at once, by all ADCs in parallel."""
        return len(np.unique(columns // self.spec.afe.column_adcs))

    def _spend_array(self, duration_ns: int) -> None:
        self._array_energy += int(self._load.sum()) * duration_ns
        self.energy_fj[Cause.ARRAY_READ] = self._array_energy >> ENERGY_BITS
        for tile, row, strain in self._strains:
            tile.strain[:, row : row + strain.shape[1]] += strain * duration_ns

    def _spend_static(self, duration_ns: int) -> None:
        self._spend(Cause.ROW_DAC, self.spec.row_dac.power_w * self.spec.afe.row_dacs, duration_ns)
        self._spend(Cause.TIA, self.spec.afe.tia_power_w * self.spec.columns, duration_ns)

    def _spend(self, cause: Cause, watts: float, duration_ns: int) -> None:
        # Whole fJ a ns, so that splitting a batch never changes the sum.
        self.energy_fj[cause] += round(watts * 1e-9 * FJ_PER_J) * duration_ns

    def _spend_time(self, cause: Cause, duration_ns: int) -> None:
        self.time_ns[cause] += duration_ns
        self.now_ns += duration_ns


def _strains(tile: Tile, row: int, volts: NDArray[np.float64]) -> list[tuple[Tile, int, Integers]]:
    strain = tile.read_strain(volts)
    return [] if strain is None else [(tile, row, strain)]

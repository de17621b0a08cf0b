"""Measurements as trains: what each device was, which pulses it got, what it then was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..devices.interface import FloatArray
from .measurements import MeasurementError, Measurements

ChordFactor = Callable[[FloatArray, FloatArray], FloatArray]
"""Current over voltage at (volts, kelvin), divided by the cell's state: 1 at the chip's read voltage."""


@dataclass(frozen=True)
class Pulses:
    """Pulses of many devices, arrays of one length, those of a device together and in order."""

    device: NDArray[np.int64]
    position: NDArray[np.int64]  # of the pulse in its train, from 0
    volts: FloatArray
    width_s: FloatArray
    gate_v: FloatArray
    temperature_k: FloatArray
    siemens: FloatArray  # measured after the pulse, mean of its reads
    reads: FloatArray

    def __len__(self) -> int:
        return len(self.device)

    def __getitem__(self, index: object) -> Pulses:
        return Pulses(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class Trains:
    """What a fit works on; conductances are states of the cell, as at the chip's read voltage."""

    names: tuple[str, ...]
    pulses: Pulses
    first_siemens: FloatArray  # (devices,): what each train starts from
    first_reads: FloatArray
    repeat_siemens: FloatArray  # for each state that was read several times: mean
    repeat_variance: FloatArray
    repeat_reads: FloatArray

    @property
    def before_siemens(self) -> FloatArray:
        """What was measured before each pulse."""
        return np.where(
            self.pulses.position == 0, self.first_siemens[self.pulses.device], np.roll(self.pulses.siemens, 1)
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.bincount(self.pulses.device, minlength=len(self.names))


def trains_of(data: Measurements, read_v: float, factor: ChordFactor) -> Trains:
    """Reads are averaged into the pulse before them; a device's first row is what its train starts from.

    read_v: of reads that do not say. Raises MeasurementError for a device with no pulse after its first row.
    """
    across_v = np.where(np.isnan(data.current_a), np.where(np.isnan(data.read_v), read_v, data.read_v), data.volts)
    chord = np.where(np.isnan(data.current_a), data.siemens, data.current_a / across_v)
    state = chord / factor(across_v, data.temperature_k)
    opens = np.r_[True, np.diff(data.device) != 0] | (data.width_s > 0)  # rows that begin a new state
    starts = np.flatnonzero(opens)
    group = np.cumsum(opens) - 1
    reads = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, state) / reads
    variance = np.bincount(group, (state - mean[group]) ** 2) / np.maximum(reads - 1, 1)
    first = np.r_[True, np.diff(data.device[starts]) != 0]
    for number, name in enumerate(data.names):
        if np.count_nonzero(data.device[starts] == number) < 2:
            line = data.line[data.device == number][0]
            raise MeasurementError(
                f"line {line}: device {name} has no pulse after its first row, which only says where the train starts"
            )
    rows, kept = starts[~first], ~first
    device = data.device[rows]
    position = np.arange(len(rows)) - np.searchsorted(device, device)
    again = reads > 1
    return Trains(
        data.names,
        Pulses(device, position, data.volts[rows], data.width_s[rows], data.gate_v[rows], data.temperature_k[rows],
               mean[kept], reads[kept]),
        mean[first], reads[first], mean[again], variance[again], reads[again],
    )  # fmt: skip


def only_devices(trains: Trains, chosen: NDArray[np.bool_], most_positions: NDArray[np.int64] | None = None) -> Trains:
    """Some devices (chosen (devices,)), and of each only the pulses before `most_positions` (devices,)."""
    numbers = np.cumsum(chosen) - 1
    kept = chosen[trains.pulses.device]
    if most_positions is not None:
        kept &= trains.pulses.position < most_positions[trains.pulses.device]
    pulses = trains.pulses[kept]
    values = {field.name: getattr(pulses, field.name) for field in fields(pulses)} | {"device": numbers[pulses.device]}
    names = tuple(np.array(trains.names)[chosen].tolist())
    return Trains(
        names, Pulses(**values), trains.first_siemens[chosen], trains.first_reads[chosen],
        trains.repeat_siemens, trains.repeat_variance, trains.repeat_reads,
    )  # fmt: skip

"""The CSV file of measurements: columns, checks, arrays.

One row a step of the measurement, in the order in which it was done:

- **pulse**: `width_s` > 0 and `volts` (positive: SET). `resistance_ohm` is what was read after it; or `current_a` what
  flowed at `volts` at its end (a sweep is a staircase of such steps).
- **read**: `width_s` empty or 0. `resistance_ohm` is read again, or `current_a` at `volts`, too little to move the cell.

`pulse_index` counts the pulses of a device, and rises with each; a read has the index of the pulse before it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import Error

from ..devices.interface import FloatArray

REQUIRED = ("device", "pulse_index", "volts", "width_s", "resistance_ohm")
OPTIONAL = ("current_a", "read_v", "gate_v", "temperature_k")


class MeasurementError(Error, ValueError):
    """The file of measurements cannot be used; the message names line and column."""


@dataclass(frozen=True)
class Measurements:
    """The rows of a file, as arrays of one length; what a row does not give is NaN."""

    names: tuple[str, ...]  # of the devices, in order of appearance
    device: NDArray[np.int64]  # index into names
    line: NDArray[np.int64]
    volts: FloatArray
    width_s: FloatArray  # 0: a read
    siemens: FloatArray  # of resistance_ohm, at read_v
    current_a: FloatArray  # at volts
    read_v: FloatArray  # NaN: the chip's
    gate_v: FloatArray  # NaN: wide open, or no transistor
    temperature_k: FloatArray


def read_measurements(path: Path) -> Measurements:
    """The measurements in a CSV file: UTF-8, a line with the names of the columns, empty lines and # lines ignored.

    Raises OSError, and MeasurementError with the line and column of what is wrong.
    """
    try:
        lines = [
            (number, line)
            for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), start=1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
    except UnicodeDecodeError as error:
        raise MeasurementError(f"{path}: not a text in UTF-8 ({error})") from None
    if len(lines) < 2:
        raise MeasurementError(f"{path}: no measurements; wanted: a line with {', '.join(REQUIRED)}, and data")
    header = [name.strip() for name in next(csv.reader([lines[0][1]]))]
    _check_header(path, lines[0][0], header)
    rows = [_Row(path, number, header, next(csv.reader([text]))) for number, text in lines[1:]]
    return _arranged(list(_checked(rows)))


def _check_header(path: Path, line: int, header: list[str]) -> None:
    def fail(text: str) -> None:
        raise MeasurementError(f"{path}, line {line}: {text}; columns are {', '.join(REQUIRED)}, and as needed "
                               f"{', '.join(OPTIONAL)}")  # fmt: skip

    for name in header:
        if name not in REQUIRED + OPTIONAL:
            fail(f"unknown column {name!r}")
        if header.count(name) > 1:
            fail(f"column {name} comes twice")
    for name in REQUIRED:
        if name not in header:
            fail(f"no column {name}")


class _Row:
    """One line of the file, whose fields are numbers when asked for."""

    def __init__(self, path: Path, line: int, header: list[str], fields: list[str]) -> None:
        self.path, self.line = path, line
        if len(fields) != len(header):
            raise MeasurementError(f"{path}, line {line}: {len(fields)} fields, where the header has {len(header)}")
        self.fields: Mapping[str, str] = dict(zip(header, map(str.strip, fields), strict=True))

    def fail(self, column: str, text: str) -> MeasurementError:
        given = self.fields.get(column, "")
        return MeasurementError(f"{self.path}, line {self.line}, column {column}: {text}, given {given!r:.40}")

    def number(self, column: str, wanted: str, allowed: Callable[[float], bool], empty: float = np.nan) -> float:
        text = self.fields.get(column, "")
        if not text:
            return empty
        try:
            value = float(text)
        except ValueError:
            raise self.fail(column, f"{wanted} wanted") from None
        if not isfinite(value) or not allowed(value):
            raise self.fail(column, f"{wanted} wanted")
        return value


def _checked(rows: list[_Row]) -> Iterator[tuple[str, int, list[float]]]:
    """Device, line and numbers of each row, in the order of `Measurements`. The first error found is raised."""
    last: dict[str, int] = {}
    for row in rows:
        name = row.fields["device"]
        if not name:
            raise row.fail("device", "a name or number of the device wanted")
        width_s = row.number("width_s", "seconds, 0 or more (empty: a read),", lambda x: x >= 0.0, 0.0)
        volts = row.number("volts", "a number of volts", lambda x: abs(x) < 100.0)
        index = row.number("pulse_index", "a whole number from 0 on", lambda x: x >= 0 and x == int(x))
        resistance = row.number("resistance_ohm", "a positive number of ohm", lambda x: x > 0.0)
        current_a = row.number("current_a", "a number of amperes", lambda x: True)
        read_v = row.number("read_v", "volts other than 0", lambda x: x != 0.0)
        gate_v = row.number("gate_v", "volts, 0 or more,", lambda x: x >= 0.0)
        kelvin = row.number("temperature_k", "kelvin from 50 to 1000", lambda x: 50 <= x <= 1000, 300.0)
        if np.isnan(index):
            raise row.fail("pulse_index", "a whole number from 0 on wanted")
        before = last.get(name)
        if before is not None and width_s > 0 and index <= before:
            raise row.fail("pulse_index", f"a pulse after number {before} of device {name} needs a higher number")
        if before is not None and width_s == 0 and index != before:
            raise row.fail("pulse_index", f"a read (no width_s) after pulse {before} has its number")
        last[name] = int(index)
        if np.isnan(resistance) == np.isnan(current_a):
            raise row.fail("resistance_ohm", "either resistance_ohm or current_a wanted, not both or none")
        if np.isnan(volts) and (width_s > 0 or not np.isnan(current_a)):
            raise row.fail("volts", "the voltage of the pulse, or of current_a, wanted")
        if not np.isnan(current_a) and not current_a * volts > 0:
            raise row.fail("current_a", f"a current of the sign of volts ({volts:g}), which is not 0, wanted")
        yield name, row.line, [volts, width_s, 1.0 / resistance, current_a, read_v, gate_v, kelvin]


def _arranged(rows: list[tuple[str, int, list[float]]]) -> Measurements:
    """Rows of each device together, each in its order."""
    names = tuple(dict.fromkeys(name for name, _, _ in rows))
    number = {name: index for index, name in enumerate(names)}
    device = np.array([number[name] for name, _, _ in rows])
    order = np.argsort(device, kind="stable")
    line = np.array([line for _, line, _ in rows])[order]
    return Measurements(names, device[order], line, *np.array([values for _, _, values in rows])[order].T)

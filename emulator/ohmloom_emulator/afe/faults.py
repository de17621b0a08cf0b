"""Faults of a front end, to try what finds them: a dead converter channel, a shorted row, a missing reference resistor.

Written `KIND:TILE:INDEX`, several with commas:

    adc:1:5             column 5 of tile 1 always converts to the ADC's code 0
    row:0:3             the line of row 3 of tile 0 is shorted to ground, whatever its DAC says
    row:0:3:0.1         ... to 0.1 V above Vmid
    reference:0:9       column 9 of tile 0 has no reference resistor

A write pulse whose driver works against a short goes over the rail's current: it trips and moves no cell. RESET raises the row, SET
holds it at ground, where it may be shorted to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Polarity

KINDS = ("adc", "row", "reference")


class Faults:
    """`raw`, `volts`, `siemens` put the faults into what a sound front end would do, in place."""

    def __init__(self, spec: ChipSpec, faults: Iterable[str] = ()) -> None:
        """Raises ValueError for a text that is no fault, or none that this chip can have."""
        self._dead = np.zeros((spec.tiles, spec.columns), dtype=np.bool_)
        self._missing = self._dead.copy()
        self._shorts = np.full((spec.tiles, spec.rows), np.nan)  # level against Vmid
        self._vmid_v = spec.afe.vmid_v
        self._raw = (1 << (spec.column_adc.bits - 1)) - 1
        for text in faults:
            kind, *rest = text.split(":")
            levels = rest[2:] if kind == "row" else []
            if kind not in KINDS or len(rest) - len(levels) != 2 or len(levels) > 1:
                raise ValueError(
                    f"{text!r} is no fault; known: adc:TILE:COLUMN, row:TILE:ROW[:VOLTS], reference:TILE:COLUMN"
                )
            table = {"adc": self._dead, "row": self._shorts, "reference": self._missing}[kind]
            tile, index = (int(number) for number in rest[:2])
            if not 0 <= tile < table.shape[0] or not 0 <= index < table.shape[1]:
                raise ValueError(f"{text!r} is not on this chip")
            if kind == "row" and spec.cell.access == "none":
                raise ValueError(f"{text!r}: without transistors a shorted row is in every read; this is not modelled")
            level_v = float(levels[0]) if levels else -spec.afe.vmid_v
            if not abs(level_v) <= spec.afe.vmid_v:
                raise ValueError(f"{text!r}: {level_v} V is not within +-{spec.afe.vmid_v} V of Vmid")
            table[tile, index] = level_v if kind == "row" else True

    def raw(self, tile: int, columns: NDArray[Any], raw: NDArray[np.int64], saturated: NDArray[np.bool_]) -> None:
        """Raw codes (n, columns)."""
        dead = self._dead[tile, columns]
        raw[:, dead], saturated[:, dead] = self._raw, True

    def volts(self, tile: int, row: int, volts: NDArray[np.float64]) -> None:
        """Voltages (n, rows) of rows from `row` on."""
        levels = self._shorts[tile, row : row + volts.shape[1]]
        shorted = ~np.isnan(levels)
        volts[:, shorted] = levels[shorted]

    def siemens(self, tile: int, siemens: NDArray[np.float64]) -> None:
        """Conductances (1, columns) of the reference row."""
        siemens[:, self._missing[tile]] = 0.0

    def fights(self, tile: int, row: int, polarity: Polarity) -> bool:
        """Whether a pulse drives the row against its short."""
        level_v = self._shorts[tile, row]
        return not np.isnan(level_v) and (polarity is Polarity.RESET or bool(level_v > -self._vmid_v))

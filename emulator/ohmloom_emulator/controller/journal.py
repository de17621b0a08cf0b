"""A run's journal: targets and progress, in memory that keeps them when the power goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import MAX_RETRIES, RowState, RunKind
from ohmloom_emulator.fabric import Integers


class Journal:
    """One run. Each method that changes it is written whole or not at all, as a record with its own check sum is.

    run: its number, 0 for none; state: RowState of each row (tiles, rows); target, tolerance: verify codes (tiles, rows, columns); bad: cells
    of DONE rows that did not converge (tiles, rows, columns).
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._shape = (spec.tiles, spec.rows, spec.columns)
        self.begin(0, RunKind.PROGRAM, 0)

    def begin(self, run: int, kind: RunKind, retries: int) -> None:
        self.run, self.kind, self.retries = run, kind, retries
        self.state = np.zeros(self._shape[:2], dtype=np.uint8)
        self.target, self.tolerance = np.zeros((2, *self._shape), dtype=np.int16)
        self.bad = np.zeros(self._shape, dtype=np.bool_)

    def load(self, tile: int, row: int, target: Integers, tolerance: Integers) -> None:
        self.target[tile, row], self.tolerance[tile, row] = target, tolerance
        self.state[tile, row] = RowState.LOADED

    def start(self, tile: int, row: int) -> None:
        """Before a row's first pulse."""
        self.state[tile, row] = RowState.BEGUN

    def finish(self, tile: int, row: int, bad: NDArray[np.bool_]) -> None:
        """After a row's last pulse."""
        self.bad[tile, row] = bad
        self.state[tile, row] = RowState.DONE

    def cells(self, tile: int, row: int) -> tuple[Integers, Integers]:
        """Targets and tolerances (columns,) of a row."""
        return self.target[tile, row].astype(np.int64), self.tolerance[tile, row].astype(np.int64)

    def open_rows(self) -> list[tuple[int, int]]:
        """(tile, row) of those that are loaded and not done, in order."""
        waiting = np.isin(self.state, (RowState.LOADED, RowState.BEGUN))
        return [(int(tile), int(row)) for tile, row in np.argwhere(waiting)]

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            "journal_run": np.array([self.run, self.kind, self.retries], dtype=np.int64),
            "journal_state": self.state,
            "journal_target": self.target,
            "journal_tolerance": self.tolerance,
            "journal_bad": self.bad,
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Raises ValueError when an array has another shape or values that no run has; changes nothing then."""
        kept: dict[str, NDArray[Any]] = {}
        for key, mine in self.arrays().items():
            if key not in arrays or arrays[key].shape != mine.shape or arrays[key].dtype != mine.dtype:
                raise ValueError(f"array {key!r} is missing or is not {mine.dtype} of shape {mine.shape}")
            kept[key.removeprefix("journal_")] = arrays[key].copy()
        run, kind, retries = (int(value) for value in kept["run"])
        if not 0 <= run < 1 << 32 or not 0 <= retries <= MAX_RETRIES or kept["state"].max() > RowState.DONE:
            raise ValueError(f"journal of run {run} with {retries} retries")
        self.run, self.kind, self.retries = run, RunKind(kind), retries
        self.state, self.target, self.tolerance, self.bad = (
            kept[key] for key in ("state", "target", "tolerance", "bad")
        )

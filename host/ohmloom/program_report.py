"""How programming or forming ended, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.commands import CellStatus

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProgramReport:
    """How write-verify or forming ended. All arrays have the shape (rows, columns) of one tile, or (tiles, rows, columns) of all.

    selected: cells that were to be brought to a target; converged: those whose verify passed; pulses: applied to each; status:
    `CellStatus`; conductance: at the verify that ended each cell, in siemens; formed: cells that had to be formed first.
    """

    selected: NDArray[np.bool_]
    status: NDArray[np.uint8]
    pulses: NDArray[np.int64]
    conductance: Floats
    formed: int = 0

    @property
    def converged(self) -> NDArray[np.bool_]:
        done: NDArray[np.bool_] = self.status == CellStatus.CONVERGED
        return done

    @property
    def converged_fraction(self) -> float:
        """Of the selected cells; 1.0 when there are none."""
        return float(self.converged[self.selected].mean()) if self.selected.any() else 1.0

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Selected cells that have not converged."""
        return self.selected & ~self.converged

    @classmethod
    def of_tiles(cls, reports: Sequence[ProgramReport]) -> ProgramReport:
        """One report of all tiles, from theirs."""
        stacked = {
            key: np.stack([getattr(report, key) for report in reports])
            for key in ("selected", "status", "pulses", "conductance")
        }
        return cls(**stacked, formed=sum(report.formed for report in reports))

    def followed_by(self, later: ProgramReport) -> ProgramReport:
        """This report with the cells that were programmed again replaced, and their pulses added."""
        again = later.selected
        return ProgramReport(
            self.selected | again, np.where(again, later.status, self.status), self.pulses + later.pulses,
            np.where(again, later.conductance, self.conductance), self.formed + later.formed,
        )

    @property
    def stuck(self) -> NDArray[np.bool_]:
        """Cells that pulses at the top voltage no longer moved to their target."""
        done: NDArray[np.bool_] = self.status == CellStatus.STUCK
        return done

    @property
    def pulses_per_cell(self) -> float:
        return float(self.pulses[self.selected].mean()) if self.selected.any() else 0.0

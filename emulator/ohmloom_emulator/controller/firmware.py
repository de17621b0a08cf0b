"""What firmware does on hardware: measurements, runs with their journal, and its own replacement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.commands import (
    BOOT,
    CALIBRATE,
    FIRMWARE,
    IV,
    REFRESH,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    SELFTEST,
    UPDATE,
)
from ohmloom_emulator.controller.checks import Checks, Values
from ohmloom_emulator.controller.image import Image
from ohmloom_emulator.controller.journal import Journal
from ohmloom_emulator.controller.memories import Memories
from ohmloom_emulator.controller.runs import Engine, Runs
from ohmloom_emulator.controller.upkeep import Upkeep
from ohmloom_emulator.fabric import Fabric


class Firmware:
    """`handlers`: of each command's values, by its code."""

    def __init__(self, fabric: Fabric, memories: Memories, engine: Engine, checks: Checks) -> None:
        self._spec, self._check = fabric.spec, checks
        self._upkeep = Upkeep(fabric, memories)
        self.journal = Journal(fabric.spec)
        runs, self._image = Runs(self.journal, engine, checks), Image()
        self.handlers: dict[int, Callable[[Values], Values]] = {
            IV.code: self._iv,
            CALIBRATE.code: self._calibrate,
            SELFTEST.code: self._selftest,
            RUN_BEGIN.code: runs.begin,
            RUN_LOAD.code: runs.load,
            RUN_NEXT.code: runs.next,
            RUN_STATUS.code: runs.status,
            RUN_ROW.code: runs.row,
            REFRESH.code: runs.refresh,
            UPDATE.code: self._image.update,
            BOOT.code: self._image.boot,
            FIRMWARE.code: self._image.firmware,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What its flash keeps."""
        return {**self.journal.arrays(), **self._image.arrays()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As after a power-up. A state without any of the arrays is one of a board that had no firmware: an empty flash.

        Raises ValueError for an array that is missing or another.
        """
        if self.arrays().keys() & arrays.keys():
            self._image.restore(arrays)
            self.journal.restore(arrays)

    def _iv(self, values: Values) -> Values:
        tile, row, column = self._check.tile(values), self._check.row(values), self._check.column(values)
        tia_range = self._check.tia_range(values["range"])
        codes = self._check.codes(values["codes"], 1).ravel()
        self._check.answer(IV, codes.size, 16)
        points, saturated = self._upkeep.iv(tile, row, column, tia_range, codes)
        return {"saturated": min(saturated, 0xFFFF), "codes": points}

    def _calibrate(self, values: Values) -> Values:
        return vars(self._upkeep.calibrate(self._check.tile(values)))

    def _selftest(self, _: Values) -> Values:
        layout = SELFTEST.answer.array
        assert layout is not None
        findings = self._upkeep.selftest()[: self._spec.link.payload_bytes // layout.dtype.itemsize]
        return {"findings": np.array(findings, dtype=layout.dtype)}

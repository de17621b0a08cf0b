"""A virtual board whose controller is the compiled gateware."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import core
from ohmloom.spec.commands import DEFAULT_BAUD, Memory
from ohmloom.spec.generate import chip_header
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.board import Board
from ohmloom_twin.twin import Twin

FLASH_START = core.FLASH_IMAGE[0]


class TwinBoard(Board):
    """`Board` with the gateware in the place of the emulator's controller: the same options, the same state files."""

    twin: Twin

    def _attach(self) -> None:
        self.twin = Twin(self.fabric)

    def _start(self) -> None:
        self.twin.boot()

    @property
    def baud(self) -> int:
        """The line rate after power-up; later ones are the controller's own business."""
        return DEFAULT_BAUD

    def feed_at(self, data: bytes, baud: int) -> bytes:
        """Bytes that arrive at a line rate; returns those that the board sends."""
        return self._noise_out(self.twin.feed(self._noise_in(data), baud))

    def _memories(self) -> dict[str, NDArray[Any]]:
        content = self.twin.memory().astype("<u2").tobytes()
        places = MemoryMap(self.fabric.spec)
        return {
            f"memory_{memory.name.lower()}": np.frombuffer(content, np.uint8, places.sizes[memory], places.base[memory])
            for memory in Memory
        } | {"flash": np.frombuffer(self.twin.flash(FLASH_START, self._flash_bytes), np.uint8)}

    def _restore_memories(self, arrays: dict[str, NDArray[Any]]) -> None:
        content = bytearray(self.twin.memory().astype("<u2").tobytes())
        places = MemoryMap(self.fabric.spec)
        for memory in Memory:
            key, size = f"memory_{memory.name.lower()}", places.sizes[memory]
            if key not in arrays or arrays[key].shape != (size,) or arrays[key].dtype != np.uint8:
                raise ValueError(f"array {key!r} is missing or has not {size} bytes")
            content[places.base[memory] : places.base[memory] + size] = arrays[key].tobytes()
        if "flash" in arrays:  # not in what emu:// has saved
            if arrays["flash"].shape != (self._flash_bytes,) or arrays["flash"].dtype != np.uint8:
                raise ValueError(f"array 'flash' has not {self._flash_bytes} bytes")
            self.twin.set_flash(FLASH_START, arrays["flash"].tobytes())
        self.twin.set_memory(np.frombuffer(bytes(content), "<u2"))

    @property
    def _flash_bytes(self) -> int:
        """Of the flash from FLASH_START to the journal's end."""
        journal = chip_header.journal(self.fabric.spec)
        records = journal["JOURNAL_RECORDS"] * journal["RECORD_BYTES"]
        return core.FLASH_JOURNAL + core.FLASH_SECTOR_BYTES + records - FLASH_START

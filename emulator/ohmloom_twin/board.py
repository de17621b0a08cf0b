"""A virtual board whose controller is the compiled gateware."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.link import Frame, FrameDecoder
from ohmloom.spec import core
from ohmloom.spec.commands import DEFAULT_BAUD, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.board import Board
from ohmloom_emulator.controller.journal import Journal
from ohmloom_twin.journal import flash_bytes, from_flash, to_flash
from ohmloom_twin.twin import Twin
from ohmloom_twin.waves import Waves

FLASH_START = core.FLASH_IMAGE[0]
IMAGES = core.FLASH_JOURNAL - FLASH_START  # bytes


@dataclass(frozen=True)
class Moment:
    """All that a board is between two requests."""

    twin: bytes
    flash: bytes
    fabric: dict[str, NDArray[Any]]


class TwinBoard(Board):
    """`Board` with the gateware in the place of the emulator's controller: the same options, the same state files."""

    twin: Twin

    def __init__(self, chip: str, *, waves: Waves | None = None, **options: Any) -> None:
        """waves: of the gateware, wanted in a file. options: those of `Board`."""
        self._waves = waves
        self._requests = FrameDecoder(0xFFFF)  # looked at for what triggers waves
        super().__init__(chip, **options)

    def _attach(self) -> None:
        self.twin = Twin(self.fabric, waves=self._waves is not None)
        self._kept: bytes | None = None  # of the controller's memory
        self._fresh = True  # the flash's images are as they come

    def _start(self) -> None:
        self.twin.boot(self._fresh)
        if self._kept is not None:
            self.twin.set_memory(np.frombuffer(self._kept, "<u2"))
        if self._waves is not None and self._waves.trigger is None:
            self._write_waves()

    def power_cycle(self) -> None:
        """Power-up after `Twin.cut_power`: cells and flash are as they were left, and the controller remembers nothing else."""
        flash = self._flash()
        self.twin.close()
        self.twin = Twin(self.fabric)
        fresh = flash[:IMAGES] == self.twin.flash(FLASH_START, IMAGES)
        self.twin.set_flash(FLASH_START, flash)
        self.twin.boot(fresh)

    def moment(self) -> Moment:
        """What `go_back` takes, of this board or another one with the same chip."""
        return Moment(self.twin.save(), self._flash(), self.fabric.state())

    def go_back(self, to: Moment) -> None:
        """Everything is as it was; the moment stays good for more."""
        self.twin.load(to.twin)
        self.twin.set_flash(FLASH_START, to.flash)
        self.fabric.restore(to.fabric)

    def _flash(self) -> bytes:
        """What is used of it: images and journal."""
        return self.twin.flash(FLASH_START, IMAGES + flash_bytes(self.fabric.spec))

    @property
    def baud(self) -> int:
        """The line rate after power-up; later ones are the controller's own business."""
        return DEFAULT_BAUD

    def feed_at(self, data: bytes, baud: int) -> bytes:
        """Bytes that arrive at a line rate; returns those that the board sends."""
        if self._waves is not None and self._waves.trigger is not None:
            code = self._waves.trigger.code
            if any(isinstance(item, Frame) and item.type == code for item in self._requests.feed(data)):
                self._write_waves()
        return self._noise_out(self.twin.feed(self._noise_in(data), baud))

    def _write_waves(self) -> None:
        """Once; the window begins now."""
        assert self._waves is not None
        self.twin.write_waves(self._waves.path, self._waves.from_us, self._waves.to_us)
        self._waves = None

    def save(self) -> None:
        super().save()
        self.twin.end_waves()

    def _memories(self) -> dict[str, NDArray[Any]]:
        content = self.twin.memory().astype("<u2").tobytes()
        places = MemoryMap(self.fabric.spec)
        return {
            f"memory_{memory.name.lower()}": np.frombuffer(content, np.uint8, places.sizes[memory], places.base[memory])
            for memory in Memory
        } | {
            "flash_images": np.frombuffer(self.twin.flash(FLASH_START, IMAGES), np.uint8),
            "firmware_version": np.array(self._version(), dtype=np.uint32),
            **self._journal().arrays(),
        }

    def _version(self) -> int:
        """Of the image that the boot ROM starts, by its header; 0: none."""
        versions = [0]
        for place in core.FLASH_IMAGE:
            header = np.frombuffer(self.twin.flash(place, core.IMAGE_HEADER_DTYPE.itemsize), core.IMAGE_HEADER_DTYPE)[0]
            if header["magic"] == core.FIRMWARE_MAGIC:
                versions.append(int(header["version"]))
        return max(versions)

    def _journal(self) -> Journal:
        spec = self.fabric.spec
        return from_flash(self.twin.flash(core.FLASH_JOURNAL, flash_bytes(spec)), spec)

    def _restore_memories(self, arrays: dict[str, NDArray[Any]]) -> None:
        content = bytearray(self.twin.memory().astype("<u2").tobytes())
        spec = self.fabric.spec
        places, journal = MemoryMap(spec), Journal(spec)
        for memory in Memory:
            key, size = f"memory_{memory.name.lower()}", places.sizes[memory]
            if key not in arrays or arrays[key].shape != (size,) or arrays[key].dtype != np.uint8:
                raise ValueError(f"array {key!r} is missing or has not {size} bytes")
            content[places.base[memory] : places.base[memory] + size] = arrays[key].tobytes()
        journal.restore(arrays)
        flash = to_flash(journal, spec)
        if "flash_images" in arrays:  # not in what emu:// has saved
            if arrays["flash_images"].shape != (IMAGES,) or arrays["flash_images"].dtype != np.uint8:
                raise ValueError(f"array 'flash_images' has not {IMAGES} bytes")
            flash = arrays["flash_images"].tobytes() + flash
        else:
            flash = self.twin.flash(FLASH_START, IMAGES) + flash
        self._fresh = flash[:IMAGES] == self.twin.flash(FLASH_START, IMAGES)
        self.twin.set_flash(FLASH_START, flash)
        self._kept = bytes(content)

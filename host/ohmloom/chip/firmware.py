"""The firmware on the controller's core: which one runs, and how another one gets there."""

from __future__ import annotations

import binascii
from pathlib import Path
from time import monotonic, sleep

import numpy as np

from ohmloom.chip.connection import Connection, Progress, no_progress
from ohmloom.errors import ArgumentError, ChipError, Error
from ohmloom.spec.commands import BOOT, FIRMWARE, UPDATE, BootTarget, ErrorCode
from ohmloom.spec.core import FIRMWARE_MAGIC, IMAGE_BYTES, IMAGE_HEADER_DTYPE

START_S = 5.0  # that new firmware may take until it answers


class Core(Connection):
    """A controller's core."""

    @property
    def firmware_version(self) -> str:
        """Of the firmware that runs. Raises ChipError when none does."""
        return version_text(self._session.request(FIRMWARE)["version"])

    def update_firmware(self, path: str | Path, *, flash: bool = True, progress: Progress = no_progress) -> str:
        """Loads a firmware image over the link and starts it; returns its version. No place and route, no other tool.

        flash: keep it over power-ups; else only until the next. Raises ArgumentError for a file that is no firmware image, and ChipError when
        the controller refuses it; the old firmware goes on then. Raises OSError when the file cannot be read.
        """
        image = Path(path).read_bytes()
        check_image(image, str(path))
        boots = self._session.request(FIRMWARE)["boots"]
        size = self._session.payload_max // 2 // 4 * 4
        starts = range(0, len(image), size)
        requests = ((UPDATE, {"offset": start, "data": image[start : start + size]}) for start in starts)
        progress("firmware", 0, len(image))
        for start, _ in zip(starts, self._session.stream(requests), strict=True):
            progress("firmware", min(start + size, len(image)), len(image))
        target = BootTarget.FLASH if flash else BootTarget.RAM
        self._session.request(BOOT, target=target, bytes=len(image), crc=binascii.crc32(image))
        deadline = monotonic() + START_S
        while True:
            try:
                answer = self._session.request(FIRMWARE)
            except ChipError as error:
                if error.code != ErrorCode.NO_FIRMWARE or monotonic() > deadline:
                    raise
                sleep(0.05)
                continue
            if answer["boots"] == boots:
                raise Error("the controller took the new firmware, but the old one still answers: power it off and on")
            return version_text(answer["version"])


def check_image(image: bytes, name: str) -> None:
    """Raises ArgumentError unless the bytes are a whole firmware image."""
    if not IMAGE_HEADER_DTYPE.itemsize <= len(image) <= IMAGE_BYTES:
        raise ArgumentError(
            f"{name}: {len(image)} bytes are no firmware image, which has {IMAGE_HEADER_DTYPE.itemsize}..{IMAGE_BYTES}"
        )
    header = np.frombuffer(image, IMAGE_HEADER_DTYPE, count=1)[0]
    if header["magic"] != FIRMWARE_MAGIC:
        raise ArgumentError(f"{name}: no firmware image; `ohmloom build --firmware` writes one as firmware.bin")
    if header["bytes"] != len(image) or header["crc"] != binascii.crc32(image[IMAGE_HEADER_DTYPE.itemsize :]):
        raise ArgumentError(
            f"{name}: the firmware image is damaged: its length or check sum is not what its header says"
        )


def version_text(version: int) -> str:
    """0xMMmmpp as major.minor.patch."""
    return f"{version >> 16}.{version >> 8 & 255}.{version & 255}"

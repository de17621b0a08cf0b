"""Firmware images: what BOOT takes. The emulator runs none of them; it knows their versions."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec.commands import BootTarget, ErrorCode
from ohmloom.spec.core import FIRMWARE_MAGIC, FIRMWARE_VERSION, IMAGE_BYTES, IMAGE_HEADER_DTYPE
from ohmloom_emulator.controller.checks import Values, within
from ohmloom_emulator.controller.memories import Refusal


class Image:
    """UPDATE, BOOT and FIRMWARE."""

    def __init__(self) -> None:
        self._staged = bytearray(IMAGE_BYTES)
        self._version = self._in_flash = FIRMWARE_VERSION
        self._boots = 0

    def update(self, values: Values) -> Values:
        offset, data = values["offset"], values["data"].tobytes()
        if offset % 4:
            raise Refusal(ErrorCode.BAD_ADDRESS, offset)
        if offset + len(data) > IMAGE_BYTES:
            raise Refusal(ErrorCode.BAD_ADDRESS, offset + len(data))
        self._staged[offset : offset + len(data)] = data
        return {}

    def boot(self, values: Values) -> Values:
        target = BootTarget(within(values["target"], len(BootTarget), ErrorCode.BAD_VALUE))
        size = values["bytes"]
        if not IMAGE_HEADER_DTYPE.itemsize <= size <= IMAGE_BYTES:
            raise Refusal(ErrorCode.BAD_VALUE, size)
        image = bytes(self._staged[:size])
        header = np.frombuffer(image, IMAGE_HEADER_DTYPE, count=1)[0]
        version = int(header["version"])
        for found, wanted in (
            (binascii.crc32(image), values["crc"]),
            (int(header["magic"]), FIRMWARE_MAGIC),
        ):
            if found != wanted:
                raise Refusal(ErrorCode.BAD_VALUE, found)
        if version >> 16 != FIRMWARE_VERSION >> 16:
            raise Refusal(ErrorCode.BAD_VALUE, version)
        for found, wanted in (
            (int(header["bytes"]), size),
            (int(header["crc"]), binascii.crc32(image[IMAGE_HEADER_DTYPE.itemsize :])),
        ):
            if found != wanted:
                raise Refusal(ErrorCode.BAD_VALUE, found)
        self._version = version
        if target is BootTarget.FLASH:
            self._in_flash = version
        self._boots += 1
        return {}

    def firmware(self, _: Values) -> Values:
        return {"version": self._version, "boots": self._boots}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What flash keeps."""
        return {"firmware_version": np.array(self._in_flash, dtype=np.uint32)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As after a power-up. Raises ValueError for an array that is missing or another."""
        kept = arrays.get("firmware_version")
        if kept is None or kept.shape != () or kept.dtype != np.uint32:
            raise ValueError("array 'firmware_version' is missing or is not one uint32")
        self._version = self._in_flash = int(kept)

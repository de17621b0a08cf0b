"""New firmware over the link: what BOOT takes and what it refuses."""

from __future__ import annotations

import binascii

import numpy as np
import pytest

from ohmloom.spec.commands import BOOT, FIRMWARE, UPDATE, BootTarget, ErrorCode
from ohmloom.spec.core import FIRMWARE_MAGIC, FIRMWARE_VERSION, IMAGE_BYTES, IMAGE_HEADER_DTYPE
from ohmloom_emulator.fabric import Fabric

HEADER = IMAGE_HEADER_DTYPE.itemsize


def image(size=1000, seed=0, **header):
    code = np.random.default_rng(seed).bytes(size - HEADER)
    fields = {
        "magic": FIRMWARE_MAGIC, "version": FIRMWARE_VERSION + 1, "bytes": size, "crc": binascii.crc32(code), "entry": 0x20014,
    }  # fmt: skip
    record = np.array(tuple({**fields, **header}.values()), dtype=IMAGE_HEADER_DTYPE)
    return record.tobytes() + code


@pytest.fixture
def controller(bench, asked):
    return asked(Fabric(bench))


def stage(controller, content, part=256):
    for offset in range(0, len(content), part):
        controller(UPDATE, offset=offset, data=content[offset : offset + part])


def boot_of(content, target=BootTarget.RAM):
    return {"target": target, "bytes": len(content), "crc": binascii.crc32(content)}


@pytest.mark.parametrize("size", [HEADER, HEADER + 1, 1000, IMAGE_BYTES])
def test_good_image_is_started(controller, size):
    content = image(size)
    stage(controller, content)
    assert controller(FIRMWARE) == {"version": FIRMWARE_VERSION, "boots": 0}
    controller(BOOT, **boot_of(content))
    assert controller(FIRMWARE) == {"version": FIRMWARE_VERSION + 1, "boots": 1}


@pytest.mark.parametrize(("field", "value"), [
    ("magic", 0x574D4C4E), ("version", 0x10000), ("version", 0xFFFFFFFF), ("bytes", 999), ("bytes", 1001), ("crc", 1),
])  # fmt: skip
def test_image_with_a_wrong_header_is_refused(controller, field, value):
    stage(controller, image())
    controller(BOOT, **boot_of(image()))
    content = image(**{field: value})
    stage(controller, content)
    assert controller.refusal(BOOT, **boot_of(content)) is ErrorCode.BAD_VALUE
    detail = value if field != "crc" else binascii.crc32(content[HEADER:])
    assert controller.error["detail"] in (value, detail)
    assert controller(FIRMWARE) == {"version": FIRMWARE_VERSION + 1, "boots": 1}


@pytest.mark.parametrize(("change", "detail"), [
    ({"target": 2}, 2), ({"bytes": HEADER - 1}, HEADER - 1), ({"bytes": IMAGE_BYTES + 1}, IMAGE_BYTES + 1),
    ({"crc": 5}, binascii.crc32(image())),
])  # fmt: skip
def test_boot_that_does_not_fit_what_was_stored_is_refused(controller, change, detail):
    stage(controller, image())
    assert controller.refusal(BOOT, **{**boot_of(image()), **change}) is ErrorCode.BAD_VALUE
    assert controller.error["detail"] == detail
    assert controller(FIRMWARE)["boots"] == 0


@pytest.mark.parametrize("place", [0, HEADER, 500, 999])
def test_any_spoilt_byte_is_found(controller, place):
    content = bytearray(image())
    stage(controller, bytes(content))
    content[place] ^= 0x10
    controller(UPDATE, offset=place // 4 * 4, data=bytes(content[place // 4 * 4 : place // 4 * 4 + 4]))
    assert controller.refusal(BOOT, **boot_of(image())) is ErrorCode.BAD_VALUE


def test_nothing_staged_is_no_image(controller):
    assert (
        controller.refusal(BOOT, target=BootTarget.RAM, bytes=64, crc=binascii.crc32(bytes(64))) is ErrorCode.BAD_VALUE
    )


@pytest.mark.parametrize(("target", "version"), [
    (BootTarget.RAM, FIRMWARE_VERSION), (BootTarget.FLASH, FIRMWARE_VERSION + 1),
])  # fmt: skip
def test_flash_keeps_an_image_and_ram_does_not(bench, asked, controller, target, version):
    stage(controller, image())
    controller(BOOT, **boot_of(image(), target))
    after = asked(Fabric(bench))
    after.controller.restore(controller.controller.arrays())
    assert after(FIRMWARE) == {"version": version, "boots": 0}

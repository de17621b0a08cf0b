"""New firmware over the link, on the core: the boot ROM, UPDATE and BOOT."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pytest
from tests.firmware.conftest import Built, with_image
from tests.firmware.machines import Machine, PowerCut

from ohmloom.spec import core
from ohmloom.spec.commands import ANSWER, BOOT, FIRMWARE, TYPE_ERROR, UPDATE, BootTarget, ErrorCode
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric

HEADER = core.IMAGE_HEADER_DTYPE
A, B = core.FLASH_IMAGE


def versioned(binary: bytes, version: int) -> bytes:
    """The same firmware under another version; it still answers its own."""
    header = np.frombuffer(binary, HEADER, count=1).copy()
    header["version"] = version
    return header.tobytes() + binary[HEADER.itemsize :]


def marked(binary: bytes, version: int) -> bytes:
    """A good image that answers this version: the constant that FIRMWARE answers is in its code as `addi rd, zero, 0x100`."""
    words = np.frombuffer(binary[HEADER.itemsize :], "<u4").copy()
    places = np.flatnonzero((words & 0xFFFFF07F) == 0x10000013)
    assert places.size, "the version's instruction is not there"
    words[places] = (words[places] & 0xFFFFF) | version << 20
    header = np.frombuffer(binary, HEADER, count=1).copy()
    header["version"], header["crc"] = version, zlib.crc32(words.tobytes())
    return header.tobytes() + words.tobytes()


def start(machine: Machine) -> Machine:
    machine.start(Controller(Fabric(machine.spec, ideal=True)))
    return machine


def firmware(machine: Machine) -> tuple[int, int]:
    answer = FIRMWARE.answer.unpack(machine.request(FIRMWARE.code, b"")[1])
    return answer["version"], answer["boots"]


def send(machine: Machine, image: bytes) -> None:
    for offset in range(0, len(image), 500):
        payload = UPDATE.request.pack(offset=offset, data=image[offset : offset + 500])
        assert machine.request(UPDATE.code, payload) == (UPDATE.code | ANSWER, b"")


def boot(machine: Machine, image: bytes, target: BootTarget) -> tuple[int, bytes]:
    return machine.request(BOOT.code, BOOT.request.pack(target=target, bytes=len(image), crc=zlib.crc32(image)))


def test_image_in_ram_is_forgotten(built: Built, new_machine: Callable[[str], Machine]) -> None:
    machine = start(with_image(new_machine("core"), built.image.binary))
    assert firmware(machine) == (core.FIRMWARE_VERSION, 0)
    for boots, version in enumerate((0x105, 0x106), start=1):
        image = marked(built.image.binary, version)
        send(machine, image)
        assert boot(machine, image, BootTarget.RAM) == (BOOT.code | ANSWER, b"")
        assert firmware(machine) == (version, boots)
    machine.stop()
    assert firmware(start(machine)) == (core.FIRMWARE_VERSION, 0)
    machine.stop()


def test_last_image_in_flash_starts(built: Built, new_machine: Callable[[str], Machine]) -> None:
    """Whatever its version, and whichever place is free."""
    machine = start(with_image(new_machine("core"), built.image.binary))
    for version in (0x110, 0x108, 0x109):
        image = marked(built.image.binary, version)
        send(machine, image)
        assert boot(machine, image, BootTarget.FLASH) == (BOOT.code | ANSWER, b"")
        assert firmware(machine)[0] == version
        machine.stop()
        assert firmware(start(machine)) == (version, 0)
    machine.stop()


def test_bad_images_are_refused(built: Built, new_machine: Callable[[str], Machine]) -> None:
    machine = start(with_image(new_machine("core"), built.image.binary))
    good = built.image.binary
    broken = good[:-1] + bytes([good[-1] ^ 1])
    for image in (versioned(good, 0x020000), good[:-4], broken, b"\x00" * 64, good[:8]):
        send(machine, image)
        frame_type, payload = boot(machine, image, BootTarget.FLASH)
        assert (frame_type, payload[1]) == (TYPE_ERROR, ErrorCode.BAD_VALUE)
    send(machine, good)
    payload = BOOT.request.pack(target=BootTarget.RAM, bytes=len(good), crc=1)
    assert machine.request(BOOT.code, payload)[0] == TYPE_ERROR
    assert firmware(machine) == (core.FIRMWARE_VERSION, 0)
    machine.stop()


@pytest.mark.parametrize("which", ["A is newer", "B is newer", "same", "A is broken", "B is broken"])
def test_rom_starts_the_newest_good_image(built: Built, new_machine: Callable[[str], Machine], which: str) -> None:
    versions = {"A is newer": (0x111, 0x110), "B is newer": (0x110, 0x111), "same": (0x110, 0x110)}
    first, second = versions.get(which, (0x110, 0x111) if which == "B is broken" else (0x111, 0x110))
    machine = new_machine("core")
    for at, version in ((A, first), (B, second)):
        with_image(machine, marked(built.image.binary, version), at)
    if "broken" in which:
        machine.flash[(A if which.startswith("A") else B) + 5000] ^= 0x10
    expected = second if which in ("B is newer", "A is broken") else first
    assert firmware(start(machine)) == (expected, 0)
    machine.stop()


def test_empty_flash_takes_firmware_over_the_link(built: Built, new_machine: Callable[[str], Machine]) -> None:
    machine = start(new_machine("core"))
    for command in (FIRMWARE, BOOT):
        frame_type, payload = machine.request(command.code, bytes(9))
        assert (frame_type, payload) == (TYPE_ERROR, bytes([command.code, ErrorCode.NO_FIRMWARE]) + bytes(8))
    image = built.image.binary
    send(machine, image)
    named = {"target": BootTarget.RAM, "bytes": len(image), "crc": zlib.crc32(image)}
    another = (
        {"target": BootTarget.FLASH},
        {"bytes": len(image) - 4},
        {"bytes": len(image) | 1 << 24},
        {"crc": zlib.crc32(image) ^ 1 << 31},
    )
    for change in another:
        frame_type, payload = machine.request(BOOT.code, BOOT.request.pack(**named | change))
        assert (frame_type, payload) == (TYPE_ERROR, bytes([BOOT.code, ErrorCode.NO_FIRMWARE]) + bytes(8))
    assert boot(machine, image, BootTarget.RAM) == (BOOT.code | ANSWER, b"")
    assert firmware(machine) == (core.FIRMWARE_VERSION, 1)
    # And from there into flash.
    send(machine, built.image.binary)
    assert boot(machine, built.image.binary, BootTarget.FLASH) == (BOOT.code | ANSWER, b"")
    machine.stop()
    assert firmware(start(machine)) == (core.FIRMWARE_VERSION, 0)
    machine.stop()


def test_cut_while_flash_is_written_leaves_an_image(built: Built, new_machine: Callable[[str], Machine]) -> None:
    image = marked(built.image.binary, 0x120)
    operations = 2 * -(-len(image) // core.FLASH_SECTOR_BYTES) + -(-len(image) // core.FLASH_PAGE_BYTES)
    for after in range(1, operations, 7):
        machine = start(with_image(new_machine("core"), built.image.binary))
        send(machine, image)
        machine.cut_power(after, seed=after)
        try:
            boot(machine, image, BootTarget.FLASH)
            firmware(machine)
            machine.stop()
        except PowerCut:
            pass
        assert firmware(start(machine))[0] in (core.FIRMWARE_VERSION, 0x120)
        machine.stop()

"""The RISC-V core beside the gateware: what lies where on its bus, and what its registers do.

Byte addresses. Each register is a 32-bit word and is accessed as one; the store takes bytes and halves, too. The link's request for the
firmware stays in the store until it is answered; until then its request slot, once read, and its answer slot are the firmware's: it
puts a request of its own into the one and finds the command processor's answer in the other (`CALL`), and leaves its own answer there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRMWARE_VERSION = 0x000100
FIRMWARE_MAGIC = 0x574D4C4F  # the letters OLMW
# An image begins with it. bytes: of the whole image; crc: CRC-32 of what follows the header; entry: address of the first instruction.
IMAGE_HEADER_DTYPE = np.dtype(
    [("magic", "<u4"), ("version", "<u4"), ("bytes", "<u4"), ("crc", "<u4"), ("entry", "<u4")]
)
FIRMWARE_COMMANDS = 0x30  # their first code; the last is 15 above

ROM_BASE, ROM_BYTES = 0x00000, 0x400
ROM_STAGED = (
    0x0000C  # address in ROM at which the staged image is copied down and started; a0: what `boots` it will answer
)
RAM_BASE, RAM_BYTES = 0x20000, 0xB000
STORE_BASE = 0x40000
REGISTERS_BASE = 0x60000
SUMS_BASE = 0x70000  # word n: the probe's sum of column n, signed

IMAGE_BYTES = 0x5000  # of RAM, from its start: header, code, data
STAGE_OFFSET = 0x6000  # of RAM: where UPDATE puts a new image
STACK_BYTES = 0x800  # below STAGE_OFFSET
# Flash: two images, then the journal. Erased in sectors, written in pages.
FLASH_IMAGE = (0x100000, 0x110000)
FLASH_JOURNAL = 0x120000
FLASH_SECTOR_BYTES, FLASH_PAGE_BYTES = 4096, 256

PROBE_COUNT = 16  # drives that the probe sums at the most
CALIBRATION_SAMPLES = 256  # one sum; how many of them, and their bounds: `ohmloom.spec.reference`
IV_SAMPLES = 16
SELFTEST_SAMPLES = 16
TIME_BITS = 24  # of the cycle counter
# The core is restarted, and the request refused, when the counter overflows twice with a request pending, no CALL under way, and no
# register written in between.


@dataclass(frozen=True)
class CoreField:
    """Bits lsb .. lsb + width - 1 of a register."""

    name: str
    lsb: int
    width: int
    doc: str


@dataclass(frozen=True)
class CoreRegister:
    """`offset`: bytes from REGISTERS_BASE. access: `r`, `w`, or `rw` where what is read is something else than what was written."""

    name: str
    offset: int
    access: str
    doc: str
    fields: tuple[CoreField, ...]


def _register(name: str, offset: int, access: str, doc: str, *fields: tuple[str, int, int, str]) -> CoreRegister:
    return CoreRegister(name, offset, access, doc, tuple(CoreField(*field) for field in fields))


_ANSWER = (("type", 0, 8, "frame type"), ("length", 8, 16, "payload bytes"))

# fmt: off
STATUS = _register(
    "status", 0x00, "r", "what is under way",
    ("pending", 0, 1, "a request of the link waits for the firmware"),
    ("calling", 1, 1, "the command processor executes a CALL"),
    ("probing", 2, 1, "the probe measures"),
    ("shifting", 3, 1, "the flash's shift register runs"),
    ("tripped", 4, 1, "the safety latch is set"),
    ("cause", 5, 3, "as in register trip_cause"),
    ("slot", 8, 4, "the store's slot of the request's payload"), ("answer_slot", 12, 4, "and of the answer's"),
)
REQUEST = _register("request", 0x04, "r", "the link's request", *_ANSWER)
ANSWER = _register("answer", 0x0C, "w", "ends the request", *_ANSWER)
CALL = _register(
    "call", 0x10, "rw", "has a request executed; read: what it was answered", *_ANSWER,
    ("head", 24, 2, "written: halves of words that its answer leaves free before it; they count in its length"),
    ("upper", 26, 1, "written: its answer is in the upper half of the slot, the lower half of which counts in its length"),
    ("cut", 27, 1, "read: it reported a cell as TRIPPED"),
)
ALIVE = _register("alive", 0x14, "w", "1: requests for the firmware are shown to it; 0: they are refused with NO_FIRMWARE", ("alive", 0, 1, ""))
FLASH = _register(
    "flash", 0x18, "rw", "shifts eight bits out and in, most significant first; read: what came in",
    ("data", 0, 8, ""), ("select", 8, 1, "the flash's chip select during and after the byte; a byte without it only deselects"),
)
DRIVE = _register(
    "drive", 0x1C, "w", "what the probe drives",
    ("first_row", 0, 10, "word line; the number of rows: the reference row"), ("rows", 10, 1, "0: no word line is on"),
    ("tile", 11, 5, ""), ("tia_range", 16, 4, ""), ("first_slot", 20, 4, "conversions: columns slot * column_adcs .."),
    ("last_slot", 24, 4, ""),
)
PROBE = _register(
    "probe", 0x20, "rw", "drives and converts `count` times, and sums each column's raw codes; read: samples at a converter's end of all of them",
    ("code", 0, 12, "row code, signed"), ("count", 16, PROBE_COUNT.bit_length(), f"1..{PROBE_COUNT}"),
)
TIME = _register("time", 0x24, "r", "cycles since reset", ("cycles", 0, TIME_BITS, ""))
TRIP_IRQ = _register("trip_irq", 0x28, "w", "1: the set safety latch interrupts", ("enable", 0, 1, ""))
# The last one, for it is as many words as the columns need.
FAILED = _register(
    "failed", 0x2C, "r", "word n: which of columns 32 n .. 32 n + 31 the last CALL reported as EXHAUSTED or STUCK; the lowest bit is the first",
    ("columns", 0, 32, ""),
)
# fmt: on

REGISTERS = (STATUS, REQUEST, ANSWER, CALL, ALIVE, FLASH, DRIVE, PROBE, TIME, TRIP_IRQ, FAILED)

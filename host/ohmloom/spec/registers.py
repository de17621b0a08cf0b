"""The controller's registers: generated from registers.rdl by `python -m ohmloom.spec.generate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Field:
    """Bits lsb .. lsb + width - 1 of a register."""

    name: str
    lsb: int
    width: int
    reset: int
    doc: str

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def get(self, value: int) -> int:
        """This field of a register's value."""
        return (value & self.mask) >> self.lsb


@dataclass(frozen=True)
class Register:
    """A 32-bit register. `address` counts words; `key`, if any, is the one value that makes a write take effect."""

    name: str
    address: int
    access: Literal["r", "w", "rw"]
    reset: int
    doc: str
    fields: tuple[Field, ...]
    key: int | None = None


ID = Register(
    "id", 0x00, "r", 0x4D4C4D4F,
    "Reads the letters OMLM.",
    (Field("value", 0, 32, 0x4D4C4D4F, ""),),
)

VERSION = Register(
    "version", 0x01, "r", 0x00000100,
    "Controller version, 0xMMmmpp.",
    (Field("value", 0, 32, 0x100, ""),),
)

STATUS_TRIPPED = Field("tripped", 0, 1, 0x0, "The safety latch is set; every line floats.")
STATUS_ARMED = Field("armed", 1, 1, 0x0, "The next FORM is allowed.")
STATUS_NETWORK_VALID = Field("network_valid", 2, 1, 0x0, "NETWORK memory holds a valid network.")
STATUS = Register(
    "status", 0x02, "r", 0x00000000,
    "What the controller is ready for.",
    (STATUS_TRIPPED, STATUS_ARMED, STATUS_NETWORK_VALID),
)

TRIP_CAUSE_OVER_CURRENT = Field("over_current", 0, 1, 0x0, "The AFE's over-current pin.")
TRIP_CAUSE_WATCHDOG = Field("watchdog", 1, 1, 0x0, "An operation did not end in time.")
TRIP_CAUSE_HOST = Field("host", 2, 1, 0x0, "A write to trip_set.")
TRIP_CAUSE = Register(
    "trip_cause", 0x03, "r", 0x00000000,
    "Why the safety latch is set; 0 when it is not.",
    (TRIP_CAUSE_OVER_CURRENT, TRIP_CAUSE_WATCHDOG, TRIP_CAUSE_HOST),
)

TRIP_CLEAR_KEY = 0x434C5254
TRIP_CLEAR = Register(
    "trip_clear", 0x04, "w", 0x00000000,
    "Writing the key clears the safety latch, once its cause has gone.",
    (Field("value", 0, 32, 0x0, ""),),
    TRIP_CLEAR_KEY,
)

TRIP_SET = Register(
    "trip_set", 0x05, "w", 0x00000000,
    "Any write sets the safety latch: all lines float.",
    (Field("value", 0, 32, 0x0, ""),),
)

ARM_KEY = 0x464F524D
ARM = Register(
    "arm", 0x06, "w", 0x00000000,
    "Writing the key arms one FORM; any other value disarms.",
    (Field("value", 0, 32, 0x0, ""),),
    ARM_KEY,
)

SCRATCH = Register(
    "scratch", 0x07, "rw", 0x00000000,
    "For link tests.",
    (Field("value", 0, 32, 0x0, ""),),
)

FRAMES_GOOD = Register(
    "frames_good", 0x08, "r", 0x00000000,
    "Frames with a good CRC since power-up.",
    (Field("value", 0, 32, 0x0, ""),),
)

FRAMES_BAD = Register(
    "frames_bad", 0x09, "r", 0x00000000,
    "Frames dropped for CRC, stuffing or length.",
    (Field("value", 0, 32, 0x0, ""),),
)

NAKS = Register(
    "naks", 0x0A, "r", 0x00000000,
    "Frames answered with a NAK.",
    (Field("value", 0, 32, 0x0, ""),),
)

REPEATS = Register(
    "repeats", 0x0B, "r", 0x00000000,
    "Requests answered from the answer memory.",
    (Field("value", 0, 32, 0x0, ""),),
)

PULSES = Register(
    "pulses", 0x0C, "r", 0x00000000,
    "Write and forming pulses applied.",
    (Field("value", 0, 32, 0x0, ""),),
)

DRIVES = Register(
    "drives", 0x0D, "r", 0x00000000,
    "Row drives that were converted.",
    (Field("value", 0, 32, 0x0, ""),),
)

SATURATIONS = Register(
    "saturations", 0x0E, "r", 0x00000000,
    "Column samples at a converter's end.",
    (Field("value", 0, 32, 0x0, ""),),
)

READ_CLAMP = Register(
    "read_clamp", 0x10, "r", 0x00000000,
    "Largest row code while reading, either sign.",
    (Field("value", 0, 32, 0x0, ""),),
)

SET_CLAMP = Register(
    "set_clamp", 0x11, "r", 0x00000000,
    "Largest rail code of a SET pulse.",
    (Field("value", 0, 32, 0x0, ""),),
)

RESET_CLAMP = Register(
    "reset_clamp", 0x12, "r", 0x00000000,
    "Largest rail code of a RESET pulse.",
    (Field("value", 0, 32, 0x0, ""),),
)

FORM_CLAMP = Register(
    "form_clamp", 0x13, "r", 0x00000000,
    "Largest rail code of a forming pulse.",
    (Field("value", 0, 32, 0x0, ""),),
)

GATE_CLAMP = Register(
    "gate_clamp", 0x14, "r", 0x00000000,
    "Largest word-line code.",
    (Field("value", 0, 32, 0x0, ""),),
)

PULSE_CAP_NS = Register(
    "pulse_cap_ns", 0x15, "r", 0x00000000,
    "Longest SET or RESET pulse, ns.",
    (Field("value", 0, 32, 0x0, ""),),
)

FORM_CAP_NS = Register(
    "form_cap_ns", 0x16, "r", 0x00000000,
    "Longest forming pulse, ns.",
    (Field("value", 0, 32, 0x0, ""),),
)

CELLS_PER_PULSE = Register(
    "cells_per_pulse", 0x17, "r", 0x00000000,
    "Cells that one pulse may write.",
    (Field("value", 0, 32, 0x0, ""),),
)

# By word address.
REGISTERS: Mapping[int, Register] = {
    register.address: register
    for register in (
        ID,
        VERSION,
        STATUS,
        TRIP_CAUSE,
        TRIP_CLEAR,
        TRIP_SET,
        ARM,
        SCRATCH,
        FRAMES_GOOD,
        FRAMES_BAD,
        NAKS,
        REPEATS,
        PULSES,
        DRIVES,
        SATURATIONS,
        READ_CLAMP,
        SET_CLAMP,
        RESET_CLAMP,
        FORM_CLAMP,
        GATE_CLAMP,
        PULSE_CAP_NS,
        FORM_CAP_NS,
        CELLS_PER_PULSE,
    )
}

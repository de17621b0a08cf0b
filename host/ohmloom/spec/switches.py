"""The analog switches of a chip's front end: which bit of which chain closes what.

There is one chain of switch parts for each tile and one for writing, all of the same length, shifted together; bit 0 is
shifted out first, so it ends up farthest from the controller. All switches are open at power-up and while the safety
latch is set.

A tile's chain, from bit 0:

    word_line         one a row: connects the row's cells
    reference         the reference row: one precision resistor a column, on the first row's driver
    drive             row DACs drive the tile's rows
    sense             the column ADCs convert the tile's columns
    tia_range         index of the TIA's feedback resistor, least significant bit first
    chained           pair j of tile `source` drives row j, for all rows that have such a pair
    source            index of that tile, least significant bit first
    relu              rectifiers behind the tile's pairs are on
    attenuator        index of the attenuation behind the tile's pairs, least significant bit first
    bias              the last row is driven by its DAC although the tile is chained

The writing chain:

    column            one a column: connects the column to the pulse; without it the column is held at the row's potential
    write             rails drive the array instead of DACs and TIAs; word lines take the writing level, rail channel GATE
    polarity          0: SET, columns from rail channel SET; 1: RESET, the row from rail channel RESET

Which row and tile are written, the word lines say. Rail channels are those of the rail DAC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from ohmloom.spec.chip import ChipSpec


class Rail(IntEnum):
    """Channels of the rail DAC."""

    SET = 0
    RESET = 1
    GATE = 2  # word lines while writing
    READ_GATE = 3  # word lines while reading: at limits.gate_v from power-up on


@dataclass(frozen=True)
class Field:
    """Bits first .. first + width - 1 of a chain."""

    name: str
    first: int
    width: int


@dataclass(frozen=True)
class SwitchMap:
    """The chains of one chip. `tile` and `write`: fields by name; `bits`: of each chain, whole parts."""

    spec: ChipSpec

    @cached_property
    def tile(self) -> dict[str, Field]:
        spec = self.spec
        return _fields(
            word_line=spec.rows,
            reference=1,
            drive=1,
            sense=1,
            tia_range=_index_bits(len(spec.afe.tia_ohm)),
            chained=1,
            source=_index_bits(spec.tiles),
            relu=1,
            attenuator=_index_bits(len(spec.afe.attenuations)),
            bias=1,
        )

    @cached_property
    def write(self) -> dict[str, Field]:
        return _fields(column=self.spec.columns, write=1, polarity=1)

    @property
    def chains(self) -> int:
        """One a tile, in order, then the writing chain."""
        return self.spec.tiles + 1

    @cached_property
    def parts(self) -> int:
        """Switch parts in each chain."""
        used = max(field.first + field.width for fields in (self.tile, self.write) for field in fields.values())
        return -(-used // self.spec.switch.channels)

    @property
    def bits(self) -> int:
        return self.parts * self.spec.switch.channels


def _index_bits(count: int) -> int:
    return max((count - 1).bit_length(), 1)


def _fields(**widths: int) -> dict[str, Field]:
    fields, first = {}, 0
    for name, width in widths.items():
        fields[name] = Field(name, first, width)
        first += width
    return fields

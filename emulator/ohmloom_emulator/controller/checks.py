"""What a command's fields are checked against: the chip's sizes and limits. All of it comes before anything happens."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Command, ErrorCode
from ohmloom_emulator.controller.memories import Refusal
from ohmloom_emulator.fabric import Integers

Values = dict[str, Any]


class Checks:
    """Each returns what it has checked, or raises Refusal."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec

    def tile(self, values: Values) -> int:
        return within(values["tile"], self._spec.tiles)

    def row(self, values: Values) -> int:
        return within(values["row"], self._spec.rows)

    def column(self, values: Values) -> int:
        return within(values["column"], self._spec.columns)

    def tia_range(self, tia_range: int) -> int:
        return within(tia_range, len(self._spec.afe.tia_ohm), ErrorCode.BAD_VALUE)

    def codes(self, codes: NDArray[Any], width: int, count: int | None = None) -> Integers:
        """Codes as (count, width), all within the read clamp."""
        if codes.size % width or (count is not None and codes.size != count * width) or codes.size == 0:
            raise Refusal(ErrorCode.BAD_LENGTH, codes.size)
        worst = int(codes[np.argmax(np.abs(codes))])
        if abs(worst) > self._spec.read_clamp:
            raise Refusal(ErrorCode.BAD_CODE, worst)
        return codes.astype(np.int64).reshape(-1, width)

    def cells(self, cells: NDArray[Any]) -> tuple[Integers, Integers]:
        """Targets and tolerances (columns,) of a row."""
        if cells.size != 2 * self._spec.columns:
            raise Refusal(ErrorCode.BAD_LENGTH, cells.size)
        target, tolerance = cells.astype(np.int64).reshape(-1, 2).T
        if tolerance.min() < 0 or (target[tolerance > 0] < 0).any():
            raise Refusal(ErrorCode.BAD_VALUE, int(min(tolerance.min(), target.min())))
        return target, tolerance

    def samples(self, samples: int) -> int:
        """1..64."""
        within(samples - 1, 64, ErrorCode.BAD_VALUE, samples)
        return samples

    def answer(self, command: Command, items: int, bits: int) -> None:
        if command.answer.header_bytes + (items * bits + 7) // 8 > self._spec.link.payload_bytes:
            raise Refusal(ErrorCode.ANSWER_TOO_LONG, items)


def within(value: int, count: int, code: ErrorCode = ErrorCode.BAD_ADDRESS, detail: int | None = None) -> int:
    """The value, if it is in 0..count-1."""
    if not 0 <= value < count:
        raise Refusal(code, value if detail is None else detail)
    return value

"""Random conversations, with faults on the line, with an emulated board and one of compiled gateware: the same bytes, the same fabric.

`pytest tests/twin/test_equality.py --sequences 10000 --timeout 0` compares that many, others each time; a difference is shrunk to a short
script, which is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.twin.sequences import Greeting, Request, Speaker, conversations

from ohmloom.spec import load_chip, registers
from ohmloom.spec.commands import FORM, WRITE_REGISTERS

CHIP = "bench-8x16"
CLEAR = Request(
    "clear",
    WRITE_REGISTERS.code,
    WRITE_REGISTERS.request.pack(address=registers.TRIP_CLEAR.address, values=[registers.TRIP_CLEAR.key]),
)


class Boards:
    """One pair for many conversations: both have the same past. A new one after a difference, so that it can be shrunk."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make, self._pair = make, None
        self.compared = 0

    def pair(self) -> Any:
        if self._pair is None:
            self._pair = self._make(CHIP, seed=5, stuck=0.1)
            for tile in range(2):  # some cells that conduct, some that do not
                for row in range(4):
                    self._pair.ask(
                        (
                            WRITE_REGISTERS.code,
                            WRITE_REGISTERS.request.pack(address=registers.ARM.address, values=[registers.ARM.key]),
                        ),
                        (FORM.code, FORM.request.pack(tile=tile, row=row, mask=[1] * 16)),
                    )
            self._formed = self._pair.emulated.fabric.state()
        return self._pair

    def compare(self, conversation: list[Request | Greeting]) -> None:
        pair = self.pair()
        try:
            speaker = Speaker(session=0)
            for item in (Greeting(1 << 31 | self.compared), CLEAR):
                pair.exchange(speaker.says(item))
            for board in (pair.emulated, pair.twin):
                board.fabric.restore(self._formed)
            for item in conversation:
                pair.exchange(speaker.says(item))
            pair.same_fabric()
        except BaseException:
            self._pair = None
            raise
        self.compared += 1


@pytest.fixture
def boards(pair: Callable[..., Any]) -> Boards:
    return Boards(pair)


@pytest.mark.parametrize("usual", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_random_conversations(usual: int, boards: Boards, pytestconfig: pytest.Config) -> None:
    asked = pytestconfig.getoption("--sequences", default=None)

    @settings(
        max_examples=asked or usual, deadline=None, database=None, derandomize=asked is None, suppress_health_check=list(HealthCheck)
    )  # fmt: skip
    @given(conversations(load_chip(CHIP)))
    def compare(conversation: list[Request | Greeting]) -> None:
        boards.compare(conversation)

    compare()
    assert boards.compared >= (asked or usual)

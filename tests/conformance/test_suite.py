"""The suite finds what is wrong: emulated controllers with one fault each fail the check that is about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ohmloom.conformance import CHECKS, Device, Outcome
from ohmloom.spec import registers
from ohmloom.spec.commands import ErrorCode
from ohmloom_emulator.board import Board
from ohmloom_emulator.controller.memories import Refusal
from ohmloom_emulator.controller.receiver import Receiver


@pytest.fixture
def emulated() -> Iterator[Device]:
    opened = Device("emu://bench-8x16")
    yield opened
    opened.close()


def _board(device: Device) -> Board:
    board: Board = device._session._wire._port.board  # type: ignore[attr-defined]
    return board


def _executes_repeats(board: Board) -> None:
    """Repeated requests are executed again."""
    execute = board.receiver._accept

    def accept(frame: Any) -> bytes:
        if (board.receiver._expected - frame.sequence) & 0xFF == 1:
            board.receiver._expected = frame.sequence
        return execute(frame)

    board.receiver._accept = accept  # type: ignore[method-assign]


def _never_naks(board: Board) -> None:
    board.receiver._nak = lambda reason: b""  # type: ignore[method-assign]


def _forgets_the_key(board: Board) -> None:
    """A trip leaves forming armed."""
    trip = board.controller._trip

    def keep(cause: int) -> None:
        armed = board.controller._armed
        trip(cause)
        board.controller._armed = armed

    board.controller._trip = keep  # type: ignore[method-assign]


def _takes_any_code(board: Board) -> None:
    """Codes beyond the read clamp are driven at the clamp."""
    check, clamp = board.controller._check.codes, board.fabric.spec.read_clamp
    vars(board.controller._check)["codes"] = lambda codes, *rest: check(np.clip(codes, -clamp, clamp), *rest)


def _wrong_limit(board: Board) -> None:
    read = board.controller._registers
    board.controller._registers = lambda: {**read(), registers.SET_CLAMP: 1}  # type: ignore[method-assign]


def _wrong_refusal(board: Board) -> None:
    def refuse(values: Any) -> Any:
        raise Refusal(ErrorCode.BAD_VALUE, 0)

    board.controller._handlers[0x21] = refuse


def _loses_pulses(board: Board) -> None:
    board.fabric.pulse = lambda tile, row, groups, *rest, **more: len(groups)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        (_executes_repeats, "link.exactly_once"),
        (_never_naks, "link.bad_frames"),
        (_forgets_the_key, "safety.arming"),
        (_takes_any_code, "vectors.read_clamp"),
        (_wrong_limit, "identity.constants"),
        (_wrong_refusal, "cells.reading"),
        (_loses_pulses, "cells.pulses_move_cells"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__.strip("_"),
)
def test_a_fault_fails_the_check_that_is_about_it(
    emulated: Device, fault: Callable[[Board], None], found_by: str
) -> None:
    (check,) = [check for check in CHECKS if check.name == found_by]
    good = check.run(emulated)
    assert good.outcome is Outcome.PASSED, good.text
    fault(_board(emulated))
    assert check.run(emulated).outcome is Outcome.FAILED


def test_a_controller_that_needs_no_session_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Receiver.__init__

    def with_session(receiver: Receiver, *arguments: Any, **options: Any) -> None:
        begin(receiver, *arguments, **options)
        receiver._session = 0

    monkeypatch.setattr(Receiver, "__init__", with_session)
    device = Device("emu://bench-8x16")
    (check,) = [check for check in CHECKS if check.name == "link.no_session"]
    assert check.run(device).outcome is Outcome.FAILED
    device.close()


def test_names_and_titles_are_distinct() -> None:
    assert len({check.name for check in CHECKS}) == len({check.title for check in CHECKS}) == len(CHECKS)

"""The power fails at any moment of a run on the compiled gateware: in the middle of pulses, of conversions, of what the flash writes.

A board with the cells and the flash that the cut left is powered up, and the run goes on and ends as one that was not cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.twin.requests import packed, write_register

from ohmloom.link import Frame, FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import registers
from ohmloom.spec.commands import NO_ROW, TYPE_ERROR, CellStatus, RowState, RunKind
from ohmloom_emulator.board import Board
from ohmloom_twin.board import Moment, TwinBoard

CHIP = "bench-8x16"
EFFECTS = ("spread", "stuck", "wires", "dac", "tia", "adc")  # cells stay where they are put
BAUD = 8 * table.DEFAULT_BAUD
ROWS = ((0, 1), (0, 6), (1, 0))
RUN = 77
TOLERANCE = 24
MARGIN = 6  # of a verify code's rounding, and of converters' noise
MOMENTS = {"begin": 16, "load": 34, "rows": 150}  # how many, in each part of the run
QUICK, PARTS = 4, 14
Request = tuple[int, bytes]


class Session:
    """One session with a board."""

    def __init__(self, board: Board, number: int = 1) -> None:
        self.board, self._next = board, 0
        hello = packed(table.HELLO, session=number, protocol=table.PROTOCOL_VERSION)
        self.ask(hello, baud=table.DEFAULT_BAUD)
        self.ask(packed(table.RATE, baud=BAUD), baud=table.DEFAULT_BAUD)

    def ask(self, *requests: Request, baud: int = BAUD) -> list[tuple[int, dict[str, Any]]]:
        """Code and values of each answer that came, to requests that were sent one right after the other."""
        data = b"".join(encode(kind, self._next + index, payload) for index, (kind, payload) in enumerate(requests))
        self._next += len(requests)
        given = self.board.feed_at(data, baud) if isinstance(self.board, TwinBoard) else self.board.feed(data)
        answers = []
        for frame in FrameDecoder(0xFFFF).feed(given):
            if isinstance(frame, Frame):  # not the beginning of what a cut ended
                assert frame.type != TYPE_ERROR, frame.payload.hex()
                code = frame.type & ~table.ANSWER
                answers.append((code, table.COMMANDS[code].answer.unpack(frame.payload)))
        return answers

    def one(self, command: table.Command, **values: object) -> dict[str, Any]:
        ((_, answer),) = self.ask(packed(command, **values))
        return answer


def targets(row: int) -> NDArray[np.int64]:
    """(columns, 2) of a row, in the order of `ROWS`; some cells are left alone."""
    rng = np.random.default_rng(row)
    cells = np.stack([rng.integers(60, 350, 16), np.full(16, TOLERANCE)], axis=1)
    cells[rng.random(16) < 0.2, 1] = 0
    return cells


TARGETS = np.stack([targets(row) for row in range(len(ROWS))])
BEGIN = packed(table.RUN_BEGIN, run=RUN, kind=RunKind.PROGRAM, key=0, retries=1)
LOADS = [
    packed(table.RUN_LOAD, tile=tile, row=row, cells=cells.ravel())
    for (tile, row), cells in zip(ROWS, TARGETS, strict=True)
]
NEXT = packed(table.RUN_NEXT)
PHASES = {"begin": [BEGIN], "load": LOADS, "rows": [NEXT] * (len(ROWS) + 1)}


@dataclass
class Told:
    """What a host was told of its run: cells' statuses by row."""

    statuses: dict[tuple[int, int], NDArray[np.uint8]] = field(default_factory=dict)
    ended: bool = False

    def take(self, answers: list[tuple[int, dict[str, Any]]]) -> None:
        for code, answer in answers:
            if code == table.RUN_NEXT.code:
                if answer["row"] == NO_ROW:
                    self.ended = True
                else:
                    self.statuses[int(answer["tile"]), int(answer["row"])] = answer["cells"]["status"]


def failed(statuses: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.isin(statuses, (CellStatus.EXHAUSTED, CellStatus.STUCK))


def conductances(board: Board) -> NDArray[np.float64]:
    """(rows, columns) of `ROWS`."""
    return np.stack([board.fabric.tiles[tile].conductance[row] for tile, row in ROWS])


def codes(session: Session) -> NDArray[np.int64]:
    """(rows, columns) of `ROWS`, as they are verified."""
    answers = [session.one(table.READ, tile=tile, row=row, rows=1, samples=8) for tile, row in ROWS]
    return np.stack([answer["codes"] for answer in answers])


@dataclass(frozen=True)
class Uncut:
    """The run without a cut. phases: where each begins, and its cycles; bad: (rows, columns); codes: at the end."""

    state: Path
    phases: dict[str, tuple[Moment, int]]
    bad: NDArray[np.bool_]
    codes: NDArray[np.int64]


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Uncut:
    """On a chip with formed rows, whose journal holds an older run; on the emulator as well, with the same answers."""
    state = tmp_path_factory.mktemp("cut") / "formed.npz"
    chip = Board(CHIP, seed=17, stuck=0.08, effects=EFFECTS, state=state)
    session = Session(chip)
    for tile, row in ROWS:
        session.ask(write_register(registers.ARM, registers.ARM.key))
        session.one(table.FORM, tile=tile, row=row, mask=[1] * 16)
    session.one(table.RUN_BEGIN, run=1, kind=RunKind.PROGRAM, key=0, retries=0)
    session.ask(*LOADS[1:])
    session.one(table.RUN_NEXT)
    chip.save()
    board, emulated = TwinBoard(CHIP, state=state), Board(CHIP, state=state)
    ours, theirs, told = Session(board), Session(emulated), Told()
    phases = {}
    for name, requests in PHASES.items():
        moment, cycles = board.moment(), board.twin.cycles
        answers = ours.ask(*requests)
        told.take(answers)
        assert str(answers) == str(theirs.ask(*requests))
        phases[name] = moment, board.twin.cycles - cycles
    assert told.ended
    bad = np.stack([failed(told.statuses[place]) for place in ROWS])
    assert 0 < bad.sum() < 12
    return Uncut(state, phases, bad, codes(ours))


def moments() -> list[tuple[str, float, int]]:
    """(phase, part of it, seed of what is left in flash), in an order that mixes the phases."""
    rng = np.random.default_rng(4)
    drawn = [(name, float(part)) for name, count in MOMENTS.items() for part in rng.random(count)]
    return [(*drawn[index], number) for number, index in enumerate(rng.permutation(len(drawn)))]


def check_what_is_left(session: Session, board: TwinBoard, before: NDArray[np.float64]) -> None:
    """Before the run goes on: what is done is within its tolerance or bad, and what has had pulses and is not done will be done again."""
    status = session.one(table.RUN_STATUS)
    if status["run"] != RUN:
        np.testing.assert_array_equal(conductances(board), before)  # untouched
        return
    states, bad = [], []
    for tile, row in ROWS:
        answer = session.one(table.RUN_ROW, tile=tile, row=row)
        states.append(answer["state"])
        bad.append(answer["bad"].astype(np.bool_))
    touched = (conductances(board) != before).any(axis=1)
    done = np.array(states) == RowState.DONE
    assert RowState.EMPTY not in np.array(states)[touched]
    assert (touched & ~done).sum() <= 2  # the one under way, and the one before it
    wanted = TARGETS[..., 1] > 0
    off = np.abs(codes(session) - TARGETS[..., 0]) > TOLERANCE + MARGIN
    assert not (off & wanted & ~np.array(bad))[done].any()


def go_on(session: Session, told: Told) -> None:
    """What a host does: begins its run, or goes on with it."""
    if session.one(table.RUN_STATUS)["run"] != RUN:
        session.ask(BEGIN)
    for (tile, row), load in zip(ROWS, LOADS, strict=True):
        if session.one(table.RUN_ROW, tile=tile, row=row)["state"] == RowState.EMPTY:
            session.ask(load)
    told.ended = False
    told.take(session.ask(*PHASES["rows"]))
    assert told.ended


SLOW = [pytest.mark.slow]
LONG = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=SLOW if part <= 2 else LONG) for part in range(1, PARTS + 1))]
)
def test_a_run_that_is_cut_ends_as_one_that_is_not(uncut: Uncut, part: int) -> None:
    """At 200 random moments, a few of them in part 0; nothing is lost, and no cell is left unverified without being named."""
    drawn = moments()
    for name, share, seed in drawn[QUICK:][part - 1 :: PARTS] if part else drawn[:QUICK]:
        moment, cycles = uncut.phases[name]
        board = TwinBoard(CHIP, state=uncut.state)
        before, told = conductances(board), Told()
        session = Session(board)
        board.go_back(moment)
        board.twin.cut_power(int(share * cycles), seed)
        session._next = 2 + sum(len(PHASES[each]) for each in list(PHASES)[: list(PHASES).index(name)])
        told.take(session.ask(*PHASES[name]))
        board.power_cycle()
        session = Session(board, number=2 + seed)
        check_what_is_left(session, board, before)
        go_on(session, told)
        case = f"{name} {share}"
        status = session.one(table.RUN_STATUS)
        assert (status["run"], status["loaded"], status["done"], status["begun"]) == (RUN, 3, 3, 0), case
        assert status["bad"] == uncut.bad.sum(), case
        for index, (tile, row) in enumerate(ROWS):
            answer = session.one(table.RUN_ROW, tile=tile, row=row)
            np.testing.assert_array_equal(answer["bad"], uncut.bad[index], err_msg=case)
            if (tile, row) in told.statuses:  # its answer came before the cut, or it was done after it
                np.testing.assert_array_equal(answer["bad"], failed(told.statuses[tile, row]), err_msg=case)
        wanted = (TARGETS[..., 1] > 0) & ~uncut.bad
        left = codes(session)
        assert np.abs(left - TARGETS[..., 0])[wanted].max() <= TOLERANCE + MARGIN, case
        assert np.abs(left - uncut.codes)[wanted].max() <= 2 * (TOLERANCE + MARGIN), case
        board.twin.close()

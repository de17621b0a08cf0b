"""The write-verify engine's control words, and how a program of them is laid out as branches need it.

A step is one clock cycle. The address of the next step is `next`, with bit 0 set by `test` and bit 1 by `second`: so a step that
tests has its two or four followers next to each other.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from amaranth.lib import data, enum

ADDRESS = 8  # bits of a step's address


class Test(enum.Enum, shape=5):
    """Word: of the row unit's memory. Value: its accumulator."""

    NEVER = 0
    NEGATIVE = 1  # accumulator minus operand, or plus it
    CODE_NEGATIVE = 2  # the fetched verify code
    EQUAL_LOW = 3  # lower bytes of accumulator and word
    EQUAL_HIGH = 4
    LAST = 5  # column
    READY = 6  # the store has taken the access
    AVAILABLE = 7  # the next column can be fetched
    RUNNING = 8  # the word is the state of a cell that runs,
    SKIPPED = 9  # of one that is left alone,
    PULSED = 10  # of one that has had this round's pulse,
    TURNED = 11  # of one whose direction is not the wanted one
    FORMING = 12  # the job,
    READING = 13
    SINGLE = 14
    JOB = 15  # or that there is one
    TRIPPED = 16
    ANY_RUNNING = 17
    NO_LEVEL = 18  # the accumulator is above all amplitudes
    PULSE_BUSY = 19
    RESET = 20
    GRID_EMPTY = 21
    BACKED_OFF = 22
    ZERO = 23  # counter
    FOUR = 24
    LAST_GLOBAL = 25  # counter is at the last word before the policy's tables,
    LAST_OF_TABLE = 26  # at a table's last word
    SAMPLES = 27  # the accumulator is the job's number of samples
    LAST_ROW = 28
    ODD = 29  # column
    CHOSEN = 30  # column is the job's


class Second(enum.Enum, shape=2):
    NEVER = 0
    LAST = 1
    EXHAUSTED = 2
    FIRST = 3  # round


class Operand(enum.Enum, shape=3):
    WORD = 0
    SIGNED = 1
    AMPLITUDE = 2  # lower 12 bits
    GRID = 3  # lower 12 bits, within the grid
    ENDED_CODE = 4  # lower 12 bits, signed
    CODE = 5  # the fetched verify code, not of the word
    LOW = 6  # lower 8 bits of the fetched 1/16 code
    HIGH = 7  # its bits above


class Action(enum.Enum, shape=3):
    """What becomes of the accumulator; `Test.NEGATIVE` is of the sum for ADD, else of the difference."""

    HOLD = 0
    LOAD = 1
    ADD = 2
    SUBTRACT = 3
    LOWER = 4  # operand, if it is not above
    LOWER_DUE = 5  # likewise, if the word is of a cell that is due for a pulse
    EXCESS = 6  # accumulator - operand, or the operand if that is negative
    REDUCE = 7  # accumulator - operand, unless that is negative


class Write(enum.Enum, shape=3):
    """What is written: of the accumulator (VALUE: all; LANES: nibbles `flags`, rotated), of the store's word (FOREIGN: likewise), as a cell's
    state (STATE: accumulator and flags; FLAGS; MEMBER: flags, if the cell is in the pulse)."""

    NONE = 0
    VALUE = 1
    LANES = 2
    FOREIGN = 3
    STATE = 4
    FLAGS = 5
    MEMBER = 6


class Access(enum.Enum, shape=3):
    """Of the store at the cursor, which goes on by a byte. ADVANCE: the next column instead."""

    NONE = 0
    GET = 1
    PUT_STATUS = 2
    PUT_LOW = 3
    PUT_HIGH = 4
    PACK = 5  # lower byte, or nibble behind the one held
    PACK_HIGH = 6
    ADVANCE = 7


class Cell(enum.Enum, shape=3):
    """What else happens to the cell under way."""

    NONE = 0
    FETCH = 1
    WANT = 2  # RESET, unless negative
    SEARCH_ERROR = 3  # bit `flags` of the bucket
    SEARCH_CONDUCTANCE = 4
    BACKOFFS = 5  # as many as reversals
    BACK_OFF = 6
    RUNS = 7


class Control(enum.Enum, shape=5):
    """Everything that is done once in a while. COLUMN_0: the first column becomes the current one; so it does with the four before."""

    NONE = 0
    TAKE = 1  # what the job says, into registers
    START = 2  # drives the row
    REWIND = 3  # fetches the same columns again
    CURSOR_ANSWER = 4  # adds the answer's place to the cursor,
    COLUMN_0 = 5
    RAIL = 6  # is the value; also COLUMN_0
    CURSOR_CLEAR = 7
    CURSOR_DATA = 8  # that of the request's array,
    CURSOR_POLICY = 9  # that of the policy
    GRID_FULL = 10
    GRID_SHIFT = 11
    GATE = 12  # is the word
    WIDTH = 13
    WIDTH_HIGH = 14
    TO_SET = 15
    TO_RESET = 16
    MASK = 17  # the current column, if it is in the pulse,
    MASK_CHOSEN = 18  # or if it is the job's
    OFFER = 19  # the pulse
    ROUND = 20  # no cell runs yet
    LIMIT = 21  # the last round it is, unless negative
    AGAIN = 22  # the first round is over
    HOLD = 23  # an upper nibble
    NEXT_ROW = 24
    COUNTER = 25  # becomes `flags`
    COUNT = 26  # by `flags`, signed
    FINISH = 27


RESTARTS = (
    Control.TAKE, Control.START, Control.REWIND, Control.CURSOR_ANSWER, Control.COLUMN_0, Control.RAIL,
)  # fmt: skip

STEP = data.StructLayout(
    {
        "next": ADDRESS,
        "test": Test,
        "second": Second,
        "base": 8,
        "cell": 1,
        "operand": Operand,
        "action": Action,
        "write": Write,
        "flags": 4,
        "access": Access,
        "local": Cell,
        "control": Control,
    }
)


NOWHERE = ""


@dataclass(frozen=True)
class Step:
    """One control word, without the address of what follows.

    targets: names of the followers for bits 1 and 0 of 00, 01, 10, 11, as many as the tests can tell apart; NOWHERE where
    that never happens.
    """

    targets: tuple[str, ...]
    fields: dict[str, Any] = field(default_factory=dict)


class Program:
    """Named steps. The one that is added first comes first after reset."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}

    def add(self, name: str, *targets: str, **fields: Any) -> str:
        """Adds a step, and gives its name back. Without targets it is followed by the step that is added next.

        With `test`, targets are (no, yes); with `second` too, (neither, only test, only second, both).
        """
        assert name not in self._steps, name
        if fields.get("second") and not fields.get("test"):
            no, yes = targets
            targets = (no, NOWHERE, yes, NOWHERE)
        self._steps[name] = Step(targets, fields)
        return name

    def words(self) -> list[dict[str, Any]]:
        """Initial content of a memory with the layout STEP. Steps that several branches lead to are there several times."""
        names = list(self._steps)
        followers = dict(pairwise(names))
        targets = {name: step.targets or (followers[name],) for name, step in self._steps.items()}
        unknown = {wanted for block in targets.values() for wanted in block if wanted} - set(names)
        assert not unknown, unknown
        place: dict[int, str] = {0: names[0]}
        blocks: dict[tuple[str, ...], int] = {}
        for name in names:
            block = targets[name]
            if len(block) > 1 and block not in blocks:
                at = 0
                while not all(place.get(at + k, wanted) == wanted or not wanted for k, wanted in enumerate(block)):
                    at += len(block)
                blocks[block] = at
                place.update({at + k: wanted for k, wanted in enumerate(block) if wanted})
        for name in names:
            block = targets[name]
            if len(block) == 1 and block not in blocks:
                at = next((at for at, there in place.items() if there == block[0]), None)
                if at is None:
                    at = next(at for at in range(1 << ADDRESS) if at not in place)
                    place[at] = block[0]
                blocks[block] = at
        self.places = place
        used = max(place) + 1
        assert used <= 1 << ADDRESS, f"{used} steps"
        return [
            {"next": blocks[targets[name]], **self._steps[name].fields}
            for name in (place.get(at, names[0]) for at in range(used))
        ]

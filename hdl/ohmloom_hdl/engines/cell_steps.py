"""The write-verify engine's control words, and how a program of them is laid out as branches need it.

A step is one clock cycle. The address of the next step is `next`, with bit 0 set by `test` and bit 1 by `second`: so a step that
tests has its two or four followers next to each other.
"""

from dataclasses import dataclass
from typing import Any

from amaranth.lib import data, enum

ADDRESS = 8  # bits of a step's address


class Condition(enum.Enum, shape=5):
    """What a step may test. The word is that of the unit's memory."""

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
    LAST_GLOBAL = 24  # counter is at the last word before the policy's tables,
    LAST_OF_TABLE = 25  # at a table's last word
    SAMPLES = 26  # the accumulator is the job's number of samples
    LAST_ROW = 27
    ODD = 28  # column
    CHOSEN = 29  # column is the job's


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
    """What becomes of the accumulator; `Condition.NEGATIVE` is of the sum for ADD, else of the difference."""

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
    ADVANCE = 1
    GET = 4
    PUT_STATUS = 5  # of the cell whose state the word is
    PUT_LOW = 6  # byte of the accumulator
    PUT_HIGH = 7


class Cell(enum.Enum, shape=3):
    """What else happens to the cell under way."""

    NONE = 0
    FETCH = 1  # the next column, if it is available
    WANT = 2  # RESET, unless negative
    SEARCH_ERROR = 3  # bit `flags` of the bucket
    SEARCH_CONDUCTANCE = 4
    BACKOFFS = 5  # as many as reversals
    BACK_OFF = 6
    RUNS = 7  # so does one whose state is written on the way to the next column


class Control(enum.Enum, shape=5):
    """Everything that is done once in a while. From COLUMN_0 on, the first column also becomes the current one."""

    NONE = 0
    CURSOR_CLEAR = 1
    CURSOR_DATA = 2  # adds the place of the request's array to the cursor,
    CURSOR_POLICY = 3  # that of the policy
    GRID_FULL = 4
    GRID_SHIFT = 5
    GATE = 6  # is the word
    WIDTH = 7
    WIDTH_HIGH = 8
    TO_SET = 9
    TO_RESET = 10
    MASK = 11  # the current column, if it is in the pulse,
    MASK_CHOSEN = 12  # or if it is the job's
    OFFER = 13  # the pulse
    ROUND = 14  # no cell runs yet
    LIMIT = 15  # the last round it is, unless negative
    AGAIN = 16  # the first round is over
    NEXT_ROW = 17
    COUNTER = 18  # becomes `flags`
    COUNT = 19  # by `flags`, signed; by 1 with foreign words
    FINISH = 20
    COUNT_CELL = 21  # it is reported: the word is its state
    COLUMN_0 = 24
    TAKE = 25  # what the job says, into registers
    START = 26  # drives the row
    REWIND = 27  # fetches the same columns again
    CURSOR_ANSWER = 28  # adds the answer's place to the cursor
    RAIL = 29  # is the value


RESTARTS = tuple(control for control in Control if control.value >= Control.COLUMN_0.value)

STEP = data.StructLayout(
    {
        "next": ADDRESS,
        "test": Condition,
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
    """One control word, but for the address of what follows.

    followers: names of the steps for bits 1 and 0 of 00, 01, 10, 11, as far as the step's tests can tell them apart; NOWHERE
    for what never happens.
    """

    name: str
    followers: tuple[str, ...]
    fields: dict[str, Any]


class Program:
    """Named steps. The one that is added first comes first after reset."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {}

    def add(self, name: str, *followers: str, **fields: Any) -> None:
        """Adds a step. Without followers the step that is added next is the one.

        With `test`, they are (no, yes), with `second` too (neither, only test, only second, both).
        """
        assert name not in self._steps, name
        self._steps[name] = (followers, fields)

    @property
    def steps(self) -> dict[str, Step]:
        """All steps by name."""
        names = list(self._steps)
        steps = {
            name: Step(name, followers or (following,), fields)
            for (name, (followers, fields)), following in zip(self._steps.items(), [*names[1:], NOWHERE], strict=True)
        }
        unknown = {name for step in steps.values() for name in step.followers} - steps.keys()
        assert unknown <= {NOWHERE}, unknown
        return steps

    def words(self) -> list[dict[str, Any]]:
        """Initial content of a memory with the layout STEP. A step that several branches lead to is there several times."""
        steps = list(self.steps.values())
        places = self._places(steps)
        begins: dict[tuple[str, ...], int] = {}
        for step in steps:
            block = step.followers
            begins[block] = next(
                begin
                for begin in range(0, max(places) + 1, len(block))
                if all(name in (places.get(begin + number), NOWHERE) for number, name in enumerate(block))
            )
        named = {step.name: {"next": begins[step.followers], **step.fields} for step in steps}
        return [named[places.get(place, steps[0].name)] for place in range(max(places) + 1)]

    @staticmethod
    def _places(steps: list[Step]) -> dict[int, str]:
        """Which step is where: first the blocks that tests choose from, then what else is followed by a single step."""
        places = {0: steps[0].name}
        for block in sorted({step.followers: None for step in steps}, key=len, reverse=True):
            if len(block) == 1 and block[0] in places.values():
                continue
            begin = 0
            while not all(name in (places.get(begin + number, name), NOWHERE) for number, name in enumerate(block)):
                begin += len(block)
            places |= {begin + number: name for number, name in enumerate(block) if name}
        assert max(places) < 1 << ADDRESS, f"{max(places) + 1} steps"
        return places

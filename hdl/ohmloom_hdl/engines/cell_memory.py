"""Where things lie in the write-verify engine's own memory.

Blocks of BLOCK words: the table of SET, or of FORM while forming; that of RESET; what precedes the tables in POLICY_DTYPE; more
blocks; and last four words a column. What the tables leave free of the first block holds constants and variables.

A `base` is how a step names a place: its upper bits tell what is added to it, and in which block it is.
"""

from enum import IntEnum

from ohmloom.spec import ChipSpec
from ohmloom.spec.policy import DIRECTION_DTYPE, FORMED_SIEMENS, POLICY_DTYPE
from ohmloom_hdl.interfaces import CODE

BLOCK = 64
BLOCKS = 3
OWN = 48  # where in the first block the tables' places end


class Base(IntEnum):
    """Added to a place."""

    TABLE = 0 << 6  # in the table in force; from OWN on in the first block, whatever is in force
    BY_ERROR = 1 << 6  # likewise, plus the error bucket; READ: plus the counter
    BY_CONDUCTANCE = 2 << 6  # likewise, plus the conductance bucket
    GLOBAL = 3 << 6  # before the tables
    EDGES = GLOBAL + 32  # likewise, plus the bucket that is searched: of conductances from word 16 on, else of errors


def _word(dtype, name: str) -> int:
    return int(dtype.fields[name][1]) // 2


TABLES = _word(POLICY_DTYPE, "set")  # words before the tables
TABLE_WORDS = DIRECTION_DTYPE.itemsize // 2

MAX_PULSES = Base.GLOBAL + _word(POLICY_DTYPE, "max_pulses")
LIMITS = Base.GLOBAL + _word(POLICY_DTYPE, "max_reversals")  # of reversals, and of pulses at the top in the upper byte
BACKOFF = Base.GLOBAL + _word(POLICY_DTYPE, "backoff")
GRID = Base.GLOBAL + _word(POLICY_DTYPE, "grid")
# Buckets that are searched are at least 1.
ERROR_EDGES = Base.EDGES + _word(POLICY_DTYPE, "error_edges") - 1
CONDUCTANCE_EDGES = Base.EDGES + _word(POLICY_DTYPE, "conductance_edges") - 1
TOP = Base.TABLE + _word(DIRECTION_DTYPE, "top")
GATE = Base.TABLE + _word(DIRECTION_DTYPE, "gate")
WIDTH = Base.TABLE + _word(DIRECTION_DTYPE, "pulse_ns")
FIRST = Base.BY_ERROR + _word(DIRECTION_DTYPE, "first")
STEP = Base.BY_ERROR + _word(DIRECTION_DTYPE, "step")
LEVEL = Base.BY_CONDUCTANCE + _word(DIRECTION_DTYPE, "level")
MULTIPLES = Base.BY_ERROR + 16  # READ: the number of samples times powers of two, in place of a table

assert Base.EDGES <= ERROR_EDGES < Base.EDGES + 16 <= CONDUCTANCE_EDGES < Base.EDGES + 32
assert TABLE_WORDS <= OWN
assert TABLES <= Base.EDGES - Base.GLOBAL


class Own(IntEnum):
    """The engine's own words."""

    ROUNDS = OWN  # pulses that each running cell has had
    SAMPLES = OWN + 1  # that have been added up
    BYTES = OWN + 2  # 256 times a remainder, plus the lower byte of a sum
    CARRY = OWN + 3  # the upper byte of that sum
    ZERO = OWN + 4
    ONE = OWN + 5
    ONE_HIGH = OWN + 6
    ONES = OWN + 7
    NO_LEVEL = OWN + 8
    MIDDLE = OWN + 9
    LOWEST = OWN + 10
    HIGHEST = OWN + 11
    FORMED = OWN + 12
    PULSE_TRIPPED = OWN + 13
    PAIR = OWN + 14  # the lower two of three bytes of two codes
    THIRD = OWN + 15


class CellWord(IntEnum):
    """A column's words."""

    STATE = 0  # `Flag`s and, while the cell runs, its amplitude, or its last code once it has ended
    TARGET = 1  # once it has ended: the pulses that it took. READ: sum of the samples' lower bytes
    TOLERANCE = 2  # plus 1; 0 while forming. READ: sum of what is above these bytes
    COUNTS = 3  # reversals in the lower byte, pulses at the top in the upper


class Flag(IntEnum):
    """Bits of a STATE word. Without RUNNING, those from RESET on are a CellStatus."""

    RESET = CODE
    PULSED = CODE + 1
    RUNNING = CODE + 3


def constants(spec: ChipSpec) -> list[int]:
    """Initial content of the first block."""
    words = [0] * BLOCK
    words[Own.ONE], words[Own.ONE_HIGH], words[Own.ONES] = 1, 1 << 8, 0xFFFF
    words[Own.NO_LEVEL] = 1 << CODE  # above all amplitudes
    words[Own.MIDDLE], words[Own.HIGHEST], words[Own.LOWEST] = 2048, 2047, 0xFFFF & -2048
    words[Own.FORMED] = round(FORMED_SIEMENS / spec.siemens_per_code(spec.verify_range))
    words[Own.PULSE_TRIPPED] = 0x8000
    return words

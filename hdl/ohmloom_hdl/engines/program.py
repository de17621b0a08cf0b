"""The sequencer's instructions. The programs are in `walks.py`."""

from amaranth.lib import data, enum

from ohmloom.spec.network import STEP_DTYPE
from ohmloom_hdl.engines.lanes import Use

STEP_WORDS = STEP_DTYPE.itemsize // 2


class Until(enum.Enum, shape=3):
    """When an instruction is done."""

    ALWAYS = 0
    WORD = 1  # a word of the store is there,
    LANES = 2  # the lanes have taken a word,
    CODE = 3  # a code has been unpacked,
    DRIVE = 4  # the drive has been taken, which is offered,
    WROTE = 5  # a word has been written,
    SAMPLE = 6  # there is a sample


class If(enum.Enum, shape=5):
    """When the instruction that is done goes on at `target` (`unless`: in all other cases), else with the one that follows."""

    ALWAYS = 0
    JOB = 1
    INFER = 2
    EXHAUSTED = 3  # all vectors have been driven
    WRITTEN = 4  # row codes of the next drive
    BLOCKED = 5  # codes of the next drive come of samples that have not been collected
    FULL = 6  # two drives are under way, or more
    NONE = 7  # none is
    FRESH = 8  # the vector is still in the request
    SECOND = 9  # the other vector of the two comes next
    LANE = 10  # it was its turn
    NETWORK = 11  # the drive was the network's last
    LAST_INDEX = 12
    LAST_ROW = 13
    ONE_LEFT = 14  # of `remaining`
    FINAL = 15  # column
    DRAINED = 16  # all samples of the oldest drive
    IDLE = 17  # lanes
    EMPTY = 18  # packer
    CHAINED = 19  # not the first tile of a route
    ROUTE = 20  # the first tile of a route
    SKIPPED = 21  # samples of columns before the pairs
    WHOLE = 22  # the word is the end of the loop over indices; with a row writer: which begins at 0, and has a pair for each
    PAIRED = 23  # WRITTEN, and of two vectors: the next drive is of the oldest one's lane
    # Flags of the step
    FIRST = 24
    LAST = 25
    OUTPUT = 27
    ANALOG = 28
    LEVEL = 29
    # With a row writer
    WRITING = 26  # it writes
    PRESSED = 30  # samples are to be collected before another drive is offered
    OFFERED = 31  # one is, and has not been taken


class Address(enum.Enum, shape=3):
    """The lower two bits say which register has the lower bits of the address."""

    STEP = 0  # word `number` of the next drive's step, or of the oldest drive's
    REQUEST = 1  # words go to the unpacker
    ANSWER = 2
    CORRECTION = 3
    BIAS = 7


class Feed(enum.Enum, shape=2):
    """What goes to the lanes."""

    NONE = 0
    WORD = 1  # of the store
    CODE = 2
    ANYTHING = 3


class Pop(enum.Enum, shape=2):
    """Whether samples of the oldest drive are taken: one when done, one a cycle, or as the packer takes them."""

    NONE = 0
    ONE = 1
    ALL = 2
    PACK = 3


class Write(enum.Enum, shape=2):
    """What is written to the answer."""

    NONE = 0
    PACKED = 1
    RESULT = 2
    SATURATED = 3


class Act(enum.Enum, shape=4):
    """What else happens, also in cycles before the instruction is done."""

    NONE = 0
    START = 1
    RESTART = 2  # row 0, index 0 .. inputs - 1, first tile of a route
    CLOSE = 3  # with GAIN and HIGH: `final`, with GAIN where it is the last one for its accumulator
    MULTIPLY = 4  # the drive is an MVM's, its row codes are going to be written
    SEAL = 5  # the drive is complete, its row codes are written
    RETIRE = 6  # the oldest drive is over
    CHAIN = 7  # next step, of the same run
    RUN = 8  # next run
    SECOND = 9  # same run, other vector
    NETWORK = 10  # first run
    VECTOR = 11  # one vector less
    FLUSH = 12
    HEADER = 13  # to the answer's first word
    END = 14
    OFFER = 15  # the row writer offers the drive


class Take(enum.Enum, shape=4):
    """Which registers take the word, and whatever comes before it."""

    NONE = 0
    STEP = 1  # flags and tile of the next drive
    RANGE = 2
    PAIR = 3
    PAIRS = 4
    ROW = 5
    ROWS = 6  # also as the number of rows to come
    FIRST = 7
    LAST = 8
    FROM = 9  # flags and tile of the oldest drive
    FROM_RANGE = 10
    FROM_PAIR = 11
    COUNT = 12
    BIAS = 13


INSTRUCTION = data.StructLayout(
    {
        "until": Until,
        "branch": If,
        "unless": 1,
        "target": 7,
        "act": Act,
        "address": Address,
        "number": 4,
        "read": 1,  # a word of the store, if none is there
        "ahead": 1,  # the next word, when done, if it goes on at `target`
        "collect": 1,  # step and lane are those of the oldest drive
        "feed": Feed,
        "use": Use,
        "pop": Pop,
        "write": Write,
        "row_code": 1,  # 0, or one of these, is written as a row code when done
        "row_lanes": 1,  # of a drive that is offered: they will be written
        "row_datum": 1,  # code that has been unpacked; or the word, which is for the last row
        "next_row": 1,
        "next_index": 1,  # with GAIN only after odd columns
        "take": Take,
    }
)


def assemble(program: list[tuple[str, dict]]) -> list:
    """Contents of the program memory, of (label, instruction). What does not branch goes on with the next one.

    `target` numbers a pair of places: copies of the instruction that follows and of the one that is gone to. So the condition is an
    address bit, and no logic counts. Place 1, where an instruction of zeros goes, is the first instruction.
    """
    places = {label: place for place, (label, _) in enumerate(program) if label}
    pairs, following = {(0, 0): 0}, []
    for place, (_, fields) in enumerate(program):
        target = places[fields["target"]] if "target" in fields else place + 1
        always = fields.get("branch", If.ALWAYS) == If.ALWAYS
        pair = (target if always else place + 1, target)
        following.append(pairs.setdefault(pair, len(pairs)))
    constants = [
        INSTRUCTION.const(fields | {"target": pair}) for (_, fields), pair in zip(program, following, strict=True)
    ]
    return [constants[place] for pair in pairs for place in pair]

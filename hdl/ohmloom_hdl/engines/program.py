"""The sequencer's program: which drive's row codes are written when, and what becomes of the samples.

plan             what is next
load .. seal     row codes of the next drive of a network
mvm .. codes     row codes of the next vector
ready .. second  the front end takes the drive
collect .. done  samples of the oldest drive: into the answer, or into accumulators, then codes or outputs
flush .. end     the answer's end
"""

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
    FULL = 6  # two drives are under way
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
    ALL_CODES = 22  # the word is the end of the loop over indices
    PAIRED = 23  # WRITTEN, and of two vectors: the next drive is of the oldest one's lane
    # Flags of the step
    FIRST = 24
    LAST = 25
    RELU = 26
    OUTPUT = 27
    ANALOG = 28
    LEVEL = 29


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
    RESTART = 2  # index 0 .. inputs - 1, first tile of a route
    TOP = 3  # row 0
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


def _field(name: str, take: Take = Take.NONE, **others) -> dict:
    """Reads a field of a step."""
    number = STEP_DTYPE.fields[name][1] // 2
    return {"read": 1, "until": Until.WORD, "number": number, "take": take} | others


def _to_lanes(use: Use) -> dict:
    return {"feed": Feed.WORD, "use": use, "until": Until.LANES}


def _go(target: str, condition: If = If.ALWAYS, *, unless: bool = False) -> dict:
    return {"branch": condition, "unless": int(unless), "target": target}


def _unless(target: str, condition: If) -> dict:
    return _go(target, condition, unless=True)


def _program(skips: bool, follows: bool) -> list[tuple[str, dict]]:
    """(label, instruction). What does not branch goes on with the next one."""
    collect = {"collect": 1}
    unpack = {"address": Address.REQUEST}
    answer = {"address": Address.ANSWER}
    correction = {"address": Address.CORRECTION, "read": 1, "ahead": 1} | collect
    bias = {"address": Address.BIAS, "read": 1}
    to_row = {"row_code": 1, "row_lanes": 1, "next_row": 1, "next_index": 1}
    skip = [
        ("skip", _go("offset", If.SKIPPED)),
        ("", {"pop": Pop.ALL, "until": Until.SAMPLE} | _go("skip")),  # whose ends do not count
    ]
    # The drive that waits for these codes is the next one, of the same lane. Most drives' inputs are all of them.
    follow = [
        ("", _field("flags", Take.STEP)),
        ("", _field("range", Take.RANGE) | _go("codes alone", If.ANALOG)),
        ("", _field("pair", Take.PAIR) | _go("codes alone", If.LEVEL)),
        ("", _field("pairs", Take.PAIRS)),
        ("", _field("row", Take.ROW)),
        ("", _field("rows", Take.ROWS)),
        ("", _field("input", Take.FIRST)),
        ("", _field("inputs") | _unless("codes alone", If.ALL_CODES)),
        ("", {"act": Act.SEAL}),
        ("", {"act": Act.RETIRE}),
        ("", {"until": Until.DRIVE, "row_lanes": 1}),
        ("row low", bias | _to_lanes(Use.LOW) | {"ahead": 1} | _go("row high")),
        ("row high", bias | _to_lanes(Use.HIGH) | _go("last row", If.ONE_LEFT)),
        ("", {}),  # the code is there in the next cycle
        ("", to_row | {"address": Address.BIAS, "ahead": 1} | _unless("row low", If.LAST_INDEX)),
        ("", {"next_index": 1}),
        ("rows again", to_row | _unless("rows again", If.ONE_LEFT)),
        ("", _go("taken")),
        ("last row", {}),
        ("", to_row | {"address": Address.BIAS, "ahead": 1} | _unless("no row low", If.LAST_INDEX)),
        ("", _go("taken")),
        ("no row low", bias | _to_lanes(Use.LOW) | {"ahead": 1} | _go("no row high")),
        ("no row high", bias | _to_lanes(Use.HIGH) | {"ahead": 1, "next_index": 1} | _unless("no row low", If.LAST_INDEX)),
        ("", _go("taken")),
        ("codes alone", {"act": Act.RESTART}),
        ("", collect | _field("width", Take.LAST)),
    ]  # fmt: skip
    return [
        ("idle", {"act": Act.START} | _unless("idle", If.JOB)),
        ("plan", {"act": Act.RESTART} | _go("drain", If.EXHAUSTED)),
        ("", _go("collect", If.BLOCKED)),
        ("", _go("ready", If.WRITTEN)),
        ("", _unless("mvm", If.INFER)),
        ("", _unless("step", If.FRESH)),
        ("load", unpack | {"feed": Feed.CODE, "use": Use.LOAD, "until": Until.LANES, "next_index": 1} | _unless("load", If.LAST_INDEX)),
        ("step", _field("flags", Take.STEP)),
        ("", _field("range", Take.RANGE, act=Act.TOP) | _unless("fields", If.ROUTE)),
        ("zeros", {"row_code": 1, "next_row": 1} | _unless("zeros", If.LAST_ROW)),
        ("fields", _field("pair", Take.PAIR)),
        ("", _field("pairs", Take.PAIRS)),
        ("", _field("row", Take.ROW)),
        ("", _field("rows", Take.ROWS)),
        ("", _field("input", Take.FIRST)),
        ("", _field("inputs", Take.LAST) | _go("level", If.CHAINED)),
        ("", {"next_index": 1}),  # a code is there in the cycle after its index
        ("rows", to_row | _unless("rows", If.ONE_LEFT)),
        ("", _unless("seal", If.ANALOG)),
        ("level", _unless("chain", If.LEVEL)),
        ("", _field("level", row_code=1, row_datum=1)),
        ("chain", _unless("seal", If.ANALOG)),
        ("", {"act": Act.CHAIN} | _go("step")),
        ("seal", {"act": Act.SEAL} | _go("ready")),
        ("mvm", {"act": Act.MULTIPLY}),
        ("codes", unpack | {"until": Until.CODE, "row_code": 1, "row_datum": 1, "next_row": 1} | _unless("codes", If.LAST_ROW)),
        ("ready", _go("collect", If.FULL)),
        ("", {"until": Until.DRIVE} | _unless("vector", If.INFER)),
        ("taken", _go("second", If.SECOND)),
        ("", {"act": Act.RUN} | _unless("plan", If.NETWORK)),
        ("", {"act": Act.NETWORK} | _unless("plan", If.LANE)),
        ("vector", {"act": Act.VECTOR} | _go("plan")),
        ("second", {"act": Act.SECOND} | _go("plan")),
        ("drain", _go("flush", If.NONE)),
        ("collect", _go("sums", If.INFER)),
        ("pack", answer | {"pop": Pop.PACK, "write": Write.PACKED} | _unless("pack", If.DRAINED)),
        ("", _go("done")),
        ("sums", collect | _field("flags", Take.FROM, act=Act.RESTART)),
        ("", collect | _field("range", Take.FROM_RANGE) | _to_lanes(Use.SHIFT) | _unless("columns", If.FIRST)),
        ("", collect | _field("width", Take.LAST)),
        ("clear", collect | {"feed": Feed.ANYTHING, "use": Use.CLEAR, "until": Until.LANES, "next_index": 1} | _unless("clear", If.LAST_INDEX)),
        ("columns", collect | _field("pair", Take.FROM_PAIR)),
        ("", collect | _field("pairs", Take.COUNT)),
        ("", collect | _field("output", Take.FIRST)),
        ("", collect | _field("outputs", Take.LAST)),
        *(skip if skips else []),
        ("offset", correction | _to_lanes(Use.OFFSET) | {"pop": Pop.ONE} | _go("gain")),
        ("gain", correction | _to_lanes(Use.GAIN) | {"next_index": 1} | _unless("offset", If.FINAL)),
        ("rest", {"pop": Pop.ALL} | _unless("rest", If.DRAINED)),
        ("", _unless("done", If.LAST)),
        ("", collect | _field("scale") | _to_lanes(Use.SCALE)),
        ("", collect | _field("bias", Take.BIAS, act=Act.RESTART)),
        ("", collect | _field("width", Take.LAST) | _go("outputs", If.OUTPUT)),
        *(follow if follows else []),
        ("low", bias | collect | _to_lanes(Use.LOW) | {"ahead": 1} | _go("high")),
        ("high", bias | collect | _to_lanes(Use.HIGH) | {"ahead": 1, "next_index": 1} | _unless("low", If.LAST_INDEX)),
        ("done", _unless("done", If.IDLE)),
        ("", {"act": Act.RETIRE} | _go("plan")),
        # A drive that waits is handed over first.
        ("outputs", _unless("outputs alone", If.PAIRED)),
        ("", {"act": Act.RETIRE}),
        ("", {"until": Until.DRIVE}),
        ("output low", bias | _to_lanes(Use.LOW) | {"ahead": 1} | _go("output high")),
        ("output high", bias | _to_lanes(Use.HIGH)),
        ("", answer | {"write": Write.RESULT, "until": Until.WROTE, "next_index": 1} | _unless("output low", If.LAST_INDEX)),
        ("", _go("taken")),
        ("outputs alone", bias | collect | _to_lanes(Use.LOW) | {"ahead": 1} | _go("output alone")),
        ("output alone", bias | collect | _to_lanes(Use.HIGH)),
        ("", collect | answer | {"write": Write.RESULT, "until": Until.WROTE, "next_index": 1} | _unless("outputs alone", If.LAST_INDEX)),
        ("", _go("done")),
        ("flush", answer | {"act": Act.FLUSH, "write": Write.PACKED} | _unless("flush", If.EMPTY)),
        ("", {"act": Act.HEADER}),
        ("", answer | {"write": Write.SATURATED, "until": Until.WROTE}),
        ("end", {"act": Act.END} | _go("idle")),
    ]  # fmt: skip


def assemble(*, skips: bool, follows: bool) -> list:
    """Contents of the program memory. skips: the chip converts several columns at once, so some before the pairs may have to be
    skipped. follows: row codes that samples end in are written one by one, each as soon as it is known, to a drive that has been taken.

    `target` numbers a pair of places: copies of the instruction that follows and of the one that is gone to. So the condition is an
    address bit, and no logic counts. Place 1, where an instruction of zeros goes, is the first instruction.
    """
    program = _program(skips, follows)
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

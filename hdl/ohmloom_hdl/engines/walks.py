"""The sequencer's programs: which drive's row codes are written when, and what becomes of the samples.

plan             what is next
load .. seal     row codes of the next drive of a network
mvm .. codes     row codes of the next vector
ready .. second  the front end takes the drive
collect .. done  samples of the oldest drive: into the answer, or into accumulators, then codes or outputs
flush .. end     the answer's end

With few ADCs (`limb_program`) the codes that the next drive waits for are made and written one by one, while the DACs take those
before. With many (`wide_program`) a row writer has the next drive offered, and codes are made as their last samples come.
"""

from ohmloom.spec.network import STEP_DTYPE
from ohmloom_hdl.engines.lanes import Use
from ohmloom_hdl.engines.program import Act, Address, Feed, If, Pop, Take, Until, Write

Program = list[tuple[str, dict]]


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


COLLECT = {"collect": 1}
UNPACK = {"address": Address.REQUEST}
ANSWER = {"address": Address.ANSWER}
CORRECTION = {"address": Address.CORRECTION, "read": 1, "ahead": 1} | COLLECT
BIAS = {"address": Address.BIAS, "read": 1}
TO_ROW = {"row_code": 1, "row_lanes": 1, "next_row": 1, "next_index": 1}
RETIRE, CLOSE = {"act": Act.RETIRE}, {"act": Act.CLOSE}


def _load(label: str) -> Program:
    """The vector's codes."""
    load = UNPACK | {"feed": Feed.CODE, "use": Use.LOAD, "until": Until.LANES, "next_index": 1}
    return [(label, load | _unless(label, If.LAST_INDEX))]


def _biases(label: str, more: dict) -> Program:
    """Bias after bias."""
    return [
        (label, BIAS | _to_lanes(Use.LOW) | more | {"ahead": 1, "act": Act.NONE} | _go(f"{label}, upper half")),
        (f"{label}, upper half", BIAS | _to_lanes(Use.HIGH) | more | {"ahead": 1, "next_index": 1} | _unless(label, If.LAST_INDEX)),
    ]  # fmt: skip


def _outputs(label: str, more: dict) -> Program:
    """Outputs, one after the other into the answer."""
    return [
        (label, BIAS | _to_lanes(Use.LOW) | more | {"ahead": 1, "act": Act.NONE} | _go(f"{label}, upper half")),
        (f"{label}, upper half", BIAS | _to_lanes(Use.HIGH) | more),
        ("", ANSWER | {"write": Write.RESULT, "until": Until.WROTE, "next_index": 1} | more | {"act": Act.NONE} | _unless(label, If.LAST_INDEX)),
    ]  # fmt: skip


def _skip(label: str, then: str) -> Program:
    """Samples of columns before the pairs, where several are converted at once."""
    return [
        (label, _go(then, If.SKIPPED)),
        ("", {"pop": Pop.ALL, "until": Until.SAMPLE} | _go(label)),  # whose ends do not count
    ]


def _columns(label: str, more: dict) -> Program:
    """Samples into accumulators."""
    return [
        (label, CORRECTION | _to_lanes(Use.OFFSET) | {"pop": Pop.ONE} | _go(f"{label}, gain")),
        (f"{label}, gain", CORRECTION | _to_lanes(Use.GAIN) | {"next_index": 1} | more | _unless(label, If.FINAL)),
        (f"{label}, rest", {"pop": Pop.ALL} | _unless(f"{label}, rest", If.DRAINED)),
    ]


STEP: Program = [
    ("step", _field("flags", Take.STEP)),
    ("", _field("range", Take.RANGE) | _unless("fields", If.ROUTE)),
    ("zeros", {"row_code": 1, "next_row": 1} | _unless("zeros", If.LAST_ROW)),
    ("fields", _field("pair", Take.PAIR)),
    ("", _field("pairs", Take.PAIRS)),
    ("", _field("row", Take.ROW)),
    ("", _field("rows", Take.ROWS)),
    ("", _field("input", Take.FIRST)),
    ("", _field("inputs", Take.LAST) | _go("level", If.CHAINED)),
    ("", {"next_index": 1}),  # a code is there in the cycle after its index
    ("rows", TO_ROW | _unless("rows", If.ONE_LEFT)),
    ("", _unless("seal", If.ANALOG)),
    ("level", _unless("chain", If.LEVEL)),
    ("", _field("level", row_code=1, row_datum=1)),
    ("chain", _unless("seal", If.ANALOG)),
    ("", {"act": Act.CHAIN} | _go("step")),
    ("seal", {"act": Act.SEAL} | _go("ready")),
]
DRIVE: Program = [
    ("mvm", {"act": Act.MULTIPLY}),
    ("codes", UNPACK | {"until": Until.CODE, "row_code": 1, "row_datum": 1, "next_row": 1} | _unless("codes", If.LAST_ROW)),
    ("ready", _go("collect", If.FULL)),
    ("", {"until": Until.DRIVE} | _unless("vector", If.INFER)),
    ("taken", _go("second", If.SECOND)),
    ("", {"act": Act.RUN} | _unless("plan", If.NETWORK)),
    ("", {"act": Act.NETWORK} | _unless("plan", If.LANE)),
    ("vector", {"act": Act.VECTOR} | _go("plan")),
    ("second", {"act": Act.SECOND} | _go("plan")),
    ("drain", _go("flush", If.NONE)),
    ("collect", _go("sums", If.INFER)),
    ("pack", ANSWER | {"pop": Pop.PACK, "write": Write.PACKED} | _unless("pack", If.DRAINED)),
    ("", _go("done")),
]  # fmt: skip
CLEAR: Program = [
    ("", COLLECT | _field("width", Take.LAST)),
    ("clear", COLLECT | {"feed": Feed.ANYTHING, "use": Use.CLEAR, "until": Until.LANES, "next_index": 1} | _unless("clear", If.LAST_INDEX)),
]  # fmt: skip
PAIRS: Program = [
    ("columns", COLLECT | _field("pair", Take.FROM_PAIR)),
    ("", COLLECT | _field("pairs", Take.COUNT)),
    ("", COLLECT | _field("output", Take.FIRST)),
    ("", COLLECT | _field("outputs", Take.LAST)),
]
ENDS: Program = [
    ("", _unless("done", If.LAST)),
    ("", COLLECT | _field("scale") | _to_lanes(Use.SCALE)),
    ("", COLLECT | _field("bias", Take.BIAS, act=Act.RESTART)),
    ("", COLLECT | _field("width", Take.LAST) | _go("outputs", If.OUTPUT)),
]
DONE: Program = [
    ("done", _unless("done", If.IDLE)),
    ("", RETIRE | _go("plan")),
]
END: Program = [
    ("flush", ANSWER | {"act": Act.FLUSH, "write": Write.PACKED} | _unless("flush", If.EMPTY)),
    ("", {"act": Act.HEADER}),
    ("", ANSWER | {"write": Write.SATURATED, "until": Until.WROTE}),
    ("end", {"act": Act.END} | _go("idle")),
]


def limb_program(*, skips: bool) -> Program:
    """skips: the chip converts several columns at once, so some before the pairs may have to be skipped."""
    # The drive that waits for these codes is the next one, of the same lane. Most drives' inputs are all of them. The flags are
    # those of the oldest drive's step again, while its codes are made.
    follow = [
        ("", _field("flags", Take.STEP)),
        ("", _field("range", Take.RANGE) | _go("codes alone", If.ANALOG)),
        ("", _field("pair", Take.PAIR) | _go("codes alone", If.LEVEL)),
        ("", _field("pairs", Take.PAIRS)),
        ("", _field("row", Take.ROW)),
        ("", _field("rows", Take.ROWS)),
        ("", _field("input", Take.FIRST)),
        ("", _field("inputs") | _unless("codes alone", If.WHOLE)),
        ("", {"act": Act.SEAL}),
        ("", COLLECT | _field("flags", Take.FROM)),
        ("", RETIRE),
        ("", {"until": Until.DRIVE, "row_lanes": 1}),
        ("row low", BIAS | _to_lanes(Use.LOW) | {"ahead": 1} | _go("row high")),
        ("row high", BIAS | _to_lanes(Use.HIGH) | _go("last row", If.ONE_LEFT)),
        ("", {}),  # the code is there in the next cycle
        ("", TO_ROW | {"address": Address.BIAS, "ahead": 1} | _unless("row low", If.LAST_INDEX)),
        ("", {"next_index": 1}),
        ("rows again", TO_ROW | _unless("rows again", If.ONE_LEFT)),
        ("", _go("taken")),
        ("last row", {}),
        ("", TO_ROW | {"address": Address.BIAS, "ahead": 1} | _unless("no row", If.LAST_INDEX)),
        ("", _go("taken")),
        *_biases("no row", {}),
        ("", _go("taken")),
        ("codes alone", COLLECT | _field("flags", Take.FROM, act=Act.RESTART)),
        ("", COLLECT | _field("width", Take.LAST)),
    ]
    return [
        ("idle", {"act": Act.START} | _unless("idle", If.JOB)),
        ("plan", {"act": Act.RESTART} | _go("drain", If.EXHAUSTED)),
        ("", _go("collect", If.BLOCKED)),
        ("", _go("ready", If.WRITTEN)),
        ("", _unless("mvm", If.INFER)),
        ("", _unless("step", If.FRESH)),
        *_load("load"),
        *STEP,
        *DRIVE,
        ("sums", COLLECT | _field("flags", Take.FROM, act=Act.RESTART)),
        ("", COLLECT | _field("range", Take.FROM_RANGE) | _to_lanes(Use.SHIFT) | _unless("columns", If.FIRST)),
        *CLEAR,
        *PAIRS,
        *(_skip("skip", "sum") if skips else []),
        *_columns("sum", {}),
        *ENDS,
        *follow,
        *_biases("code", COLLECT),
        *DONE,
        # A drive that waits is handed over first.
        ("outputs", _unless("output alone", If.PAIRED)),
        ("", RETIRE),
        ("", {"until": Until.DRIVE}),
        *_outputs("output", {}),
        ("", _go("taken")),
        *_outputs("output alone", COLLECT),
        ("", _go("done")),
        *END,
    ]  # fmt: skip


def wide_program(*, skips: bool) -> Program:
    """skips: as for `limb_program`."""
    return [
        ("idle", {"act": Act.START} | _unless("idle", If.JOB)),
        ("plan", {"act": Act.RESTART} | _go("drain", If.EXHAUSTED)),
        ("", _go("ahead", If.INFER)),
        ("", _go("ready", If.WRITTEN)),
        ("", _go("mvm")),
        # The next drive is offered before the samples that it depends on are there.
        ("ahead", _go("collect", If.PRESSED)),
        ("offered", _go("offered", If.OFFERED)),
        ("", _field("flags", Take.STEP)),
        ("", _field("range", Take.RANGE) | _go("at once", If.ANALOG)),
        ("", _field("pair", Take.PAIR) | _go("at once", If.LEVEL)),
        ("", _field("pairs", Take.PAIRS)),
        ("", _field("row", Take.ROW)),
        ("", _field("rows", Take.ROWS) | _unless("inputs", If.FRESH)),
        ("written", _go("written", If.WRITING)),
        *_load("load ahead"),
        ("inputs", _field("input", Take.FIRST)),
        ("", _field("inputs", Take.LAST)),
        ("", {"act": Act.OFFER} | _go("taken")),
        # Routes and levels wait for their codes.
        ("at once", _go("collect", If.BLOCKED)),
        ("", _go("collect", If.FULL)),
        ("all written", _go("all written", If.WRITING)),
        ("", {"act": Act.RESTART} | _unless("step", If.FRESH)),
        *_load("load"),
        *STEP,
        *DRIVE,
        ("sums", COLLECT | _field("flags", Take.FROM, act=Act.RESTART)),
        ("", COLLECT | _field("range", Take.FROM_RANGE) | _to_lanes(Use.SHIFT) | _unless("some", If.LAST)),
        ("", COLLECT | _field("pairs", Take.COUNT) | _go("some", If.OUTPUT)),
        ("", COLLECT | _field("output", Take.FIRST)),
        ("", COLLECT | _field("outputs", Take.LAST)),
        ("", COLLECT | _field("width") | _unless("some", If.WHOLE)),
        # Each accumulator becomes a code with its last pair: its bias comes first.
        ("", COLLECT | _field("scale") | _to_lanes(Use.SCALE)),
        ("", COLLECT | _field("bias", Take.BIAS)),
        *_biases("bias", COLLECT),
        ("", COLLECT | _field("pair", Take.FROM_PAIR)),
        *(_skip("skip before codes", "sum to code") if skips else []),
        *_columns("sum to code", CLOSE),
        ("", _go("done")),
        ("some", {"act": Act.RESTART} | _unless("columns", If.FIRST)),
        *CLEAR,
        *PAIRS,
        *(_skip("skip", "sum") if skips else []),
        *_columns("sum", {}),
        *ENDS,
        *_biases("code", COLLECT | CLOSE),
        *DONE,
        *_outputs("outputs", COLLECT | CLOSE),
        ("", _go("done")),
        *END,
    ]  # fmt: skip

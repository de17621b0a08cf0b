"""The main loop, refusals, and arithmetic that several commands need."""

from collections.abc import Mapping

from ohmloom.spec.commands import ANSWER, TYPE_ERROR, Command, ErrorCode
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.ports import COUNTERS, InPort, OutPort, State

THIRD = 43_691  # n * THIRD >> 17 is n // 3 for n up to 65535
DETAIL = ("detail 0", "detail 1", "detail 2", "detail 3")


def main(p: Program, handlers: Mapping[int, str]) -> None:
    """The loop that takes requests. handlers: label of each command's handler, by code. What stands before it runs once."""
    p.label("idle")
    p.call("poll")
    p.input(InPort.STATE)
    p.and_(1 << State.REQUEST)
    p.jump_z("idle")
    for port, name in (
        (InPort.TYPE, "type"),
        (InPort.LENGTH, "length"),
        (InPort.PAYLOAD, "payload"),
        (InPort.ANSWER, "answer"),
    ):
        p.input(port)
        p.store(name)
    p.output(OutPort.WRITE_AT)
    p.output(OutPort.READ_AT, "payload")
    for name in DETAIL[1:]:  # what refusals do not set
        p.copy(name, 0)
    for code, handler in handlers.items():
        p.load("type")
        p.compare(code)
        p.jump_z(handler)
    p.load("type")
    refusal(p, "unknown command", ErrorCode.UNKNOWN_COMMAND)

    # Ends of a request
    p.label("finish")
    p.load("type")
    p.or_(ANSWER)
    p.label("finish as")
    p.output(OutPort.FINISH)
    p.jump("idle")

    # Refusals: with the detail in A, unsigned or signed, or in all four registers.
    for label, code in (
        ("bad address", ErrorCode.BAD_ADDRESS),
        ("bad value", ErrorCode.BAD_VALUE),
        ("bad length", ErrorCode.BAD_LENGTH),
        ("bad code", ErrorCode.BAD_CODE),
        ("answer too long", ErrorCode.ANSWER_TOO_LONG),
        ("read only", ErrorCode.READ_ONLY),
    ):
        refusal(p, label, code)
    for label, code in (
        ("no network", ErrorCode.NO_NETWORK),
        ("not armed", ErrorCode.NOT_ARMED),
        ("no firmware", ErrorCode.NO_FIRMWARE),
        ("not emulated", ErrorCode.NOT_EMULATED),
    ):
        p.label(label)
        p.load(0)
        refusal(p, f"{label} at", code)
    for label, code in (("bad signed code", ErrorCode.BAD_CODE), ("bad signed value", ErrorCode.BAD_VALUE)):
        p.label(label)
        p.store("detail 0")
        p.copy("error", int(code))
        p.jump("refuse signed")
    p.label("bad payload")  # its length does not fit the layout
    p.load("length")
    p.jump("bad length")

    p.label("refuse signed")
    p.load("detail 0")
    p.or_(0)
    positive = p.fresh()
    p.load(0)
    p.jump_nn(positive)
    p.load(0xFFFF)
    p.label(positive)
    for name in DETAIL[1:]:
        p.store(name)
    p.jump("refuse whole")
    p.label("refuse")
    p.store("error")
    p.jump("refuse whole")
    for label, code in (("refuse bad address", ErrorCode.BAD_ADDRESS), ("refuse bad value", ErrorCode.BAD_VALUE)):
        p.label(label)  # with the whole detail
        p.copy("error", int(code))
        p.jump("refuse whole")
    p.label("refuse too long")
    p.copy("error", int(ErrorCode.ANSWER_TOO_LONG))
    p.label("refuse whole")
    p.output(OutPort.WRITE_AT, "answer")
    p.put_8("type")
    p.put_8("error")
    for name in DETAIL:
        p.put_16(name)
    p.load(TYPE_ERROR)
    p.jump("finish as")

    # A set safety latch refuses what drives the array.
    p.label("require untripped")
    p.input(InPort.STATE)
    p.and_(0b111)
    refused = p.fresh()
    p.jump_nz(refused)
    p.return_()
    p.label(refused)
    refusal(p, "tripped", ErrorCode.TRIPPED)


def refusal(p: Program, label: str, code: ErrorCode) -> None:
    """A label that refuses the request with the unsigned 16-bit detail in A."""
    p.label(label)
    p.store("detail 0")
    p.load(int(code))
    p.jump("refuse")


def scalars(p: Program, command: Command) -> None:
    """Refuses a payload that is shorter than the scalars, or longer where no array follows; `rest`: the array's bytes."""
    p.load(command.request.header_bytes)
    p.call("only scalars" if command.request.array is None else "scalars")


def below(p: Program, limit: int | str, otherwise: str) -> None:
    """Jumps to a refusal, with A as it is, unless A < limit."""
    p.compare(limit)
    p.jump_nc(otherwise)


def counter(name: str, half: int) -> str:
    return f"{name} {'low' if half == 0 else 'high'}"


def arithmetic(p: Program) -> None:
    # product low, product high = A * factor
    p.label("multiply")
    p.store("multiplicand")
    p.copy("product low", 0)
    p.copy("product high", 0)
    p.copy("bits left", 16)
    p.label("multiply bit")
    p.load("product low")
    p.add("product low")
    p.store("product low")
    p.load("product high")
    p.add_c("product high")
    p.store("product high")
    p.load("multiplicand")
    p.add("multiplicand")
    p.store("multiplicand")
    p.jump_nc("multiplied bit")
    p.load("product low")
    p.add("factor")
    p.store("product low")
    p.load("product high")
    p.add_c(0)
    p.store("product high")
    p.label("multiplied bit")
    p.load("bits left")
    p.subtract(1)
    p.store("bits left")
    p.jump_nz("multiply bit")
    p.return_()

    # The engine does a job of kind A; events are counted meanwhile.
    p.label("run job")
    p.output(OutPort.START)
    p.label("job runs")
    p.call("poll")
    p.input(InPort.STATE)
    p.and_(1 << State.BUSY)
    p.jump_nz("job runs")
    p.jump("poll")

    # detail = items = product of A and `factor`, which has to fit 16 bits
    p.label("count items")
    p.call("multiply")
    p.copy("detail 1", "product high")
    p.copy("detail 0", "product low")
    p.store("items")
    p.load("product high")
    p.or_(0)
    p.jump_nz("refuse too long")
    p.load("items")
    p.return_()

    p.label("only scalars")
    p.call("scalars")
    p.jump_nz("bad payload")
    p.return_()
    p.label("scalars")  # A: their bytes
    p.store("scratch")
    p.load("length")
    p.subtract("scratch")
    p.jump_c("bad payload")
    p.store("rest")
    p.return_()

    p.label("count down")
    p.load("left")
    p.subtract(1)
    p.store("left")
    p.return_()

    # codes = number of packed codes in `rest` bytes; refuses a number of bytes that cuts one
    p.label("count codes")
    p.copy("factor", THIRD)
    p.load("rest")
    p.call("multiply")
    p.load("product high")
    p.shift_right()
    p.store("thirds")
    p.add("thirds")
    p.store("codes")
    p.add("thirds")
    p.store("scratch")
    p.load("rest")
    p.subtract("scratch")
    p.jump_z("counted")
    p.compare(1)
    p.jump_z("bad payload")
    p.load("codes")
    p.add(1)
    p.store("codes")
    p.label("counted")
    p.return_()

    # Adds what has happened to the counters, and logs trips. Frames are looked at last: a request comes some 60 cycles after it was counted,
    # and has to find itself in the counter.
    p.label("poll")
    for index, name in reversed(list(enumerate(COUNTERS))):
        p.input(InPort.COUNTERS + index)
        p.add(counter(name, 0))
        p.store(counter(name, 0))
        p.load(counter(name, 1))
        p.add_c(0)
        p.store(counter(name, 1))
    p.input(InPort.STATE)
    p.and_(0b111)
    p.store("cause")
    p.xor("known cause")
    p.and_("cause")
    p.store("event low")
    p.jump_z("no trip")
    p.copy("event high", 0)
    p.call("log trip")
    p.label("no trip")
    p.copy("known cause", "cause")
    p.return_()

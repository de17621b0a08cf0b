"""SERVICE and its log, ADVANCE, and what only firmware answers."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import (
    ADVANCE,
    CALIBRATE,
    IV,
    MAX_EVENTS,
    SELFTEST,
    SERVICE,
    Command,
    ErrorCode,
    EventKind,
)  # fmt: skip
from ohmloom.spec.memory_map import EVENT_BYTES, MemoryMap
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode.common import DETAIL, scalars
from ohmloom_hdl.commands.ports import InPort, OutPort


def handlers(p: Program, spec: ChipSpec, emulated: bool) -> dict[Command, str]:
    return {
        SERVICE: "service",
        ADVANCE: "advance",
        **dict.fromkeys((IV, CALIBRATE, SELFTEST), "firmware's"),
    }


def routines(p: Program, spec: ChipSpec, emulated: bool) -> None:
    _log(p, spec)
    _service(p, spec)
    _advance(p, emulated)
    p.label("firmware's")
    p.call("require untripped")
    p.jump("no firmware")


def _place(p: Program, spec: ChipSpec, number: str) -> None:
    """A = byte offset of an event in the store."""
    p.load(number)
    p.and_(MAX_EVENTS - 1)
    for _ in range(EVENT_BYTES.bit_length() - 1):
        p.store("scratch")
        p.add("scratch")
    p.add(MemoryMap(spec).events)


def _log(p: Program, spec: ChipSpec) -> None:
    """Appends an event with argument `event low`, `event high`. Q is elsewhere then."""
    for kind in EventKind:
        p.label(f"log {kind.name.lower()}")
        p.load(int(kind))
        p.jump("log")
    p.label("log")
    p.store("event kind")
    p.load("events low")
    p.add(1)
    p.store("events low")
    p.load("events high")
    p.add_c(0)
    p.store("events high")
    _place(p, spec, "events low")
    p.output(OutPort.WRITE_AT)
    for name in ("event kind", "event low", "event high"):
        p.put_16(name)
    p.return_()


def _service(p: Program, spec: ChipSpec) -> None:
    layout = SERVICE.answer.array
    assert layout is not None
    p.label("service")
    scalars(p, SERVICE)
    # The next number to answer: after + 1, but not one that is forgotten.
    p.get_16()
    p.add(1)
    p.store("number low")
    p.carry("carried")
    p.get_16()
    p.add("carried")
    p.store("number high")
    p.jump_c("finish")  # after was the last number there is
    p.load("events low")
    p.subtract(MAX_EVENTS - 1)
    p.store("oldest low")
    p.load("events high")
    p.subtract_c(0)
    p.store("oldest high")
    p.jump_c("service choose")  # fewer than that have been
    p.load("number low")
    p.compare("oldest low")
    p.load("number high")
    p.compare_c("oldest high")
    p.jump_nc("service choose")
    p.copy("number low", "oldest low")
    p.copy("number high", "oldest high")
    p.label("service choose")
    p.copy("room", spec.link.payload_bytes // layout.dtype.itemsize)
    p.label("service event")
    p.load("events low")
    p.compare("number low")
    p.load("events high")
    p.compare_c("number high")
    p.jump_c("finish")
    p.load("room")
    p.subtract(1)
    p.jump_c("finish")
    p.store("room")
    _place(p, spec, "number low")
    p.output(OutPort.READ_AT)
    p.put_16("number low")
    p.put_16("number high")
    p.get_16()
    p.put_8()
    p.get_16()
    p.put_16()
    p.get_16()
    p.put_16()
    p.load("number low")
    p.add(1)
    p.store("number low")
    p.load("number high")
    p.add_c(0)
    p.store("number high")
    p.jump("service event")


def _advance(p: Program, emulated: bool) -> None:
    p.label("advance")
    scalars(p, ADVANCE)
    if not emulated:
        p.jump("not emulated")
        return
    for name in DETAIL:
        p.get_16()
        p.store(name)
    p.output(OutPort.READ_AT, "payload")
    p.copy("left", 8)
    p.label("advance send")
    p.get_8()
    p.output(OutPort.EMULATION)
    p.call("count down")
    p.jump_nz("advance send")
    p.call("fabric's byte")
    p.or_(0)
    p.jump_nz("advance taken")
    p.copy("error", int(ErrorCode.BAD_VALUE))
    p.load(DETAIL[3])
    p.or_(0)
    p.jump_n("advance huge")
    p.jump("refuse whole")
    p.label("advance huge")  # the largest detail there is
    for name in DETAIL[:3]:
        p.copy(name, 0xFFFF)
    p.copy(DETAIL[3], 0x7FFF)
    p.jump("refuse whole")
    p.label("advance taken")
    array = ADVANCE.answer.array
    assert array is not None
    p.copy("left", ADVANCE.answer.header_bytes + 6 * array.dtype.itemsize)
    p.label("advance receive")
    p.call("fabric's byte")
    p.put_8()
    p.call("count down")
    p.jump_nz("advance receive")
    p.jump("finish")

    p.label("fabric's byte")
    p.input(InPort.EMULATION)
    p.compare(0x100)
    p.jump_nc("fabric's byte")
    p.return_()

"""PROGRAM, FORM, READ and PULSE."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import FORM, PROGRAM, PULSE, READ, Command, Polarity
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode.common import below, scalars
from ohmloom_hdl.commands.ports import InPort, OutPort, SafetyStrobe, State
from ohmloom_hdl.interfaces import JobKind

MOST_SAMPLES = 64


def handlers(p: Program, spec: ChipSpec) -> dict[Command, str]:
    return {PROGRAM: "program", FORM: "form", READ: "read", PULSE: "pulse"}


def routines(p: Program, spec: ChipSpec) -> None:
    _program(p, spec)
    _form(p, spec)
    _read(p, spec)
    _pulse(p, spec)
    p.label("tile and row")
    p.get_8()
    below(p, spec.tiles, "bad address")
    p.store("tile")
    p.output(OutPort.TILE)
    p.get_16()
    below(p, spec.rows, "bad address")
    p.store("row")
    p.output(OutPort.ROW)
    p.return_()


def _run(p: Program, kind: JobKind, answer_bytes: int | str) -> None:
    """Has the engine do the job and ends the request."""
    p.load(kind.value)
    p.call("run job")
    p.load("answer")
    p.add(answer_bytes)
    p.output(OutPort.WRITE_AT)


def _report_bytes(spec: ChipSpec) -> int:
    layout = PROGRAM.answer.array
    assert layout is not None
    return layout.dtype.itemsize * spec.columns


def _program(p: Program, spec: ChipSpec) -> None:
    p.label("program")
    p.call("require untripped")
    scalars(p, PROGRAM)
    p.call("count codes")
    p.call("tile and row")
    p.load("codes")
    p.compare(2 * spec.columns)
    p.jump_nz("bad length")
    p.load("payload")
    p.add(PROGRAM.request.header_bytes)
    p.output(OutPort.READ_AT)
    p.copy("left", spec.columns)
    p.copy("least", 0x7FF)  # no code is larger, and no difference of codes overflows
    p.copy("bad cells", 0)
    p.label("check cell")
    p.get_code()
    p.store("target")
    p.get_code()
    p.store("tolerance")
    p.jump_n("bad cell")  # a tolerance below 0
    p.or_(0)
    p.jump_z("cell checked")  # left alone
    p.load("target")
    p.or_(0)
    p.jump_n("bad cell")
    p.jump("cell checked")
    p.label("bad cell")
    p.copy("bad cells", 1)
    p.label("cell checked")
    for name in ("target", "tolerance"):
        kept = p.fresh()
        p.load("least")
        p.subtract(name)
        p.jump_n(kept)
        p.copy("least", name)
        p.label(kept)
    p.call("count down")
    p.jump_nz("check cell")
    p.load("bad cells")
    p.or_(0)
    p.load("least")
    p.jump_nz("bad signed value")
    _run(p, JobKind.PROGRAM, _report_bytes(spec))
    p.jump("finish")


def _form(p: Program, spec: ChipSpec) -> None:
    p.label("form")
    p.call("require untripped")
    scalars(p, FORM)
    p.call("tile and row")
    p.load("rest")
    p.compare(spec.columns)
    p.jump_nz("bad length")
    p.input(InPort.STATE)
    p.and_(1 << State.ARMED)
    p.jump_z("not armed")
    p.output(OutPort.SAFETY, SafetyStrobe.FORM_BEGIN)
    p.copy("event low", "row")
    p.copy("event high", "tile")
    p.call("log form")
    _run(p, JobKind.FORM, _report_bytes(spec))
    p.output(OutPort.SAFETY, SafetyStrobe.FORM_END)
    p.jump("finish")


def _read(p: Program, spec: ChipSpec) -> None:
    p.label("read")
    p.call("require untripped")
    scalars(p, READ)
    p.get_8()
    below(p, spec.tiles, "bad address")
    p.output(OutPort.TILE)
    p.get_16()
    p.store("row")
    p.output(OutPort.ROW)
    p.get_16()
    p.store("rows")
    p.output(OutPort.ROWS)
    p.get_8()
    p.store("samples")
    p.output(OutPort.SAMPLES)
    # rows of at least 1, samples of 1 .. 64, else the smaller of the two is named
    p.load("rows")
    p.or_(0)
    p.jump_z("bad extent")
    p.load("samples")
    p.subtract(1)
    p.compare(MOST_SAMPLES)
    p.jump_nc("bad extent")
    # The last row, of up to 17 bits.
    p.load("rows")
    p.subtract(1)
    p.add("row")
    p.store("detail 0")
    p.carry("detail 1")
    p.load("detail 1")
    p.or_(0)
    p.jump_nz("refuse bad address")
    p.load("detail 0")
    p.compare(spec.rows)
    p.jump_nc("refuse bad address")
    p.copy("factor", spec.columns)
    p.load("rows")
    p.call("count items")
    p.compare(spec.link.payload_bytes * 2 // 3 + 1)
    p.jump_nc("refuse too long")
    p.add("items")
    p.add("items")
    p.add(1)
    p.shift_right()
    p.store("answer length")
    _run(p, JobKind.READ, "answer length")
    p.jump("finish")
    p.label("bad extent")
    p.load("rows")
    p.compare("samples")
    p.jump_c("bad value")
    p.load("samples")
    p.jump("bad value")


def _pulse(p: Program, spec: ChipSpec) -> None:
    limits, code = spec.limits, spec.rail_code
    p.label("pulse")
    p.call("require untripped")
    scalars(p, PULSE)
    p.call("tile and row")
    p.get_16()
    below(p, spec.columns, "bad address")
    p.output(OutPort.COLUMN)
    p.get_8()
    below(p, len(Polarity), "bad value")
    p.output(OutPort.RESET)
    p.or_(0)
    p.load(code(limits.set_v))
    is_set = p.fresh()
    p.jump_z(is_set)
    p.load(code(limits.reset_v))
    p.label(is_set)
    p.store("clamp")
    p.get_16()
    p.store("top")
    p.output(OutPort.RAIL)
    p.get_16()
    p.store("gate")
    p.output(OutPort.GATE)
    p.load("clamp")
    p.compare("top")
    p.jump_c("policy code")
    p.load(code(limits.gate_v))
    p.compare("gate")
    p.jump_c("policy code")
    for name, port in (("detail 0", OutPort.WIDTH_LOW), ("detail 1", OutPort.WIDTH_HIGH)):
        p.get_16()
        p.store(name)
        p.output(port)
    p.load("detail 0")
    p.or_("detail 1")
    p.jump_z("refuse bad value")
    p.load(limits.pulse_ns & 0xFFFF)
    p.compare("detail 0")
    p.load(limits.pulse_ns >> 16)
    p.compare_c("detail 1")
    p.jump_c("refuse bad value")
    _run(p, JobKind.PULSE, PULSE.answer.header_bytes)
    p.jump("finish")

"""INFO, READ_REGISTERS and WRITE_REGISTERS."""

from ohmloom.spec import ChipSpec, registers
from ohmloom.spec.commands import INFO, READ_REGISTERS, WRITE_REGISTERS, Command
from ohmloom.spec.registers import Register
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode.common import below, counter, scalars
from ohmloom_hdl.commands.ports import InPort, OutPort, SafetyStrobe, State

MOST_REGISTERS = 64
# A word of the register table: the processor's register that has the lower half, before that with the upper; 0: none
WRITABLE = 1 << 8


def handlers(p: Program, spec: ChipSpec) -> dict[Command, str]:
    for register in registers.REGISTERS.values():  # both halves side by side
        value = constants(spec).get(register, 0)
        for half in range(2):
            p.register(counter(register.name, half), value >> 16 * half)
    return {INFO: "info", READ_REGISTERS: "read registers", WRITE_REGISTERS: "write registers"}


def constants(spec: ChipSpec) -> dict[Register, int]:
    """Registers that always read the same."""
    limits = spec.limits
    return {
        registers.ID: registers.ID.reset,
        registers.VERSION: registers.VERSION.reset,
        registers.TRIP_CLEAR: 0,
        registers.TRIP_SET: 0,
        registers.ARM: 0,
        registers.READ_CLAMP: spec.read_clamp,
        registers.SET_CLAMP: spec.rail_code(limits.set_v),
        registers.RESET_CLAMP: spec.rail_code(limits.reset_v),
        registers.FORM_CLAMP: spec.rail_code(limits.form_v),
        registers.GATE_CLAMP: spec.rail_code(limits.gate_v),
        registers.PULSE_CAP_NS: limits.pulse_ns,
        registers.FORM_CAP_NS: limits.form_pulse_ns,
        registers.CELLS_PER_PULSE: limits.cells_per_pulse,
    }


def routines(p: Program, spec: ChipSpec) -> None:
    _table(p, spec)
    _find(p)
    _info(p, spec)
    _read(p)
    _write(p)


def _table(p: Program, spec: ChipSpec) -> None:
    rows = [0] * (max(registers.REGISTERS) + 1)
    for word, register in registers.REGISTERS.items():
        rows[word] = p.register(counter(register.name, 0)) | WRITABLE * ("w" in register.access)
    p.table("register table", rows)


def _find(p: Program) -> None:
    p.label("find register")  # A = row = `word`'s word of the table; refuses a word that is none
    p.load("word")
    below(p, max(registers.REGISTERS) + 1, "bad address")
    p.load_label("register table")
    p.add("word")
    p.look_up()
    p.store("row")
    p.or_(0)
    known = p.fresh()
    p.jump_nz(known)
    p.load("word")
    p.jump("bad address")
    p.label(known)
    p.return_()


def _info(p: Program, spec: ChipSpec) -> None:
    answer = INFO.answer.pack(
        version=registers.VERSION.reset, tiles=spec.tiles, rows=spec.rows, columns=spec.columns, digest=spec.digest,
        name=spec.name.encode(),
    )  # fmt: skip
    padded = answer + bytes(len(answer) % 2)
    p.table("info answer", (int.from_bytes(padded[place : place + 2], "little") for place in range(0, len(padded), 2)))
    p.label("info")
    scalars(p, INFO)
    p.load_label("info answer")
    p.store("place")
    p.load(len(padded) // 2)
    p.call("put words")
    p.load("answer")
    p.add(len(answer))
    p.output(OutPort.WRITE_AT)
    p.jump("finish")

    p.label("put words")  # A of them, from `place` on
    p.store("left")
    p.label("put word")
    p.load("place")
    p.look_up()
    p.put_16()
    p.load("place")
    p.add(1)
    p.store("place")
    p.call("count down")
    p.jump_nz("put word")
    p.return_()


def _read(p: Program) -> None:
    p.label("read registers")
    scalars(p, READ_REGISTERS)
    p.get_16()
    p.store("word")
    p.get_8()
    p.store("count")
    p.subtract(1)
    p.compare(MOST_REGISTERS)
    p.load("count")
    p.jump_nc("bad value")
    p.call("refresh")
    p.copy("left", "count")
    p.label("read register")
    p.call("find register")
    p.indexed()
    p.put_16()
    p.load("row")
    p.add(1)
    p.indexed()
    p.put_16()
    p.load("word")
    p.add(1)
    p.store("word")
    p.call("count down")
    p.jump_nz("read register")
    p.jump("finish")

    p.label("refresh")  # the registers that are not kept by events
    status, cause = (counter(register.name, 0) for register in (registers.STATUS, registers.TRIP_CAUSE))
    p.call("validate network")
    p.copy(status, 0)
    p.load("network state")
    p.compare("network valid")
    unusable = p.fresh()
    p.jump_nz(unusable)
    p.copy(status, registers.STATUS_NETWORK_VALID.mask)
    p.label(unusable)
    for mask, bit in (
        (0b111, registers.STATUS_TRIPPED.mask),
        (1 << State.ARMED, registers.STATUS_ARMED.mask),
    ):
        p.input(InPort.STATE)
        p.and_(mask)
        clear = p.fresh()
        p.jump_z(clear)
        p.load(status)
        p.or_(bit)
        p.store(status)
        p.label(clear)
    p.input(InPort.STATE)
    p.and_(0b111)
    p.store(cause)
    p.return_()


def _write(p: Program) -> None:
    p.label("write registers")
    scalars(p, WRITE_REGISTERS)
    p.load("rest")
    p.and_(3)
    p.jump_nz("bad payload")
    # The first pass refuses, the second writes.
    for checking in (True, False):
        p.output(OutPort.READ_AT, "payload")
        p.get_16()
        p.store("word")
        p.load("rest")
        p.shift_right()
        p.shift_right()
        p.store("left")
        p.label(f"write register {checking}")
        p.load("left")
        p.subtract(1)
        p.jump_c(f"written {checking}")
        p.store("left")
        p.get_16()
        p.store("value")
        p.get_16()
        p.store("value high")
        if checking:
            _check(p)
        else:
            _take(p)
        p.load("word")
        p.add(1)
        p.store("word")
        p.jump(f"write register {checking}")
        p.label(f"written {checking}")
    p.output(OutPort.WRITE_AT, "answer")  # a trip was logged, perhaps
    p.jump("finish")


def _compare_value(p: Program, key: int | None, differs: str) -> None:
    assert key is not None
    p.load("value")
    p.compare(p.constant(key))
    p.jump_nz(differs)
    p.load("value high")
    p.compare(p.constant(key >> 16))
    p.jump_nz(differs)


def _check(p: Program) -> None:
    p.call("find register")
    p.and_(WRITABLE)
    writable, checked, refused = p.fresh(), p.fresh(), p.fresh()
    p.jump_nz(writable)
    p.load("word")
    p.jump("read only")
    p.label(writable)
    p.load("word")
    p.compare(registers.TRIP_CLEAR.address)
    p.jump_nz(checked)
    _compare_value(p, registers.TRIP_CLEAR.key, refused)
    p.jump(checked)
    p.label(refused)
    p.copy("detail 0", "value")
    p.copy("detail 1", "value high")
    p.jump("refuse bad value")
    p.label(checked)


def _take(p: Program) -> None:
    done = p.fresh()
    for register in (registers.SCRATCH, registers.TRIP_CLEAR, registers.TRIP_SET, registers.ARM):
        other = p.fresh()
        p.load("word")
        p.compare(register.address)
        p.jump_nz(other)
        if register is registers.SCRATCH:
            p.copy(counter("scratch", 0), "value")
            p.copy(counter("scratch", 1), "value high")
        elif register is registers.TRIP_CLEAR:
            p.output(OutPort.SAFETY, SafetyStrobe.CLEAR)
        elif register is registers.TRIP_SET:
            p.output(OutPort.SAFETY, SafetyStrobe.TRIP)
            mask = registers.TRIP_CAUSE_HOST.mask
            p.copy("event low", mask)
            p.copy("event high", 0)
            p.call("log trip")
            p.load("known cause")
            p.or_(mask)
            p.store("known cause")
        else:
            disarm = p.fresh()
            _compare_value(p, registers.ARM.key, disarm)
            p.output(OutPort.SAFETY, SafetyStrobe.ARM)
            p.jump(done)
            p.label(disarm)
            p.output(OutPort.SAFETY, SafetyStrobe.DISARM)
        p.jump(done)
        p.label(other)
    p.label(done)

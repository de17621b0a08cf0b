"""Whether the NETWORK memory holds a network that the sequencer can run: `ohmloom.spec.network`."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.ports import OutPort

VALID, INVALID = 1, 2  # of `network state`; 0: not looked at since the last write
MOST_SHIFT = 47
POLYNOMIAL = 0xEDB88320  # of zlib's CRC-32, reflected


def routines(p: Program, spec: ChipSpec) -> None:
    p.register("network valid", VALID)
    _validate(p, spec)
    _step(p, spec)
    _run(p)


def _validate(p: Program, spec: ChipSpec) -> None:
    """network state, and of a valid one `inputs`, `outputs` and `steps`."""
    place = MemoryMap(spec).base[Memory.NETWORK]
    p.label("validate network")
    p.load("network state")
    p.or_(0)
    p.jump_nz("network known")
    p.copy("network state", INVALID)
    p.output(OutPort.READ_AT, place)
    for word in (MAGIC & 0xFFFF, MAGIC >> 16):
        p.get_16()
        p.compare(p.constant(word))
        p.jump_nz("network known")
    for name in ("steps", "inputs", "outputs", "reserved", "crc low", "crc high"):
        p.get_16()
        p.store(name)
    p.load("steps")
    p.subtract(1)
    p.compare(spec.controller.steps)
    p.jump_nc("network known")
    p.load(spec.controller.width)
    p.compare("inputs")
    p.jump_c("network known")

    _crc(p)
    p.output(OutPort.WRITE_AT, "answer")  # a trip was logged, perhaps

    p.output(OutPort.READ_AT, place + HEADER_DTYPE.itemsize)
    p.copy("left", "steps")
    p.copy("width now", "inputs")
    p.copy("sums", 0)
    p.copy("first of run", 1)
    p.label("validate step")
    _fields(p)
    p.call("check step")
    p.load("step is good")
    p.or_(0)
    p.jump_z("network known")
    p.call("count down")
    p.jump_nz("validate step")
    # The last step is the output's, and leaves the outputs.
    p.load("flags")
    p.and_(StepFlag.OUTPUT | StepFlag.ANALOG)
    p.compare(int(StepFlag.OUTPUT))
    p.jump_nz("network known")
    p.load("sums")
    p.or_(0)
    p.jump_nz("network known")
    p.load("width now")
    p.compare("outputs")
    p.jump_nz("network known")
    p.copy("network state", VALID)
    p.label("network known")
    p.return_()


def _crc(p: Program) -> None:
    """Of all steps, from P on: zlib's CRC-32 has to be `crc low`, `crc high`."""
    p.copy("left", "steps")
    p.copy("sum low", 0xFFFF)
    p.copy("sum high", 0xFFFF)
    p.label("crc of step")
    p.copy("bytes left", STEP_DTYPE.itemsize)
    p.label("crc of byte")
    p.get_8()
    p.xor("sum low")
    p.store("sum low")
    p.copy("bits left", 8)
    p.label("crc of bit")
    p.load("sum high")
    p.shift_right()
    p.store("sum high")
    p.load("sum low")
    p.shift_right(carry=True)
    p.store("sum low")
    p.jump_nc("no feedback")
    for name, word in (("sum low", POLYNOMIAL & 0xFFFF), ("sum high", POLYNOMIAL >> 16)):
        p.load(p.constant(word))
        p.xor(name)
        p.store(name)
    p.label("no feedback")
    p.load("bits left")
    p.subtract(1)
    p.store("bits left")
    p.jump_nz("crc of bit")
    p.load("bytes left")
    p.subtract(1)
    p.store("bytes left")
    p.jump_nz("crc of byte")
    p.call("poll")
    p.call("poll")  # it takes some 200 cycles a byte
    p.call("count down")
    p.jump_nz("crc of step")
    for half in ("low", "high"):
        p.load(f"sum {half}")
        p.xor(0xFFFF)
        p.compare(f"crc {half}")
        p.jump_nz("network known")


def _fields(p: Program) -> None:
    for name in STEP_DTYPE.names:
        if STEP_DTYPE.fields[name][0].itemsize == 1:
            p.get_8()
        else:
            p.get_16()
        p.store(_field(name))


def _field(name: str) -> str:
    return "flags" if name == "flags" else f"step {name}"


def _at_most(p: Program, first: str, second: str | None, limit: int | str) -> None:
    """first + second <= limit, else the step is bad."""
    p.load(limit)
    if second is None:
        p.compare(first)
    else:
        p.subtract(first)
        p.jump_c("bad step")
        p.compare(second)
    p.jump_c("bad step")


def _at_least_1(p: Program, *names: str) -> None:
    for name in names:
        p.load(name)
        p.or_(0)
        p.jump_z("bad step")


def _step(p: Program, spec: ChipSpec) -> None:
    """`step is good`: its numbers are within the chip, and it finds the codes and accumulators that it takes."""
    p.label("check step")
    p.copy("step is good", 0)
    _at_most(p, "step tile", None, spec.tiles - 1)
    _at_most(p, "step range", None, len(spec.afe.tia_ohm) - 1)
    _at_least_1(p, "step rows", "step pairs", "step inputs", "step outputs")
    _at_most(p, "step row", "step rows", spec.rows)
    _at_most(p, "step pair", "step pairs", spec.pairs)
    _at_most(p, "step input", "step inputs", spec.controller.width)
    _at_most(p, "step output", "step outputs", "step width")
    _at_most(p, "step width", None, spec.controller.width)
    _at_most(p, "step bias", "step width", spec.controller.biases)
    # |level| <= clamp, by shifting the window to 0 .. 2 * clamp
    p.load("step level")
    p.add(spec.read_clamp)
    p.compare(2 * spec.read_clamp + 1)
    p.jump_nc("bad step")
    p.load("flags")
    p.and_(StepFlag.ANALOG)
    p.jump_nz("analog step")
    p.load("step shift")
    p.subtract(1)
    p.compare(MOST_SHIFT)
    p.jump_nc("bad step")
    p.jump("step fits")
    p.label("analog step")
    _at_most(p, "step shift", None, len(spec.afe.attenuations) - 1)
    p.label("step fits")
    p.jump("check run")
    p.label("bad step")
    p.return_()


def _run(p: Program) -> None:
    p.label("check run")
    # Only the last step is the output's.
    p.load("flags")
    p.and_(StepFlag.OUTPUT)
    inner = p.fresh()
    p.jump_z(inner)
    p.load("left")
    p.compare(1)
    p.jump_nz("bad step")
    p.label(inner)
    # The first step of a run takes the inputs.
    p.load("first of run")
    p.or_(0)
    later = p.fresh()
    p.jump_z(later)
    _at_most(p, "step input", "step inputs", "width now")
    p.copy("tiles of run", 0)
    p.copy("run has level", 0)
    p.label(later)
    # A tile cannot drive itself.
    p.load("step tile")
    p.call("bit of tile")
    p.load("tiles of run")
    p.and_("tile bit")
    p.jump_nz("bad step")
    p.load("tiles of run")
    p.or_("tile bit")
    p.store("tiles of run")
    # One DAC drives all bias rows.
    p.load("flags")
    p.and_(StepFlag.LEVEL)
    no_level = p.fresh()
    p.jump_z(no_level)
    p.load("run has level")
    p.or_(0)
    new_level = p.fresh()
    p.jump_z(new_level)
    p.load("run's level")
    p.compare("step level")
    p.jump_nz("bad step")
    p.label(new_level)
    p.copy("run's level", "step level")
    p.copy("run has level", 1)
    p.label(no_level)
    p.load("flags")
    p.and_(StepFlag.ANALOG)
    converting = p.fresh()
    p.jump_z(converting)
    p.copy("first of run", 0)
    p.copy("step is good", 1)
    p.return_()
    # The converting step ends it.
    p.label(converting)
    p.copy("first of run", 1)
    p.load("flags")
    p.and_(StepFlag.FIRST)
    going_on = p.fresh()
    p.jump_z(going_on)
    p.copy("sums", "step width")
    p.label(going_on)
    p.load("sums")
    p.compare("step width")
    p.jump_nz("bad step")
    p.load("flags")
    p.and_(StepFlag.LAST)
    more = p.fresh()
    p.jump_z(more)
    p.copy("width now", "sums")
    p.copy("sums", 0)
    p.label(more)
    p.copy("step is good", 1)
    p.return_()

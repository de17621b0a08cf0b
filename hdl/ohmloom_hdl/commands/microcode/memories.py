"""MEM_READ and MEM_WRITE, and the check of a policy before it is taken."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import MEM_READ, MEM_WRITE, Command, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.policy import DIRECTION_DTYPE, POLICY_DTYPE
from ohmloom_hdl.commands.isa import Program
from ohmloom_hdl.commands.microcode.common import below, scalars
from ohmloom_hdl.commands.ports import OutPort
from ohmloom_hdl.store import NEUTRAL, power_up_words

CHECKED_BYTES = 8  # top, gate and pulse_ns, which stand first in a direction


def handlers(p: Program, spec: ChipSpec) -> dict[Command, str]:
    return {MEM_READ: "read memory", MEM_WRITE: "write memory"}


def routines(p: Program, spec: ChipSpec) -> None:
    places = MemoryMap(spec)
    p.table("memory table", (word for memory in Memory for word in (places.base[memory], places.sizes[memory])))
    _read(p, spec)
    _write(p)
    _find(p)
    _copy(p)
    _policy(p, spec)


def fill(p: Program, spec: ChipSpec) -> None:
    """Everything behind the answers is zero, but for the corrections, which are neutral, and the spec's policy."""
    places = MemoryMap(spec)
    start = places.base[Memory.NETWORK]
    _repeat(p, "fill", start, (places.bytes - start) // 2, (0,))
    place, size = places.base[Memory.CORRECTION], places.sizes[Memory.CORRECTION]
    _repeat(p, "fill corrections", place, size // (2 * len(NEUTRAL)), NEUTRAL)
    _fill_policy(p, spec)


def _fill_policy(p: Program, spec: ChipSpec) -> None:
    """From tables, of which those that are alike are there once; a table of one number is a loop."""
    place, size = MemoryMap(spec).base[Memory.POLICY], POLICY_DTYPE.itemsize // 2
    words = power_up_words(spec)[place // 2 :][:size]
    arrays = [
        (POLICY_DTYPE.fields[key][1] + DIRECTION_DTYPE.fields[name][1], DIRECTION_DTYPE.fields[name][0].shape[0])
        for key in ("set", "reset", "form")
        for name in ("first", "level", "step")
    ]
    tables: dict[tuple[int, ...], str] = {}
    p.output(OutPort.WRITE_AT, place)
    done = 0
    for start, length in [*((offset // 2, length) for offset, length in arrays), (size, 0)]:
        for piece in (words[done:start], words[start : start + length]):
            if len(set(piece)) == 1:
                p.copy("value", piece[0])
                p.load(len(piece))
                p.call("fill with value")
            elif piece:
                key = tuple(piece)
                if key not in tables:
                    tables[key] = f"power-up policy {len(tables)}"
                    p.table(tables[key], piece)
                p.load_label(tables[key])
                p.store("place")
                p.load(len(piece))
                p.call("put words")
        done = start + length
    p.jump("filled")
    p.label("fill with value")  # as often as A says
    p.store("left")
    p.label("fill with another")
    p.put_16("value")
    p.call("count down")
    p.jump_nz("fill with another")
    p.return_()
    p.label("filled")


def _repeat(p: Program, label: str, place: int, times: int, words: tuple[int, ...]) -> None:
    p.output(OutPort.WRITE_AT, place)
    p.copy("left", times)
    p.label(label)
    for word in words:
        p.put_16(word)
    p.call("count down")
    p.jump_nz(label)


def _read(p: Program, spec: ChipSpec) -> None:
    p.label("read memory")
    scalars(p, MEM_READ)
    p.load("payload")
    p.add(5)
    p.output(OutPort.READ_AT)
    p.get_16()
    p.store("span")
    p.compare(spec.link.payload_bytes + 1)
    p.jump_nc("answer too long")
    p.output(OutPort.READ_AT, "payload")
    p.call("find memory")
    p.output(OutPort.READ_AT, "found")
    p.call("copy bytes")
    p.jump("finish")


def _write(p: Program) -> None:
    p.label("write memory")
    scalars(p, MEM_WRITE)
    p.copy("span", "rest")
    p.call("find memory")
    p.load("memory")
    p.compare(int(Memory.POLICY))
    p.jump_nz("write found")
    p.call("check policy")
    p.label("write found")
    p.load("payload")
    p.add(MEM_WRITE.request.header_bytes)
    p.output(OutPort.READ_AT)
    p.output(OutPort.WRITE_AT, "found")
    p.call("copy bytes")
    p.copy("network state", 0)
    p.output(OutPort.WRITE_AT, "answer")
    p.jump("finish")


def _find(p: Program) -> None:
    """`found`: byte offset of what memory, offset and `span` name, or a refusal. offset low: kept for the policy."""
    p.label("find memory")
    p.get_8()
    below(p, len(Memory), "bad address")
    p.store("memory")
    p.get_16()
    p.store("offset low")
    p.add("span")
    p.store("detail 0")  # the end
    p.carry("carried")
    p.get_16()
    p.add("carried")
    p.store("detail 1")
    p.carry("detail 2")
    p.load("memory")
    p.add("memory")
    p.store("scratch")
    p.load_label("memory table")
    p.add("scratch")
    p.store("scratch")
    p.look_up()
    p.add("offset low")
    p.store("found")
    p.load("detail 1")
    p.or_("detail 2")
    p.jump_nz("refuse bad address")
    p.load("scratch")
    p.add(1)
    p.look_up()
    p.compare("detail 0")
    p.jump_c("refuse bad address")
    p.return_()


def _copy(p: Program) -> None:
    """`span` bytes from P to Q."""
    p.label("copy bytes")
    p.copy("left", "span")
    p.label("copy byte")
    p.load("left")
    p.subtract(1)
    p.jump_c("copied")
    p.store("left")
    p.get_8()
    p.put_8()
    p.jump("copy byte")
    p.label("copied")
    p.return_()


def _policy(p: Program, spec: ChipSpec) -> None:
    """Refuses what would put a policy beyond the chip's clamps in force: as the memory would be after the write."""
    limits, code = spec.limits, spec.rail_code
    assert [DIRECTION_DTYPE.fields[name][1] for name in ("top", "gate", "pulse_ns")] == [0, 2, 4]
    p.label("check policy")
    for key, volts, cap_ns in (
        ("set", limits.set_v, limits.pulse_ns),
        ("reset", limits.reset_v, limits.pulse_ns),
        ("form", limits.form_v, limits.form_pulse_ns),
    ):
        p.copy("place", POLICY_DTYPE.fields[key][1])
        p.copy("clamp", code(volts))
        p.copy("cap low", cap_ns & 0xFFFF)
        p.copy("cap high", cap_ns >> 16)
        p.call("check direction")
    p.return_()

    p.label("check direction")
    p.copy("detail 1", 0)  # the last direction's may be there
    p.output(OutPort.WRITE_AT, "answer")  # as scratch memory
    p.copy("left", CHECKED_BYTES)
    p.label("merge byte")
    p.load("place")
    p.subtract("offset low")
    p.jump_c("old byte")
    p.compare("rest")
    p.jump_nc("old byte")
    p.add("payload")
    p.add(MEM_WRITE.request.header_bytes)
    p.jump("merge from")
    p.label("old byte")
    p.load("place")
    p.add(MemoryMap(spec).base[Memory.POLICY])
    p.label("merge from")
    p.output(OutPort.READ_AT)
    p.get_8()
    p.put_8()
    p.load("place")
    p.add(1)
    p.store("place")
    p.call("count down")
    p.jump_nz("merge byte")

    p.output(OutPort.READ_AT, "answer")
    p.get_16()
    p.store("top")
    p.get_16()
    p.store("gate")
    p.load("clamp")
    p.compare("top")
    p.jump_c("policy code")
    p.load(code(limits.gate_v))
    p.compare("gate")
    p.jump_c("policy code")
    p.get_16()
    p.store("detail 0")
    p.get_16()
    p.store("detail 1")
    p.load("detail 0")
    p.or_("detail 1")
    p.jump_z("refuse bad value")
    p.load("cap low")
    p.compare("detail 0")
    p.load("cap high")
    p.compare_c("detail 1")
    p.jump_c("refuse bad value")
    p.return_()

    p.label("policy code")
    p.load("top")
    p.compare("gate")
    p.jump_nc("bad code")
    p.load("gate")
    p.jump("bad code")

"""How deep the stack gets at most, from the frames and calls in linked RV32I code."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from ohmloom.errors import Error
from ohmloom_firmware.elf import Elf

ENTRY, TRAP = "_start", "trip_vector"
SP, RA, ZERO = 2, 1, 0
JAL, JALR, AUIPC, LUI, ADDI, BRANCH = 0x6F, 0x67, 0x17, 0x37, 0x13, 0x63
WRITING = (AUIPC, LUI, ADDI, 0x33, 0x03)  # and arithmetic between registers, and loads: what changes a register


@dataclass
class _Function:
    frame: int = 0
    calls: set[str] = field(default_factory=set)
    takes: set[str] = field(default_factory=set)  # functions whose addresses it computes
    indirect: bool = False


def stack_bytes(elf: Elf) -> int:
    """The deepest chain of calls from `_start`, and the trap handler's on top of it.

    A call through a pointer may reach every function whose address lies in a word of the image or is computed by code. Raises ohmloom.Error for
    recursion and for a frame whose size varies.
    """
    functions = _functions(elf)
    taken = {name for function in functions.values() for name in function.takes}
    base = min(segment.address for segment in elf.segments)
    image = elf.loaded(base)
    words = set(struct.unpack(f"<{len(image) // 4}I", image))
    pointed = {name for name, address in elf.functions.items() if address in words} | taken
    depths: dict[str, int] = {}

    def depth(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise Error(f"the firmware's stack has no bound: {' calls '.join((*path, name))}")
        if name not in depths:
            function = functions[name]
            called = function.calls | (pointed - {ENTRY, TRAP} if function.indirect else set())
            depths[name] = function.frame + max((depth(other, (*path, name)) for other in called), default=0)
        return depths[name]

    return depth(ENTRY, ()) + depth(TRAP, ())


def _functions(elf: Elf) -> dict[str, _Function]:
    """Frames and calls by function. Code belongs to the function symbol before it."""
    places = sorted((address, name) for name, address in elf.functions.items())
    starts = [address for address, _ in places]
    names = dict(places)
    found = {name: _Function() for _, name in places}
    base = min(segment.address for segment in elf.segments)
    image = elf.loaded(base)
    ends = elf.symbols.get("code_end", base + len(image))
    known: dict[int, int] = {ZERO: 0}  # registers' values, from where that is plain
    for address in range(starts[0], ends, 4):
        (word,) = struct.unpack_from("<I", image, address - base)
        function = found[names[starts[bisect_right(starts, address) - 1]]]
        opcode, target, source = word & 0x7F, word >> 7 & 31, word >> 15 & 31
        low = _signed(word >> 20, 12)
        value: int | None = None
        if opcode == AUIPC:
            value = address + _signed(word >> 12, 20) * 4096
        elif opcode == LUI:
            value = _signed(word >> 12, 20) * 4096
        elif opcode == ADDI and word >> 12 & 7 == 0 and source in known:
            value = known[source] + low
            if value in names and value:
                function.takes.add(names[value])
        elif opcode == ADDI and target == SP and source == SP:
            function.frame += max(-low, 0)
        elif opcode == JAL:
            _reach(function, names, starts, address, address + _jal_offset(word), target)
        elif opcode == JALR and source in known:
            _reach(function, names, starts, address, known[source] + low & 0xFFFFFFFF, target)
        elif opcode == JALR and not (target == ZERO and source == RA):
            function.indirect = True
        elif target == SP and opcode in WRITING:
            raise Error(f"the firmware's stack has no bound: a frame varies at {address:#x}")
        if opcode in (BRANCH, JAL, JALR):
            known = {ZERO: 0}
        elif target and opcode in WRITING:
            known.pop(target, None)
            if value is not None:
                known[target] = value
    return found


def _reach(function: _Function, names: dict[int, str], starts: list[int], address: int, goal: int, link: int) -> None:
    """A call, or a jump: one within the function is a loop, one to another's start a call that replaces it."""
    mine = names[starts[bisect_right(starts, address) - 1]]
    if goal in names and (link == RA or names[goal] != mine):
        function.calls.add(names[goal])


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _jal_offset(word: int) -> int:
    return _signed(
        (word >> 31 & 1) << 20 | (word >> 12 & 0xFF) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3FF) << 1, 21
    )

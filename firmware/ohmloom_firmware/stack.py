"""How deep the stack gets at most, from the frames and calls in linked RV32I code."""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from ohmloom.errors import Error
from ohmloom_firmware.elf import Elf

ENTRY, TRAP = "_start", "trip_vector"
SP, RA, ZERO = 2, 1, 0
JAL, JALR, AUIPC, LUI, ADDI = 0x6F, 0x67, 0x17, 0x37, 0x13


@dataclass
class _Function:
    frame: int = 0
    calls: set[str] = field(default_factory=set)
    indirect: bool = False


def stack_bytes(elf: Elf) -> int:
    """The deepest chain of calls from `_start`, and the trap handler's on top of it.

    A call through a pointer may reach every function whose address lies in a word of the image. Raises ohmloom.Error for
    recursion and for a frame whose size varies.
    """
    functions = _functions(elf)
    base = min(segment.address for segment in elf.segments)
    image = elf.loaded(base)
    words = set(struct.unpack(f"<{len(image) // 4}I", image))
    pointed = {name for name, address in elf.functions.items() if address in words and name not in (ENTRY, TRAP)}
    depths: dict[str, int] = {}

    def depth(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise Error(f"the firmware's stack has no bound: {' calls '.join((*path, name))}")
        if name not in depths:
            function = functions[name]
            called = function.calls | (pointed if function.indirect else set())
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
    upper: dict[int, int] = {}  # registers' values from auipc or lui
    for address in range(starts[0], ends, 4):
        (word,) = struct.unpack_from("<I", image, address - base)
        function = found[names[starts[bisect_right(starts, address) - 1]]]
        opcode, target, source = word & 0x7F, word >> 7 & 31, word >> 15 & 31
        low = _signed(word >> 20, 12)
        if opcode == AUIPC:
            upper[target] = address + _signed(word >> 12, 20) * 4096
        elif opcode == LUI:
            upper[target] = _signed(word >> 12, 20) * 4096
        elif opcode == ADDI and target == SP and source == SP:
            function.frame += max(-low, 0)
        elif target == SP and opcode in (ADDI, 0x33, 0x03) and not (opcode == ADDI and source != SP):
            raise Error(f"the firmware's stack has no bound: a frame varies at {address:#x}")
        elif opcode == JAL:
            _reach(function, names, starts, address, address + _jal_offset(word), target)
        elif opcode == JALR and source in upper and (target == RA or source not in (RA,)):
            _reach(function, names, starts, address, (upper[source] + low) & 0xFFFFFFFF, target)
        elif opcode == JALR and not (target == ZERO and source == RA):
            function.indirect = True
        if opcode not in (AUIPC, LUI):
            upper.pop(target, None)
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

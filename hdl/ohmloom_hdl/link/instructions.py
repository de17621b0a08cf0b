"""The dispatcher's instructions and their assembler.

An 8-bit accumulator A, a byte HIGH beside it, a carry C and notes, which are bytes in block RAM. An instruction has 16 bits: its Kind in 15:14 and
then as below. An operand in 7:0 is, with FROM_QUEUE, byte 2:0 of the oldest entry of the queue; else a note: one of 128
common ones or, with NOTE_OF_SLOT, one of 16 that each answer slot has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

FROM_QUEUE = 1 << 8
NOTE_OF_SLOT = 1 << 7
NOTES_COMMON, NOTES_OF_SLOT = 128, 16
PROGRAM_MAX = 512


class Kind(IntEnum):
    COMPUTE = 0  # A = A + operand, and C = carry, as Compute says
    BRANCH = 1  # to the instruction in 8:0, if bit 13 equals the Condition in 12:10
    STORE = 2  # note = A, with HIGH the byte beside A
    ACT = 3  # Act


class Compute(IntFlag):
    LOAD = 1 << 9  # A = operand; C stays
    INVERT = 1 << 10  # of the operand, and a carry in: A = A - operand, C is set when that is not below 0
    CHAIN = 1 << 11  # the carry in is C


class Condition(IntEnum):
    ALWAYS = 0
    ZERO = 1  # A
    CARRY = 2
    SIGN = 3  # A's bit 7
    WAITING = 4  # a frame in the queue
    BUSY = 5  # the frame before is not encoded yet
    SENDING = 6  # it has not left the shift register yet
    SLOT_BUSY = 7  # it comes from this slot


TAKEN = 1 << 13
CONDITION = 10  # lowest bit
HIGH = 1 << 13


class Act(IntFlag):
    """SEND: the operand to the reply, bit 7 set with ANSWER; with INDEXED, A's lowest four bits are those of the note's
    number. EXECUTE: the request; its type is the operand, its length in A and HIGH, and then its answer's. Neither: strobes in
    11:0."""

    SEND = 1 << 13
    ANSWER = 1 << 12
    INDEXED = 1 << 9
    EXECUTE = 1 << 12


class Strobe(IntFlag):
    SLOT = 1 << 0  # the slot = A
    STEP_LOW = 1 << 1  # the rate's lower byte = A
    STEP_HIGH = 1 << 2
    LENGTH_LOW = 1 << 3  # of the reply's payload from the slot
    LENGTH_HIGH = 1 << 4  # and HIGH = A
    FINISH = 1 << 5  # the head of the reply
    POP = 1 << 6  # the entry
    FREE = 1 << 7  # the request's slot
    GOOD = 1 << 8  # count it
    BAD = 1 << 9
    NAK = 1 << 10
    REPEAT = 1 << 11


@dataclass(frozen=True)
class Byte:
    """An operand."""

    code: int


class Assembler:
    """Instructions, labels, notes by name and constants."""

    def __init__(self) -> None:
        self._code: list[tuple[int, str | None]] = []
        self._labels: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self.notes = [0] * NOTES_COMMON

    def note(self, name: str, init: int = 0) -> Byte:
        """A common note; the first use decides on what is in it after reset."""
        if name not in self._names:
            self._names[name] = len(self._names)
            self.notes[self._names[name]] = init
            if len(self._names) > NOTES_COMMON - NOTES_OF_SLOT:
                raise ValueError(f"{len(self._names)} notes, {NOTES_COMMON - NOTES_OF_SLOT} are the most")
        return Byte(self._names[name])

    def last_notes(self, init: bytes) -> list[Byte]:
        """The last common notes, for `send_rest`; at most 16."""
        first = NOTES_COMMON - len(init)
        self.notes[first:] = init
        return [Byte(index) for index in range(first, NOTES_COMMON)]

    def number(self, name: str, size: int, init: int = 0) -> list[Byte]:
        """Notes that hold a number of `size` bytes, lowest first."""
        return [self.note(f"{name}{index}", byte) for index, byte in enumerate(init.to_bytes(size, "little"))]

    def constant(self, value: int) -> Byte:
        return self.note(f"={value}", value)

    def constants(self, value: int, size: int) -> list[Byte]:
        return [self.constant(byte) for byte in value.to_bytes(size, "little")]

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name!r} stands twice")
        self._labels[name] = len(self._code)

    def _emit(self, kind: Kind, bits: int, operand: Byte | int = 0, label: str | None = None) -> None:
        if isinstance(operand, int):
            operand = self.constant(operand)
        self._code.append((kind << 14 | int(bits) | operand.code, label))

    def load(self, operand: Byte | int) -> None:
        self._emit(Kind.COMPUTE, Compute.LOAD, operand)

    def add(self, operand: Byte | int, chain: bool = False) -> None:
        self._emit(Kind.COMPUTE, Compute.CHAIN * chain, operand)

    def subtract(self, operand: Byte | int, chain: bool = False) -> None:
        self._emit(Kind.COMPUTE, Compute.INVERT | Compute.CHAIN * chain, operand)

    def store(self, note: Byte) -> None:
        self._emit(Kind.STORE, 0, note)

    def store_high(self, note: Byte) -> None:
        self._emit(Kind.STORE, HIGH, note)

    def jump(self, label: str, condition: Condition = Condition.ALWAYS) -> None:
        self._emit(Kind.BRANCH, TAKEN | condition << CONDITION, Byte(0), label)

    def jump_unless(self, condition: Condition, label: str) -> None:
        self._emit(Kind.BRANCH, condition << CONDITION, Byte(0), label)

    def wait_while(self, condition: Condition) -> None:
        self.label(f"wait at {len(self._code)}")
        self.jump(f"wait at {len(self._code)}", condition)

    def send(self, operand: Byte | int) -> None:
        self._emit(Kind.ACT, Act.SEND, operand)

    def send_answer_type(self, operand: Byte | int) -> None:
        self._emit(Kind.ACT, Act.SEND | Act.ANSWER, operand)

    def send_rest(self, first: Byte, label: str) -> None:
        """A note and all up to the next whose number is a multiple of 16; at `label` from note A on. A is 0 afterwards."""
        self.load(first.code % 16 | 0xF0)
        self.label(label)
        self._emit(Kind.ACT, Act.SEND | Act.INDEXED, first)
        self.add(1)
        self.jump_unless(Condition.ZERO, label)

    def execute(self, request_type: Byte) -> None:
        """A request with its length in A and HIGH; then they have that of its answer."""
        self._emit(Kind.ACT, Act.EXECUTE, request_type)

    def strobe(self, strobes: Strobe) -> None:
        self._emit(Kind.ACT, strobes, Byte(0))

    # In terms of these

    def copy(self, target: Byte, source: Byte | int) -> None:
        self.load(source)
        self.store(target)

    def copies(self, targets: Sequence[Byte], sources: Sequence[Byte | int]) -> None:
        for target, source in zip(targets, sources, strict=True):
            self.copy(target, source)

    def sums(self, targets: Sequence[Byte], left: Sequence[Byte], right: Sequence[Byte], chain: bool = False) -> None:
        """Numbers of several bytes: targets = left + right, and C with `chain`."""
        for index, target in enumerate(targets):
            self.load(left[index])
            self.add(right[index], chain=chain or index > 0)
            self.store(target)

    def compare(self, left: Sequence[Byte], right: Sequence[Byte], targets: Sequence[Byte] = ()) -> None:
        """C = left is at least right; the difference to `targets`, if given."""
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            self.load(one)
            self.subtract(other, chain=index > 0)
            if targets:
                self.store(targets[index])

    def jump_different(self, left: Byte | int, right: Byte | int, label: str) -> None:
        self.load(left)
        self.subtract(right)
        self.jump_unless(Condition.ZERO, label)

    def program(self) -> list[int]:
        """The instructions. Raises ValueError when they are too many or a label is missing."""
        if len(self._code) > PROGRAM_MAX:
            raise ValueError(f"{len(self._code)} instructions, {PROGRAM_MAX} are the most")
        return [code | (self._labels[label] if label else 0) for code, label in self._code]

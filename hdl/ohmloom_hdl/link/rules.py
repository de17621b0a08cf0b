"""What is done with each frame: the rules of `ohmloom_emulator.controller.receiver.Receiver`, as the dispatcher's program."""

from collections.abc import Sequence
from dataclasses import dataclass

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import (
    DEFAULT_BAUD,
    HELLO,
    PROTOCOL_VERSION,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    ErrorCode,
    NakReason,
)
from ohmloom_hdl.link import frames
from ohmloom_hdl.link.dispatcher import (
    CONDITION,
    FROM_QUEUE,
    HIGH,
    NOTE_OF_SLOT,
    NOTES_COMMON,
    PROGRAM,
    REFUSED,
    TAKEN,
    Act,
    Compute,
    Condition,
    Kind,
    Strobe,
)
from ohmloom_hdl.link.uart import PHASE_BITS, step_of

BAUD_MIN = 9_600
PROVISIONAL_BAD_FRAMES = 4  # at a new rate before its first good frame: then the old rate comes back


@dataclass(frozen=True)
class Byte:
    """An operand."""

    code: int


def queue(index: int) -> Byte:
    return Byte(FROM_QUEUE | index)


def of_slot(index: int) -> Byte:
    return Byte(NOTE_OF_SLOT | index)


TYPE, SEQUENCE = queue(frames.TYPE), queue(frames.SEQUENCE)
LENGTH = [queue(index) for index in frames.LENGTH]
VALUE = [queue(index) for index in frames.VALUE]

# What is remembered of an answer. The lower byte of its length has the index of the queue's TYPE, as EXECUTE wants.
ANSWER_LENGTH = [of_slot(frames.TYPE), of_slot(1)]
REQUEST_TYPE = of_slot(2)
REFUSAL = of_slot(3)  # ErrorCode, of RATE alone
DETAIL = [of_slot(index) for index in range(4, 8)]  # of RATE's refusal, or the rate
STEP = [of_slot(index) for index in range(8, 10)]


class Assembler:
    """Instructions, labels, notes by name and constants."""

    def __init__(self) -> None:
        self._code: list[tuple[int, str | None]] = []
        self._labels: dict[str, int] = {}
        self._notes: dict[str, int] = {}
        self.notes: list[int] = []

    def note(self, name: str, init: int = 0) -> Byte:
        """A common note; the first use decides on what is in it after reset."""
        if name not in self._notes:
            self._notes[name] = len(self.notes)
            self.notes.append(init)
            if len(self.notes) > NOTES_COMMON:
                raise ValueError(f"more than {NOTES_COMMON} notes")
        return Byte(self._notes[name])

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

    def store_answer_high(self, note: Byte) -> None:
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

    def execute(self) -> None:
        self._emit(Kind.ACT, Act.EXECUTE, Byte(TYPE.code | ANSWER_LENGTH[0].code))

    def strobe(self, strobes: Strobe) -> None:
        self._emit(Kind.ACT, strobes, Byte(0))

    # In terms of these

    def copy(self, target: Byte, source: Byte | int) -> None:
        self.load(source)
        self.store(target)

    def copies(self, targets: Sequence[Byte], sources: Sequence[Byte | int]) -> None:
        for target, source in zip(targets, sources, strict=True):
            self.copy(target, source)

    def sums(self, targets: Sequence[Byte], left: Sequence[Byte], right: Sequence[Byte]) -> None:
        """Numbers of several bytes: targets = left + right."""
        for index, target in enumerate(targets):
            self.load(left[index])
            self.add(right[index], chain=index > 0)
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
        if len(self._code) > PROGRAM:
            raise ValueError(f"{len(self._code)} instructions, {PROGRAM} are the most")
        return [code | (self._labels[label] if label else 0) for code, label in self._code]


class Rules:
    """`program` and `notes` of the dispatcher."""

    def __init__(self, spec: ChipSpec, emulated: bool) -> None:
        self._spec, self._emulated = spec, emulated
        self._asm = asm = Assembler()
        self._expected = asm.note("expected")  # sequence number of the next request to execute
        self._remembered = asm.note("remembered")  # answers
        self._open = asm.note("open")  # a session is
        self._session = asm.number("session", 4)
        self._chances = asm.note("chances")  # bad frames before the old rate comes back; 0: the rate is not provisional
        initial = step_of(DEFAULT_BAUD, spec.controller.clock_hz)
        self._step, self._old_step = asm.number("step", 2, initial), asm.number("old step", 2)
        self._reason = asm.note("reason")
        self._temporary = asm.note("temporary")
        self._take()
        self._hello()
        self._rate()
        self._reply()
        self._change_rate()
        self.program, self.notes = asm.program(), asm.notes

    def _take(self) -> None:
        """The oldest frame: is it good, in a session, and new?"""
        asm = self._asm
        asm.label("idle")
        asm.jump_unless(Condition.WAITING, "idle")
        asm.load(LENGTH[1])
        asm.jump_unless(Condition.SIGN, "good")
        asm.strobe(Strobe.BAD)
        asm.load(NakReason.BAD_FRAME)
        asm.jump("nak")

        asm.label("good")
        asm.strobe(Strobe.GOOD)
        asm.copy(self._chances, 0)
        asm.load(TYPE)
        asm.subtract(HELLO.code)
        asm.jump("hello", Condition.ZERO)
        asm.load(self._open)
        asm.jump("no session", Condition.ZERO)
        asm.load(SEQUENCE)
        asm.strobe(Strobe.SLOT)
        asm.load(self._expected)
        asm.subtract(SEQUENCE)
        asm.jump("new", Condition.ZERO)
        asm.store(self._temporary)  # its age
        asm.load(self._remembered)
        asm.subtract(self._temporary)
        asm.jump_unless(Condition.CARRY, "out of sequence")
        asm.strobe(Strobe.REPEAT)
        asm.jump("answer")
        asm.label("no session")
        asm.load(NakReason.NO_SESSION)
        asm.jump("nak")
        asm.label("out of sequence")
        asm.load(NakReason.OUT_OF_SEQUENCE)
        asm.jump("nak")

        asm.label("new")
        asm.copy(REQUEST_TYPE, TYPE)
        asm.subtract(RATE.code)
        asm.jump("rate", Condition.ZERO)
        asm.wait_while(Condition.SLOT_BUSY)
        asm.copy(ANSWER_LENGTH[0], LENGTH[0])
        asm.load(LENGTH[1])
        asm.execute()
        asm.store_answer_high(ANSWER_LENGTH[1])

        asm.jump("remember")

    def _hello(self) -> None:
        asm = self._asm
        asm.label("hello")
        asm.jump_different(LENGTH[0], HELLO.request.header_bytes, "bad hello")
        asm.load(LENGTH[1])
        asm.jump_unless(Condition.ZERO, "bad hello")
        for mine, theirs in zip(self._session, VALUE, strict=True):
            asm.jump_different(mine, theirs, "new session")
        asm.load(self._open)
        asm.jump_unless(Condition.ZERO, "same session")
        asm.label("new session")
        asm.copies(self._session, VALUE)
        asm.load(SEQUENCE)
        asm.add(1)
        asm.store(self._expected)
        asm.copies((self._remembered, self._open), (0, 1))

        asm.label("same session")
        self._no_payload()
        asm.send_answer_type(TYPE)
        asm.send(SEQUENCE)
        for byte in self._session:
            asm.send(byte)
        for value in self._limits():
            asm.send(value)
        asm.jump("finish")

        asm.label("bad hello")
        self._no_payload()
        asm.send(TYPE_ERROR)
        asm.send(SEQUENCE)
        for value in (HELLO.code, ErrorCode.BAD_LENGTH, *LENGTH, 0, 0):
            asm.send(value)
        asm.jump("end of detail")

    def _limits(self) -> bytes:
        """HELLO's answer behind the session."""
        link = self._spec.link
        answer = HELLO.answer.pack(
            session=0,
            protocol=PROTOCOL_VERSION,
            window=link.window,
            payload=link.payload_bytes,
            baud_max=link.baud_max,
            emulated=self._emulated,
        )
        return answer[4:]

    def _rate(self) -> None:
        asm = self._asm
        baud_max = self._spec.link.baud_max
        asm.label("rate")
        asm.copy(ANSWER_LENGTH[0], 0)
        asm.jump_different(LENGTH[0], RATE.request.header_bytes, "bad rate length")
        asm.load(LENGTH[1])
        asm.jump_unless(Condition.ZERO, "bad rate length")
        asm.copies(DETAIL, VALUE)
        asm.compare(VALUE, asm.constants(BAUD_MIN, 4))
        asm.jump_unless(Condition.CARRY, "bad rate")
        asm.compare(asm.constants(baud_max, 4), VALUE)
        asm.jump_unless(Condition.CARRY, "bad rate")
        asm.copy(ANSWER_LENGTH[1], 0)
        asm.jump("divide")

        asm.label("bad rate length")
        asm.copies(DETAIL, (*LENGTH, 0, 0))
        asm.copy(REFUSAL, ErrorCode.BAD_LENGTH)
        asm.jump("refused rate")
        asm.label("bad rate")
        asm.copy(REFUSAL, ErrorCode.BAD_VALUE)
        asm.label("refused rate")
        asm.copy(ANSWER_LENGTH[1], 1 << REFUSED)
        asm.jump("remember")

        # step = baud 2**PHASE_BITS / clock_hz, rounded: long division, a bit a round, of all but two bits, which are 0.
        clock_hz = self._spec.controller.clock_hz
        size = -(-(clock_hz >> 1).bit_length() // 8)
        rest, trial, rounds = asm.number("rest", size), asm.number("trial", size), asm.note("rounds")
        asm.label("divide")
        asm.sums(rest, VALUE[:size], asm.constants(clock_hz >> (PHASE_BITS + 1), size))
        asm.copy(rounds, PHASE_BITS - 2)
        asm.label("round")
        asm.sums(rest, rest, rest)
        asm.compare(rest, asm.constants(clock_hz >> 2, size), trial)
        asm.jump_unless(Condition.CARRY, "less")
        asm.copies(rest, trial)
        asm.label("less")
        for byte in STEP:
            asm.load(byte)
            asm.add(byte, chain=True)
            asm.store(byte)
        asm.load(rounds)
        asm.subtract(1)
        asm.store(rounds)
        asm.jump_unless(Condition.ZERO, "round")

    def _reply(self) -> None:
        asm = self._asm
        asm.label("remember")
        asm.load(self._expected)
        asm.add(1)
        asm.store(self._expected)
        asm.load(self._remembered)
        asm.subtract(self._spec.link.window)
        asm.jump("answer", Condition.ZERO)
        asm.load(self._remembered)
        asm.add(1)
        asm.store(self._remembered)

        asm.label("answer")
        asm.wait_while(Condition.BUSY)
        asm.load(ANSWER_LENGTH[0])
        asm.strobe(Strobe.LENGTH_LOW)
        asm.load(ANSWER_LENGTH[1])
        asm.strobe(Strobe.LENGTH_HIGH)
        asm.jump("refused", Condition.SIGN)
        asm.send_answer_type(REQUEST_TYPE)
        asm.send(SEQUENCE)
        asm.jump_different(REQUEST_TYPE, RATE.code, "finish")
        for byte in DETAIL:
            asm.send(byte)
        asm.strobe(Strobe.FINISH)
        asm.jump("change rate")

        asm.label("refused")
        asm.send(TYPE_ERROR)
        asm.send(SEQUENCE)
        asm.jump_different(REQUEST_TYPE, RATE.code, "finish")
        for value in (RATE.code, REFUSAL, *DETAIL):
            asm.send(value)
        asm.label("end of detail")
        for _ in range(4):
            asm.send(0)

        asm.label("finish")
        asm.strobe(Strobe.FINISH | Strobe.POP | Strobe.FREE)
        asm.jump("idle")

        asm.label("nak")
        asm.store(self._reason)
        self._no_payload()
        asm.strobe(Strobe.NAK)
        for value in (TYPE_NAK, self._expected, self._expected, self._reason):
            asm.send(value)
        asm.jump_different(self._reason, NakReason.BAD_FRAME, "finish")
        asm.strobe(Strobe.FINISH | Strobe.POP)
        asm.load(self._chances)
        asm.jump("idle", Condition.ZERO)
        asm.subtract(1)
        asm.store(self._chances)
        asm.jump_unless(Condition.ZERO, "idle")

    def _change_rate(self) -> None:
        """Once all replies have gone: back to the old rate, or to that of RATE's answer."""
        asm = self._asm
        asm.wait_while(Condition.SENDING)
        self._set_rate(self._old_step)
        asm.jump("idle")

        asm.label("change rate")
        asm.wait_while(Condition.SENDING)
        asm.copies(self._old_step, self._step)
        self._set_rate(STEP)
        asm.copy(self._chances, PROVISIONAL_BAD_FRAMES)
        asm.strobe(Strobe.POP | Strobe.FREE)
        asm.jump("idle")

    def _set_rate(self, step: Sequence[Byte]) -> None:
        asm = self._asm
        for target, byte, strobe in zip(self._step, step, (Strobe.STEP_LOW, Strobe.STEP_HIGH), strict=True):
            asm.load(byte)
            asm.store(target)
            asm.strobe(strobe)

    def _no_payload(self) -> None:
        """Wait for the sender; the reply's payload is all in its head."""
        asm = self._asm
        asm.wait_while(Condition.BUSY)
        asm.load(0)
        asm.strobe(Strobe.LENGTH_LOW | Strobe.LENGTH_HIGH)

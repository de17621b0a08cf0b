"""What is done with each frame: the rules of `ohmloom_emulator.controller.receiver.Receiver`, as the dispatcher's program."""

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import (
    BAUD_MIN,
    DEFAULT_BAUD,
    HELLO,
    PROTOCOL_VERSION,
    PROVISIONAL_BAD_FRAMES,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    Command,
    ErrorCode,
    NakReason,
)
from ohmloom_hdl.link import frames
from ohmloom_hdl.link.dispatcher import REFUSED
from ohmloom_hdl.link.instructions import FROM_QUEUE, NOTE_OF_SLOT, Assembler, Byte, Condition, Strobe
from ohmloom_hdl.link.uart import PHASE_BITS, step_of


def queue(index: int) -> Byte:
    return Byte(FROM_QUEUE | index)


def of_slot(index: int) -> Byte:
    return Byte(NOTE_OF_SLOT | index)


TYPE, SEQUENCE = queue(frames.TYPE), queue(frames.SEQUENCE)
LENGTH = [queue(index) for index in frames.LENGTH]
VALUE = [queue(index) for index in frames.VALUE]

# What is remembered of an answer. What a refusal of RATE says ends with the last note, as `send_rest` wants.
ANSWER_LENGTH = [of_slot(0), of_slot(1)]
REQUEST_TYPE = of_slot(2)
STEP = [of_slot(3), of_slot(4)]  # of RATE
REFUSAL = of_slot(7)  # ErrorCode
DETAIL = [of_slot(index) for index in range(8, 12)]  # also RATE's answer; the rest of the detail is 0


class Rules:
    """`program` and `notes` of the dispatcher."""

    def __init__(self, spec: ChipSpec, emulated: bool) -> None:
        self._spec = spec
        self._asm = asm = Assembler()
        self._expected = asm.note("expected")  # sequence number of the next request to execute
        self._older = asm.note("older", 1 << 7)  # the age of the youngest answer that is forgotten; bit 7: no session
        answer = asm.last_notes(_hello_answer(spec, emulated))
        self._session, self._hello_answer = answer[:4], answer
        self._chances = asm.note("chances")  # bad frames before the old rate comes back; 0: the rate is not provisional
        self._step = asm.number("step", 2, step_of(DEFAULT_BAUD, spec.controller.clock_hz))
        self._old_step = asm.number("old step", 2)
        self._reason = asm.note("reason")
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
        asm.load(self._older)
        asm.jump("no session", Condition.SIGN)
        asm.load(SEQUENCE)
        asm.strobe(Strobe.SLOT)
        asm.load(self._expected)
        asm.subtract(SEQUENCE)
        asm.jump("new", Condition.ZERO)
        asm.subtract(self._older)  # from its age
        asm.jump("out of sequence", Condition.CARRY)
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
        asm.load(LENGTH[1])
        asm.strobe(Strobe.LENGTH_HIGH)  # the reply's is set later
        asm.load(LENGTH[0])
        asm.execute(TYPE)
        asm.store(ANSWER_LENGTH[0])
        asm.store_high(ANSWER_LENGTH[1])
        asm.jump("remember")

    def _hello(self) -> None:
        asm = self._asm
        asm.label("hello")
        self._no_payload()
        self._jump_unless_length(HELLO, "bad hello")
        for mine, theirs in zip(self._session, VALUE, strict=True):
            asm.jump_different(mine, theirs, "new session")
        asm.load(self._older)
        asm.jump_unless(Condition.SIGN, "same session")
        asm.label("new session")
        asm.copies(self._session, VALUE)
        asm.load(SEQUENCE)
        asm.add(1)
        asm.store(self._expected)
        asm.copy(self._older, 1)

        asm.label("same session")
        asm.send_answer_type(TYPE)
        asm.send(SEQUENCE)
        asm.send_rest(self._hello_answer[0], "hello answer")
        asm.jump("finish")

        asm.label("bad hello")
        for value in (TYPE_ERROR, SEQUENCE, TYPE, ErrorCode.BAD_LENGTH, *LENGTH, 0, 0):
            asm.send(value)
        asm.load(12 | 0xF0)  # the zeros behind any DETAIL
        asm.jump("refusal")

    def _rate(self) -> None:
        asm = self._asm
        clock_hz, baud_max = self._spec.controller.clock_hz, self._spec.link.baud_max
        size = -(-(clock_hz >> 1).bit_length() // 8)  # bytes of the numbers below, and more than those of any rate
        rest, trial = asm.number("rest", size), asm.number("trial", size)
        asm.label("rate")
        asm.copy(ANSWER_LENGTH[0], 0)
        self._jump_unless_length(RATE, "bad rate length")
        for index, byte in enumerate(VALUE):
            asm.copy(DETAIL[index], byte)
            if index < size:
                asm.add(asm.constants(clock_hz >> (PHASE_BITS + 1), size)[index], chain=index > 0)
                asm.store(rest[index])
        if size < len(VALUE):
            asm.jump_unless(Condition.ZERO, "bad rate")
        asm.compare(VALUE[:size], asm.constants(BAUD_MIN, size))
        asm.jump_unless(Condition.CARRY, "bad rate")
        asm.compare(asm.constants(baud_max, size), VALUE[:size])
        asm.jump("divide", Condition.CARRY)

        asm.label("bad rate")
        asm.copy(REFUSAL, ErrorCode.BAD_VALUE)
        asm.jump("refused rate")
        asm.label("bad rate length")
        asm.copies(DETAIL, (*LENGTH, 0, 0))
        asm.copy(REFUSAL, ErrorCode.BAD_LENGTH)
        asm.label("refused rate")
        asm.copy(ANSWER_LENGTH[1], 1 << REFUSED)
        asm.jump("remember")

        # step = baud 2**PHASE_BITS / clock_hz, rounded: long division, a bit a round, of all but two bits, which are 0.
        # A 1 in front of the bits comes out when they are all there.
        asm.label("divide")
        asm.copies((ANSWER_LENGTH[1], STEP[1], STEP[0]), (0, 0, 1))
        asm.label("round")
        asm.sums(rest, rest, rest)
        asm.compare(rest, asm.constants(clock_hz >> 2, size), trial)
        asm.jump_unless(Condition.CARRY, "less")
        asm.copies(rest, trial)
        asm.label("less")
        asm.sums(STEP, STEP, STEP, chain=True)
        asm.jump_unless(Condition.CARRY, "round")

    def _reply(self) -> None:
        asm = self._asm
        asm.label("remember")
        asm.load(self._expected)
        asm.add(1)
        asm.store(self._expected)
        asm.load(self._older)
        asm.subtract(self._spec.link.window + 1)
        asm.jump("answer", Condition.ZERO)
        asm.add(self._spec.link.window + 2)
        asm.store(self._older)

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
        asm.strobe(Strobe.FINISH | Strobe.POP | Strobe.FREE)
        asm.jump("change rate")

        asm.label("refused")
        asm.send(TYPE_ERROR)
        asm.send(SEQUENCE)
        asm.jump_different(REQUEST_TYPE, RATE.code, "finish")
        asm.send(REQUEST_TYPE)
        asm.send_rest(REFUSAL, "refusal")

        asm.label("finish")
        asm.strobe(Strobe.FINISH | Strobe.POP | Strobe.FREE)
        asm.jump("idle")

        asm.label("nak")
        asm.store(self._reason)
        self._no_payload(Strobe.NAK)
        for value in (TYPE_NAK, self._expected, self._expected, self._reason):
            asm.send(value)
        asm.jump_different(self._reason, NakReason.BAD_FRAME, "finish")
        asm.strobe(Strobe.FINISH | Strobe.POP)
        asm.load(self._chances)
        asm.jump("idle", Condition.ZERO)
        asm.subtract(1)
        asm.store(self._chances)
        asm.jump_unless(Condition.ZERO, "idle")
        asm.copies(self._step, self._old_step)
        asm.jump("set rate")

    def _change_rate(self) -> None:
        asm = self._asm
        asm.label("change rate")
        asm.copies(self._old_step, self._step)
        asm.copies(self._step, STEP)
        asm.copy(self._chances, PROVISIONAL_BAD_FRAMES)
        asm.label("set rate")
        asm.wait_while(Condition.SENDING)
        for byte, strobe in zip(self._step, (Strobe.STEP_LOW, Strobe.STEP_HIGH), strict=True):
            asm.load(byte)
            asm.strobe(strobe)
        asm.jump("idle")

    def _no_payload(self, strobes: int = 0) -> None:
        """Wait for the sender; the reply's payload is all in its head."""
        asm = self._asm
        asm.wait_while(Condition.BUSY)
        asm.load(0)
        asm.strobe(Strobe.LENGTH_LOW | Strobe.LENGTH_HIGH | strobes)

    def _jump_unless_length(self, command: Command, label: str) -> None:
        """If the payload is not as long as the command's, which has less than 256 bytes."""
        asm = self._asm
        asm.jump_different(LENGTH[0], command.request.header_bytes, label)
        asm.load(LENGTH[1])
        asm.jump_unless(Condition.ZERO, label)


def _hello_answer(spec: ChipSpec, emulated: bool) -> bytes:
    link = spec.link
    return HELLO.answer.pack(
        session=0,
        protocol=PROTOCOL_VERSION,
        window=link.window,
        payload=link.payload_bytes,
        baud_max=link.baud_max,
        emulated=emulated,
    )

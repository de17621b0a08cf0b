"""Frames in sequence, each executed exactly once: the rules of `ohmloom_emulator.controller.receiver.Receiver`."""

from functools import reduce

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import (
    ANSWER,
    DEFAULT_BAUD,
    HELLO,
    PROTOCOL_VERSION,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    ErrorCode,
    NakReason,
)
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.interfaces import RequestPort
from ohmloom_hdl.link import frames
from ohmloom_hdl.link.frames import QueuePort, ReplyPort
from ohmloom_hdl.link.uart import STEP_BAUD, step_bits

BAUD_MIN = 9_600
PROVISIONAL_BAD_FRAMES = 4  # at a new rate before its first good frame: then the old rate comes back

# Notes of an answer: words of an area, one a slot and one more for HELLO's, which is not remembered. What HELLO and RATE
# answer and why they refuse is here; other payloads are in the answer slot.
HEAD = 0  # type of the request, sequence number
LENGTH = 1  # of the payload in the answer slot
REFUSED = 15  # bit of LENGTH: the answer's type is TYPE_ERROR
HELLO_ANSWER = range(2, 9)
SESSION = HELLO_ANSWER[:2]
LIMITS = HELLO_ANSWER[2:]
REFUSAL = range(10, 15)  # command and code, detail
VALUE = REFUSAL[1:3]  # low part of the detail
RATE_ANSWER = VALUE
AREA = 16


class Dispatcher(wiring.Component):
    """Takes frames from `queue`, has requests executed and sends one reply a frame, in order.

    `step`: the line's rate. It changes after an answer to RATE, when that answer has gone (`drained`), and goes back when
    bad frames come instead of a good one.
    """

    def __init__(self, spec: ChipSpec, emulated: bool) -> None:
        self._spec, self._emulated, self._slots = spec, emulated, MemoryMap(spec).slots
        super().__init__(
            {
                "queue": In(QueuePort(spec)),
                "replies": Out(ReplyPort(spec)),
                "requests": Out(RequestPort(spec)),
                "step": Out(step_bits(spec.link.baud_max), init=DEFAULT_BAUD // STEP_BAUD),
                "drained": In(1),
                "count_good": Out(1),
                "count_bad": Out(1),
                "count_nak": Out(1),
                "count_repeat": Out(1),
            }
        )

    def _limits(self) -> list[int]:
        """Words of HELLO's answer behind the session."""
        link = self._spec.link
        answer = HELLO.answer.pack(
            session=0,
            protocol=PROTOCOL_VERSION,
            window=link.window,
            payload=link.payload_bytes,
            baud_max=link.baud_max,
            emulated=self._emulated,
        )
        return [int.from_bytes(answer[at : at + 2], "little") for at in range(4, len(answer), 2)]

    def elaborate(self, _platform):
        m = Module()
        queue, replies, requests = self.queue, self.replies, self.requests
        slot_bits = (self._slots - 1).bit_length()
        own = 1 << slot_bits  # HELLO's area
        depth = 2 * own * AREA
        init = [0] * depth
        init[own * AREA + LIMITS[0] : own * AREA + LIMITS[-1] + 1] = self._limits()
        m.submodules.notes = notes = memory.Memory(shape=16, depth=depth, init=init)
        write, read = notes.write_port(), notes.read_port()
        area = Signal(slot_bits + 1)
        note, entry = read.data, queue.entry

        request_type = Signal(8)
        expected = Signal(8)  # sequence number of the next request to execute
        remembered = Signal(range(self._spec.link.window + 1))
        session = Signal()
        provisional = Signal()
        bad_frames = Signal(range(PROVISIONAL_BAD_FRAMES))
        old_step = Signal.like(self.step)
        reason = Signal(NakReason)
        is_hello, is_rate = area[-1], Signal()
        refused, differs, at_least, beyond = Signal(), Signal(), Signal(), Signal()
        restore, at = Signal(), Signal(4)

        index, note_index = Signal(4), Signal(4)
        m.d.comb += [
            read.addr.eq(Cat(index, area)),
            write.addr.eq(Cat(note_index, area)),
            write.data.eq(entry),
            requests.type.eq(request_type),
            requests.length.eq(entry),
            requests.slot.eq(queue.slot),
            requests.answer_slot.eq(area[:slot_bits]),
            replies.slot.eq(area[:slot_bits]),
            replies.length.eq(note),
            queue.word.eq(frames.LENGTH),
        ]

        def take_note(word, data=None):
            m.d.comb += [note_index.eq(word), write.en.eq(1)]
            if data is not None:
                m.d.comb += write.data.eq(data)

        def remember():
            m.d.sync += expected.eq(expected + 1)
            with m.If(remembered != self._spec.link.window):
                m.d.sync += remembered.eq(remembered + 1)

        def nak(why):
            m.d.sync += reason.eq(why)
            m.next = "NAK"

        age = (expected - entry[8:])[:8]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [restore.eq(0), refused.eq(0), is_rate.eq(0), reason.eq(0)]
                with m.If(queue.waiting):
                    m.next = "ENTRY"
            with m.State("ENTRY"):
                m.d.comb += queue.word.eq(frames.HEAD)
                m.next = "FRAME"
                with m.If(entry[frames.BAD]):
                    m.d.comb += self.count_bad.eq(1)
                    m.d.sync += bad_frames.eq(bad_frames + 1)
                    with m.If(provisional & (bad_frames == PROVISIONAL_BAD_FRAMES - 1)):
                        m.d.sync += [restore.eq(1), provisional.eq(0)]
                    nak(NakReason.BAD_FRAME)
            with m.State("FRAME"):
                m.d.comb += [self.count_good.eq(1), queue.word.eq(frames.HEAD)]
                m.d.sync += [
                    provisional.eq(0),
                    request_type.eq(entry),
                    area.eq(Mux(entry[:8] == HELLO.code, own, entry[8 : 8 + slot_bits])),
                ]
                with m.If(entry[:8] == HELLO.code):
                    m.next = "OWN"
                with m.Elif(~session):
                    nak(NakReason.NO_SESSION)
                with m.Elif(age == 0):
                    m.next = "REQUEST"
                    with m.If(entry[:8] == RATE.code):
                        m.next = "OWN"
                with m.Elif(age <= remembered):
                    m.d.comb += self.count_repeat.eq(1)
                    m.next = "ANSWER"
                with m.Else():
                    nak(NakReason.OUT_OF_SEQUENCE)

            with m.State("REQUEST"):
                take_note(HEAD)
                with m.If(~(replies.busy & (replies.busy_slot == requests.answer_slot))):
                    m.next = "EXECUTE"
            with m.State("EXECUTE"):
                m.d.comb += requests.valid.eq(1)
                with m.If(requests.done):
                    take_note(LENGTH, requests.answer_length | (requests.answer_type == TYPE_ERROR) << REFUSED)
                    remember()
                    m.next = "ANSWER"

            # HELLO and RATE
            with m.State("OWN"):
                take_note(HEAD)
                m.next = "OWN LENGTH"
            with m.State("OWN LENGTH"):
                m.d.comb += [queue.word.eq(frames.VALUE[0]), index.eq(SESSION[0])]
                m.next = "VALUE LOW"
                with m.If(entry != Mux(is_hello, HELLO.request.header_bytes, RATE.request.header_bytes)):
                    take_note(VALUE[0])
                    m.d.sync += refused.eq(1)
                    m.next = "REFUSE LENGTH"
            with m.State("VALUE LOW"):
                take_note(Mux(is_hello, SESSION[0], VALUE[0]))
                m.d.comb += [queue.word.eq(frames.VALUE[1]), index.eq(SESSION[1])]
                m.d.sync += [
                    differs.eq(~session | (entry != note)),
                    at_least.eq(_at_least(entry, BAUD_MIN & 0xFFFF, 1)),
                    beyond.eq(_at_least(entry, self._spec.link.baud_max & 0xFFFF, 0)),
                ]
                m.next = "VALUE HIGH"
            with m.State("VALUE HIGH"):
                take_note(Mux(is_hello, SESSION[1], VALUE[1]))
                m.d.comb += queue.word.eq(frames.HEAD)
                m.next = "OWN DONE"
                with m.If(is_hello):
                    with m.If(differs | (entry != note)):
                        m.next = "SESSION"
                with m.Elif(
                    ~_at_least(entry, BAUD_MIN >> 16, at_least)
                    | _at_least(entry, self._spec.link.baud_max >> 16, beyond)
                ):
                    m.d.sync += refused.eq(1)
                    m.next = "REFUSE VALUE"
            with m.State("SESSION"):
                m.d.sync += [session.eq(1), remembered.eq(0), expected.eq(entry[8:])]
                m.next = "SESSION NEXT"
            with m.State("SESSION NEXT"):
                m.d.sync += expected.eq(expected + 1)
                m.next = "OWN DONE"
            with m.State("REFUSE LENGTH"):
                take_note(VALUE[1], 0)
                m.next = "REFUSE LENGTH CODE"
            with m.State("REFUSE LENGTH CODE"):
                take_note(REFUSAL[0], request_type | ErrorCode.BAD_LENGTH << 8)
                m.next = "OWN DONE"
            with m.State("REFUSE VALUE"):
                take_note(REFUSAL[0], request_type | ErrorCode.BAD_VALUE << 8)
                m.next = "OWN DONE"
            with m.State("OWN DONE"):
                take_note(LENGTH, refused << REFUSED)
                with m.If(~is_hello):
                    remember()
                m.next = "ANSWER"

            # Replies
            with m.State("ANSWER"):
                m.d.comb += index.eq(LENGTH)
                with m.If(~replies.busy):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [index.eq(HEAD), replies.load.eq(1)]
                m.d.sync += refused.eq(note[REFUSED])
                m.next = "TYPE"
            with m.State("TYPE"):
                m.d.comb += [
                    index.eq(HEAD),
                    replies.head.valid.eq(1),
                    replies.head.payload.eq(note[:8] | Mux(refused, TYPE_ERROR, ANSWER)),
                ]
                m.d.sync += is_rate.eq(note[:8] == RATE.code)
                with m.If(replies.head.ready):
                    m.next = "SEQUENCE"
            with m.State("SEQUENCE"):
                m.d.comb += [index.eq(HEAD), replies.head.valid.eq(1), replies.head.payload.eq(note[8:])]
                with m.If(refused):
                    m.d.sync += at.eq(REFUSAL[0])
                with m.Elif(is_hello):
                    m.d.sync += at.eq(HELLO_ANSWER[0])
                with m.Else():
                    m.d.sync += at.eq(RATE_ANSWER[0])
                with m.If(replies.head.ready):
                    m.next = "FINISH"
                    with m.If(is_hello | is_rate):
                        m.next = "WORD"
            with m.State("WORD"):
                m.d.comb += index.eq(at)
                m.next = "LOW"
            with m.State("LOW"):
                m.d.comb += [index.eq(at), replies.head.valid.eq(1), replies.head.payload.eq(note[:8])]
                with m.If(replies.head.ready):
                    m.next = "HIGH"
            with m.State("HIGH"):
                m.d.comb += [index.eq(at), replies.head.valid.eq(1), replies.head.payload.eq(note[8:])]
                with m.If(replies.head.ready):
                    m.d.sync += at.eq(at + 1)
                    m.next = "WORD"
                    with m.If(at == Mux(refused, REFUSAL[-1], Mux(is_hello, HELLO_ANSWER[-1], RATE_ANSWER[-1]))):
                        m.next = "FINISH"

            with m.State("NAK"):
                m.d.comb += replies.length.eq(0)
                with m.If(~replies.busy):
                    m.d.comb += [replies.load.eq(1), self.count_nak.eq(1)]
                    m.next = "NAK 0"
            for step, byte in enumerate((TYPE_NAK, expected, expected, reason)):
                with m.State(f"NAK {step}"):
                    m.d.comb += [replies.head.valid.eq(1), replies.head.payload.eq(byte)]
                    with m.If(replies.head.ready):
                        m.next = f"NAK {step + 1}" if step < 3 else "FINISH"

            with m.State("FINISH"):
                m.d.comb += [replies.finish.eq(1), queue.pop.eq(1), queue.free.eq(reason != NakReason.BAD_FRAME)]
                m.next = "IDLE"
                with m.If(restore | (is_rate & ~refused)):
                    m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += index.eq(RATE_ANSWER[0])
                with m.If(self.drained & ~replies.busy):
                    m.next = "RATE LOW"
            shift = STEP_BAUD.bit_length() - 1
            with m.State("RATE LOW"):
                m.d.comb += index.eq(RATE_ANSWER[1])
                with m.If(restore):
                    m.d.sync += self.step.eq(old_step)
                    m.next = "IDLE"
                with m.Else():
                    m.d.sync += [old_step.eq(self.step), self.step[: 16 - shift].eq(note[shift:])]
                    m.next = "RATE HIGH"
            with m.State("RATE HIGH"):
                m.d.sync += [self.step[16 - shift :].eq(note), provisional.eq(1), bad_frames.eq(0)]
                m.next = "IDLE"
        return m


def _at_least(value, limit, lower_bits):
    """Whether `value`, whose lower words have compared as `lower_bits` says, is at least `limit`: a chain of gates."""
    return reduce(
        lambda so_far, bit: (bit[0] & so_far) if limit >> bit[1] & 1 else (bit[0] | so_far),
        ((value[at], at) for at in range(len(value))),
        lower_bits,
    )

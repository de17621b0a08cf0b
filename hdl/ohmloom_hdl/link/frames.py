"""Frames (`ohmloom.link.frames`): bytes of the line become a queue of frames, answers become bytes of the line."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.counters import loaded_or_counted
from ohmloom_hdl.interfaces import StorePort, count_bits, index_bits
from ohmloom_hdl.link.cobs import CobsDecoder, CobsEncoder
from ohmloom_hdl.link.crc import Crc16
from ohmloom_hdl.link.instructions import NOTES_COMMON, NOTES_OF_SLOT

OVERHEAD = 4  # type, sequence number and CRC

# Bytes of an entry of the queue.
TYPE, SEQUENCE = 0, 1
LENGTH = 2, 3  # of the payload; in the upper byte BAD is set for a bad frame, of which nothing else is meant
BAD = 7
VALUE = 4, 5, 6, 7  # the payload's first bytes
ENTRY = 8


def notes_count(spec: ChipSpec) -> int:
    """A power of two."""
    return 2 * max(NOTES_COMMON, NOTES_OF_SLOT * MemoryMap(spec).slots)


class QueuePort(wiring.Signature):
    """Frames that came, in order.

    Byte `index` of the oldest one's entry is in `byte` a cycle later, while `waiting`; `pop` ends the entry. A good frame's
    payload is in request slot `slot`, which `free` gives back.

    The memory of entries has room for notes of who takes them: without `entry`, `index` is a note's, `write` sets it to `note`.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "waiting": Out(1),
                "index": In(index_bits(notes_count(spec))),
                "entry": In(1),
                "byte": Out(8),
                "write": In(1),
                "note": In(8),
                "slot": Out(index_bits(MemoryMap(spec).slots)),
                "pop": In(1),
                "free": In(1),
            }
        )


class ReplyPort(wiring.Signature):
    """Frames to send.

    `head` takes type, sequence number and what the payload has from elsewhere; `finish` ends that, and the first `length`
    bytes of answer slot `slot` end the payload. The length is given before, by bytes, with strobes of `load`. The frame is
    then `busy` until it is encoded, and its slot `busy_slot` may not change.
    """

    def __init__(self, spec: ChipSpec) -> None:
        slot = index_bits(MemoryMap(spec).slots)
        super().__init__(
            {
                "head": Out(stream.Signature(8)),
                "length": Out(8),
                "load": Out(2),
                "slot": Out(slot),
                "finish": Out(1),
                "busy": In(1),
                "busy_slot": In(slot),
            }
        )


class FrameReceiver(wiring.Component):
    """Bytes of the line in, frames out; their payloads go to request slots of the store.

    A frame that found no free slot is a bad one; one that found no room in the queue is forgotten, with a strobe of
    `forgotten`. A frame that is too long counts once, at its first byte too many.

    `data` has to stay after the strobe `valid` until the store has taken a byte. notes: those of `QueuePort`.
    """

    def __init__(self, spec: ChipSpec, notes: list[int]) -> None:
        memory_map = MemoryMap(spec)
        self._notes, self._notes_count = notes, notes_count(spec)
        self._longest, self._slots = spec.link.payload_bytes, memory_map.slots
        self._slot_words = memory_map.slot_bytes // 2
        self._entries = max(4 * self._slots, 16)  # so that there is room for bad frames
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "store": Out(StorePort(spec)),
                "queue": Out(QueuePort(spec)),
                "forgotten": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        # Notes, and behind them entries.
        m.submodules.entries = entries = BlockRam(
            shape=8, depth=self._notes_count + ENTRY * self._entries, init=self._notes
        )
        entry = Signal(range(ENTRY * self._entries))  # to be written
        entry_write = Signal()
        m.submodules.cobs = cobs = CobsDecoder()
        m.submodules.crc = crc = Crc16()

        # One bit more than an index, so that full and empty differ.
        entry_in, entry_out = (Signal(range(2 * self._entries)) for _ in range(2))
        slot_in, slot_out = (Signal(range(2 * self._slots)) for _ in range(2))
        room, slot_free = Signal(), Signal()
        m.d.comb += [
            room.eq(entry_in != entry_out ^ self._entries),
            slot_free.eq(slot_in != slot_out ^ self._slots),
            self.queue.waiting.eq(entry_in != entry_out),
            self.queue.slot.eq(slot_out[:-1]),
            self.queue.byte.eq(entries.data_r),
            entries.address_r.eq(self.queue.index),
            entries.address_w.eq(Mux(self.queue.write, self.queue.index, entry | self._notes_count)),
            entries.write.eq(self.queue.write | entry_write),
        ]
        with m.If(self.queue.entry):
            oldest = Cat(self.queue.index[: index_bits(ENTRY)], entry_out[:-1])
            m.d.comb += entries.address_r.eq(oldest | self._notes_count)
        m.d.sync += [entry_out.eq(entry_out + self.queue.pop), slot_out.eq(slot_out + self.queue.free)]

        # The last two bytes of a frame are its CRC; which they are is known only at its end. So bytes are used when
        # two more have come.
        last, before = Signal(8), Signal(8)
        count = Signal(signed(count_bits(self._longest) + 1), init=-OVERHEAD)  # payload bytes, if the frame ended here
        in_payload, in_head = ~count[-1], count[-1] & count[1]
        refused = Signal()  # no room for this frame
        skipping = Signal()  # to the end of a frame that is already in the queue
        pending, second, good = Signal(), Signal(), Signal()
        ready = Signal()  # no note is written in this cycle, an entry may be
        storing = Signal()  # a register, for the store's arbiter has long ways behind it
        m.d.comb += [
            good.eq(cobs.is_end & cobs.whole & in_payload & (crc.value == Cat(before, last)) & slot_free & ~refused),
            cobs.data.eq(self.data),
            crc.data.eq(before),
            self.store.valid.eq(storing),
            self.store.address.eq(Cat(count[1:][: index_bits(self._slot_words)], slot_in[:-1])),
            self.store.data_w.eq(before.replicate(2)),
            self.store.write.eq(Cat(~count[0], count[0])),
            entry.eq(Cat(count[0], in_payload & count[1], in_payload, entry_in[:-1])),
            entries.data_w.eq(Mux(self.queue.write, self.queue.note, before)),
            ready.eq(pending & ~self.queue.write),
        ]

        with m.If(self.valid):
            m.d.sync += pending.eq(1)
        with m.Elif(cobs.take):
            m.d.sync += pending.eq(0)

        with m.If(ready & ~skipping & (cobs.is_end | (cobs.is_body & (count == self._longest)))):
            length = Cat(count[:-1], Const(0, 15 - len(count[:-1])), ~good)
            m.d.comb += [
                cobs.take.eq(second),
                entry.eq(Cat(second, Const(LENGTH[0] >> 1, 2), entry_in[:-1])),
                entries.data_w.eq(Mux(second, length[8:], length[:8])),
                entry_write.eq(room),
                self.forgotten.eq(second & ~room),
            ]
            m.d.sync += second.eq(~second)
            with m.If(second):
                m.d.sync += [entry_in.eq(entry_in + room), slot_in.eq(slot_in + (good & room)), skipping.eq(1)]
        with m.Elif(ready & ~skipping & cobs.is_body):
            wanted = in_payload & room & slot_free & ~refused
            m.d.sync += storing.eq(wanted & ~cobs.take)
            m.d.comb += [
                cobs.take.eq(Mux(storing, self.store.ready, ~wanted)),
                crc.update.eq(cobs.take & (in_payload | in_head)),
                entry_write.eq(crc.update & room & (in_head | (count[2:] == 0))),
            ]
            with m.If(cobs.take):
                m.d.sync += [before.eq(last), last.eq(cobs.body), count.eq(count + 1)]
            with m.If(crc.update & ~(room & slot_free)):
                m.d.sync += refused.eq(1)
        with m.Else():
            m.d.comb += cobs.take.eq(ready)

        with m.If(cobs.take & cobs.is_end):
            m.d.comb += crc.clear.eq(1)
            m.d.sync += [count.eq(count.init), refused.eq(0), skipping.eq(0)]
        return m


class FrameSender(wiring.Component):
    """Frames in, bytes of the line out. `empty`: the last one has gone to the line."""

    def __init__(self, spec: ChipSpec) -> None:
        self._slots, self._slot_words = MemoryMap(spec).slots, MemoryMap(spec).slot_bytes // 2
        self._length = count_bits(spec.link.payload_bytes)
        super().__init__(
            {
                "replies": In(ReplyPort(spec)),
                "store": Out(StorePort(spec)),
                "line": Out(stream.Signature(8)),
                "empty": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.crc = crc = Crc16()
        m.submodules.cobs = cobs = CobsEncoder()
        wiring.connect(m, wiring.flipped(self.line), cobs.line)
        replies, content = self.replies, cobs.content

        left, loads = Signal(self._length), Signal()
        following = loaded_or_counted(left, -1, loads, replies.length.replicate(2))
        offset = Signal(range(2 * self._slot_words))
        slot_bits = (self._slots - 1).bit_length()
        m.d.comb += [
            replies.busy.eq(1),
            self.empty.eq(cobs.empty),
            crc.data.eq(content.payload.byte),
            self.store.address.eq(Cat(offset[1:], replies.busy_slot[:slot_bits], 1)),
        ]
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += [
                    replies.busy.eq(0),
                    content.valid.eq(replies.head.valid),
                    content.payload.byte.eq(replies.head.payload),
                    replies.head.ready.eq(content.ready),
                    crc.update.eq(content.valid & content.ready),
                ]
                m.d.sync += [offset.eq(0), replies.busy_slot.eq(replies.slot)]
                m.d.comb += loads.eq(1)
                with m.If(replies.load[0]):
                    m.d.sync += left[:8].eq(following[:8])
                with m.If(replies.load[1]):
                    m.d.sync += left[8:].eq(following[8:])
                with m.If(replies.finish):
                    m.next = "NEXT"
            with m.State("NEXT"):
                with m.If(left == 0):
                    m.next = "CRC LOW"
                with m.Elif(cobs.room):
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += self.store.valid.eq(1)
                with m.If(self.store.ready):
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [
                    content.valid.eq(1),
                    content.payload.byte.eq(self.store.data_r.word_select(offset[0], 8)),
                    crc.update.eq(content.ready),
                ]
                with m.If(content.ready):
                    m.d.sync += [left.eq(following), offset.eq(offset + 1)]
                m.next = "NEXT"  # a byte that was not taken at once is read again: the store's port is shared
            with m.State("CRC LOW"):
                m.d.comb += [content.valid.eq(1), content.payload.byte.eq(crc.value[:8])]
                with m.If(content.ready):
                    m.next = "CRC HIGH"
            with m.State("CRC HIGH"):
                m.d.comb += [content.valid.eq(1), content.payload.byte.eq(crc.value[8:])]
                with m.If(content.ready):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [content.valid.eq(1), content.payload.end.eq(1), crc.clear.eq(content.ready)]
                with m.If(content.ready):
                    m.next = "HEAD"
        return m

"""Frames (`ohmloom.link.frames`): bytes of the line become a queue of frames, answers become bytes of the line."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.interfaces import StorePort, count_bits, index_bits
from ohmloom_hdl.link.cobs import CobsDecoder, CobsEncoder
from ohmloom_hdl.link.crc import Crc16

OVERHEAD = 4  # type, sequence number and CRC

# Words of an entry of the queue.
HEAD = 0  # type, sequence number
LENGTH = 1  # of the payload; BAD is set for a bad frame, of which nothing else is meant
BAD = 15
VALUE = 2, 3  # the payload's first four bytes


class QueuePort(wiring.Signature):
    """Frames that came, in order.

    Word `word` of the oldest one's entry is in `entry` a cycle later, while `waiting`; `pop` ends the entry. A good frame's
    payload is in request slot `slot`, which `free` gives back.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "waiting": Out(1),
                "word": In(2),
                "entry": Out(16),
                "slot": Out(index_bits(MemoryMap(spec).slots)),
                "pop": In(1),
                "free": In(1),
            }
        )


class ReplyPort(wiring.Signature):
    """Frames to send.

    `load` names the answer slot whose first `length` bytes end the next frame's payload. What comes before them goes
    through `head`: type, sequence number and whatever the payload has from elsewhere; `finish` ends that. The frame is then
    `busy` until it is encoded, and its slot `busy_slot` may not change.
    """

    def __init__(self, spec: ChipSpec) -> None:
        slot = index_bits(MemoryMap(spec).slots)
        super().__init__(
            {
                "load": Out(1),
                "slot": Out(slot),
                "length": Out(count_bits(spec.link.payload_bytes)),
                "head": Out(stream.Signature(8)),
                "finish": Out(1),
                "busy": In(1),
                "busy_slot": In(slot),
            }
        )


class FrameReceiver(wiring.Component):
    """Bytes of the line in, frames out; their payloads go to request slots of the store.

    A frame that found no free slot is a bad one; one that found no room in the queue is forgotten, with a strobe of
    `forgotten`. A frame that is too long counts once, at its first byte too many.

    `data` has to stay after the strobe `valid` until the store has taken a byte.
    """

    def __init__(self, spec: ChipSpec) -> None:
        memory_map = MemoryMap(spec)
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
        m.submodules.entries = entries = memory.Memory(shape=16, depth=4 * self._entries, init=[])
        write, read = entries.write_port(granularity=8), entries.read_port()
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
            read.addr.eq(Cat(self.queue.word, entry_out[:-1])),
            self.queue.entry.eq(read.data),
        ]
        m.d.sync += [entry_out.eq(entry_out + self.queue.pop), slot_out.eq(slot_out + self.queue.free)]

        # The last two bytes of a frame are its CRC; which they are is known only at its end. So bytes are used when
        # two more have come.
        last, before = Signal(8), Signal(8)
        count = Signal(signed(count_bits(self._longest) + 1), init=-OVERHEAD)  # payload bytes, if the frame ended here
        refused = Signal()  # no room for this frame, or it was too long
        skipping = Signal()  # to the end of a frame that is already in the queue
        good = Signal()
        m.d.comb += [
            good.eq(cobs.is_end & cobs.whole & ~count[-1] & (crc.value == Cat(before, last)) & slot_free & ~refused),
            cobs.data.eq(self.data),
            crc.data.eq(before),
            self.store.address.eq(Cat(count[1:][: index_bits(self._slot_words)], slot_in[:-1])),
            self.store.data_w.eq(before.replicate(2)),
            self.store.write.eq(Cat(~count[0], count[0])),
        ]

        pending, put = Signal(), Signal()
        with m.If(self.valid):
            m.d.sync += pending.eq(1)
        with m.Elif(cobs.take):
            m.d.sync += pending.eq(0)

        with m.If(pending & cobs.is_end):
            m.d.comb += [cobs.take.eq(1), crc.clear.eq(1), put.eq(~skipping)]
            m.d.sync += [count.eq(count.init), refused.eq(0), skipping.eq(0)]
        with m.Elif(pending & cobs.is_body & ~skipping):
            used = Signal()
            m.d.comb += [
                used.eq(~count[-1] | count[1]),  # from count -2 on
                self.store.valid.eq(~count[-1] & room & slot_free & ~refused & (count != self._longest)),
                cobs.take.eq(~self.store.valid | self.store.ready),
            ]
            with m.If(count == self._longest):
                m.d.comb += put.eq(1)
                m.d.sync += skipping.eq(1)
            with m.Elif(cobs.take):
                m.d.comb += crc.update.eq(used)
                m.d.sync += [before.eq(last), last.eq(cobs.body), count.eq(count + 1)]
                with m.If(used & ~(room & slot_free)):
                    m.d.sync += refused.eq(1)
                with m.If(used & room & (count < 2 * len(VALUE))):
                    m.d.comb += write.en.eq(self.store.write)
        with m.Else():
            m.d.comb += cobs.take.eq(pending)

        m.d.comb += [
            write.addr.eq(Cat(Mux(count[-1], HEAD, Cat(count[1], 1)), entry_in[:-1])),
            write.data.eq(before.replicate(2)),
        ]
        with m.If(put):
            m.d.comb += [
                write.addr.eq(Cat(Const(LENGTH, 2), entry_in[:-1])),
                write.data.eq(Cat(count[:-1], 0)),
                write.data[BAD].eq(~good),
                write.en.eq(room.replicate(2)),
                self.forgotten.eq(~room),
            ]
            with m.If(room):
                m.d.sync += [entry_in.eq(entry_in + 1), slot_in.eq(slot_in + good)]
        return m


class FrameSender(wiring.Component):
    """Frames in, bytes of the line out. `empty`: the last one has gone to the line."""

    def __init__(self, spec: ChipSpec) -> None:
        self._slots, self._slot_words = MemoryMap(spec).slots, MemoryMap(spec).slot_bytes // 2
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

        left = Signal.like(replies.length)
        offset = Signal(range(2 * self._slot_words))
        slots_bits = (self._slots - 1).bit_length()
        m.d.comb += [
            crc.data.eq(content.payload.byte),
            self.store.address.eq(Cat(offset[1:], replies.busy_slot[:slots_bits], 1)),
        ]
        m.d.comb += replies.busy.eq(1)
        with m.FSM():
            with m.State("HEAD"):
                m.d.comb += [
                    replies.busy.eq(0),
                    self.empty.eq(cobs.empty),
                    content.valid.eq(replies.head.valid),
                    content.payload.byte.eq(replies.head.payload),
                    replies.head.ready.eq(content.ready),
                    crc.update.eq(content.valid & content.ready),
                ]
                with m.If(replies.load):
                    m.d.sync += [left.eq(replies.length), replies.busy_slot.eq(replies.slot), offset.eq(0)]
                with m.If(replies.finish):
                    m.next = "READ"
            with m.State("READ"):
                with m.If(left == 0):
                    m.next = "CRC LOW"
                with m.Elif(cobs.room):
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
                    m.d.sync += [left.eq(left - 1), offset.eq(offset + 1)]
                m.next = "READ"  # a byte that was not taken at once is read again: the store's port is shared
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

"""Who executes a request: the command processor, or the firmware, which may have the command processor execute others meanwhile."""

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.core import FIRMWARE_COMMANDS
from ohmloom_hdl.interfaces import RequestPort


class Mailbox(wiring.Component):
    """Between the link and the command processor.

    A request with one of the firmware's types is shown to it as `pending` while it is `alive`; all others pass straight through, so
    they never wait for it. `call` has the command processor execute `word` in the slots of the pending request, with its answer at
    `place`, and `called` is then its answer; `answer` ends the request with `word`. `abandon`: the command processor executes the
    pending request after all, and refuses it.

    Raises ValueError for a payload whose length does not fit the words.
    """

    def __init__(self, spec: ChipSpec) -> None:
        port = RequestPort(spec)
        self._length = port.members["length"].shape
        if self._length > 16:
            raise ValueError(
                f"{spec.name}: payloads of {spec.link.payload_bytes} bytes; a word has 16 bits for their length"
            )
        word = data.StructLayout({"type": 8, "length": self._length})
        place = data.StructLayout({name: port.members[name].shape for name in ("head", "upper")})
        super().__init__(
            {
                "link": In(port),
                "commands": Out(port),
                "alive": In(1),
                "abandon": In(1),
                "pending": Out(1),
                "calling": Out(1),
                "word": In(word),
                "place": In(place),
                "call": In(1),
                "answer": In(1),
                "called": Out(word),
            }
        )

    def elaborate(self, platform):
        m = Module()
        link, commands, held = self.link, self.commands, self.called
        place = Signal.like(self.place)
        shown = Signal()  # requests go to the firmware; changes between them only
        with m.If(self.abandon):
            m.d.sync += shown.eq(0)
        with m.Elif(~link.valid):
            m.d.sync += shown.eq(self.alive)

        m.d.comb += [
            self.pending.eq(link.valid & shown & (link.type[4:] == FIRMWARE_COMMANDS >> 4)),
            commands.valid.eq((link.valid & ~self.pending) | self.calling),
            commands.slot.eq(link.slot),
            commands.answer_slot.eq(link.answer_slot),
            commands.type.eq(link.type),
            commands.length.eq(link.length),
            link.done.eq(commands.done),
            link.answer_type.eq(commands.answer_type),
            link.answer_length.eq(commands.answer_length),
        ]
        with m.If(self.calling):
            m.d.comb += [
                commands.type.eq(held.type),
                commands.length.eq(held.length),
                commands.head.eq(place.head),
                commands.upper.eq(place.upper),
            ]
        with m.If(self.pending):
            m.d.comb += [
                link.done.eq(self.answer),
                link.answer_type.eq(self.word.type),
                link.answer_length.eq(self.word.length),
            ]
        with m.If(self.call & self.pending):
            m.d.sync += [self.calling.eq(1), held.eq(self.word), place.eq(self.place)]
        with m.Elif(self.calling & commands.done):
            m.d.sync += [
                self.calling.eq(0),
                held.type.eq(commands.answer_type),
                held.length.eq(commands.answer_length),
            ]
        return m

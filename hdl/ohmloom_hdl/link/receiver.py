"""The controller's end of the link: `Protocol` on a stream of bytes, `Link` on a UART's pins."""

from amaranth import Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import RequestPort, StorePort
from ohmloom_hdl.link.dispatcher import Dispatcher
from ohmloom_hdl.link.frames import FrameReceiver, FrameSender
from ohmloom_hdl.link.rules import Rules
from ohmloom_hdl.link.uart import STEP_BITS, UartReceiver, UartTransmitter, step_of

COUNTS = "count_good", "count_bad", "count_nak", "count_repeat"


class Protocol(wiring.Component):
    """Executes the frames in `data`, a byte of the line with each strobe of `valid`, and answers on `line`.

    As `ohmloom_emulator.controller.receiver.Receiver` does. Requests lie in request slots of the store while `requests`
    names them one by one; answers are read from answer slots. Bytes are received, one request is executed and earlier
    answers are sent at the same time. A refusal that comes with `requests.done` has type TYPE_ERROR, every other answer
    its request's type and ANSWER.

    `step` is the line's rate (`uart`), which changes when everything has been sent: `idle` says so for what has left `line`.
    `busy`: a frame waits or is executed, or an answer is sent. `emulated` is what HELLO says of the fabric.

    `count_*` strobe when a frame is taken up, which is before it is executed, so that counters tell of all frames up to
    this one.

    `data` has to stay until the store has taken a byte. At most two accesses a byte's time come in the long run.
    """

    def __init__(self, spec: ChipSpec, emulated: bool = False) -> None:
        self._spec, self._rules = spec, Rules(spec, emulated)
        super().__init__(
            {
                "data": In(8),
                "valid": In(1),
                "line": Out(stream.Signature(8)),
                "idle": In(1),
                "busy": Out(1),
                "step": Out(STEP_BITS),
                "store": Out(StorePort(spec)),
                "requests": Out(RequestPort(spec)),
                **{name: Out(1) for name in COUNTS},
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver(self._spec, self._rules.notes)
        m.submodules.sender = sender = FrameSender(self._spec)
        m.submodules.dispatcher = dispatcher = Dispatcher(self._spec, self._rules.program)
        wiring.connect(m, dispatcher.queue, receiver.queue)
        wiring.connect(m, dispatcher.replies, sender.replies)
        wiring.connect(m, wiring.flipped(self.requests), dispatcher.requests)
        wiring.connect(m, wiring.flipped(self.line), sender.line)
        m.d.comb += [
            receiver.data.eq(self.data),
            receiver.valid.eq(self.valid),
            dispatcher.drained.eq(sender.empty & self.idle),
            self.busy.eq(receiver.queue.waiting | sender.replies.busy | ~dispatcher.drained),
            self.step.eq(dispatcher.step),
            *(getattr(self, name).eq(getattr(dispatcher, name)) for name in COUNTS),
        ]
        with m.If(receiver.forgotten):
            m.d.comb += self.count_bad.eq(1)

        # A received byte cannot wait, one to send can.
        received, sent = receiver.store, sender.store
        m.d.comb += [
            self.store.valid.eq(received.valid | sent.valid),
            self.store.address.eq(Mux(received.valid, received.address, sent.address)),
            self.store.write.eq(Mux(received.valid, received.write, 0)),
            self.store.data_w.eq(received.data_w),
            received.ready.eq(self.store.ready),
            sent.ready.eq(self.store.ready & ~received.valid),
            sent.data_r.eq(self.store.data_r),
        ]
        return m


class Link(wiring.Component):
    """`Protocol` on a UART, with its `busy`. The store has to take a received byte within one and a half bits' time.

    Raises ValueError for a clock that is too slow for the highest rate.
    """

    def __init__(self, spec: ChipSpec, emulated: bool = False) -> None:
        step_of(spec.link.baud_max, spec.controller.clock_hz)
        self._protocol = Protocol(spec, emulated)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "busy": Out(1),
                "store": Out(StorePort(spec)),
                "requests": Out(RequestPort(spec)),
                **{name: Out(1) for name in COUNTS},
            }
        )

    def elaborate(self, _platform):
        m = Module()
        m.submodules.protocol = protocol = self._protocol
        m.submodules.uart_rx = uart_rx = UartReceiver()
        m.submodules.uart_tx = uart_tx = UartTransmitter()
        wiring.connect(m, protocol.line, uart_tx.bytes)
        wiring.connect(m, wiring.flipped(self.store), protocol.store)
        wiring.connect(m, wiring.flipped(self.requests), protocol.requests)
        m.d.comb += [
            uart_rx.rx.eq(self.rx),
            self.tx.eq(uart_tx.tx),
            uart_rx.step.eq(protocol.step),
            uart_tx.step.eq(protocol.step),
            protocol.data.eq(uart_rx.data),
            protocol.valid.eq(uart_rx.valid),
            protocol.idle.eq(uart_tx.idle),
            self.busy.eq(protocol.busy),
            *(getattr(self, name).eq(getattr(protocol, name)) for name in COUNTS),
        ]
        return m

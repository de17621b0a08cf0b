"""The controller's end of the link."""

from amaranth import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import RequestPort, StorePort
from ohmloom_hdl.link.dispatcher import Dispatcher
from ohmloom_hdl.link.frames import FrameReceiver, FrameSender
from ohmloom_hdl.link.rules import Rules
from ohmloom_hdl.link.uart import UartReceiver, UartTransmitter, step_of


class Link(wiring.Component):
    """Executes what comes on `rx` and answers on `tx`, as `ohmloom_emulator.controller.receiver.Receiver` does.

    Requests lie in request slots of the store while `requests` names them one by one; answers are read from answer slots.
    Bytes are received, one request is executed and earlier answers are sent at the same time. A refusal that comes with
    `requests.done` has type TYPE_ERROR, every other answer its request's type and ANSWER.

    `count_*` strobe when a frame is taken up, which is before it is executed, so that counters tell of all frames up to
    this one. `emulated` is what HELLO says of the fabric.

    The store has to serve within eight bits' time. At most two accesses a byte's time come in the long run.
    """

    def __init__(self, spec: ChipSpec, emulated: bool = False) -> None:
        step_of(spec.link.baud_max, spec.controller.clock_hz)  # raises ValueError for a clock that is too slow
        self._spec, self._emulated = spec, emulated
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "store": Out(StorePort(spec)),
                "requests": Out(RequestPort(spec)),
                "count_good": Out(1),
                "count_bad": Out(1),
                "count_nak": Out(1),
                "count_repeat": Out(1),
            }
        )

    def elaborate(self, _platform):
        m = Module()
        rules = Rules(self._spec, self._emulated)
        m.submodules.uart_rx = uart_rx = UartReceiver()
        m.submodules.uart_tx = uart_tx = UartTransmitter()
        m.submodules.receiver = receiver = FrameReceiver(self._spec)
        m.submodules.sender = sender = FrameSender(self._spec)
        m.submodules.dispatcher = dispatcher = Dispatcher(self._spec, rules.program, rules.notes)
        wiring.connect(m, dispatcher.queue, receiver.queue)
        wiring.connect(m, dispatcher.replies, sender.replies)
        wiring.connect(m, wiring.flipped(self.requests), dispatcher.requests)
        wiring.connect(m, sender.line, uart_tx.bytes)
        m.d.comb += [
            uart_rx.rx.eq(self.rx),
            self.tx.eq(uart_tx.tx),
            uart_rx.step.eq(dispatcher.step),
            uart_tx.step.eq(dispatcher.step),
            receiver.data.eq(uart_rx.data),
            receiver.valid.eq(uart_rx.valid),
            dispatcher.drained.eq(sender.empty & uart_tx.idle),
            self.count_good.eq(dispatcher.count_good),
            self.count_bad.eq(dispatcher.count_bad | receiver.forgotten),
            self.count_nak.eq(dispatcher.count_nak),
            self.count_repeat.eq(dispatcher.count_repeat),
        ]

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

"""The controller with registered pads in plain logic: what `ohmloom build --verilog` writes."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.pads import AfePads, PadPins
from ohmloom_hdl.top import Controller


class PlainTop(wiring.Component):
    """Ports `rx`, `tx` and `PadPins`. Its clock is `spec.controller.clock_hz`; reset is synchronous."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), **PadPins(spec).members})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.controller = controller = Controller(self._spec)
        m.submodules.pads = pads = AfePads(self._spec)
        wiring.connect(m, controller.pins, pads.afe)
        m.d.comb += [controller.rx.eq(self.rx), self.tx.eq(controller.tx)]
        for name, member in PadPins(self._spec).members.items():
            inner, outer = getattr(pads, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)
        return m

"""The controller with registered pads in plain logic: what `ohmloom build --verilog` writes."""

from collections.abc import Sequence

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom_hdl.pads import AfePads, PadPins
from ohmloom_hdl.soc.flash import FlashPins
from ohmloom_hdl.top import Controller


class PlainTop(wiring.Component):
    """Ports `rx`, `tx`, `PadPins` and, with a boot ROM, `flash`. Its clock is `spec.controller.clock_hz`; reset is synchronous."""

    def __init__(self, spec: ChipSpec, rom: Sequence[int] = ()) -> None:
        self._spec, self._rom = spec, rom
        flash = {"flash": Out(FlashPins())} if rom else {}
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), **flash, **PadPins(spec).members})

    def elaborate(self, _platform):
        m = Module()
        m.submodules.controller = controller = Controller(self._spec, rom=self._rom)
        m.submodules.pads = pads = AfePads(self._spec)
        connect(m, controller.pins, pads.afe)
        if self._rom:
            connect(m, controller.flash, flipped(self.flash))
        m.d.comb += [controller.rx.eq(self.rx), self.tx.eq(controller.tx)]
        for name, member in PadPins(self._spec).members.items():
            inner, outer = getattr(pads, name), getattr(self, name)
            m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)
        return m

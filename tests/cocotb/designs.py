"""Parts of the gateware with pins, as modules to simulate."""

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ohmloom.spec import ChipSpec
from ohmloom_hdl.afe.front_end import FrontEnd
from ohmloom_hdl.interfaces import AfePort, SafetyControl
from ohmloom_hdl.pads import BUSES, AfePads, PadPins
from ohmloom_hdl.safety.safety import PINS as SAFETY_PINS
from ohmloom_hdl.safety.safety import Safety


class AnalogFrontEnd(wiring.Component):
    """The front end, the safety block and pads: engines on one side, parts on the other."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__(
            {"engine": In(AfePort(spec)), "control": In(SafetyControl()), "ready": Out(1), **PadPins(spec).members}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.front_end = front_end = FrontEnd(self._spec)
        m.submodules.safety = safety = Safety(self._spec)
        m.submodules.pads = pads = AfePads(self._spec)
        connect(m, front_end.out, safety.out)
        connect(m, front_end.afe, flipped(self.engine))
        connect(m, safety.control, flipped(self.control))
        connect(m, pads.afe.adc, front_end.adc)
        m.d.comb += [
            front_end.sdo.eq(pads.afe.sdo),
            front_end.tripped.eq(safety.control.tripped),
            self.ready.eq(safety.out.ready),
        ]
        for name in SAFETY_PINS:
            pin, pad = getattr(safety, name), getattr(pads.afe, name)
            if name in BUSES:
                connect(m, pin, pad)
            else:
                m.d.comb += pin.eq(pad) if name == "over_current" else pad.eq(pin)
        for name, member in PadPins(self._spec).members.items():
            mine, its = getattr(self, name), getattr(pads, name)
            m.d.comb += its.eq(mine) if member.flow is In else mine.eq(its)
        return m

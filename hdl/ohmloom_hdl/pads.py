"""Registered pads of the analog front end, in plain logic: for simulation, and for Verilog that another flow takes further."""

from amaranth import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import AfePins

# From a bit's cycle at an ADC's port to the cycle in which `AfePins.sdo` shows it: one register out, one in. The I/O cells
# of the iCE40 do the same; where they have more stages, as the ECP5's DDR outputs, `AdcDriver` is told.
PADS_CYCLES = 2


BUSES = ("row_dac", "rail_dac", "adc", "switch")


class PadPins(wiring.Signature):
    """The plain pins: BUS_sclk, BUS_sync_n and BUS_din of each serial bus, adc_sdo, and those that `AfePins` has."""

    def __init__(self, spec: ChipSpec) -> None:
        ports = AfePins(spec).members
        pins = {"adc_sdo": In(ports["sdo"].shape)}
        for bus in BUSES:
            data = ports[bus].signature.members["data"].shape
            pins |= {f"{bus}_sclk": Out(1), f"{bus}_sync_n": Out(1, init=1), f"{bus}_din": Out(data)}
        super().__init__(pins | {name: ports[name] for name in ("switch_reset_n", "pulse_gate", "over_current")})


class AfePads(wiring.Component):
    """Pads between an `AfePins` port, on which they show the outputs of the cycle before, and `PadPins`.

    Serial clocks change with both edges of the controller's clock, without glitches: two registers, of which only one
    changes at each edge, and their exclusive or. `adc_sdo` is registered; `over_current` passes as it is.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__({"afe": In(AfePins(spec)), **PadPins(spec).members})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.fall = ClockDomain(clk_edge="neg", local=True)
        m.d.comb += [ClockSignal("fall").eq(ClockSignal()), ResetSignal("fall").eq(ResetSignal())]
        for bus in BUSES:
            port = getattr(self.afe, bus)
            select_n = Signal(init=1)
            data = Signal.like(port.data)
            m.d.sync += [select_n.eq(port.select_n), data.eq(port.data)]
            m.d.comb += [getattr(self, f"{bus}_sync_n").eq(select_n), getattr(self, f"{bus}_din").eq(data)]
            risen, fallen, low = Signal(), Signal(), Signal()
            m.d.sync += [risen.eq(port.clock_high ^ fallen), low.eq(port.clock_low)]
            m.d.fall += fallen.eq(low ^ risen)
            m.d.comb += getattr(self, f"{bus}_sclk").eq(risen ^ fallen)
        reset_n, gate = Signal(), Signal()
        m.d.sync += [reset_n.eq(self.afe.switch_reset_n), gate.eq(self.afe.pulse_gate), self.afe.sdo.eq(self.adc_sdo)]
        m.d.comb += [
            self.switch_reset_n.eq(reset_n),
            self.pulse_gate.eq(gate),
            self.afe.over_current.eq(self.over_current),
        ]
        return m

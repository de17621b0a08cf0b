"""Registered pads of the analog front end, in plain logic: for simulation, and for Verilog that another flow takes further."""

from amaranth import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import AfePins

# From a bit's cycle at an ADC's port to the cycle in which `AfePins.sdo` shows it: one register out, one in. The I/O cells
# of the iCE40 do the same; where they have more stages, as the ECP5's DDR outputs, `AdcDriver` is told.
PADS_CYCLES = 2


class AfePads(wiring.Component):
    """Pins `BUS_sclk`, `BUS_sync_n` and `BUS_din` of each serial bus, `adc_sdo`, and the three single ones.

    Outputs show the cycle before; `adc_sdo` is registered. Serial clocks change with both edges of the controller's clock,
    without glitches: two registers, of which only one changes at each edge, and their exclusive or.
    """

    BUSES = ("row_dac", "rail_dac", "adc", "switch")

    def __init__(self, spec: ChipSpec) -> None:
        ports = AfePins(spec)
        members = {
            "afe": In(ports),
            "adc_sdo": In(spec.afe.column_adcs),
            "switch_reset_n": Out(1),
            "pulse_gate": Out(1),
            "over_current": In(1),
        }
        for bus in self.BUSES:
            lines = ports.members[bus].signature.members["data"].shape
            members |= {f"{bus}_sclk": Out(1), f"{bus}_sync_n": Out(1), f"{bus}_din": Out(lines)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.fall = ClockDomain(clk_edge="neg", local=True)
        m.d.comb += [ClockSignal("fall").eq(ClockSignal()), ResetSignal("fall").eq(ResetSignal())]
        for bus in self.BUSES:
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

"""Chains of ADG714 switches (data sheet Rev. E: serial interface, daisy-chaining)."""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec.chip import Switch
from ohmloom_hdl.afe.parts import check_clock
from ohmloom_hdl.interfaces import SpiPort


class SwitchChains(wiring.Component):
    """Chains that are shifted together, one bit of each a transfer; the parts take over what they hold when SYNC rises.

    A bit is on DIN in the cycle of its transfer, and is sampled by the falling clock edge in its middle; while no bit comes,
    the clock is high and DIN low. SYNC falls with the first bit and rises in the cycle after `latch`, which may come with
    the last bit; `updated` strobes then, and no bit is taken in that cycle. `abort` raises SYNC likewise, for a reset of
    the parts. selected: bits have been taken that the parts have not taken over yet.
    """

    def __init__(self, part: Switch, clock_hz: int, chains: int) -> None:
        check_clock(part, clock_hz)
        super().__init__(
            {
                "bits": In(stream.Signature(chains)),
                "latch": In(1),
                "abort": In(1),
                "updated": Out(1),
                "selected": Out(1),
                "pins": Out(SpiPort(chains)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        shift = Signal()
        m.d.comb += [
            self.bits.ready.eq(~self.updated),
            shift.eq(self.bits.valid & self.bits.ready),
            self.pins.select_n.eq(~(self.selected | shift)),
            self.pins.clock_high.eq(1),
            self.pins.clock_low.eq(~shift),
            self.pins.data.eq(Mux(shift, self.bits.payload, 0)),
        ]
        m.d.sync += [
            self.updated.eq(self.latch),
            self.selected.eq((self.selected | shift) & ~self.latch & ~self.abort),
        ]
        return m

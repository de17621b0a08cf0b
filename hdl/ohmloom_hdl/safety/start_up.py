"""From DACs in any state to row DACs that hold Vmid and rails that hold nothing."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.dac import ALL_CHANNELS, DacCommand


class StartUp(wiring.Component):
    """While `run` is high: brings the DACs to rest, then raises `ready`. Starts anew when `run` goes low.

    Three frames go to the row DACs and the rail DAC at once, each when `idle`: the DACs take a frame. They turn the
    references on; set all row channels to Vmid and all rails to 0; set the word lines' reading level. Then it waits for
    `settled`.

    frame: one is sent in this cycle, with `command`; the rows' code is always Vmid, the rails' each channel's clamp: 0 for
    all channels at once, the reading level for the word lines.
    active: the DACs' frames are its own.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "run": In(1),
                "idle": In(1),
                "settled": In(1),
                "frame": Out(1),
                "command": Out(DacCommand),
                "row_address": Out(4),
                "rail_address": Out(4),
                "active": Out(1),
                "ready": Out(1),
            }
        )
        self.step = Signal(2)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += [
            self.frame.eq(self.run & self.idle & (self.step != 3)),
            self.command.eq(Mux(self.step == 0, DacCommand.REFERENCE, DacCommand.WRITE_UPDATE_ALL)),
            self.row_address.eq(Mux(self.step == 0, 0, ALL_CHANNELS)),
            self.rail_address.eq(Mux(self.step == 0, 0, Mux(self.step == 1, ALL_CHANNELS, Rail.READ_GATE))),
            self.active.eq((self.step != 0) & ~self.ready),
        ]
        with m.If(~self.run):
            m.d.sync += [self.step.eq(0), self.ready.eq(0)]
        with m.Else():
            with m.If(self.frame):
                m.d.sync += self.step.eq(self.step + 1)
            with m.If((self.step == 3) & self.idle & self.settled):
                m.d.sync += self.ready.eq(1)
        return m

"""From DACs in any state to row DACs that hold Vmid and rails that hold nothing."""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.dac import ALL_CHANNELS, DacCommand

FRAMES = 4


class StartUp(wiring.Component):
    """While `run` is high: brings the DACs to rest, then raises `ready`. Starts anew when `run` goes low.

    Frames that wait for each other: the references of the row DACs and the rail DAC are turned on; all row channels are
    set to Vmid; all rails to 0; then the word lines' reading level. Then it waits for `settled`. The rails are the last,
    so that their settling is also that of the rows.

    frame: offered in this cycle; it is taken when `idle`. The rows' code is always Vmid, the rails' each channel's clamp:
    0 for all channels at once, the reading level for the word lines. active: the DACs' frames are its own.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "run": In(1),
                "idle": In(1),
                "settled": In(1),
                "frame": Out(1),
                "command": Out(DacCommand),
                "address": Out(4),
                "rows": Out(1),
                "rails": Out(1),
                "active": Out(1),
                "ready": Out(1),
            }
        )
        self.step = Signal(range(FRAMES + 1))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += [
            self.frame.eq(self.run & (self.step != FRAMES)),
            self.command.eq(Mux(self.step == 0, DacCommand.REFERENCE, DacCommand.WRITE_UPDATE_ALL)),
            self.address.eq(Mux(self.step == 3, Rail.READ_GATE, ALL_CHANNELS)),
            self.rows.eq((self.step == 0) | (self.step == 1)),
            self.rails.eq(self.step != 1),
            self.active.eq((self.step != 0) & ~self.ready),
        ]
        with m.If(~self.run):
            m.d.sync += [self.step.eq(0), self.ready.eq(0)]
        with m.Elif(self.idle):
            m.d.sync += self.step.eq(self.step + self.frame)
            with m.If((self.step == FRAMES) & self.settled):
                m.d.sync += self.ready.eq(1)
        return m

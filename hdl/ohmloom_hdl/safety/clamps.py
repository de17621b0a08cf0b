"""The clamps of DAC codes: what goes beyond is sent as the clamp itself."""

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import Rail
from ohmloom_hdl.interfaces import CODE


def exceeds(value: Value, limit: int) -> Value:
    """An unsigned `value` is above a constant limit; bit by bit, which takes fewer cells than a subtraction."""
    if limit >> len(value):
        return C(0)
    above = C(0)
    for index in range(len(value)):
        above = above & value[index] if limit >> index & 1 else above | value[index]
    return above


class RowClamp(wiring.Component):
    """DAC code of a signed row code: within +-spec.read_clamp around Vmid, which is the middle of the DAC's range."""

    def __init__(self, spec: ChipSpec) -> None:
        self._clamp = spec.read_clamp
        super().__init__({"code": In(signed(CODE)), "dac_code": Out(CODE)})

    def elaborate(self, platform) -> Module:
        m = Module()
        vmid = 1 << (CODE - 1)
        dac_code = Cat(self.code[:-1], ~self.code[-1])
        m.d.comb += self.dac_code.eq(dac_code)
        with m.If(exceeds(dac_code, vmid + self._clamp)):
            m.d.comb += self.dac_code.eq(vmid + self._clamp)
        with m.If(~exceeds(dac_code, vmid - self._clamp)):
            m.d.comb += self.dac_code.eq(vmid - self._clamp)
        return m


def rail_clamps(spec: ChipSpec) -> dict[Rail, int]:
    """Largest code of each rail outside of forming. Channels without a rail carry nothing."""
    limits = spec.limits
    return {
        Rail.SET: spec.rail_code(limits.set_v),
        Rail.RESET: spec.rail_code(limits.reset_v),
        Rail.GATE: spec.rail_code(limits.gate_v),
        Rail.READ_GATE: spec.rail_code(limits.gate_v),
    }


class RailClamp(wiring.Component):
    """Rail code within the clamp of its channel; that of SET is the forming clamp while `form` is high.

    most: the clamp itself is given out, whatever the code; for channels other than SET. forming_level: the code given out
    is one of SET beyond the SET clamp.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        bits = spec.rail_dac.bits
        super().__init__(
            {
                "channel": In(4),
                "form": In(1),
                "code": In(bits),
                "most": In(1),
                "clamped": Out(bits),
                "forming_level": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        clamps, form_clamp = rail_clamps(self._spec), self._spec.rail_code(self._spec.limits.form_v)
        limit, beyond, forms = Signal.like(self.code), Signal(), (self.channel == Rail.SET) & self.form

        def clamp(code: int) -> None:
            m.d.comb += [limit.eq(code), beyond.eq(exceeds(self.code, code) if code else 1)]

        with m.Switch(self.channel):
            for rail, code in clamps.items():
                with m.Case(rail):
                    clamp(code)
            with m.Default():
                clamp(0)
        with m.If(forms):
            clamp(form_clamp)
            if form_clamp > clamps[Rail.SET]:
                m.d.comb += self.forming_level.eq(exceeds(self.code, clamps[Rail.SET]))
        m.d.comb += self.clamped.eq(Mux(beyond | self.most, limit, self.code))
        return m


class RailLevel(wiring.Component):
    """Follows what the rail DAC is sent: `forming_level` while the SET rail may be beyond the SET clamp.

    frame: one is taken; writes_set: to SET's input register, with a code that is `above` the SET clamp or not; update:
    all outputs take over their input registers, which are followed apart since an update may come with another
    channel's frame.
    """

    frame: In(1)
    writes_set: In(1)
    above: In(1)
    update: In(1)
    forming_level: Out(1)

    def __init__(self) -> None:
        super().__init__()
        self.written = Signal()

    def elaborate(self, platform) -> Module:
        m = Module()
        written = Mux(self.writes_set, self.above, self.written)
        with m.If(self.frame):
            m.d.sync += self.written.eq(written)
            with m.If(self.update):
                m.d.sync += self.forming_level.eq(written)
        return m

"""What forbids energy in the array: the trip latch, the watchdog that sets it, and the forming interlock."""

from fractions import Fraction

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec, registers
from ohmloom_hdl.afe.parts import cycles
from ohmloom_hdl.interfaces import count_bits

CAUSES = (registers.TRIP_CAUSE_OVER_CURRENT, registers.TRIP_CAUSE_WATCHDOG, registers.TRIP_CAUSE_HOST)


class TripLatch(wiring.Component):
    """Holds the causes of a trip, as bits of register trip_cause, until `clear`, which leaves those that last.

    trips: a cause is there in this cycle; it is latched with the next edge.
    """

    over_current: In(1)
    watchdog: In(1)
    host: In(1)
    clear: In(1)
    trips: Out(1)
    tripped: Out(1)
    cause: Out(len(CAUSES))

    def elaborate(self, platform) -> Module:
        m = Module()
        source = {
            registers.TRIP_CAUSE_OVER_CURRENT: self.over_current,
            registers.TRIP_CAUSE_WATCHDOG: self.watchdog,
            registers.TRIP_CAUSE_HOST: self.host,
        }
        causes = Cat(source[field] for field in sorted(source, key=lambda field: field.lsb))
        m.d.comb += [self.trips.eq(causes.any()), self.tripped.eq(self.cause.any())]
        m.d.sync += self.cause.eq(causes | Mux(self.clear, 0, self.cause))
        return m


def watchdog_cycles(spec: ChipSpec) -> int:
    """Cycles without progress that end an operation: a power of two, at least twice what the longest step takes.

    That is a forming pulse with its rest, or a drive through all tiles with the conversion of its columns.
    """
    limits, afe, adc = spec.limits, spec.afe, spec.column_adc
    pulse_ns = int(limits.form_pulse_ns / Fraction(limits.duty)) + spec.rail_settle_ns
    drive_ns = spec.settle_ns + (spec.tiles - 1) * afe.stage_settle_ns + adc.channels * adc.conversion_ns
    return 1 << count_bits(2 * cycles(max(pulse_ns, drive_ns), spec.controller.clock_hz))


class Watchdog(wiring.Component):
    """`expired` once `operating` has been high for watchdog_cycles(spec) cycles without `progress`; until one changes.

    It does not run between operations: the host may be silent for as long as it likes.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__({"operating": In(1), "progress": In(1), "expired": Out(1)})
        self.count = Signal(range(watchdog_cycles(spec) + 1))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += self.expired.eq(self.count[-1])
        with m.If(~self.operating | self.progress):
            m.d.sync += self.count.eq(0)
        with m.Elif(~self.expired):
            m.d.sync += self.count.eq(self.count + 1)
        return m


class FormKey(wiring.Component):
    """Forming is open from a `begin` that found the key armed, which uses it up, until `end`. `trip`, while it is high,
    closes and disarms."""

    arm: In(1)
    disarm: In(1)
    begin: In(1)
    end: In(1)
    trip: In(1)
    armed: Out(1)
    forming: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += [
            self.armed.eq((self.armed | self.arm) & ~self.disarm & ~self.begin & ~self.trip),
            self.forming.eq((self.forming | (self.armed & self.begin)) & ~self.end & ~self.trip),
        ]
        return m

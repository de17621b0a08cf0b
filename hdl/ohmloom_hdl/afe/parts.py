"""The parts' data-sheet times in cycles of the controller's clock, rounded up: what no driver may go below.

A serial clock runs at the full rate of the domain (`interfaces.SpiPort`), so a part must allow that rate: see
`check_clock`, which every `of` calls. The formats of the parts' frames are in their drivers.
"""

from dataclasses import dataclass

from ohmloom.spec import ChipSpec
from ohmloom.spec.chip import Adc, Dac, Switch


def cycles(duration_ns: int, clock_hz: int) -> int:
    """Whole clock cycles that last at least `duration_ns`."""
    return -(-duration_ns * clock_hz // 10**9)


def check_clock(part: Dac | Adc | Switch, clock_hz: int) -> None:
    """Raises ValueError if the part's serial clock may not run at `clock_hz`."""
    if clock_hz > part.sclk_max_hz:
        raise ValueError(
            f"{part.name}: its serial clock may run at {part.sclk_max_hz} Hz, the controller's is {clock_hz} Hz;"
            " lower controller.clock_hz or choose another part"
        )


@dataclass(frozen=True)
class DacTiming:
    """A DAC's frame: `clocks` cycles with SYNC low and the clock running, then SYNC high for at least `sync_high`."""

    clocks: int
    sync_high: int
    settling: int

    @classmethod
    def of(cls, part: Dac, clock_hz: int) -> "DacTiming":
        check_clock(part, clock_hz)
        return cls(part.frame_bits, cycles(part.sync_high_min_ns, clock_hz), cycles(part.settling_ns, clock_hz))


@dataclass(frozen=True)
class AdcTiming:
    """An ADC's frame, in cycles from the fall of CS that takes the sample.

    frame: from one sample to the next. clocks: serial clocks, from cycle 0 on, each low in its first half and high in its
    second. select: cycles with CS low, one more than the clocks, so that CS never rises with the last clock's fall, which
    would abort the conversion. latency: frames between a command and its sample.
    """

    clocks: int
    select: int
    frame: int
    latency: int

    # The multiplexer's capacitor tracks from this rising clock edge to the next fall of CS (SLAS605C, figure 1).
    ACQUISITION_EDGE = 14

    @classmethod
    def of(cls, part: Adc, clock_hz: int) -> "AdcTiming":
        check_clock(part, clock_hz)
        select = part.frame_bits + 1
        # Rising edge n lies half a cycle before the end of cycle n - 1; counted in half cycles to stay in integers.
        acquired = -(-(2 * cls.ACQUISITION_EDGE - 1 + cycles(part.acquisition_min_ns, 2 * clock_hz)) // 2)
        frame = max(
            select + cycles(part.cs_high_min_ns, clock_hz),
            cycles(part.conversion_ns, clock_hz),
            acquired,
        )
        return cls(part.frame_bits, select, frame, part.latency_frames)


@dataclass(frozen=True)
class Settling:
    """Cycles until the array has settled.

    drive: from the row DACs' update, or the switches', to the first sample; stage: as much longer for each further tile
    of a route; rail: from the rail DAC's update to the pulse.
    """

    drive: int
    stage: int
    rail: int

    @classmethod
    def of(cls, spec: ChipSpec) -> "Settling":
        clock_hz = spec.controller.clock_hz
        return cls(
            cycles(spec.settle_ns, clock_hz),
            cycles(spec.afe.stage_settle_ns, clock_hz),
            cycles(spec.rail_settle_ns, clock_hz),
        )

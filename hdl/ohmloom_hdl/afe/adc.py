"""Column ADCs: ADS7953, all on one clock, CS and SDI, each with its own SDO (SLAS605C, sections 7.6 and 8.4)."""

from amaranth import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.afe.parts import AdcTiming
from ohmloom_hdl.interfaces import CODE, SpiPort, index_bits, sample_layout
from ohmloom_hdl.pads import PADS_CYCLES
from ohmloom_hdl.safety.clamps import exceeds

MANUAL = 0x1800  # manual mode, and the bits below take effect
CHANNEL_LSB = 7
TAG = 4  # channel bits in front of each sample

# The code's inverse; that the code is its lowest or its highest is found bit by bit; the tag was another slot's.
SAMPLE = data.StructLayout({"inverse": CODE, "zero": 1, "full": 1, "foreign": 1})


class AdcDriver(wiring.Component):
    """Converts slots `first` .. `last`: slot s is channel s of all ADCs, which are columns s * column_adcs and following.

    `load` takes `first` and `last` while not `busy`; `start` then has frames begin in the next cycle. The first frames
    fill the ADC's latency: CS falls for the first slot's sample `lead` cycles after `start`, for each further slot
    `frame` cycles later. `sampled` strobes in the cycle that begins with the fall of CS for the last one. Samples come
    one a cycle, and `busy` falls after the last.

    pads_cycles: from a bit's cycle at the port to the cycle in which `sdo` shows it, through the pads' registers.
    """

    def __init__(self, spec: ChipSpec, pads_cycles: int = PADS_CYCLES) -> None:
        part, adcs = spec.column_adc, spec.afe.column_adcs
        if part.bits != CODE or part.frame_bits != TAG + CODE or part.channels > 1 << TAG:
            raise ValueError(f"{part.name}: not an ADS7953; its frames are of {TAG} channel bits and {CODE} data bits")
        self._spec, self._timing = spec, AdcTiming.of(part, spec.controller.clock_hz)
        # The cycle of a frame in which the shift registers hold all of it.
        self._complete = part.frame_bits + pads_cycles
        self.frame = max(self._timing.frame, self._complete + 1, adcs)
        self.lead = 1 + self._timing.latency * self.frame
        slots = index_bits(part.channels)
        super().__init__(
            {
                "load": In(1),
                "first": In(slots),
                "last": In(slots),
                "start": In(1),
                "sampled": Out(1),
                "busy": Out(1),
                "pins": Out(SpiPort(1)),
                "sdo": In(adcs),
                "samples": Out(stream.Signature(sample_layout(spec), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        timing, part, adcs = self._timing, self._spec.column_adc, self._spec.afe.column_adcs
        running = Signal()
        cycle = Signal(range(self.frame))
        # That of the frame's command; the frame samples the slot of the command before latency: none while that is filled.
        channel = Signal(TAG, reset_less=True)
        slot = (channel - timing.latency)[:TAG]
        warm = Signal(range(timing.latency + 1), reset_less=True)
        last = Signal.like(self.last, reset_less=True)
        final = slot == last

        with m.If(self.load):
            m.d.sync += [channel.eq(self.first), last.eq(self.last), warm.eq(timing.latency)]
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.If(running):
            m.d.sync += cycle.eq(cycle + 1)
            with m.If(cycle == self.frame - 1):
                m.d.sync += [cycle.eq(0), channel.eq(channel + 1)]
                with m.If(warm != 0):
                    m.d.sync += warm.eq(warm - 1)
                with m.Elif(final):
                    m.d.sync += running.eq(0)

        command = Signal(part.frame_bits)
        m.d.comb += [
            command.eq(MANUAL | channel << CHANNEL_LSB),
            self.pins.select_n.eq(~(running & ~exceeds(cycle, timing.select - 1))),
            self.pins.clock_low.eq(running & ~exceeds(cycle, timing.clocks - 1)),
            self.pins.data.eq(command.bit_select((timing.clocks - 1 - cycle)[:TAG], 1)),
            self.sampled.eq(running & (cycle == 0) & (warm == 0) & final),
        ]

        words, tagged = Signal(data.ArrayLayout(SAMPLE, adcs), reset_less=True), Signal()
        m.d.comb += tagged.eq(cycle == self._complete - CODE)  # the tag has come, the code's first bit comes
        for word, bit in zip(words, self.sdo, strict=True):
            m.d.sync += [
                word.inverse.eq(Cat(~bit, word.inverse)),
                word.zero.eq((word.zero | tagged) & ~bit),
                word.full.eq((word.full | tagged) & bit),
            ]
            with m.If(tagged):
                m.d.sync += word.foreign.eq(word.inverse[:TAG] != ~slot)
        complete = Signal()
        m.d.comb += complete.eq(running & (cycle == self._complete) & (warm == 0))

        word, sample = Signal(SAMPLE), self.samples.payload
        if adcs == 1:
            m.d.comb += [
                word.eq(words[0]),
                self.samples.valid.eq(complete),
                sample.column.eq(slot),
                sample.last.eq(final),
                self.busy.eq(running),
            ]
        else:
            self._in_turn(m, complete, words, slot, final, word)
            m.d.comb += self.busy.eq(running | self.samples.valid)

        inverse = word.inverse
        m.d.comb += [
            # min(2048 - code, 2047) without a comparison: 2047 - code is its lower bits inverted, then one more unless 0.
            sample.raw.eq(Cat(inverse[:-1], ~inverse[-1]).as_signed() + ~word.zero),
            sample.end.eq(word.zero | word.full | word.foreign),
        ]
        return m

    def _in_turn(
        self, m: Module, complete: Signal, words: data.View, slot: Value, final: Value, word: data.View
    ) -> None:
        """Several ADCs: their words are kept and leave one a cycle while the next frame comes in."""
        adcs, columns, sample = self._spec.afe.column_adcs, self._spec.columns, self.samples.payload
        kept, its_slot = Signal.like(words), Signal(TAG)
        adc, left, is_final = Signal(range(adcs)), Signal(), Signal()
        column = Signal(range(adcs * self._spec.column_adc.channels))
        end_of_slot = Signal()
        m.d.comb += [
            column.eq(its_slot * adcs + adc),
            # The last slot may have fewer columns than there are ADCs.
            end_of_slot.eq((adc == adcs - 1) | (column == columns - 1)),
            word.eq(kept[0]),
            self.samples.valid.eq(left),
            sample.column.eq(column),
            sample.last.eq(is_final & end_of_slot),
        ]
        with m.If(left):
            m.d.sync += [adc.eq(adc + 1), kept.as_value().eq(kept.as_value()[SAMPLE.size :]), left.eq(~end_of_slot)]
        with m.If(complete):
            m.d.sync += [kept.eq(words), its_slot.eq(slot), is_final.eq(final), adc.eq(0), left.eq(1)]

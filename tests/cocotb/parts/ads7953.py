"""ADS7953: 16 channels, 12 bit, 1 MS/s (SLAS605A/C: timing requirements, device operation, manual mode)."""

from __future__ import annotations

from collections.abc import Callable

from ohmloom.spec.chip import Adc
from parts.pins import LONG_AGO, Pin, Violation, at_least

# Timing requirements at VBD = 3 V, ns; clock, acquisition and CS high are in the part file.
CLOCK_PULSE = 20  # SCLK high and low; from memory of the data sheet
CS_TO_CLOCK = 6
SDI_SETUP = 3
SDI_HOLD = 10
SDO_HOLD = 5
SDO_DELAY = 27
QUIET = 40  # SDO in three-state to the next conversion

MUX_EDGE = 2  # falling edge that moves the multiplexer to the channel of the frame before
ACQUISITION_EDGE = 14  # rising edge from which on its capacitor tracks
CONTINUE, MANUAL = 0, 1  # mode bits 15:12
PROGRAM = 1 << 11  # bits 6:0 take effect


class Ads7953:
    """Parts that share SCLK, CS and SDI, one bit of SDO for each.

    sample(channel, now_ps) gives the code of each part at a fall of CS. drive(value, now_ps) sets SDO, None where it is
    between two bits or in three-state. The parts have no state that could differ.
    """

    def __init__(
        self,
        part: Adc,
        parts: int,
        sample: Callable[[int, int], list[int]],
        drive: Callable[[int | None, int], None],
    ) -> None:
        self._part, self._parts, self._sample, self._drive = part, parts, sample, drive
        self._sclk, self._cs = Pin(0), Pin(1)
        self._sdi, self._sdi_ps, self._sampled_ps = 0, LONG_AGO, LONG_AGO
        self._acquires_ps: int | None = LONG_AGO  # since; None between a fall of CS and the 14th rising edge
        self._released_ps = LONG_AGO  # SDO in three-state since
        self._command: list[int] = []
        self._falls = 0
        self._words = [0] * parts
        self._channel = self._next_channel = 0  # of the multiplexer, and after its next move
        self.conversions = 0

    def sdi(self, value: int, now_ps: int) -> None:
        at_least(now_ps - self._sampled_ps, SDI_HOLD, f"{self._part.name}: SDI after SCLK's rise")
        self._sdi, self._sdi_ps = value, now_ps

    def cs_n(self, level: int, now_ps: int) -> None:
        part, cs = self._part, self._cs
        if level:
            if self._falls < part.frame_bits:
                raise Violation(f"{part.name}: CS rose after {self._falls} clocks, which aborts the conversion")
        else:
            self._start(now_ps)
        cs.set(level, now_ps)

    def _start(self, now_ps: int) -> None:
        part = self._part
        at_least(now_ps - self._cs.rose_ps, part.cs_high_min_ns, f"{part.name}: CS high")
        at_least(now_ps - self._cs.fell_ps, part.conversion_ns, f"{part.name}: from sample to sample")
        at_least(now_ps - self._released_ps, QUIET, f"{part.name}: SDO's three-state to the next conversion")
        if self._acquires_ps is None:
            raise Violation(f"{part.name}: CS fell before the 14th clock of the frame before")
        at_least(now_ps - self._acquires_ps, part.acquisition_min_ns, f"{part.name}: acquisition")
        self._acquires_ps, self._command, self._falls = None, [], 0
        codes = self._sample(self._channel, now_ps)
        self._words = [self._channel << part.bits | code for code in codes]
        self.conversions += 1
        self._show(now_ps)

    def sclk(self, level: int, now_ps: int) -> None:
        part, clock = self._part, self._sclk
        if level:
            at_least(now_ps - clock.fell_ps, CLOCK_PULSE, f"{part.name}: SCLK low")
            at_least(now_ps - clock.rose_ps, 1e9 / part.sclk_max_hz, f"{part.name}: SCLK cycle")
        else:
            at_least(now_ps - clock.rose_ps, CLOCK_PULSE, f"{part.name}: SCLK high")
        clock.set(level, now_ps)
        if self._cs.level or self._falls == part.frame_bits:
            return
        if level:
            at_least(now_ps - self._cs.fell_ps, CS_TO_CLOCK, f"{part.name}: CS's fall to SCLK's rise")
            at_least(now_ps - self._sdi_ps, SDI_SETUP, f"{part.name}: SDI before SCLK's rise")
            self._sampled_ps = now_ps
            self._command.append(self._sdi)
            if len(self._command) == ACQUISITION_EDGE:
                self._acquires_ps = now_ps
            return
        self._falls += 1
        if self._falls == MUX_EDGE:
            self._channel = self._next_channel
        if self._falls < part.frame_bits:
            self._show(now_ps)
        else:
            self._drive(None, now_ps + SDO_HOLD * 1000)
            self._released_ps = now_ps
            self._decode(int("".join(map(str, self._command)), 2))

    def _show(self, now_ps: int) -> None:
        """The next bit of each word, after a time in which SDO cannot be relied on."""
        bit = self._part.frame_bits - 1 - self._falls
        self._drive(None, now_ps + SDO_HOLD * 1000)
        value = sum((word >> bit & 1) << index for index, word in enumerate(self._words))
        self._drive(value, now_ps + SDO_DELAY * 1000)

    def _decode(self, command: int) -> None:
        mode = command >> 12
        if mode == MANUAL and command & PROGRAM:
            if command & 0x7F:
                raise Violation(f"{self._part.name}: command {command:#06x} sets range, power or GPIO bits")
            self._next_channel = command >> 7 & 15
        elif mode not in (CONTINUE, MANUAL):
            raise Violation(f"{self._part.name}: command {command:#06x} is not modelled")

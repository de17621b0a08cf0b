"""AD5628: 8 channels, 12 bit (data sheet Rev. J: timing characteristics, serial interface, command definitions)."""

from __future__ import annotations

from collections.abc import Callable

from ohmloom.spec.chip import Dac
from parts.pins import LONG_AGO, Pin, Violation, at_least

CHANNELS = 8
# Timing characteristics, ns. Those that the part file has are taken from there; these are from memory of the data sheet.
T2_HIGH = 8
T3_LOW = 8
T4_SYNC_TO_FALL = 13
T5_SETUP = 4
T6_HOLD = 4
T7_FALL_TO_SYNC = 0
T9_SYNC_TO_IGNORED_FALL = 13

WRITE, UPDATE, WRITE_UPDATE_ALL, WRITE_UPDATE, REFERENCE = 0, 1, 2, 3, 8


class Ad5628:
    """Parts that share SCLK and SYNC, one bit of `din` for each.

    codes[part][channel]: what the outputs show, in codes; None while the part's internal reference is off. `updated` is
    called with the time whenever outputs may have changed. aborted: frames that SYNC ended before their 32nd falling edge.
    """

    def __init__(self, part: Dac, parts: int, updated: Callable[[int], None]) -> None:
        self._part, self._parts, self._updated = part, parts, updated
        self._sclk, self._sync = Pin(1), Pin(1)
        self._din, self._din_ps, self._sampled_ps = 0, LONG_AGO, LONG_AGO
        self._bits: list[int] = []
        self._inputs = [[0] * CHANNELS for _ in range(parts)]
        self._outputs = [[0] * CHANNELS for _ in range(parts)]
        self._powered = [False] * parts
        self.frames = self.aborted = 0

    @property
    def codes(self) -> list[list[int] | None]:
        return [outputs if on else None for outputs, on in zip(self._outputs, self._powered, strict=True)]

    def din(self, value: int, now_ps: int) -> None:
        at_least(now_ps - self._sampled_ps, T6_HOLD, f"{self._part.name} t6, DIN after SCLK's fall")
        self._din, self._din_ps = value, now_ps

    def sync_n(self, level: int, now_ps: int) -> None:
        name = self._part.name
        if level:
            at_least(now_ps - self._sclk.fell_ps, T7_FALL_TO_SYNC, f"{name} t7, SCLK's fall to SYNC's rise")
            self.aborted += len(self._bits) < self._part.frame_bits
        else:
            at_least(now_ps - self._sync.rose_ps, self._part.sync_high_min_ns, f"{name} t8, SYNC high")
            self._bits = []
        self._sync.set(level, now_ps)

    def sclk(self, level: int, now_ps: int) -> None:
        name, clock, sync = self._part.name, self._sclk, self._sync
        if level:
            at_least(now_ps - clock.fell_ps, T3_LOW, f"{name} t3, SCLK low")
        else:
            at_least(now_ps - clock.rose_ps, T2_HIGH, f"{name} t2, SCLK high")
            at_least(now_ps - clock.fell_ps, 1e9 / self._part.sclk_max_hz, f"{name} t1, SCLK cycle")
            if sync.level:
                at_least(now_ps - sync.rose_ps, T9_SYNC_TO_IGNORED_FALL, f"{name} t9, SYNC's rise to SCLK's fall")
        clock.set(level, now_ps)
        if level or sync.level or len(self._bits) == self._part.frame_bits:
            return
        at_least(now_ps - sync.fell_ps, T4_SYNC_TO_FALL, f"{name} t4, SYNC's fall to SCLK's fall")
        at_least(now_ps - self._din_ps, T5_SETUP, f"{name} t5, DIN before SCLK's fall")
        self._sampled_ps = now_ps
        self._bits.append(self._din)
        if len(self._bits) == self._part.frame_bits:
            self.frames += 1
            words = [int("".join(str(bits >> part & 1) for bits in self._bits), 2) for part in range(self._parts)]
            changed = [self._act(part, word) for part, word in enumerate(words)]
            if any(changed):
                self._updated(now_ps)

    def _act(self, part: int, word: int) -> bool:
        """Whether the part's outputs may have changed."""
        command, address, code = word >> 24 & 15, word >> 20 & 15, word >> 8 & 0xFFF
        channels = range(CHANNELS) if address == 15 else range(address, address + 1)
        inputs, outputs = self._inputs[part], self._outputs[part]
        if command == REFERENCE:
            self._powered[part] = bool(word & 1)
            return True
        if command not in (WRITE, UPDATE, WRITE_UPDATE_ALL, WRITE_UPDATE):
            raise Violation(f"{self._part.name}: frame {word:#010x} has command {command}, which is not modelled")
        if channels[-1] >= CHANNELS:
            raise Violation(
                f"{self._part.name}: frame {word:#010x} has address {address}, there are {CHANNELS} channels"
            )
        if command != UPDATE:
            for channel in channels:
                inputs[channel] = code
        if command == WRITE_UPDATE_ALL:
            outputs[:] = inputs
        elif command != WRITE:
            for channel in channels:
                outputs[channel] = inputs[channel]
        return command != WRITE

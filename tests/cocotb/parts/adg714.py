"""ADG714: 8 switches on a serial interface that can be chained (data sheet Rev. E: timing characteristics, theory of operation)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ohmloom.spec.chip import Switch
from parts.pins import LONG_AGO, Pin, at_least

# Timing characteristics, ns, from memory of the data sheet; the cycle is in the part file.
T2_HIGH = 13
T3_LOW = 13
T4_SYNC_TO_FALL = 13
T5_SETUP = 5
T6_HOLD = 4.5
T7_FALL_TO_SYNC = 0
T8_SYNC_HIGH = 33
T9_DOUT_VALID = 20


class Adg714Chains:
    """Chains of `parts` parts each on common SCLK, SYNC and RESET, one bit of `din` for each chain.

    closed[chain]: the switches, bit 0 being the one whose bit was shifted first. `latched` is called with the time
    whenever switches may have changed.
    """

    def __init__(self, part: Switch, chains: int, parts: int, latched: Callable[[int], None]) -> None:
        self._part, self._chains, self._bits = part, chains, parts * part.channels
        self._latched, self._chained = latched, parts > 1
        self._sclk, self._sync, self._reset = Pin(1), Pin(1), Pin(1)
        self._din, self._din_ps, self._sampled_ps = 0, LONG_AGO, LONG_AGO
        self._clear()

    def _clear(self) -> None:
        self._shift = deque([0] * self._bits, maxlen=self._bits)
        self.closed = [[0] * self._bits for _ in range(self._chains)]

    def din(self, value: int, now_ps: int) -> None:
        at_least(now_ps - self._sampled_ps, T6_HOLD, f"{self._part.name} t6, DIN after SCLK's fall")
        self._din, self._din_ps = value, now_ps

    def reset_n(self, level: int, now_ps: int) -> None:
        self._reset.set(level, now_ps)
        if not level:
            self._clear()
            self._latched(now_ps)

    def sync_n(self, level: int, now_ps: int) -> None:
        name = self._part.name
        if not level:
            at_least(now_ps - self._sync.rose_ps, T8_SYNC_HIGH, f"{name} t8, SYNC high")
        self._sync.set(level, now_ps)
        if level and self._reset.level:
            at_least(now_ps - self._sclk.fell_ps, T7_FALL_TO_SYNC, f"{name} t7, SCLK's fall to SYNC's rise")
            self.closed = [[bits >> chain & 1 for bits in self._shift] for chain in range(self._chains)]
            self._latched(now_ps)

    def sclk(self, level: int, now_ps: int) -> None:
        name, clock = self._part.name, self._sclk
        if level:
            at_least(now_ps - clock.fell_ps, T3_LOW, f"{name} t3, SCLK low")
        else:
            at_least(now_ps - clock.rose_ps, T2_HIGH, f"{name} t2, SCLK high")
            at_least(now_ps - clock.fell_ps, 1e9 / self._part.sclk_max_hz, f"{name} t1, SCLK cycle")
        clock.set(level, now_ps)
        if level or self._sync.level or not self._reset.level:
            return
        at_least(now_ps - self._sync.fell_ps, T4_SYNC_TO_FALL, f"{name} t4, SYNC's fall to SCLK's fall")
        at_least(now_ps - self._din_ps, T5_SETUP, f"{name} t5, DIN before SCLK's fall")
        if self._chained:  # the next part samples DOUT, which follows SCLK's rise
            at_least(now_ps - clock.rose_ps, T9_DOUT_VALID + T5_SETUP, f"{name} t9 and t5, DOUT before SCLK's fall")
        self._sampled_ps = now_ps
        self._shift.append(self._din)

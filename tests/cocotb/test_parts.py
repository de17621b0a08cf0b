"""The pin-level models themselves: legal transactions work, and each time of the data sheets that is cut short is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from parts import Ad5628, Adg714Chains, Ads7953, Violation

from ohmloom.spec import load_chip

SPEC = load_chip("bench-8x16")
NS = 1000
Edge = tuple[int, str, int]  # time in ps, pin, level


def play(part: Any, edges: list[Edge]) -> None:
    for time_ps, pin, level in sorted(edges, key=lambda edge: edge[0]):
        getattr(part, pin)(level, time_ps)


def dac_frame(word: int, start_ns: float = 0, half_ns: float = 25, bits: int = 32, **shift_ns: float) -> list[Edge]:
    """SYNC falls at `start_ns`; half periods of `half_ns`; each of `shift_ns` moves one kind of edge."""

    def at(name: str, ns: float) -> int:
        return round((start_ns + ns + shift_ns.get(name, 0)) * NS)

    edges = [(at("sync_fall", 0), "sync_n", 0), (at("sync_rise", 2 * half_ns * bits), "sync_n", 1)]
    for bit in range(bits):
        begin = 2 * half_ns * bit
        edges += [
            (at("din", begin), "din", word >> bits - 1 - bit & 1),
            (at("fall", begin + half_ns), "sclk", 0),
            (at("rise", begin + 2 * half_ns), "sclk", 1),
        ]
    return edges


def ad5628() -> tuple[Ad5628, list[int]]:
    updates: list[int] = []
    return Ad5628(SPEC.row_dac, 1, updates.append), updates


def test_ad5628_writes_updates_and_ignores_what_is_aborted() -> None:
    part, updates = ad5628()
    assert part.codes == [None]
    play(part, dac_frame(0x0800_0001))
    play(part, dac_frame(0x0030_8000, 2000))  # channel 3, code 0x080
    assert part.codes == [[0] * 8]
    play(part, dac_frame(0x0250_FF00, 4000))  # channel 5, code 0x0FF, and update all
    assert part.codes == [[0, 0, 0, 0x080, 0, 0x0FF, 0, 0]]
    assert updates == [1575 * NS, 5575 * NS]  # the 32nd falling edges; writing an input register shows nothing
    play(part, dac_frame(0x02F0_0000, 6000, bits=31))
    assert part.aborted == 1
    assert part.codes[0] == [0, 0, 0, 0x080, 0, 0x0FF, 0, 0]
    play(part, dac_frame(0x02F8_0000, 8000))
    assert part.codes == [[0x800] * 8]


@pytest.mark.parametrize(
    ("edges", "time"),
    [
        (dac_frame(0xAAAA_AAAA, half_ns=9.5, sync_fall=-10), "t1"),
        (dac_frame(0xAAAA_AAAA, rise=18), "t2"),
        (dac_frame(0xAAAA_AAAA, rise=-18), "t3"),
        (dac_frame(0, sync_fall=13), "t4"),
        (dac_frame(0xAAAA_AAAA, din=22), "t5"),
        (dac_frame(0xAAAA_AAAA, din=-22), "t6"),
        (dac_frame(0) + dac_frame(0, 1610, sync_fall=4), "t8"),
        ([*dac_frame(0, sync_rise=12), (1615 * NS, "sclk", 0)], "t9"),
        (dac_frame(0x0400_0000), "command 4"),
        (dac_frame(0x0090_0000), "address 9"),
    ],
)
def test_ad5628_complains(edges: list[Edge], time: str) -> None:
    with pytest.raises(Violation, match=time):
        play(ad5628()[0], edges)


def adg714(parts: int = 3) -> Adg714Chains:
    return Adg714Chains(SPEC.switch, 1, parts, lambda _now_ps: None)


def test_adg714_keeps_the_last_bits_and_takes_them_when_sync_rises() -> None:
    part = adg714()
    word = 0xA5_C3_0F
    edges = dac_frame(0x7F << 24 | word, bits=32)  # eight bits fall out at the chain's end
    play(part, edges[:1] + edges[2:])
    assert part.closed == [[0] * 24]
    play(part, [edges[1]])
    assert part.closed == [[word >> 23 - bit & 1 for bit in range(24)]]
    part.reset_n(0, 3000 * NS)
    assert part.closed == [[0] * 24]
    part.reset_n(1, 4000 * NS)
    assert part.closed == [[0] * 24]


@pytest.mark.parametrize(
    ("edges", "time"),
    [
        (dac_frame(0xAA, half_ns=16, bits=8), "t1"),
        (dac_frame(0xAA, bits=8, rise=13), "t2"),
        (dac_frame(0xAA, bits=8, rise=-13), "t3"),
        (dac_frame(0xAA, bits=8, sync_fall=13), "t4"),
        (dac_frame(0xAA, bits=8, din=21), "t5"),
        (dac_frame(0xAA, bits=8, din=-21), "t6"),
        (dac_frame(0xAA, bits=8) + dac_frame(0xAA, 430, bits=8), "t8"),
        (dac_frame(0xAA, bits=8, rise=1), "t9"),
    ],
)
def test_adg714_complains(edges: list[Edge], time: str) -> None:
    with pytest.raises(Violation, match=time):
        play(adg714(), edges)


def adc_frame(
    command: int, start_ns: float = 0, half_ns: float = 27.5, clocks: int = 16, **shift_ns: float
) -> list[Edge]:
    """CS falls at `start_ns` and rises a period after the last clock; clocks rise in the middle of each bit."""

    def at(name: str, ns: float) -> int:
        return round((start_ns + ns + shift_ns.get(name, 0)) * NS)

    edges = [(at("cs_fall", 0), "cs_n", 0), (at("cs_rise", 2 * half_ns * (clocks + 1)), "cs_n", 1)]
    for bit in range(clocks):
        begin = 2 * half_ns * bit
        edges += [
            (at("sdi", begin), "sdi", command >> 15 - bit & 1),
            (at("rise", begin + half_ns), "sclk", 1),
            (at("fall", begin + 2 * half_ns), "sclk", 0),
        ]
    return edges


class Recorder:
    """Two ADCs, whose codes name the channel and how many samples there were; and their SDO."""

    def __init__(self) -> None:
        self.channels: list[int] = []
        self.line: list[tuple[int | None, int]] = []
        self.part = Ads7953(SPEC.column_adc, 2, self._sample, lambda value, time_ps: self.line.append((value, time_ps)))

    def _sample(self, channel: int, _now_ps: int) -> list[int]:
        self.channels.append(channel)
        return [channel << 4 | len(self.channels), 0xFFF - len(self.channels)]

    def words(self) -> list[list[int]]:
        """What a reader of SDO gets for each frame: values before each but the last change to undefined."""
        values = [value for value, _ in self.line if value is not None]
        frames = [values[first : first + 16] for first in range(0, len(values), 16)]
        return [[int("".join(str(value >> adc & 1) for value in frame), 2) for adc in range(2)] for frame in frames]


def test_ads7953_answers_a_command_two_frames_later() -> None:
    recorder = Recorder()
    for index, channel in enumerate([5, 9, 2, 0]):
        play(recorder.part, adc_frame(0x1800 | channel << 7, 1300 * index))
    play(recorder.part, adc_frame(0x0000, 1300 * 4))
    assert recorder.channels == [0, 0, 5, 9, 2]
    assert recorder.words() == [
        [channel << 12 | channel << 4 | count, channel << 12 | (0xFFF - count)]
        for count, channel in enumerate(recorder.channels, start=1)
    ]
    undefined, defined = recorder.line[2:4]  # the second bit, after the first falling edge
    assert (undefined, defined[1]) == ((None, 60 * NS), 82 * NS)


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        (adc_frame(0x1AAA, half_ns=24.5), "SCLK cycle"),
        (adc_frame(0x1800, fall=-10), "SCLK high"),
        (adc_frame(0x1800, fall=10), "SCLK low"),
        (adc_frame(0x1800, cs_fall=22), "CS's fall to SCLK's rise"),
        (adc_frame(0x1AAA, sdi=25), "SDI before"),
        (adc_frame(0x1AAA, sdi=-20), "SDI after"),
        (adc_frame(0x1800, clocks=15), "aborts the conversion"),
        (adc_frame(0x1800) + adc_frame(0x1800, 950), "CS high"),
        (adc_frame(0x1800, half_ns=25) + adc_frame(0x1800, 990), "from sample to sample"),
        (adc_frame(0x1800) + adc_frame(0x1800, 1060), "acquisition"),
        (adc_frame(0x1800, half_ns=40, cs_rise=-75) + adc_frame(0x1800, 1310), "three-state"),
        (adc_frame(0x1840), "sets range"),
        (adc_frame(0x8000), "not modelled"),
    ],
)
def test_ads7953_complains(edges: list[Edge], text: str) -> None:
    with pytest.raises(Violation, match=text):
        play(Recorder().part, edges)


def test_a_first_frame_may_come_at_any_time() -> None:
    parts: list[Callable[[], Any]] = [lambda: ad5628()[0], adg714]
    for make in parts:
        play(make(), dac_frame(0, 3))
    play(Recorder().part, adc_frame(0x1800, 3))

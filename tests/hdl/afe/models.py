"""Models of what lies around the front end, one step a clock cycle, written from data sheets and port descriptions."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from ohmloom.spec import ChipSpec
from ohmloom.spec.switches import SwitchMap


@dataclass
class Sample:
    """What one fall of CS took: the cycle it began with, the channel, a code of each ADC, and the tags they answer with."""

    cycle: int
    channel: int
    codes: list[int]
    tags: list[int]


@dataclass
class AdcModel:
    """ADS7953s behind a `SpiPort`: frames of 16 clocks, commands of two frames ago, and `sdo` after the pads' delay."""

    adcs: int
    pads_cycles: int
    rng: random.Random
    tag_errors: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    commands: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.selected = False
        self.bits: list[int] = []
        self.channels = [0, 0]  # of the next sample and of the one after it
        self.delayed = [0] * (self.pads_cycles - 1)

    def step(self, cycle: int, select_n: int, clock: tuple[int, int], sdi: int) -> int:
        """One cycle of the pins; returns `sdo` for the next one."""
        line = 0
        if not select_n and not self.selected:
            codes = [
                self.rng.choice([0, 1, 2047, 2048, 4094, 4095, self.rng.randrange(4096)]) for _ in range(self.adcs)
            ]
            channel = self.channels.pop(0)
            wrong = [self.rng.random() < self.tag_errors for _ in codes]
            tags = [channel ^ self.rng.randrange(1, 16) if is_wrong else channel for is_wrong in wrong]
            self.samples.append(Sample(cycle, channel, codes, tags))
            self.bits = []
        if select_n and self.selected:
            assert len(self.bits) == 16, f"CS rose after {len(self.bits)} clocks"
            self.commands.append(int("".join(map(str, self.bits)), 2))
            assert self.commands[-1] & ~(15 << 7) == 0x1800, "not manual mode, 0 .. VREF"
            self.channels.append(self.commands[-1] >> 7 & 15)
        self.selected = not select_n
        if self.selected:
            assert clock == ((0, 1) if len(self.bits) < 16 else (0, 0)), "16 clocks from the fall of CS on"
            if len(self.bits) < 16:
                words = [
                    tag << 12 | code for tag, code in zip(self.samples[-1].tags, self.samples[-1].codes, strict=True)
                ]
                line = sum((word >> 15 - len(self.bits) & 1) << adc for adc, word in enumerate(words))
                self.bits.append(sdi)
        else:
            assert clock == (0, 0), "no clock without CS"
        self.delayed.append(line)
        return self.delayed.pop(0)


def samples_of(spec: ChipSpec, taken: list[Sample]) -> list[tuple[int, int, int, int]]:
    """(column, raw, end, last) of a drive's samples."""
    result = []
    for sample in taken:
        for adc, (code, tag) in enumerate(zip(sample.codes, sample.tags, strict=True)):
            column = sample.channel * spec.afe.column_adcs + adc
            if column < spec.columns:
                end = code in (0, 4095) or tag != sample.channel
                result.append([column, min(2048 - code, 2047), int(end), 0])
    result[-1][3] = 1
    return [tuple(values) for values in result]


class Pattern:
    """Bits of all chains, set by the names in `ohmloom.spec.switches`."""

    def __init__(self, spec: ChipSpec) -> None:
        self.spec, self.map = spec, SwitchMap(spec)
        self.chains = [[0] * self.map.bits for _ in range(self.map.chains)]

    def put(self, chain: int, name: str, value: int) -> None:
        place = (self.map.write if chain == self.spec.tiles else self.map.tile)[name]
        for bit in range(place.width):
            self.chains[chain][place.first + bit] = value >> bit & 1

    @classmethod
    def drive(cls, spec: ChipSpec, tile: int, first_row: int, rows: int, tia_range: int) -> Pattern:
        pattern = cls(spec)
        if first_row == spec.rows:
            pattern.put(tile, "reference", rows)
        else:
            pattern.put(tile, "word_line", ((1 << rows) - 1) << first_row)
        for name, value in (("drive", 1), ("sense", 1), ("tia_range", tia_range)):
            pattern.put(tile, name, value)
        return pattern

    @classmethod
    def route(cls, spec: ChipSpec, stages: list[dict[str, int]]) -> Pattern:
        pattern = cls(spec)
        for index, stage in enumerate(stages):
            tile = stage["tile"]
            pattern.put(tile, "word_line", (1 << spec.rows) - 1)
            pattern.put(tile, "drive", int(index == 0))
            pattern.put(tile, "sense", int(index == len(stages) - 1))
            pattern.put(tile, "chained", int(index > 0))
            pattern.put(tile, "source", stages[index - 1]["tile"] if index else 0)
            for name in ("tia_range", "relu", "attenuator", "bias"):
                pattern.put(tile, name, stage[name])
        return pattern

    @classmethod
    def pulse(cls, spec: ChipSpec, tile: int, row: int, mask: int, reset: int) -> Pattern:
        pattern = cls(spec)
        pattern.put(tile, "word_line", 1 << row)
        for name, value in (("column", mask), ("write", 1), ("polarity", reset)):
            pattern.put(spec.tiles, name, value)
        return pattern


def random_route(spec: ChipSpec, rng: random.Random) -> list[dict[str, int]]:
    tiles = rng.sample(range(spec.tiles), rng.randint(2, spec.tiles))
    return [
        {
            "tile": tile,
            "tia_range": rng.randrange(len(spec.afe.tia_ohm)),
            "attenuator": rng.randrange(len(spec.afe.attenuations)),
            "relu": rng.randrange(2),
            "bias": rng.randrange(2),
        }
        for tile in tiles
    ]

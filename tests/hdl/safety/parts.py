"""Models of the parts at the safety block's pins, from their data sheets; they see every half of a cycle."""

from __future__ import annotations

from dataclasses import dataclass, field

VMID = 2048


@dataclass
class SerialLine:
    """Clock, select and data of one bus, a cycle at a time: which bits the falling clock edges sample."""

    level: int = 1
    selected: bool = False
    bits: list[int] = field(default_factory=list)

    def cycle(self, clock_high: int, clock_low: int, select_n: int, data: int) -> tuple[int | None, list[int] | None]:
        """(what a falling edge sampled, the bits since SYNC fell if it rises at this cycle's start)."""
        ended = None
        if select_n and self.selected:
            ended = self.bits
        if not select_n and not self.selected:
            self.bits = []
        self.selected = not select_n
        sampled = None
        for level in (clock_high, clock_low):
            if self.level and not level and self.selected:
                assert sampled is None, "two falling edges in a cycle"
                sampled = data
                self.bits = [*self.bits, data]
            self.level = level
        return sampled, ended


class Ad5628Model:
    """One AD5628: input and output registers of its 8 channels, and a list of all frames that it acted on.

    It acts on the 32nd falling edge; a frame with fewer is aborted. `codes` is None while the reference is off.
    """

    def __init__(self) -> None:
        self.line = SerialLine()
        self.frames: list[int] = []
        self.aborted = 0
        self.reference = False
        self.inputs = [0] * 8
        self.outputs = [0] * 8

    def cycle(self, clock_high: int, clock_low: int, select_n: int, data: int) -> bool:
        """Whether the part acted in this cycle."""
        sampled, ended = self.line.cycle(clock_high, clock_low, select_n, data)
        if ended is not None and len(ended) < 32:
            self.aborted += 1
        if sampled is None or len(self.line.bits) != 32:
            return False
        word = int("".join(map(str, self.line.bits)), 2)
        self.frames.append(word)
        command, address, code = word >> 24 & 0xF, word >> 20 & 0xF, word >> 8 & 0xFFF
        if command == 8:
            self.reference = bool(word & 1)
        elif command in (0, 2):
            for channel in range(8) if address == 0xF else [address]:
                self.inputs[channel] = code
            if command == 2:
                self.outputs = list(self.inputs)
        else:
            raise AssertionError(f"frame {word:#010x}: a command that nobody sends")
        return True


class Adg714ChainModel:
    """A chain of ADG714: the last `length` bits shifted in close switches when SYNC rises; reset opens all."""

    def __init__(self, length: int) -> None:
        self.line = SerialLine()
        self.shift = [0] * length
        self.closed = [0] * length  # bit 0, shifted first, is farthest

    def cycle(self, clock_high: int, clock_low: int, select_n: int, data: int, reset_n: int) -> None:
        sampled, ended = self.line.cycle(clock_high, clock_low, select_n, data)
        if ended is not None:
            self.closed = list(self.shift)
        if sampled is not None:
            self.shift = [*self.shift[1:], sampled]
        if not reset_n:
            self.shift = [0] * len(self.shift)
            self.closed = [0] * len(self.closed)

"""Pins with a memory of their edges, and the complaint about edges that come too close."""

from __future__ import annotations

from dataclasses import dataclass, field

PS_PER_NS = 1000
LONG_AGO = -(10**15)


class Violation(AssertionError):  # noqa: N818
    """A data-sheet time was not kept."""


def at_least(elapsed_ps: int, least_ns: float, what: str) -> None:
    """Raises Violation if `elapsed_ps` is below `least_ns`."""
    if elapsed_ps < least_ns * PS_PER_NS:
        raise Violation(f"{what}: {elapsed_ps / PS_PER_NS:g} ns, at least {least_ns:g} ns are needed")


@dataclass
class Pin:
    """A pin's level, and when it last rose and fell, in ps."""

    level: int
    rose_ps: int = field(default=LONG_AGO)
    fell_ps: int = field(default=LONG_AGO)

    @property
    def changed_ps(self) -> int:
        return max(self.rose_ps, self.fell_ps)

    def set(self, level: int, now_ps: int) -> None:
        self.level = level
        if level:
            self.rose_ps = now_ps
        else:
            self.fell_ps = now_ps

"""Where things lie in the controller's memory: received frames, answers and the memories that commands reach.

One memory of 16-bit words, little-endian; all places are byte offsets, and even. The link's receiver fills one slot after the
other with requests' payloads; the answer to request n is in answer slot n modulo the window, where a repeated request
finds it again.
"""

from __future__ import annotations

from functools import cached_property

from ohmloom.spec.arithmetic import CORRECTION_DTYPE
from ohmloom.spec.chip import ChipSpec
from ohmloom.spec.commands import MAX_EVENTS, Memory
from ohmloom.spec.network import network_bytes
from ohmloom.spec.policy import POLICY_DTYPE

EVENT_BYTES = 8  # with room, so that a place is a shift


class MemoryMap:
    """Byte offsets and sizes of one chip's controller memory."""

    def __init__(self, spec: ChipSpec) -> None:
        self.spec = spec
        self.sizes: dict[Memory, int] = {
            Memory.NETWORK: network_bytes(spec.controller.steps),
            Memory.BIAS: 4 * spec.controller.biases,
            Memory.CORRECTION: spec.tiles * len(spec.afe.tia_ohm) * spec.columns * CORRECTION_DTYPE.itemsize,
            Memory.POLICY: POLICY_DTYPE.itemsize,
            Memory.NOTES: spec.controller.notes_bytes,
        }

    @property
    def slots(self) -> int:
        """Slots for requests, and as many for answers: a power of two, at least the window."""
        return 1 << (self.spec.link.window - 1).bit_length()

    @property
    def slot_bytes(self) -> int:
        """Distance of slots: a power of two that holds the longest payload."""
        return 1 << (self.spec.link.payload_bytes - 1).bit_length()

    def request(self, slot: int) -> int:
        return slot * self.slot_bytes

    def answer(self, slot: int) -> int:
        return (self.slots + slot) * self.slot_bytes

    @cached_property
    def base(self) -> dict[Memory, int]:
        """Where each memory begins: all but the notes at a multiple of a power of two that holds it, so that no gateware has to
        add up an address."""
        bases, offset = {}, 2 * self.slots * self.slot_bytes
        room = {memory: 1 << (size - 1).bit_length() for memory, size in self.sizes.items()} | {Memory.NOTES: 2}
        for memory in sorted(self.sizes, key=lambda memory: -room[memory]):
            bases[memory] = -(-offset // room[memory]) * room[memory]
            offset = bases[memory] + self.sizes[memory] + (self.sizes[memory] & 1)
        return bases

    @property
    def events(self) -> int:
        """Ring of the last MAX_EVENTS events, event n at n modulo MAX_EVENTS: kind u16, argument u32."""
        last = max(self.base, key=lambda memory: self.base[memory])
        return self.base[last] + self.sizes[last] + (self.sizes[last] & 1)

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.events + MAX_EVENTS * EVENT_BYTES

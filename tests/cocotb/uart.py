"""The host's end of a serial line, bit by bit."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import Event, FallingEdge, Timer

PS_PER_S = 10**12
BITS = 10  # a byte, with its start and stop bits


class Uart:
    """`rx` and `tx`: the controller's pins. `received`: what came; `baud` may change while nothing is under way."""

    def __init__(self, rx: Any, tx: Any, baud: int) -> None:
        self._rx, self._tx, self.baud = rx, tx, baud
        self.received = bytearray()
        self._came = Event()
        rx.value = 1
        cocotb.start_soon(self._listen())

    async def _until(self, begun_bits: float, bits: float) -> None:
        """Waits from one time of a byte to another, in bits from its start."""
        await Timer(round(bits * PS_PER_S / self.baud) - round(begun_bits * PS_PER_S / self.baud), "ps")

    async def send(self, data: bytes) -> None:
        for byte in data:
            for bit in range(BITS):
                self._rx.value = (byte << 1 | 1 << (BITS - 1)) >> bit & 1
                await self._until(bit, bit + 1)

    async def receive(self, count: int) -> bytes:
        """Takes the next bytes, once there are so many."""
        while len(self.received) < count:
            self._came.clear()
            await self._came.wait()
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    async def _listen(self) -> None:
        while True:
            await FallingEdge(self._tx)
            word, at = 0, 0.0
            for bit in range(BITS):
                await self._until(at, bit + 0.5)
                at = bit + 0.5
                word |= int(self._tx.value) << bit
            assert word & 1 == 0 and word >> (BITS - 1), f"no byte: bits {word:#x}"  # noqa: PT018
            self.received.append(word >> 1 & 0xFF)
            self._came.set()

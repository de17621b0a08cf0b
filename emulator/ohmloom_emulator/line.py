"""Noise on an emulated line."""

from __future__ import annotations

import numpy as np


class NoisyLine:
    """Flips each bit that passes with probability `ber`, independently.

    The gaps between flips are geometrically distributed, so which bits flip does not depend on how the stream is cut
    into calls, and a call without a flip costs a comparison.
    """

    def __init__(self, ber: float, seed: int) -> None:
        if not 0 <= ber < 1:
            raise ValueError(f"bit error rate {ber}; 0 <= rate < 1 is allowed")
        self._ber = ber
        self._rng = np.random.default_rng(seed)
        self._flips = np.zeros(0, dtype=np.int64)  # bit positions ahead, counted from the next bit to pass

    def __call__(self, data: bytes) -> bytes:
        if not self._ber:
            return data
        bits = 8 * len(data)
        while not self._flips.size or self._flips[-1] < bits:
            last = self._flips[-1] if self._flips.size else -1
            self._flips = np.concatenate((self._flips, last + np.cumsum(self._rng.geometric(self._ber, 256))))
        count = np.searchsorted(self._flips, bits)
        now, self._flips = self._flips[:count], self._flips[count:] - bits
        if not count:
            return data
        noisy = np.frombuffer(data, dtype=np.uint8).copy()
        np.bitwise_xor.at(noisy, now >> 3, (1 << (now & 7)).astype(np.uint8))
        return noisy.tobytes()

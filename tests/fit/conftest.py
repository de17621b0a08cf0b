"""Measurements of devices that the package has no part in: models written out here, in a CSV file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLUMNS = ("device", "pulse_index", "volts", "width_s", "resistance_ohm")


@dataclass(frozen=True)
class Population:
    """Devices whose `move(state, volts, seconds)` and `siemens(state)` are given; what differs from one to the next."""

    move: Callable[[Floats, Floats, Floats], Floats]
    siemens: Callable[[Floats], Floats]
    start: float
    set_v: tuple[float, float]
    reset_v: tuple[float, float]  # magnitudes
    widths_s: tuple[float, ...]
    read_noise: float = 0.005  # of the value
    cycle: float = 0.01  # of the voltage, from pulse to pulse
    threshold: float = 0.01  # of the voltage, from device to device, SET and RESET apart
    scale: float = 0.02  # of the conductance, from device to device

    def measure(self, devices: int, seed: int, *, rounds: int = 3, length: int = 8, reads: int = 2) -> Measured:
        """RESET and SET trains in turn, each of one amplitude and width."""
        rng = np.random.default_rng(seed)
        state = np.full(devices, self.start)
        scale, *thresholds = (
            np.exp(sigma * rng.standard_normal(devices)) for sigma in (self.scale, *2 * (self.threshold,))
        )
        result = Measured(self.siemens(state) * scale)
        for _ in range(rounds):
            for sign, (low, high), threshold in ((-1, self.reset_v, thresholds[0]), (1, self.set_v, thresholds[1])):
                volts, width_s = sign * rng.uniform(low, high, devices), rng.choice(self.widths_s, devices)
                for _ in range(length):
                    across = volts / threshold * np.exp(self.cycle * rng.standard_normal(devices))
                    state = self.move(state, across, width_s)
                    exact = scale * self.siemens(state)
                    read = exact * (1 + self.read_noise * rng.standard_normal((reads, devices)))
                    result.pulses.append((volts, width_s, read))
        return result


@dataclass(frozen=True)
class Measured:
    """What a lab has: states before all pulses, and for each pulse volts, width_s (devices,) and reads (reads, devices)."""

    first: Floats
    pulses: list[tuple[Floats, Floats, Floats]] = field(default_factory=list)

    def write(self, path: Path) -> Path:
        lines = [",".join(COLUMNS)]
        for device, first in enumerate(self.first):
            lines.append(f"d{device},0,,,{1 / first}")
            for index, (volts, width_s, reads) in enumerate(self.pulses, start=1):
                pulses = [f"{volts[device]},{width_s[device]}", *[","] * (len(reads) - 1)]  # then it is only read again
                lines += [
                    f"d{device},{index},{pulse},{1 / g}" for pulse, g in zip(pulses, reads[:, device], strict=True)
                ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    @property
    def steps(self) -> list[tuple[Floats, Floats, Floats, Floats]]:
        """volts, width_s, measured before and after, (devices,) each."""
        means = [self.first, *(reads.mean(axis=0) for _, _, reads in self.pulses)]
        return [
            (v, w, before, after) for (v, w, _), before, after in zip(self.pulses, means[:-1], means[1:], strict=True)
        ]


R_ON, R_OFF, K, ALPHA, V_ON, V_OFF = 12e3, 3e5, 1e6, 3.0, 0.4, 0.5  # K in nm/s, w from 0 (on) to 3 nm


def vteam_move(w: Floats, volts: Floats, seconds: Floats) -> Floats:
    """Kvatinsky 2015 with no window, in closed form; positive volts SET."""
    on, off = np.maximum(volts / V_ON - 1, 0) ** ALPHA, np.maximum(-volts / V_OFF - 1, 0) ** ALPHA
    return np.clip(w + K * (off - on) * seconds, 0, 3)


def vteam_siemens(w: Floats) -> Floats:
    return np.asarray(1 / (R_ON + (R_OFF - R_ON) * w / 3))


def messaris_move(ohm: Floats, volts: Floats, seconds: Floats) -> Floats:
    """Messaris 2018, eqs. 9 and 10, with Tables II and III; positive volts SET, as in this package."""
    v, sets = np.abs(volts), volts > 0
    s = np.where(sets, 68012.28 * np.expm1(0.31645 * v), 743.47 * np.expm1(6.51 * v))
    k = np.where(sets, 1.17e-3, 5.11e-4)
    limit = np.where(sets, 29304.8 - 23692.8 * v, 16719.0)
    direction = np.where(sets, -1.0, 1.0)
    e = np.expm1(k * np.maximum(direction * (limit - ohm), 0))
    moved = np.log1p(e) - np.log1p(e * np.exp(-k * s * seconds))
    return np.clip(ohm + direction * moved / k, 10e3, 17e3)


VTEAM = Population(vteam_move, vteam_siemens, 1.5, (0.5, 1.0), (0.65, 1.3), (1e-6, 5e-6))
MESSARIS = Population(messaris_move, lambda ohm: 1 / ohm, 13e3, (0.5, 1.2), (0.45, 0.9), (0.02, 0.2), cycle=0.03)


@pytest.fixture(scope="session")
def vteam() -> Population:
    return VTEAM


@pytest.fixture(scope="session")
def messaris() -> Population:
    return MESSARIS

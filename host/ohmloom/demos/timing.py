"""A controller's deadline: one episode alone, a vector a step, on the chip's clock and on the wire."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from ohmloom.model import Model

if TYPE_CHECKING:
    from ohmloom.chip import Chip
    from ohmloom.demos.controllers import Plant
    from ohmloom.demos.demo import Floats

SEED = 10_000  # an episode beside the hundred that count
UART_BITS = 10  # a byte with its start and stop bit


def played_alone(chip: Chip, plant: Plant, model: Model) -> dict[str, Any]:
    """Plays one episode step by step and times each decision.

    latency_per_step_s: mean, on the fabric's clock, or on the wall's for a real board, where it holds the wire as well;
    wire_per_step_s: of the bytes of request and answer, one after the other, at the line's rate; deadline_misses: steps
    that took longer, on chip and wire, than deadline_s, the plant's period.
    """
    emulated, byte_s = bool(chip.info()["emulated"]), UART_BITS / float(chip.info()["baud"])
    latencies, wires = [], []

    def decide(X: Floats) -> Any:
        clock, sent = (chip.fabric_time_s if emulated else monotonic()), chip.link_bytes
        outputs = chip.infer(X)
        wires.append((chip.link_bytes - sent) * byte_s)
        latencies.append((chip.fabric_time_s if emulated else monotonic()) - clock)
        return model.decide(outputs)

    plant.play(np.array([SEED]), decide, lambda done, total: None)
    total = np.array(latencies) + (np.array(wires) if emulated else 0.0)
    return {
        "latency_per_step_s": float(np.mean(latencies)),
        "wire_per_step_s": float(np.mean(wires)),
        "deadline_s": plant.period_s,
        "deadline_misses": int((total > plant.period_s).sum()),
        "timed_steps": len(latencies),
    }

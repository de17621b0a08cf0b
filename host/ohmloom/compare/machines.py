"""What one inference takes on a traditional machine, computed from published figures; and what any machine's result is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ohmloom.compare.figures import FIGURES
from ohmloom.model import Model

# Choices, not published figures: what the two machines are here.
MCU_HZ = 80e6  # the STM32L476's highest clock
ARRAY_MACS, ARRAY_HZ = 64, 100e6  # modest for 45 nm
SRAMS = ((8 << 10, "sram_8k"), (32 << 10, "sram_32k"), (1 << 20, "sram_1m"))


@dataclass(frozen=True)
class Result:
    """One inference on one machine. energy_j: by cause, joules; latency_s: of a single vector; per_s: vectors a second in a
    stream; figures: keys of the published figures within; notes: what is left out."""

    name: str
    energy_j: Mapping[str, float]
    latency_s: float
    per_s: float
    figures: tuple[str, ...]
    notes: str

    @property
    def joules(self) -> float:
        return sum(self.energy_j.values())


def macs(model: Model) -> int:
    """Multiply-accumulates of one inference."""
    return sum(layer.weights.size for layer in model.layers)


def microcontroller(model: Model) -> Result:
    """8-bit weights on a Cortex-M core with CMSIS-NN."""
    cycles = macs(model) * FIGURES["mcu_cycles_per_mac"].value
    energy = {"core and memories": cycles * FIGURES["mcu_joules_per_cycle"].value}
    keys = ("mcu_cycles_per_mac", "mcu_joules_per_cycle")
    notes = f"{cycles:.0f} cycles at {MCU_HZ / 1e6:g} MHz; nothing for sleep, sensors and code around the layers"
    return Result("Cortex-M", energy, cycles / MCU_HZ, MCU_HZ / cycles, keys, notes)


def mac_array(model: Model) -> Result:
    """8-bit weights from the smallest SRAM that holds them, inputs of a layer read once for each pass over its outputs."""
    count = macs(model)
    size, key = next(((size, key) for size, key in SRAMS if count <= size), SRAMS[-1])
    weights = FIGURES[f"{key}_joules_per_byte"].value
    inputs = sum(layer.inputs * -(-layer.outputs // ARRAY_MACS) for layer in model.layers)
    energy = {
        "arithmetic": count * (FIGURES["mac_multiply_joules"].value + FIGURES["mac_add_joules"].value),
        "weights from SRAM": count * weights,
        "activations from SRAM": inputs * FIGURES["sram_8k_joules_per_byte"].value,
    }
    cycles = sum(layer.inputs * -(-layer.outputs // ARRAY_MACS) for layer in model.layers)
    keys = ("mac_multiply_joules", "mac_add_joules", f"{key}_joules_per_byte", "sram_8k_joules_per_byte")
    notes = (
        f"{ARRAY_MACS} multipliers at {ARRAY_HZ / 1e6:g} MHz, weights in {size >> 10} KB of SRAM; no control, clock tree, leakage or "
        f"transfer of inputs: a lower bound"
    )
    return Result("MAC array", energy, cycles / ARRAY_HZ, ARRAY_HZ / cycles, tuple(dict.fromkeys(keys)), notes)

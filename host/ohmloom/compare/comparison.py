"""The chip's side, measured on its own meters, and the comparison.

What the chip takes is not computed but metered: the network is programmed, vectors are inferred through the link, and the
fabric's meters are read before and after. The wire's time and energy come from the bytes that went over it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.chip import Chip, Progress
from ohmloom.compare.figures import FIGURES
from ohmloom.compare.machines import Result, mac_array, macs, microcontroller
from ohmloom.compiler import Network
from ohmloom.errors import ArgumentError
from ohmloom.spec.commands import Cause

Floats = NDArray[np.float64]

UART_BITS = 10  # a byte with its start and stop bit
AGE_S = 1.0
CAUSES = {
    "cells": (Cause.ARRAY_READ,),
    "row DACs": (Cause.ROW_DAC,),
    "column amplifiers": (Cause.TIA,),
    "ADCs": (Cause.ADC,),
}
CONVERTERS = ("row DACs", "column amplifiers", "ADCs")
LINK = "link"
BUSY_VECTORS = 64


@dataclass(frozen=True, eq=False)
class Comparison:
    """A network on the chip (`chip`), on a microcontroller and on a MAC array (`others`).

    macs: of one inference; busiest_j_per_mac: (cells, front end) joules a multiply-accumulate of a whole tile with every
    row and pair in use, the best that this chip does; vectors: that were measured.
    """

    title: str
    macs: int
    chip: Result
    others: tuple[Result, ...]
    busiest_j_per_mac: tuple[float, float]
    vectors: int

    @property
    def results(self) -> tuple[Result, ...]:
        return (self.chip, *self.others)

    def verdicts(self) -> list[str]:
        """Who wins what against whom, a sentence each, losses included."""
        chip = self.chip
        without = chip.joules - chip.energy_j[LINK]
        sentences = []
        for other in self.others:
            parts = [
                _ratio("energy", chip.joules, other.joules), _ratio("energy without the link", without, other.joules),
                _ratio("energy of the cells alone", chip.energy_j["cells"], other.joules),
                _ratio("latency", chip.latency_s, other.latency_s), _ratio("throughput", 1 / chip.per_s, 1 / other.per_s),
            ]  # fmt: skip
            sentences.append(f"The chip against the {other.name}: {'; '.join(parts)}.")
        front = sum(chip.energy_j[name] for name in CONVERTERS)
        sentences.append(
            f"Of the chip's energy the converters and amplifiers take {front / chip.joules:.1%}, the link "
            f"{chip.energy_j[LINK] / chip.joules:.1%}, the cells {chip.energy_j['cells'] / chip.joules:.2%}."
        )
        cells, all_in = self.busiest_j_per_mac[0], sum(self.busiest_j_per_mac)
        sentences.append(
            f"A whole tile at work takes {1e12 * all_in:.3g} pJ a multiply-accumulate without the link, {1e15 * cells:.3g} fJ of it in "
            f"the cells; the MAC array takes {1e12 * self.others[-1].joules / self.macs:.3g} pJ."
        )
        return sentences

    def to_json(self) -> dict[str, Any]:
        used = dict.fromkeys(key for result in self.results for key in result.figures)
        return {
            "title": self.title, "macs": self.macs, "vectors": self.vectors,
            "machines": [
                {
                    "name": r.name, "energy_j": r.joules, "energy_by_cause_j": dict(r.energy_j), "latency_s": r.latency_s,
                    "throughput_per_s": r.per_s, "j_per_mac": r.joules / self.macs, "figures": list(r.figures), "notes": r.notes,
                }
                for r in self.results
            ],
            "whole_tile_j_per_mac": {"cells": self.busiest_j_per_mac[0], "front_end": self.busiest_j_per_mac[1]},
            "verdicts": self.verdicts(),
            "figures": {key: asdict(FIGURES[key]) for key in used},
        }  # fmt: skip


def compare(network: Network, X: Floats, chip: Chip, *, title: str = "", progress: Progress = lambda *_: None) -> Comparison:
    """Programs the network on an emulated chip and compares what inference of X (samples, inputs) takes, a vector.

    Raises ArgumentError for no samples and for a chip that is not emulated: a board has no meters.
    """
    if len(X) == 0:
        raise ArgumentError("X: no samples to measure")
    info = chip.info()
    if not info["emulated"]:
        raise ArgumentError(f"{chip.spec.name} is a real chip, which has no meters of energy: compare on emu://{chip.spec.name}")
    chip.program(network, progress=progress)
    chip.advance(AGE_S)
    byte_s = UART_BITS / float(info["baud"])
    watts = FIGURES["bridge_watts"].value

    before, clock = chip.meters, chip.fabric_time_s
    sent = chip.link_bytes  # last: reading the meters goes over the wire as well
    chip.infer(X, progress=progress)
    stream_bytes = (chip.link_bytes - sent) / len(X)
    after, stream_s = chip.meters, (chip.fabric_time_s - clock) / len(X)
    energy = {name: sum(after[c][0] - before[c][0] for c in causes) / len(X) for name, causes in CAUSES.items()}
    energy[LINK] = watts * stream_bytes * byte_s

    clock = chip.fabric_time_s
    sent = chip.link_bytes
    chip.infer(X[:1])
    single_wire_s = (chip.link_bytes - sent) * byte_s
    single_s = chip.fabric_time_s - clock
    # Requests and answers go different ways at once; the busier way is at most all of the bytes.
    wire_s = stream_bytes * byte_s
    afe = chip.spec.afe
    notes = (
        f"{afe.row_dacs} row DACs, {chip.spec.columns} column amplifiers and {afe.column_adcs} ADCs, powered for the whole chip as long as a "
        f"vector takes; latency: {1e6 * single_s:.1f} us on the chip and {1e6 * single_wire_s:.0f} us on the wire at {info['baud']} baud; "
        f"the controller's FPGA and the host are not in it"
    )
    measured = Result(
        f"chip ({chip.spec.name})", energy, single_s + single_wire_s, 1 / max(stream_s, wire_s), ("bridge_watts",), notes
    )
    others = (microcontroller(network.model), mac_array(network.model))
    return Comparison(title, macs(network.model), measured, others, _busiest(chip), len(X))


def _busiest(chip: Chip) -> tuple[float, float]:
    """Joules a multiply-accumulate of a whole tile: in the cells, in the front end. Programs tile 0."""
    spec, rng = chip.spec, np.random.default_rng(0)
    low, high = spec.cell.g_min_siemens, spec.cell.g_max_siemens
    weights = rng.uniform(-1.0, 1.0, (spec.rows, spec.pairs)) * (high - low)
    target = np.empty((spec.rows, spec.columns))
    target[:, 0::2], target[:, 1::2] = low + np.maximum(weights, 0), low + np.maximum(-weights, 0)
    chip.program_conductance(0, target)
    codes = rng.integers(-spec.read_clamp, spec.read_clamp + 1, (BUSY_VECTORS, spec.rows))
    before = chip.meters
    chip.mvm(0, codes)
    after = chip.meters
    done = BUSY_VECTORS * spec.rows * spec.pairs
    cells, *front = (sum(after[c][0] - before[c][0] for c in causes) / done for causes in CAUSES.values())
    return cells, sum(front)


def _ratio(what: str, mine: float, other: float) -> str:
    """In words; less is better."""
    if mine <= other:
        return f"{what} {other / mine:.3g} times better"
    return f"{what} {mine / other:.3g} times worse"

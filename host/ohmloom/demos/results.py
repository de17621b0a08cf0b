"""Everything that a demo's run has found, and its numbers for tables, JSON and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohmloom.compiler import Network
from ohmloom.compiler.faults import FaultMap, compensated
from ohmloom.demos.demo import Data, Mode
from ohmloom.demos.deployment import Compiled
from ohmloom.model import Model
from ohmloom.program_report import ProgramReport
from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import Cause

Floats = NDArray[np.float64]
Meters = Mapping[Cause, tuple[float, float]]  # (joules, seconds)


@dataclass(frozen=True, eq=False)
class Results:
    """A run. Conductances are (tiles, rows, columns) in siemens.

    software, chip, ideal: predictions of the held-out samples, or of a control task the returns of its episodes.
    inferences: vectors that the chip was given for them; measured: the demo's own numbers; measured_rows: their rows of
    the table. after: conductances as read right after programming; later: after `age_s` more. meters: energy and time
    by phase and cause, None where the endpoint cannot tell (a real board). wall_s: seconds of the wall clock by phase.
    """

    demo: str
    task: str
    mode: Mode
    metric: Literal["accuracy", "return"]
    title: str
    command: str
    endpoint: str
    emulated: bool
    spec: ChipSpec
    seed: int
    data: Data
    model: Model
    compiled: Compiled
    programming: ProgramReport
    formed: int
    after: Floats
    later: Floats
    age_s: float
    software: NDArray[Any]
    chip: NDArray[Any]
    ideal: NDArray[Any]
    inferences: int
    measured: Mapping[str, Any]
    measured_rows: Sequence[tuple[str, str]]
    meters: Mapping[str, Meters] | None
    wall_s: Mapping[str, float]
    link: Mapping[str, int]

    @property
    def network(self) -> Network:
        """What was programmed."""
        return self.compiled.network

    def score(self, predictions: NDArray[Any]) -> float:
        """Share of right predictions, or the mean return."""
        return float((predictions == self.data.y_test).mean() if self.metric == "accuracy" else predictions.mean())

    def shown(self, predictions: NDArray[Any]) -> str:
        """The score for people: a percentage, or a return."""
        score = self.score(predictions)
        return f"{score:.2%}" if self.metric == "accuracy" else f"{score:.1f}"

    def spent(self, *phases: str) -> tuple[float | None, float | None]:
        """(joules, seconds) of fabric in the phases, all causes; None where the endpoint cannot tell."""
        if self.meters is None:
            return None, None
        rows = [row for phase in phases for row in self.meters[phase].values()]
        return sum(joules for joules, _ in rows), sum(seconds for _, seconds in rows)

    def errors(self, conductance: Floats) -> Floats:
        """Conductance minus target (siemens) of the cells that converged, flat.

        Without those that make up for a failed one: they have another target.
        """
        report = self.programming
        repaired = compensated(self.network, FaultMap(report.failed, report.conductance), self.spec)
        own = report.converged & (repaired == self.network.targets)
        difference: Floats = (conductance - self.network.targets)[own]
        return difference

    @property
    def copies(self) -> list[int]:
        """Pairs for each weight, by layer."""
        first = {block.layer: block.row_copies * block.pair_copies for block in self.network.blocks}
        return [first[layer] for layer in sorted(first)]

    def to_json(self) -> dict[str, Any]:
        """The numbers of the run. Energy and times of the fabric are None where the endpoint cannot tell."""
        report, trials = self.programming, len(self.chip)
        cells, stuck = int(report.selected.sum()), int(report.stuck.sum())
        energy_j, latency_s = self.spent("inference")
        _, programming_s = self.spent("forming", "calibration", "programming")
        return {
            f"software_{self.metric}": self.score(self.software),
            f"chip_{self.metric}": self.score(self.chip),
            f"ideal_{self.metric}": self.score(self.ideal),
            "cells_programmed": cells,
            # Of the cells that can be programmed at all.
            "converged_fraction": float(report.converged.sum()) / (cells - stuck) if cells > stuck else 0.0,
            "pulses_per_cell": report.pulses_per_cell,
            "stuck_cells": stuck,
            "energy_per_inference_j": None if energy_j is None else energy_j / self.inferences,
            "latency_per_inference_s": None if latency_s is None else latency_s / self.inferences,
            "programming_time_s": programming_s,
            "link_bytes": self.link["bytes_sent"] + self.link["bytes_received"],
            "seed": self.seed,
            "demo": self.demo,
            "task": self.task,
            "mode": self.mode,
            "endpoint": self.endpoint,
            "chip": self.spec.name,
            "layers": [self.model.inputs, *(layer.outputs for layer in self.model.layers)],
            "note": self.data.note,
            "copies": self.copies,
            ("test_samples" if self.metric == "accuracy" else "episodes"): trials,
            "inferences": self.inferences,
            "formed_cells": self.formed,
            "converged_fraction_of_all": report.converged_fraction,
            "error_sigma_verify_siemens": float(self.errors(report.conductance).std()),
            "error_sigma_after_siemens": float(self.errors(self.after).std()),
            "error_sigma_later_siemens": float(self.errors(self.later).std()),
            "later_s": self.age_s,
            "wall_s": dict(self.wall_s),
            **self.measured,
        }

    def rows(self) -> list[tuple[str, str]]:
        """(quantity, value) for people, in the order of the table."""
        numbers = self.to_json()
        name = self.metric.capitalize()
        micro_siemens = "{:.2f} µS".format
        errors = [1e6 * float(self.errors(g).std()) for g in (self.programming.conductance, self.after, self.later)]
        layers, copies = "-".join(map(str, numbers["layers"])), ", ".join(map(str, self.copies))
        return [
            (f"{name}, software (float32)", self.shown(self.software)),
            (f"{name}, chip", self.shown(self.chip)),
            (f"{name}, ideal chip", self.shown(self.ideal)),
            ("Held-out samples" if self.metric == "accuracy" else "Episodes", f"{len(self.chip):,}"),
            *self.measured_rows,
            ("Network", layers),
            ("Pairs a weight, by layer", copies),
            ("Cells programmed", f"{numbers['cells_programmed']:,}"),
            ("Cells formed in this run", f"{numbers['formed_cells']:,}"),
            ("Stuck cells", f"{numbers['stuck_cells']:,}"),
            ("Converged, of cells not stuck", f"{numbers['converged_fraction']:.3%}"),
            ("Pulses a cell", f"{numbers['pulses_per_cell']:.2f}"),
            ("Error at the row's last verify, σ", micro_siemens(errors[0])),
            ("Error read after programming, σ", micro_siemens(errors[1])),
            (f"Error read {self.age_s:g} s later, σ", micro_siemens(errors[2])),
            ("Energy an inference", si(numbers["energy_per_inference_j"], "J")),
            ("Latency an inference, fabric time", si(numbers["latency_per_inference_s"], "s")),
            ("Programming, fabric time", si(numbers["programming_time_s"], "s")),
            ("Bytes on the link", f"{numbers['link_bytes']:,}"),
            ("Wall clock", f"{sum(self.wall_s.values()):.1f} s"),
        ]


def si(value: float | None, unit: str) -> str:
    """A value with an SI prefix, three digits: 2.31e-05 s is '23.1 µs'."""
    if value is None:
        return "not measured here"
    if value == 0:
        return f"0 {unit}"
    exponent = int(np.clip(np.floor(np.log10(abs(value)) / 3), -5, 3))
    return f"{value / 10.0 ** (3 * exponent):.3g} {'fpnµm kMG'[exponent + 5].strip()}{unit}"

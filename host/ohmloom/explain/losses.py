"""The loss of each cause alone, of their sum, and of all together.

A chip is calibrated, formed, programmed, left alone for a while and asked; it has one cause of error from its first
pulse to its last vector. The mapping's chip has none: what it loses against the float32 software is due to quantised
inputs, the converter's steps, clipping and requantisation. It is programmed as tightly as a verify can tell, and so are
all others except where the programming error itself is meant.

Scores are compared with the mapping's chip. Output errors add in squares: a cause's own is the root of what its chip's
square has beyond the mapping's. A plain difference to the mapping's outputs would count for the cause that two chips
round differently.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from math import sqrt
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from ohmloom.chip import Progress, connect
from ohmloom.errors import ArgumentError
from ohmloom.explain.subject import Subject
from ohmloom.spec.effects import ALL_EFFECTS, Effect

Floats = NDArray[np.float64]

MAPPING, PROGRAMMING, ALL = "mapping", "programming", "all"
CAUSES: Mapping[str, frozenset[Effect]] = {
    MAPPING: frozenset(),
    PROGRAMMING: frozenset({Effect.SPREAD}),
    "stuck": frozenset({Effect.STUCK}),
    "relaxation": frozenset({Effect.RELAXATION}),
    "read_noise": frozenset({Effect.READ_NOISE}),
    "ir_drop": frozenset({Effect.WIRES}),
    "dac": frozenset({Effect.DAC}),
    "tia": frozenset({Effect.TIA}),
    "adc": frozenset({Effect.ADC}),
}
LABELS: Mapping[str, str] = {
    MAPPING: "mapping (quantisation, clipping)",
    PROGRAMMING: "programming error",
    "stuck": "stuck cells",
    "relaxation": "relaxation",
    "read_noise": "read noise",
    "ir_drop": "IR drop",
    "dac": "DAC",
    "tia": "TIA",
    "adc": "ADC (noise)",
    "sum": "sum of these",
    ALL: "all together",
}
TOLERANCE_SIEMENS = 1e-6  # of `Chip.program`, where the programming error is meant


@dataclass(frozen=True)
class Loss:
    """What a cause costs, as means over the chips.

    score: loss of accuracy in points, or of R2 for a regression; None without labels. standard_error: of that mean;
    None for a single chip. output_error: rms of the cause's own part of the outputs' error, over the outputs' rms.
    """

    score: float | None
    standard_error: float | None
    output_error: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """The losses of a network on a kind of chip, against the software in float32.

    software: its accuracy within 0..1, or R2; None without labels. sum: of the causes' losses, output errors in
    squares; all: measured with all causes at once. converged_fraction: of the cells, by cause and "all".
    """

    subject: Subject
    seeds: tuple[int, ...]
    age_s: float
    software: float | None
    causes: Mapping[str, Loss]
    sum: Loss
    all: Loss
    converged_fraction: Mapping[str, float]

    @property
    def ranked(self) -> dict[str, Loss]:
        """The causes, largest output error first, then "sum" and "all"."""
        ranking = sorted(self.causes.items(), key=lambda item: -item[1].output_error)
        return {**dict(ranking), "sum": self.sum, ALL: self.all}

    @property
    def title(self) -> str:
        return (
            f"{self.subject.title} on {self.subject.spec.name}, {len(self.subject.X)} samples, "
            f"{self.age_s:g} s after programming; {len(self.seeds)} chip{'s' * (len(self.seeds) > 1)} a cause"
        )

    @property
    def score_name(self) -> str:
        return "loss of R2" if self.subject.regression else "accuracy loss, points"

    def share(self, cause: str) -> float:
        """A cause's part of the sum of squared output errors, within 0..1."""
        return (self.causes[cause].output_error / self.sum.output_error) ** 2 if self.sum.output_error else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values. Losses are `loss_points` of accuracy, or `loss_r2` for a regression."""
        score = "loss_r2" if self.subject.regression else "loss_points"

        def plain(loss: Loss) -> dict[str, float | None]:
            return {score if key == "score" else key: value for key, value in asdict(loss).items()}

        return {
            "software_r2" if self.subject.regression else "software_accuracy": self.software,
            "causes": {
                cause: {**plain(loss), "share": self.share(cause), "converged_fraction": self.converged_fraction[cause]}
                for cause, loss in self.causes.items()
            },
            "sum": plain(self.sum),
            "all": {**plain(self.all), "converged_fraction": self.converged_fraction[ALL]},
            "subject": self.subject.title,
            "chip": self.subject.spec.name,
            "samples": len(self.subject.X),
            "seeds": list(self.seeds),
            "age_s": self.age_s,
        }


def explain(
    subject: Subject, *, seeds: int = 3, first_seed: int = 0, age_s: float = 1.0, progress: Progress = lambda *_: None
) -> Explanation:
    """Runs a network on emulated chips with one cause of error each, and with all.

    seeds: number of chips for each cause, from `first_seed` on; age_s: time between programming and inference;
    progress: called as (phase, done, of how many).
    Raises ArgumentError for a value out of range and for data whose outputs are all 0.
    """
    if seeds < 1 or first_seed < 0:
        raise ArgumentError(f"seeds: at least 1 from 0 on wanted, given {seeds} from {first_seed} on")
    if not (np.isfinite(age_s) and 0 <= age_s < 1e9):
        raise ArgumentError(f"age_s: {age_s} is not within 0..1e9")
    expected = subject.network.model.forward(subject.X).astype(np.float64)
    power = float((expected**2).mean())
    if power == 0:
        raise ArgumentError("the network's outputs are 0 for all of the data: there is nothing to compare with")
    chips = tuple(range(first_seed, first_seed + seeds))
    jobs = list(product((*CAUSES, ALL), chips))
    scores, squares, converged = (defaultdict[str, list[float]](list) for _ in range(3))
    progress("chips", 0, len(jobs))
    for done, (kind, seed) in enumerate(jobs, start=1):
        outputs, fraction = _run(subject, kind, seed, age_s)
        scores[kind].append(_score(subject, outputs))
        squares[kind].append(float(((outputs - expected) ** 2).mean()) / power)
        converged[kind].append(fraction)
        progress("chips", done, len(jobs))
    software = _score(subject, expected)
    unit = 1.0 if subject.regression else 100.0
    lost = {kind: unit * (software - np.array(values)) for kind, values in scores.items()}
    square = {kind: float(np.mean(values)) for kind, values in squares.items()}
    for kind in CAUSES:
        if kind != MAPPING:
            lost[kind] -= lost[MAPPING]
            square[kind] = max(square[kind] - square[MAPPING], 0.0)
    return Explanation(
        subject=subject,
        seeds=chips,
        age_s=age_s,
        software=None if np.isnan(software) else software,
        causes={cause: _loss(lost[cause], square[cause]) for cause in CAUSES},
        sum=_loss(np.sum([lost[cause] for cause in CAUSES], axis=0), sum(square[cause] for cause in CAUSES)),
        all=_loss(lost[ALL], square[ALL]),
        converged_fraction={kind: float(np.mean(fractions)) for kind, fractions in converged.items()},
    )


def _run(subject: Subject, kind: str, seed: int, age_s: float) -> tuple[Floats, float]:
    """Outputs (samples, outputs) of one chip, and the share of its cells that converged."""
    spec = subject.spec
    tightest = spec.siemens_per_code(spec.verify_range)
    tolerance_siemens = max(TOLERANCE_SIEMENS, tightest) if kind in (PROGRAMMING, ALL) else tightest
    effects = ",".join(sorted(CAUSES.get(kind, ALL_EFFECTS)))
    with connect(f"emu://{quote(subject.chip)}", seed=seed, effects=effects) as chip:
        report = chip.program(subject.network, tolerance_siemens=tolerance_siemens)
        chip.advance(age_s)
        return chip.infer(subject.X), report.converged_fraction


def _score(subject: Subject, outputs: Floats) -> float:
    """Accuracy within 0..1, or R2, of outputs; NaN without labels."""
    labels = subject.labels
    if labels is None:
        return float("nan")
    decided = subject.network.model.decide(outputs)
    if not subject.regression:
        return float((decided == labels).mean())
    labels = labels.reshape(decided.shape)
    spread = ((labels - labels.mean(axis=0)) ** 2).sum()
    return float(1 - ((labels - decided) ** 2).sum() / spread) if spread else float("nan")


def _loss(scores: Floats, square: float) -> Loss:
    if np.isnan(scores).any():
        return Loss(None, None, sqrt(square))
    count = len(scores)
    return Loss(float(scores.mean()), float(scores.std(ddof=1)) / sqrt(count) if count > 1 else None, sqrt(square))

"""From a file of measurements to the `[cell]` section of a chip spec, with a report; refusing where data do not suffice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ohmloom.errors import ArgumentError, Error
from ohmloom.spec import ChipSpec, load_chip

from ..devices.interface import FloatArray
from .held_out import HeldOut, held_out, run
from .iv import bend, chord_factor, needs_bend, read_noise
from .measurements import Measurements, read_measurements
from .models import NEEDS, Family, Parameter, family_of, model_names
from .section import spec_text
from .solve import MIN_DEVICES, Progress, Solution, best_start, solve, widened
from .trains import Trains, only_devices, trains_of

_STUCK_MOVES = 0.15  # of the usual device's range of ln(conductance), below which a device does not move
_MIN_STUCK_DEVICES = 20  # fewer do not tell a share of stuck ones
_SURE = 2.0  # of log-likelihood: by how much a limit must do better than none
_AS_GOOD = 5.0  # of log-likelihood: fits this close are both possible


class UndeterminedError(Error, ValueError):
    """The data do not determine some parameters. `names` are theirs; the message says what each needs."""

    def __init__(self, path: Path, model: str, reasons: Mapping[str, str]) -> None:
        self.names = tuple(reasons)
        listed = "; ".join(f"{name} (needs {reason})" for name, reason in reasons.items())
        super().__init__(f"{path} does not determine {listed}. Measure that, or fix values that you know, "
                         f"or take a model with fewer parameters than {model}")  # fmt: skip


@dataclass(frozen=True)
class Train:
    """One device for a picture: measured, and simulated from its first state on with the device's own offsets."""

    name: str
    measured_siemens: FloatArray
    simulated_siemens: FloatArray


@dataclass(frozen=True)
class DeviceFit:
    """A fitted cell. `report` is plain data: what was fitted, kept and found, and the held-out error."""

    spec: str  # a chip spec, as TOML
    report: dict[str, Any]
    held_out: HeldOut
    trains: tuple[Train, ...]


def fit_device(
    path: Path,
    model: str = "statistical",
    chip: str = "lab-128x128x4",
    *,
    name: str = "",
    fixed: Mapping[str, float] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> DeviceFit:
    """Fits a cell model to the measurements in a CSV file and puts it into a chip's spec.

    Args:
        path: the measurements; columns as in `ohmloom_emulator.fit.measurements`.
        model: one of `model_names()`.
        chip: bundled name or TOML file; all but its cell is kept.
        name: of the new chip; by default the file's.
        fixed: parameters that are known; they are not fitted.

    Raises MeasurementError for a file that cannot be used, UndeterminedError for data that do not determine all
    parameters, ArgumentError for an unknown model or parameter, SpecError for an unknown chip, and OSError.
    """
    if model not in model_names():
        raise ArgumentError(f"model: {model!r} is none of {', '.join(model_names())}")
    spec, data, fixed = load_chip(chip), read_measurements(path), dict(fixed or {})
    kept: dict[str, str] = {}
    family = _prepared(family_of(model, spec), data, fixed)
    if family.iv is not None and family.iv not in fixed:
        family = _with_bend(path, family, data, spec, kept)
    trains = trains_of(data, spec.limits.read_v, chord_factor(family.base))
    trains, stuck = _without_stuck(family, trains)
    noise = read_noise(family, trains)
    if noise is None:
        kept["read_noise"] = "too few reads were repeated"
    else:
        family = replace(family, base=family.with_values({"read_noise": noise}))
    names = _needed(path, family, trains, kept, fixed)
    if not any(p.name in names and "gates" in p.needs for p in family.parameters):
        open_gate = replace(trains.pulses, gate_v=np.full(len(trains.pulses), np.nan))
        trains = replace(trains, pulses=open_gate)
    solution = _determined(path, family, trains, names, kept, progress)
    judged = held_out(family, trains, solution, progress)
    cell = _finished(family, solution, trains, stuck, kept)
    text, notes = spec_text(family, cell, chip, name or path.stem, path)
    report = {
        "file": path.name, "model": model, "devices": len(trains.names), "pulses": len(trains.pulses),
        "stuck_devices": list(stuck),
        "parameters": {p.name: _entry(p, solution) for p in family.parameters if p.name in solution.values},
        "found": _found(family, cell, solution, kept, fixed),
        "kept": kept, "fixed": fixed, "misfit": solution.fitted.misfit,
        "held_out": judged.summary(), "notes": notes,
    }  # fmt: skip
    return DeviceFit(text, report, judged, _pictured(solution, trains))


def _prepared(family: Family, data: Measurements, fixed: Mapping[str, float]) -> Family:
    """The family with what is known. Raises ArgumentError for a parameter that it does not have or allow."""
    if family.model == "statistical":
        # Cells are virgin below `formed_siemens`: these are not, however low they go.
        lowest = float(np.nanmin(np.where(np.isnan(data.current_a), data.siemens, data.current_a / data.volts)))
        share = min(1.0, 0.3 * lowest / family.get("formed_siemens"))
        names = ("formed_siemens", "virgin_siemens.0", "virgin_siemens.1")
        family = replace(family, base=family.with_values({name: share * family.get(name) for name in names}))
    for name in fixed:
        try:
            family.get(name)
        except (KeyError, IndexError, TypeError):
            known = ", ".join(p.name for p in family.parameters)
            raise ArgumentError(f"fixed: {family.model} has no parameter {name!r}; fitted are {known}") from None
    try:
        return replace(family, base=family.with_values(fixed))
    except ValueError as error:
        raise ArgumentError(f"fixed: {error}") from None


def _with_bend(path: Path, family: Family, data: Measurements, spec: ChipSpec, kept: dict[str, str]) -> Family:
    """The family with the I-V curve of the data. Raises UndeterminedError where they need one that they do not show."""
    assert family.iv is not None
    value = bend(family, data, spec.limits.read_v)
    if value is not None:
        return replace(family, base=family.with_values({family.iv: value}))
    reason = "reads of one state at two voltages, a factor of 1.5 or more apart"
    if needs_bend(data, spec.limits.read_v):
        raise UndeterminedError(path, family.model, {family.iv: reason})
    kept[family.iv] = f"there are no {reason}"
    return family


def _without_stuck(family: Family, trains: Trains) -> tuple[Trains, tuple[str, ...]]:
    """The trains of devices that move, and the names of the others."""
    logarithm = np.log(np.maximum(trains.pulses.siemens, 1e-12))
    starts = np.searchsorted(trains.pulses.device, np.arange(len(trains.names)))
    moves = np.maximum.reduceat(logarithm, starts) - np.minimum.reduceat(logarithm, starts)
    stuck = moves < _STUCK_MOVES * np.median(moves)
    if not stuck.any():
        return trains, ()
    return only_devices(trains, ~stuck), tuple(np.array(trains.names)[stuck].tolist())


def _needed(
    path: Path, family: Family, trains: Trains, kept: dict[str, str], fixed: Mapping[str, float]
) -> tuple[str, ...]:
    """Names of the parameters to fit. Raises UndeterminedError where the experiment cannot show one that is needed."""
    met = _conditions(family, trains)
    names, missing = [], {}
    for p in family.parameters:
        lacking = [NEEDS[need] for need in p.needs if need not in met]
        if p.name in fixed:
            continue
        if not lacking:
            names.append(p.name)
        elif p.optional:
            kept[p.name] = f"needs {', and '.join(lacking)}"
        else:
            missing[p.name] = ", and ".join(lacking)
    if missing:
        raise UndeterminedError(path, family.model, missing)
    return tuple(names)


def _conditions(family: Family, trains: Trains) -> set[str]:
    """Which of `NEEDS` the pulses meet."""
    pulses, change = trains.pulses, trains.pulses.siemens - trains.before_siemens
    seen = 4.0 * family.base.read_noise_siemens(pulses.siemens)
    gates = pulses.gate_v[(pulses.volts > 0) & ~np.isnan(pulses.gate_v)]
    met = {
        "set": bool(np.any((pulses.volts > 0) & (change > seen))),
        "reset": bool(np.any((pulses.volts < 0) & (change < -seen))),
        "widths": bool(pulses.width_s.max() >= 2.0 * pulses.width_s.min()),
        "temperatures": bool(np.ptp(pulses.temperature_k) >= 20.0),
        "gates": len(np.unique(gates)) >= 2,
    }
    return {need for need, is_met in met.items() if is_met}


def _determined(
    path: Path, family: Family, trains: Trains, names: tuple[str, ...], kept: dict[str, str], progress: Progress
) -> Solution:
    """The fit. Optional parameters that it leaves open are kept at their defaults; others are an UndeterminedError."""
    known = {p.name: p for p in family.parameters}
    while True:
        try:
            start = best_start(family, names, trains, progress)
        except ValueError as error:
            raise Error(f"{path}: {error}") from None
        inner = solve(family, trains, start, progress=progress)
        outer = solve(family, trains, widened(family, start, trains), progress=progress)
        # Limits that do no better than none are not in the data, however sharp they look from inside.
        best = inner if inner.surprise < outer.surprise - _SURE else outer
        best = replace(best, errors=_apart(known, inner, outer, best))
        loose = [name for name in names if not best.errors[name] <= known[name].largest_error]
        if any(not known[name].optional for name in loose):
            reasons = {name: known[name].advice for name in loose if not known[name].optional}
            raise UndeterminedError(path, family.model, reasons)
        if not loose:
            return best
        kept |= {name: f"the data leave it open; needs {known[name].advice}" for name in loose}
        names = tuple(name for name in names if name not in loose)


def _apart(known: Mapping[str, Parameter], one: Solution, other: Solution, best: Solution) -> dict[str, float]:
    """Standard errors, not less than how far apart two fits are that do about as well: a valley may be bent or rough."""
    if abs(one.surprise - other.surprise) > _AS_GOOD:
        return best.errors
    fitted = [np.array([known[name].to_fit(s.values[name]) for name in best.errors]) for s in (one, other)]
    differences = np.abs(fitted[0] - fitted[1])
    return {name: max(error, float(x)) for (name, error), x in zip(best.errors.items(), differences, strict=True)}


def _finished(family: Family, solution: Solution, trains: Trains, stuck: tuple[str, ...], kept: dict[str, str]) -> Any:
    """The cell with spreads and noises, too."""
    values: dict[str, float] = {family.cycle: solution.fitted.cycle}
    if len(trains.names) >= MIN_DEVICES:
        values |= {s.parameter: float(x) for s, x in zip(family.spreads, solution.spreads, strict=True)}
    else:
        kept |= {s.parameter: f"needs {MIN_DEVICES} devices or more" for s in family.spreads}
    devices = len(trains.names) + len(stuck)
    if devices >= _MIN_STUCK_DEVICES:
        values["stuck_fraction"] = len(stuck) / devices
    else:
        kept["stuck_fraction"] = f"needs {_MIN_STUCK_DEVICES} devices or more"
    return family.with_values(values, solution.fitted.cell)


def _entry(parameter: Parameter, solution: Solution) -> dict[str, float]:
    """Value and standard error in the parameter's own unit."""
    value, error = solution.values[parameter.name], solution.errors[parameter.name]
    return {"value": value, "standard_error": abs(value) * error if parameter.log else error}


def _found(
    family: Family, cell: Any, solution: Solution, kept: Mapping[str, str], fixed: Mapping[str, float]
) -> dict[str, float]:
    """What is estimated beside the parameters."""
    names = [s.parameter for s in family.spreads] + [family.cycle, "read_noise", "stuck_fraction"]
    names += [family.iv] if family.iv is not None and family.iv not in fixed else []
    return {name: family.get(name, cell) for name in names if name not in kept and name not in solution.values}


def _pictured(solution: Solution, trains: Trains, most: int = 2) -> tuple[Train, ...]:
    everything = np.ones(len(trains.pulses), dtype=np.bool_)
    simulated = run(solution.fitted, trains, everything, trains.before_siemens)
    return tuple(
        Train(name, trains.pulses.siemens[rows], simulated[rows])
        for number, name in enumerate(trains.names[:most])
        for rows in [trains.pulses.device == number]
    )

"""What each cell model is fitted in: parameters, what data each needs, and where to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from ohmloom.spec import ChipSpec

from ..devices import CompactArrayCell, Devices, Statistical
from ..devices.interface import ArrayCell, FloatArray
from ..devices.of_spec import COMPACT_MODELS
from .trains import Trains

NEEDS = {
    "set": "SET pulses (positive volts) that raise the conductance",
    "reset": "RESET pulses (negative volts) that lower the conductance",
    "widths": "pulses of at least two widths, a factor of 2 or more apart",
    "temperatures": "pulses at temperatures 20 K or more apart",
    "gates": "SET pulses at two or more gate voltages",
}
"""Conditions of an experiment without which some parameters show in nothing."""


@dataclass(frozen=True)
class Parameter:
    """A parameter that is fitted: as the logarithm of its magnitude, or as it is (volts)."""

    name: str
    advice: str  # what determines it
    needs: tuple[str, ...] = ()
    log: bool = True
    optional: bool = False  # kept at its default, with a note, where the data lack what it needs
    limit: str = ""  # "low" or "high": end of the range of conductance that it sets
    outward: int = 1  # which way it moves when the range widens
    largest_error: float = (
        0.4  # standard error, of the logarithm or in volts, beyond which the data do not determine it
    )

    def to_fit(self, value: float) -> float:
        return float(np.log(abs(value))) if self.log else value

    def from_fit(self, fitted: float, like: float) -> float:
        return float(np.copysign(np.exp(np.clip(fitted, -700, 700)), like)) if self.log else float(fitted)


@dataclass(frozen=True)
class Spread:
    """A difference between devices: the field of `Devices` that it moves, and its standard deviation's name."""

    parameter: str
    field: str
    log: bool  # the field is a factor, the offset its logarithm


@dataclass(frozen=True)
class Family:
    """One model as something to fit. Parameters with a dot are elements of a tuple: `set_limit_ohm.0`."""

    model: str
    base: ArrayCell
    parameters: tuple[Parameter, ...]
    spreads: tuple[Spread, ...]
    cycle: str  # name of the noise from pulse to pulse
    iv: str | None  # the parameter that bends the I-V curve
    starts: Callable[[Family, Trains], list[dict[str, float]]] = field(repr=False)

    def get(self, name: str, cell: ArrayCell | None = None) -> float:
        holder = _holder(self.base if cell is None else cell, name)
        value = getattr(holder, name.partition(".")[0])
        return float(value[int(name.partition(".")[2])] if "." in name else value)

    def with_values(self, values: Mapping[str, float], cell: ArrayCell | None = None) -> Any:
        """The cell with other parameters. Raises ValueError where the model does not allow them."""
        result: Any = self.base if cell is None else cell
        own: dict[str, Any] = {}
        inner: dict[str, Any] = {}
        for name, value in values.items():
            holder, (plain, _, index) = _holder(result, name), name.partition(".")
            target = own if holder is result else inner
            if index:
                items = list(target.get(plain, getattr(holder, plain)))
                items[int(index)] = value
                target[plain] = tuple(items)
            else:
                target[plain] = value
        if inner:
            own["model"] = replace(result.model, **inner)
        return replace(result, **own) if own else result

    def mean_devices(self, cell: ArrayCell, count: int) -> Devices:
        return cell.device(0, 0, np.arange(count), 0, stuck=0.0, ideal=True)

    def section(self, cell: Any) -> dict[str, Any]:
        """The parameters of `cell` that differ from those a chip spec has by default."""
        default = family_of(self.model, None).base
        keys = _different(cell, default, skip=("model", "noise_max_siemens"))
        if isinstance(cell, CompactArrayCell):
            keys |= _different(cell.model, COMPACT_MODELS[self.model], skip=("read_v",))
        return keys


def _holder(cell: Any, name: str) -> Any:
    """The object that has the parameter: the cell, or the physics in it."""
    plain = name.partition(".")[0]
    for holder in (cell, getattr(cell, "model", None)):
        if holder is not None and plain in {f.name for f in fields(holder)}:
            return holder
    raise KeyError(name)


def _different(cell: Any, default: Any, skip: Sequence[str]) -> dict[str, Any]:
    values = {f.name: getattr(cell, f.name) for f in fields(cell) if f.name not in skip}
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def model_names() -> tuple[str, ...]:
    return ("statistical", *COMPACT_MODELS)


def family_of(model: str, spec: ChipSpec | None) -> Family:
    """The family of a model's name, with the read voltage of a chip. The name is one of `model_names()`."""
    if model == "statistical":
        return Family(
            model, Statistical(), _STATISTICAL, _STATISTICAL_SPREADS, "cycle_v", "sinh_per_v", statistical_starts
        )
    physics: Any = COMPACT_MODELS[model]
    if spec is not None:
        physics = replace(physics, read_v=spec.limits.read_v)
    base = CompactArrayCell(physics, 40e-6 if spec is None else spec.cell.g_max_siemens)
    parameters, iv = _COMPACT[model]
    return Family(model, base, parameters + _GATE, _COMPACT_SPREADS, "cycle_noise", iv, compact_starts)


_SOFTER, _HARDER = "pulses of several amplitudes", "pulses hard enough that the conductance stops to"
_SET, _RESET, _WIDTHS = ("set",), ("reset",), ("widths",)

_STATISTICAL = (
    Parameter("set_threshold_v", f"SET {_SOFTER}", _SET, log=False, largest_error=0.3),
    Parameter("set_slope_siemens_per_v", f"SET {_SOFTER}", _SET),
    Parameter("reset_threshold_v", f"RESET {_SOFTER}", _RESET, log=False, largest_error=0.3),
    Parameter("reset_slope_siemens_per_v", f"RESET {_SOFTER}", _RESET),
    Parameter("time_decade_v", NEEDS["widths"], _WIDTHS),
    Parameter("max_siemens", f"SET {_HARDER} rise", _SET, limit="high"),
    Parameter("min_siemens", f"RESET {_HARDER} fall", _RESET, limit="low", outward=-1),
    Parameter("attempt_hz", NEEDS["temperatures"], ("temperatures",), optional=True, largest_error=12.0),
    Parameter("gate_threshold_v", NEEDS["gates"], ("gates",), log=False, optional=True),
    Parameter("gate_siemens_per_v", NEEDS["gates"], ("gates",), optional=True),
)
_STATISTICAL_SPREADS = (
    Spread("set_spread_v", "set_v", False),
    Spread("reset_spread_v", "reset_v", False),
    Spread("max_spread", "max_scale", True),
    Spread("min_spread", "min_siemens", True),
)
_COMPACT_SPREADS = (
    Spread("set_spread", "set_v", False),
    Spread("reset_spread", "reset_v", False),
    Spread("max_spread", "max_scale", True),
)


def _pair(name: str, values: tuple[str, str], advice: str, **options: Any) -> tuple[Parameter, ...]:
    """One parameter for SET and its like for RESET; `{}` in the name is what differs."""
    return tuple(
        Parameter(name.format(value), f"{direction.upper()} {advice}", (direction,), **options)
        for value, direction in zip(values, ("set", "reset"), strict=True)
    )


_ON_OFF = (
    Parameter("r_on_ohm", f"SET {_HARDER} rise", _SET, limit="high", outward=-1),
    Parameter("r_off_ohm", f"RESET {_HARDER} fall", _RESET, limit="low"),
)
_STANFORD = (
    Parameter("area", "SET and RESET pulses over the whole range of conductance"),
    Parameter("gap_max_nm", f"RESET {_HARDER} fall", _RESET, limit="low"),
    Parameter("velocity_m_per_s", "pulses of several widths and amplitudes", _WIDTHS, largest_error=3.0),
    *_pair("gamma0_{}", ("set", "reset"), _SOFTER),
    *_pair("beta_{}", ("set", "reset"), "pulses at several conductances", largest_error=1.5),
    Parameter("activation_ev", NEEDS["temperatures"], ("temperatures",), optional=True),
)
_GATE = (
    Parameter("gate_threshold_v", NEEDS["gates"], ("gates",), log=False, optional=True),
    Parameter("gate_a_per_v2", NEEDS["gates"], ("gates",), optional=True),
)
_COMPACT: Mapping[str, tuple[tuple[Parameter, ...], str | None]] = {
    "vteam": (
        (
            *_ON_OFF,
            *_pair("k_{}_m_per_s", ("on", "off"), "pulses of several widths", largest_error=2.0),
            *_pair("alpha_{}", ("on", "off"), _SOFTER, largest_error=1.0),
            *_pair("v_{}_v", ("on", "off"), _SOFTER),
        ),
        None,
    ),
    "stanford-pku": (_STANFORD, "v0_v"),
    "stanford-pku-hfox": (_STANFORD, "v0_v"),
    "messaris": (
        (
            *_pair("{}_rate_ohm_per_s", ("set", "reset"), "pulses of several widths", largest_error=2.0),
            *_pair("{}_per_v", ("set", "reset"), _SOFTER, largest_error=1.0),
            *_pair("{}_window_per_ohm", ("set", "reset"), "trains that saturate", largest_error=1.5),
            Parameter("set_limit_ohm.0", f"SET {_SOFTER}, each until it saturates", _SET),
            Parameter("set_limit_ohm.1", f"SET {_SOFTER}, each until it saturates", _SET),
            Parameter("reset_limit_ohm.0", "RESET pulses until they saturate", _RESET),
            Parameter("r_min_ohm", f"SET {_HARDER} rise", _SET, limit="high", outward=-1),
            Parameter("r_max_ohm", f"RESET {_HARDER} fall", _RESET, limit="low"),
        ),
        "iv_b_per_v",
    ),
    "linear-drift": ((*_ON_OFF, Parameter("mobility_m2_per_vs", "pulses that move the cell")), None),
    "yakopcic": (
        (
            Parameter("area", f"SET {_HARDER} rise", _SET, limit="high"),
            *_pair("a_{}_per_s", ("p", "n"), "pulses of several widths", largest_error=2.0),
            *_pair("v_{}_v", ("p", "n"), _SOFTER),
            *_pair("alpha_{}", ("p", "n"), "trains towards the end of the range", largest_error=1.5),
        ),
        "b_per_v",
    ),
}


def statistical_starts(family: Family, trains: Trains) -> list[dict[str, float]]:
    """For several values of time_decade_v: the level lines through the conductances that pulses arrived at."""
    pulses, before = trains.pulses, trains.before_siemens
    top, bottom = np.percentile(pulses.siemens, (98, 2))
    result = []
    for decade_v in (0.05, 0.1, 0.2, 0.4):
        values = {
            "time_decade_v": decade_v,
            "max_siemens": top,
            "min_siemens": max(bottom, family.get("formed_siemens")),
        }
        for direction, sign in (("set", 1.0), ("reset", -1.0)):
            moved = (sign * (pulses.siemens - before) > 0.05 * (top - bottom)) & (sign * pulses.volts > 0)
            volts = np.abs(pulses.volts) + decade_v * np.log10(np.maximum(pulses.width_s, 1e-12) / 1e-6)
            slope, reached = (top - bottom) / 1.0, pulses.siemens
            if np.count_nonzero(moved) >= 3 and np.ptp(volts[moved]) > 0:
                slope = max(float(sign * np.polyfit(volts[moved], reached[moved], 1)[0]), 0.1 * slope)
            middle_v, middle = (np.median(x[moved]) if moved.any() else 1.0 for x in (volts, reached))
            values[f"{direction}_slope_siemens_per_v"] = slope
            values[f"{direction}_threshold_v"] = float(middle_v - sign * middle / slope)
        result.append(values)
    return result


def compact_starts(family: Family, trains: Trains, count: int = 8) -> list[dict[str, float]]:
    """The published values, brought to the data's conductances and voltages, and random ones around them."""
    pulses = trains.pulses
    guess = _guess(family, pulses.volts, pulses.width_s, pulses.siemens)
    rng, result = np.random.default_rng(7), [guess]
    for _ in range(count - 1):
        scales = {p.name: min(1.0, 1.5 * p.largest_error) if p.log else 0.2 for p in family.parameters}
        draw = {name: float(rng.normal(0.0, scales[name])) for name in guess}
        result.append({name: guess[name] * np.exp(draw[name]) for name in guess})
    return result


def _guess(family: Family, volts: FloatArray, width_s: FloatArray, siemens: FloatArray) -> dict[str, float]:
    low, high = np.percentile(siemens, (1, 99))
    values = {p.name: family.get(p.name) for p in family.parameters}
    set_v, reset_v = (float(np.median(np.abs(v))) if v.size else 1.0 for v in (volts[volts > 0], volts[volts < 0]))
    width = float(np.median(width_s))
    model: Any = getattr(family.base, "model", None)
    if "r_on_ohm" in values:
        values |= {"r_on_ohm": 0.95 / high, "r_off_ohm": 1.05 / low}
    if family.model == "vteam":
        span_m = 1e-9 * (family.get("w_off_nm") - family.get("w_on_nm"))
        values |= {"v_on_v": -0.6 * set_v, "v_off_v": 0.6 * reset_v, "alpha_on": 2.0, "alpha_off": 2.0,
                   "k_on_m_per_s": -span_m / width, "k_off_m_per_s": span_m / width}  # fmt: skip
    elif family.model == "linear-drift":
        thickness_m = 1e-9 * family.get("thickness_nm")
        values["mobility_m2_per_vs"] = 0.1 * thickness_m**2 / (width * max(set_v, reset_v))
    elif family.model == "yakopcic":
        values |= {"area": 1.05 * high / model.conductance_range[1], "v_p_v": 0.6 * set_v, "v_n_v": 0.6 * reset_v,
                   "a_p_per_s": 0.1 / (width * np.exp(set_v)), "a_n_per_s": 0.1 / (width * np.exp(reset_v))}  # fmt: skip
    elif family.model == "messaris":
        # Rates and windows are in ohm: bring both to the resistances of these cells, and rates to their pulses.
        ohm_siemens = model.r_min_ohm * model.conductance_range[1]
        low_ohm, high_ohm = ohm_siemens / high, ohm_siemens / low
        ohm = (high_ohm - low_ohm) / (model.r_max_ohm - model.r_min_ohm)
        for name in ("set_window_per_ohm", "reset_window_per_ohm"):
            values[name] /= ohm
        for name in ("set_rate_ohm_per_s", "reset_rate_ohm_per_s"):
            values[name] *= ohm * 100e-6 / width
        fall = (high_ohm - low_ohm) / set_v
        values |= {"r_min_ohm": 0.98 * low_ohm, "r_max_ohm": 1.02 * high_ohm, "reset_limit_ohm.0": high_ohm,
                   "set_limit_ohm.0": high_ohm + fall * set_v, "set_limit_ohm.1": -2.0 * fall}  # fmt: skip
    else:  # Stanford-PKU: the published range of gaps covers decades
        values["area"] = 1.05 * high / model.conductance_range[1]
    return values

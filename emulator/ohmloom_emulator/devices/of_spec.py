"""From the `[cell]` section of a chip spec to its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from math import isfinite
from typing import Any

from ohmloom.errors import SpecError
from ohmloom.spec import ChipSpec

from .base import CompactCell
from .compact import CompactArrayCell
from .interface import ArrayCell
from .linear_drift import LinearDrift
from .messaris import Messaris
from .reliability import Reliability
from .stanford_pku import StanfordPKU
from .statistical import Statistical
from .vteam import VTEAM
from .windows import Biolek, Joglekar, NoWindow, Prodromakis, Window
from .yakopcic import Yakopcic

COMPACT_MODELS: Mapping[str, CompactCell] = {
    "stanford-pku": StanfordPKU(),
    "stanford-pku-hfox": StanfordPKU.hfox_bilayer(),
    "vteam": VTEAM(),
    "messaris": Messaris(),
    "linear-drift": LinearDrift(),
    "yakopcic": Yakopcic(),
}
WINDOWS: Mapping[str, Callable[..., Window]] = {
    "none": NoWindow, "joglekar": Joglekar, "biolek": Biolek, "prodromakis": Prodromakis,
}  # fmt: skip


def cells_of(spec: ChipSpec) -> tuple[ArrayCell, Reliability]:
    """The cell model that `[cell]` names, and what wears it.

    Its further keys are parameters of the model (fields of its class), of `CompactArrayCell` for compact models, and of
    `Reliability`. `read_v` is the chip's. `window` is a name in `WINDOWS`, with its parameters as `window_p` and
    `window_j`.

    Raises SpecError for an unknown model or key, a value of another type or out of range, and a compact model whose
    conductances do not cover the chip's g_min_siemens to g_max_siemens.
    """
    cell, given = spec.cell, dict(spec.cell.model_extra or {})
    if cell.model != "statistical" and cell.model not in COMPACT_MODELS:
        raise SpecError(f"cell.model: unknown {cell.model!r}; known: statistical, {', '.join(COMPACT_MODELS)}")
    try:
        reliability = replace(Reliability(), **_taken(given, Reliability(), ()))
        if cell.model == "statistical":
            model: ArrayCell = replace(Statistical(), **_taken(given, Statistical(), ()))
            known: list[Any] = [Statistical(), reliability]
        else:
            published: Any = COMPACT_MODELS[cell.model]
            if hasattr(published, "window"):
                given |= _window(given)
            physics = replace(published, **_taken(given, published, ("read_v",)), read_v=spec.limits.read_v)
            around = CompactArrayCell(physics, cell.g_max_siemens)
            model = replace(around, **_taken(given, around, ("model", "noise_max_siemens")))
            _check_range(model, spec)
            known = [published, around, reliability]
    except ValueError as error:
        raise SpecError(str(error) if isinstance(error, SpecError) else f"cell: {error}") from None
    if given:
        names = {field.name for item in known for field in fields(item)} - {"read_v", "model", "noise_max_siemens"}
        raise SpecError(f"cell.{min(given)}: {cell.model} has no such parameter; it has {', '.join(sorted(names))}")
    return model, reliability


def _taken(given: dict[str, Any], defaults: Any, fixed: tuple[str, ...]) -> dict[str, Any]:
    """The keys that are fields of `defaults`, taken out of `given`, with values of the defaults' types."""
    names = [field.name for field in fields(defaults) if field.name in given and field.name not in fixed]
    return {name: _checked(name, given.pop(name), getattr(defaults, name)) for name in names}


def _checked(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        wanted, right = "true or false", isinstance(value, bool)
    elif isinstance(default, tuple):
        wanted, right = "a list of numbers", isinstance(value, (list, tuple)) and all(map(_is_number, value))
        value = tuple(map(float, value)) if right else value
    elif isinstance(default, (float, type(None))):
        wanted, right = "a finite number", _is_number(value)
        value = float(value) if right else value
    else:  # a window, made already
        wanted, right = f"one of {', '.join(WINDOWS)}", not isinstance(value, (str, int, float, bool, list, dict))
    if not right:
        raise SpecError(f"cell.{name}: {wanted} wanted, given {value!r:.80}")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _window(given: dict[str, Any]) -> dict[str, Window]:
    """The window that `window`, `window_p` and `window_j` describe, which are taken out of `given`."""
    name = given.pop("window", None)
    keys = [key for key in "pj" if f"window_{key}" in given]
    parameters = {key: _checked(f"window_{key}", given.pop(f"window_{key}"), 0.0) for key in keys}
    if name is None and not parameters:
        return {}
    if not isinstance(name, str) or name not in WINDOWS:
        raise SpecError(f"cell.window: one of {', '.join(WINDOWS)} wanted, given {name!r:.80}")
    try:
        return {"window": WINDOWS[name](**parameters)}
    except TypeError:
        raise SpecError(f"cell.window_{min(parameters)}: the {name} window has other parameters") from None


def _check_range(model: CompactArrayCell, spec: ChipSpec) -> None:
    low, high = model.range_siemens
    least, most = spec.cell.g_max_siemens / high * model.area, spec.cell.g_min_siemens / max(low, 1e-300) * model.area
    if not least <= model.area <= most:
        hint = f"an area of {least:.3g} to {most:.3g} fits" if least <= most else "no area fits: narrow the range"
        raise SpecError(
            f"cell.area: with {model.area:g}, {spec.cell.model} covers {low:.3g}..{high:.3g} S at "
            f"{spec.limits.read_v} V, not {spec.cell.g_min_siemens:.3g}..{spec.cell.g_max_siemens:.3g} S; {hint}"
        )

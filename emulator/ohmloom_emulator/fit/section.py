"""A chip spec with another cell: the base's text with its `[cell]` section replaced."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ohmloom.spec import ChipSpec, chip_names, load_chip
from ohmloom.spec.policy import FORMED_SIEMENS

from ..devices import CompactArrayCell
from .models import Family

_KEPT_KEYS = ("access", "write_scheme", "policy")


def spec_text(family: Family, cell: Any, chip: str, name: str, source: Path) -> tuple[str, list[str]]:
    """(TOML of the chip with this cell, notes on what the user should look at).

    The range of conductance is the chip's own where most of the cells cover it, else what they cover of it, or all that
    they cover if that is nothing.
    """
    spec = load_chip(chip)
    notes: list[str] = []
    low, high = _covered(family, cell)
    g_min, g_max = max(spec.cell.g_min_siemens, low), min(spec.cell.g_max_siemens, high)
    if g_min >= g_max:
        g_min, g_max = low, high
    if (g_min, g_max) != (spec.cell.g_min_siemens, spec.cell.g_max_siemens):
        notes.append(f"g_min_siemens and g_max_siemens are what most cells reach, {g_min:.3g} to {g_max:.3g} S")
    if g_max > (readable := _readable(spec)):
        notes.append(f"the chip verifies up to {readable:.3g} S: choose smaller afe.tia_ohm")
    if g_min < FORMED_SIEMENS:
        notes.append(
            f"the controller takes cells below {FORMED_SIEMENS:.3g} S for unformed: choose a higher g_min_siemens"
        )
    values = family.section(cell)
    if isinstance(cell, CompactArrayCell) and "read_noise" in values:  # there it counts at g_max_siemens
        values["read_noise"] *= (cell.noise_max_siemens / g_max) ** (1.0 - cell.read_noise_exponent)
    section: dict[str, Any] = {"model": family.model, "g_min_siemens": g_min, "g_max_siemens": g_max}
    given = spec.cell.model_dump()
    section |= {key: given[key] for key in _KEPT_KEYS if given[key] != type(spec.cell).model_fields[key].default}
    lines = [f"[cell]  # fitted to {source.name}", *(f"{key} = {_toml(x)}" for key, x in (section | values).items())]
    text = _text_of(chip)
    text = re.sub(r"^\[cell\].*?(?=^\[)", lambda _: "\n".join([*lines, "", ""]), text, count=1, flags=re.M | re.S)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:63] or "fitted"
    text = re.sub(r"^name = .*$", f"name = {_toml(plain)}", text, count=1, flags=re.M)
    summary = _toml(f"{spec.name} with {family.model} cells fitted to {source.name}")
    return re.sub(r"^summary = .*$", lambda _: f"summary = {summary}", text, count=1, flags=re.M), notes


def _covered(family: Family, cell: Any) -> tuple[float, float]:
    """What 19 of 20 cells reach on either side, to three digits within."""
    devices = cell.device(1, 0, np.arange(400), 0, stuck=0.0)
    low, high = cell.limits_siemens(devices)
    return _rounded(float(np.percentile(low, 95)), up=True), _rounded(float(np.percentile(high, 5)), up=False)


def _rounded(value: float, *, up: bool) -> float:
    unit = 10.0 ** (np.floor(np.log10(value)) - 2)
    return float(f"{(np.ceil if up else np.floor)(value / unit) * unit:.3g}")


def _readable(spec: ChipSpec) -> float:
    """The highest conductance whose verify current the TIA's output range holds."""
    ohm = spec.afe.tia_ohm[spec.verify_range]
    return min(spec.afe.vmid_v, spec.column_adc.full_scale_v - spec.afe.vmid_v) / (ohm * spec.limits.read_v)


def _text_of(chip: str) -> str:
    bundled = files("ohmloom.spec") / "chips" / f"{chip}.toml"
    return (bundled if chip in chip_names() else Path(chip)).read_text("utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else f"{float(value):.6g}"

"""The published figures of `figures.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Figure:
    """One published number, in SI units. status: "checked" against its source, or "second-hand"."""

    value: float
    unit: str
    what: str
    source: str
    status: str


def _load() -> dict[str, Figure]:
    text = (files("ohmloom.compare") / "figures.toml").read_text("utf-8")
    return {key: Figure(**fields) for key, fields in tomllib.loads(text).items()}


FIGURES: Mapping[str, Figure] = _load()

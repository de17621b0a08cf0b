"""Constants of a module, and fields of payloads and memory records with their offsets: what header and pages show."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ohmloom.spec.layout import SCALARS, Layout

_KINDS = {np.dtype("<" + code).str: kind for kind, code in SCALARS.items()}


@dataclass(frozen=True)
class RecordField:
    """`kind` is a scalar's name, with `[n]` for an array of n; `offset` counts bytes from the record's start."""

    name: str
    offset: int
    kind: str
    doc: str = ""


def constants(module: ModuleType) -> dict[str, int | float]:
    """The plain numbers that a module defines, by name, in its order."""
    return {name: value for name, value in vars(module).items() if name.isupper() and type(value) in (int, float)}


def record_fields(dtype: np.dtype[Any], prefix: str = "", offset: int = 0) -> list[RecordField]:
    """The scalars of a record dtype; nested records are flattened to `outer.inner`."""
    found = []
    for name, (kind, start, *_) in (dtype.fields or {}).items():
        if kind.fields:
            found += record_fields(kind, f"{prefix}{name}.", offset + start)
        else:
            size = "".join(f"[{length}]" for length in kind.shape)
            found.append(RecordField(prefix + name, offset + start, _KINDS[kind.base.str] + size))
    return found


def payload_fields(layout: Layout) -> list[RecordField]:
    """The scalars of a payload, then its array."""
    found, offset = [], 0
    for name, kind, doc in layout.scalars:
        found.append(RecordField(name, offset, kind, doc))
        offset += struct.calcsize("<" + SCALARS[kind])
    if layout.array:
        item = layout.array.kind
        text = item if isinstance(item, str) else "{" + ", ".join(f"{kind} {name}" for name, kind in item) + "}"
        found.append(RecordField(layout.array.name, offset, text + "[]", layout.array.doc))
    return found

"""Write-verify policies: tables that the engine walks, in the gateware and in the emulator alike.

One round of the engine, over the cells of one row that still run:

1. Read the whole row. `code` is each cell's corrected verify code, `error = target - code`.
2. A cell with |error| <= tolerance has converged. One that has had `max_pulses` ends as exhausted (stuck, if its code never moved by
   more than STUCK_CODES).
3. Its direction is SET for a positive error, else RESET. Its amplitude is
   `first[conductance bucket][error bucket]` for its first pulse and after each change of direction (counted; beyond
   `max_reversals` it ends), else the last amplitude plus `step[error bucket]`, never above `top`. Pulses at `top` are counted;
   beyond `max_top_pulses` it ends.
4. SET pulses, then RESET pulses: for each due amplitude in rising order its cells in column order, at most `cells_per_pulse` in one
   pulse, all other columns inhibited.

Forming is the same engine with one direction: a cell has converged when its code reaches FORMED_SIEMENS.

Buckets: error bucket = min(15, |error| >> 5), conductance bucket = min(7, max(0, code) >> 7), in verify codes.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ohmloom.errors import SpecError
from ohmloom.spec.chip import ChipSpec, _explain

ERROR_BUCKETS, ERROR_SHIFT = 16, 5
CONDUCTANCE_BUCKETS, CONDUCTANCE_SHIFT = 8, 7
STUCK_CODES = 12
FORMED_SIEMENS = 0.5e-6

DIRECTION_DTYPE = np.dtype([
    ("top", "<u2"), ("gate", "<u2"), ("pulse_ns", "<u4"),
    ("first", "<u2", (CONDUCTANCE_BUCKETS, ERROR_BUCKETS)), ("step", "<u2", (ERROR_BUCKETS,)),
])
POLICY_DTYPE = np.dtype([
    ("max_pulses", "<u2"), ("max_reversals", "<u2"), ("max_top_pulses", "<u2"), ("reserved", "<u2"),
    ("set", DIRECTION_DTYPE), ("reset", DIRECTION_DTYPE), ("form", DIRECTION_DTYPE),
])

Volts = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Direction(BaseModel):
    """One direction's table. A single value stands for all buckets, one row of values for all conductance buckets."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    top_v: Volts
    gate_v: Volts
    pulse_ns: Annotated[int, Field(ge=1)]
    first_v: tuple[tuple[Volts, ...], ...]
    step_v: tuple[Volts, ...]

    @field_validator("first_v", mode="before")
    @classmethod
    def _widen_first(cls, value: Any) -> Any:
        return np.broadcast_to(value, (CONDUCTANCE_BUCKETS, ERROR_BUCKETS)).tolist()

    @field_validator("step_v", mode="before")
    @classmethod
    def _widen_step(cls, value: Any) -> Any:
        return np.broadcast_to(value, (ERROR_BUCKETS,)).tolist()


class Policy(BaseModel):
    """A write-verify policy; `spec/policies/*.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    summary: str = ""
    max_pulses: Annotated[int, Field(ge=1, le=65535)]
    max_reversals: Annotated[int, Field(ge=0, le=255)]
    max_top_pulses: Annotated[int, Field(ge=0, le=255)]
    set: Direction
    reset: Direction
    form: Direction

    def pack(self, spec: ChipSpec) -> bytes:
        """The POLICY memory's bytes: amplitudes as rail DAC codes. Raises SpecError beyond the chip's limits."""
        record = np.zeros((), dtype=POLICY_DTYPE)
        for key in ("max_pulses", "max_reversals", "max_top_pulses"):
            record[key] = getattr(self, key)
        clamps = {"set": spec.limits.set_v, "reset": spec.limits.reset_v, "form": spec.limits.form_v}
        for key, clamp_v in clamps.items():
            direction: Direction = getattr(self, key)
            first = np.asarray(direction.first_v)
            if max(direction.top_v, first.max()) > clamp_v or direction.gate_v > spec.limits.gate_v:
                raise SpecError(f"policy {self.name}: {key} goes beyond the chip's limits ({clamp_v} V, gate {spec.limits.gate_v} V)")
            codes = np.vectorize(spec.rail_code, otypes=[np.uint16])
            record[key]["top"], record[key]["gate"] = spec.rail_code(direction.top_v), spec.rail_code(direction.gate_v)
            record[key]["pulse_ns"] = direction.pulse_ns
            record[key]["first"], record[key]["step"] = codes(first), codes(np.asarray(direction.step_v))
        return record.tobytes()


def policy_names() -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in (files("ohmloom.spec") / "policies").iterdir())


def load_policy(name: str | Path) -> Policy:
    """The policy of a bundled name or of a TOML file's path. Raises SpecError with the key that is wrong."""
    path: Any = files("ohmloom.spec") / "policies" / f"{name}.toml" if str(name) in policy_names() else Path(name)
    if not path.is_file():
        raise SpecError(f"unknown policy {str(name)!r}; known: {', '.join(policy_names())}, or the path of a TOML file")
    try:
        return Policy(**tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise SpecError(f"policy {name}: {_explain(error)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise SpecError(f"policy {name}: {error}") from None

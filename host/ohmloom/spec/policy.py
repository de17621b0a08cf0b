"""Write-verify policies: tables that the engine walks, in the gateware and in the emulator alike.

One round of the engine, over the cells of one row that still run:

1. Read the whole row. `code` is each cell's corrected verify code, `error = target - code`.
2. A cell with |error| <= tolerance has converged. One that has had `max_pulses` ends as exhausted.
3. Its direction is SET for a positive error, else RESET. For its first pulse, and after each change of direction
   (counted; beyond `max_reversals` it ends as exhausted), its amplitude is `first[error bucket] + level[conductance
   bucket] - backoff * min(reversals, MAX_BACKOFFS)`; else the last amplitude plus `step[error bucket]`. It stays within
   0..`top`. Pulses at `top` are counted; beyond `max_top_pulses` it ends as stuck.
4. Its pulse is its amplitude with the lowest `grid` bits cleared, so that cells of similar amplitudes share a pulse:
   each further pulse of a round costs the settling of the rails. The amplitude itself is kept in full, so that small
   steps add up.
5. SET pulses, then RESET pulses: for each due pulse amplitude in rising order its cells in column order, at most
   `cells_per_pulse` in one pulse, all other columns inhibited.

Forming is the same engine with one direction and without a grid: a cell has converged when its code reaches
FORMED_SIEMENS.

The error bucket is the number of `error_edges` that |error| reaches, the conductance bucket that of
`conductance_edges` that the code, at least 0, reaches. They are in rising order, and found by bisection from the middle
one on: of a host that writes others, this says what becomes of them.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ohmloom.errors import SpecError
from ohmloom.spec.chip import ChipSpec, _explain

ERROR_BUCKETS, CONDUCTANCE_BUCKETS = 16, 8
MAX_BACKOFFS = 8
FORMED_SIEMENS = 0.5e-6
VIRGIN_SIEMENS = 0.15e-6  # a cell below this has never been formed
NO_EDGE = 0x7FFF  # an edge that no code reaches

DIRECTION_DTYPE = np.dtype(
    [
        ("top", "<u2"),
        ("gate", "<u2"),
        ("pulse_ns", "<u4"),
        ("first", "<i2", (ERROR_BUCKETS,)),
        ("level", "<i2", (CONDUCTANCE_BUCKETS,)),
        ("step", "<i2", (ERROR_BUCKETS,)),
    ]
)
POLICY_DTYPE = np.dtype(
    [
        ("max_pulses", "<u2"),
        ("max_reversals", "u1"),
        ("max_top_pulses", "u1"),
        ("backoff", "<u2"),
        ("grid", "<u2"),
        ("error_edges", "<u2", (ERROR_BUCKETS - 1,)),
        ("conductance_edges", "<u2", (CONDUCTANCE_BUCKETS - 1,)),
        ("set", DIRECTION_DTYPE),
        ("reset", DIRECTION_DTYPE),
        ("form", DIRECTION_DTYPE),
    ]
)

Volts = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Table = tuple[Volts, ...]


def _ascending(value: Any) -> Any:
    edges = tuple(value)
    if not all(low < high for low, high in zip((0.0, *edges), edges, strict=False)):
        raise ValueError("positive values in rising order wanted")
    return edges


Edges = Annotated[tuple[float, ...], BeforeValidator(_ascending)]


def _widened(size: int) -> BeforeValidator:
    """A single value, or the last one of a short table, stands for all further buckets."""

    def widen(value: Any) -> Any:
        values = [value] if isinstance(value, (int, float)) else list(value)
        if not 1 <= len(values) <= size:
            raise ValueError(f"1 to {size} values wanted, {len(values)} given")
        return tuple(values + values[-1:] * (size - len(values)))

    return BeforeValidator(widen)


class Direction(BaseModel):
    """One direction's table, over error buckets (`first_v`, `step_v`) and conductance buckets (`level_v`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    top_v: Volts
    gate_v: Volts
    pulse_ns: Annotated[int, Field(ge=1)]
    first_v: Annotated[Table, _widened(ERROR_BUCKETS)]
    level_v: Annotated[Table, _widened(CONDUCTANCE_BUCKETS)] = (0.0,) * CONDUCTANCE_BUCKETS
    step_v: Annotated[Table, _widened(ERROR_BUCKETS)]


class Policy(BaseModel):
    """A write-verify policy; `spec/policies/*.toml`.

    grid_v: distance of the pulse amplitudes, rounded down to a power of two rail codes; 0 leaves them as they are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: str
    summary: str = ""
    max_pulses: Annotated[int, Field(ge=1, le=65535)]
    max_reversals: Annotated[int, Field(ge=0, le=255)]
    max_top_pulses: Annotated[int, Field(ge=0, le=255)]
    backoff_v: Volts = 0.0
    grid_v: Volts = 0.0
    error_edges_siemens: Annotated[Edges, Field(max_length=ERROR_BUCKETS - 1)] = ()
    conductance_edges_siemens: Annotated[Edges, Field(max_length=CONDUCTANCE_BUCKETS - 1)] = ()
    set: Direction
    reset: Direction
    form: Direction

    def pack(self, spec: ChipSpec) -> bytes:
        """The POLICY memory's bytes: amplitudes as rail DAC codes, edges as verify codes.

        Raises SpecError beyond the chip's limits.
        """
        record = np.zeros((), dtype=POLICY_DTYPE)
        for key in ("max_pulses", "max_reversals", "max_top_pulses"):
            record[key] = getattr(self, key)
        record["backoff"] = spec.rail_code(self.backoff_v)
        record["grid"] = max(spec.rail_code(self.grid_v).bit_length() - 1, 0)
        for key in ("error_edges", "conductance_edges"):
            edges = np.asarray(getattr(self, f"{key}_siemens")) / spec.siemens_per_code(spec.verify_range)
            if edges.size and edges[-1] >= NO_EDGE:
                raise SpecError(f"policy {self.name}: {key}_siemens goes beyond what {spec.name} can read")
            record[key] = NO_EDGE
            record[key][: len(edges)] = np.rint(edges)
        codes = np.vectorize(spec.rail_code, otypes=[np.int16])
        limits = spec.limits
        for key, clamp_v, cap_ns in (
            ("set", limits.set_v, limits.pulse_ns),
            ("reset", limits.reset_v, limits.pulse_ns),
            ("form", limits.form_v, limits.form_pulse_ns),
        ):
            direction: Direction = getattr(self, key)
            if direction.top_v > clamp_v or direction.gate_v > limits.gate_v or direction.pulse_ns > cap_ns:
                raise SpecError(
                    f"policy {self.name}: {key} goes beyond the limits of {spec.name}: "
                    f"{clamp_v} V, gate {limits.gate_v} V, {cap_ns} ns"
                )
            table = record[key]
            table["top"], table["gate"] = spec.rail_code(direction.top_v), spec.rail_code(direction.gate_v)
            table["pulse_ns"] = direction.pulse_ns
            for name in ("first", "level", "step"):
                table[name] = codes(np.asarray(getattr(direction, f"{name}_v")))
        return record.tobytes()


def policy_names() -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in (files("ohmloom.spec") / "policies").iterdir())


def load_policy(name: str | Path) -> Policy:
    """The policy of a bundled name or of a TOML file's path. Raises SpecError with the key that is wrong."""
    path: Any = files("ohmloom.spec") / "policies" / f"{name}.toml" if str(name) in policy_names() else Path(name)
    try:
        return Policy(**tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise SpecError(f"policy {name}: {_explain(error)}") from None
    except FileNotFoundError:
        known = ", ".join(policy_names())
        raise SpecError(f"unknown policy {str(name)!r}; known: {known}, or the path of a TOML file") from None
    except (OSError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise SpecError(f"policy {name}: {error}") from None

"""Chip specs: one TOML file with every dimension, part and limit of a chip. Everything else is derived from it."""

from __future__ import annotations

import json
import math
import tomllib
import zlib
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ohmloom.errors import SpecError
from ohmloom.spec.layout import CODE_MAX

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
# Of the controller's clock, from the over-current pin to the closed pulse gate: pads, synchroniser, latch.
OVER_CURRENT_CYCLES = 5


class _Section(BaseModel):
    # Strict: a string, a boolean or a float where an integer belongs is a slip, not a value to convert.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dac(_Section):
    """A DAC part: `spec/parts/*.toml`, from its data sheet."""

    name: str
    kind: Literal["dac"]
    channels: Count
    bits: Count
    full_scale_v: Positive
    frame_bits: Count
    sclk_max_hz: Count
    settling_ns: Count
    sync_high_min_ns: Count
    power_w: NonNegative
    offset_sigma_lsb: NonNegative
    gain_sigma: NonNegative

    @property
    def lsb_v(self) -> float:
        return self.full_scale_v / (1 << self.bits)


class Adc(_Section):
    """An ADC part."""

    name: str
    kind: Literal["adc"]
    channels: Count
    bits: Count
    full_scale_v: Positive
    frame_bits: Count
    sclk_max_hz: Count
    conversion_ns: Count
    acquisition_min_ns: Count
    cs_high_min_ns: Count
    latency_frames: Count
    power_w: NonNegative
    noise_sigma_lsb: NonNegative

    @property
    def lsb_v(self) -> float:
        return self.full_scale_v / (1 << self.bits)


class Switch(_Section):
    """A chain of analog switches."""

    name: str
    kind: Literal["switch"]
    channels: Count
    sclk_max_hz: Count
    on_ohm: NonNegative


class Wires(_Section):
    row_ohm: NonNegative
    column_ohm: NonNegative
    driver_ohm: NonNegative
    sense_ohm: NonNegative


class Cell(BaseModel):
    """The cell model and its range; further keys are parameters of the model.

    access: a transistor in each cell (1T1R), whose word line connects a row, or none, so that pulses select a cell by
    holding all other lines at a fraction of the voltage (write_scheme). policy: the write-verify policy after power-up.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    model: str
    g_min_siemens: Positive
    g_max_siemens: Positive
    access: Literal["1T1R", "none"] = "1T1R"
    write_scheme: Literal["V/2", "V/3"] = "V/3"
    policy: str = "default"

    @model_validator(mode="after")
    def _ordered(self) -> Cell:
        if self.g_min_siemens >= self.g_max_siemens:
            raise ValueError("g_min_siemens must be below g_max_siemens")
        return self


class Afe(_Section):
    row_dac: str
    row_dacs: Count
    rail_dac: str
    column_adc: str
    column_adcs: Count
    switch: str
    vmid_v: Positive
    tia_ohm: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4, strict=False)]  # TOML gives a list
    tia_settle_ns: Annotated[int, Field(ge=0)]
    tia_offset_sigma_lsb: NonNegative
    tia_gain_sigma: NonNegative
    tia_noise_sigma_v: NonNegative
    tia_power_w: NonNegative
    reference_ohm: Positive
    attenuations: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=16, strict=False)]  # TOML gives a list
    relu_knee_v: NonNegative
    stage_settle_ns: Annotated[int, Field(ge=0)]


class Limits(_Section):
    read_v: Positive
    set_v: Positive
    reset_v: Positive
    form_v: Positive
    gate_v: Positive
    pulse_ns: Count
    form_pulse_ns: Count
    cells_per_pulse: Count
    over_current_a: Positive
    duty: Annotated[float, Field(gt=0, le=1)]


class Controller(_Section):
    """The gateware's clock, which also times pulses and converters, and the sizes of its memories."""

    clock_hz: Annotated[int, Field(ge=1_000_000)]
    steps: Annotated[int, Field(ge=1, le=64)]
    width: Annotated[int, Field(ge=2, le=1024)]  # accumulators, and codes between layers
    biases: Annotated[int, Field(ge=1, le=16_384)]
    notes_bytes: Annotated[int, Field(ge=1024, le=65_536, multiple_of=2)]


class Link(_Section):
    payload_bytes: Annotated[int, Field(ge=128, le=16384)]
    window: Annotated[int, Field(ge=1, le=64)]
    baud_max: Annotated[int, Field(ge=9600)]


class ChipSpec(_Section):
    """One chip with its AFE, limits and link. Derived quantities are properties; units are in their names."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    summary: str = ""
    tiles: Annotated[int, Field(ge=1, le=255)]
    rows: Annotated[int, Field(ge=1, le=1024)]
    columns: Annotated[int, Field(ge=2, le=1024, multiple_of=2)]
    temperature_k: Annotated[float, Field(ge=200, le=500)]
    wires: Wires
    cell: Cell
    afe: Afe
    limits: Limits
    controller: Controller
    link: Link

    @model_validator(mode="after")
    def _consistent(self) -> ChipSpec:
        afe, limits, dac, adc = self.afe, self.limits, self.row_dac, self.column_adc
        rail_v, _known = self.rail_dac.full_scale_v, self.switch
        if afe.row_dacs * dac.channels < self.rows:
            raise ValueError(f"afe.row_dacs: {afe.row_dacs} x {dac.channels} channels do not drive {self.rows} rows")
        if afe.column_adcs * adc.channels < self.columns:
            raise ValueError(
                f"afe.column_adcs: {afe.column_adcs} x {adc.channels} channels do not read {self.columns} columns"
            )
        for key in ("set_v", "reset_v", "form_v", "gate_v"):
            if getattr(limits, key) > rail_v:
                raise ValueError(f"limits.{key}: {getattr(limits, key)} V is above the rail DAC's {rail_v} V")
        if limits.read_v > min(afe.vmid_v, dac.full_scale_v - afe.vmid_v):
            raise ValueError(f"limits.read_v: {limits.read_v} V does not fit around vmid_v")
        # What cannot be split into several frames: a row's PROGRAM answer (5-byte records), MVM of one vector.
        longest = max(5 * self.columns, 4 + (3 * self.rows + 1) // 2)
        if self.link.payload_bytes < longest:
            raise ValueError(
                f"link.payload_bytes: {self.link.payload_bytes} is below the {longest} of one row's report or vector"
            )
        return self

    @cached_property
    def row_dac(self) -> Dac:
        return _part(self.afe.row_dac, Dac, "afe.row_dac")

    @cached_property
    def rail_dac(self) -> Dac:
        return _part(self.afe.rail_dac, Dac, "afe.rail_dac")

    @cached_property
    def column_adc(self) -> Adc:
        return _part(self.afe.column_adc, Adc, "afe.column_adc")

    @cached_property
    def switch(self) -> Switch:
        return _part(self.afe.switch, Switch, "afe.switch")

    @property
    def pairs(self) -> int:
        """Differential column pairs of a tile."""
        return self.columns // 2

    @property
    def read_clamp(self) -> int:
        """Largest row code, either sign."""
        return min(int(self.limits.read_v / self.row_dac.lsb_v), CODE_MAX)

    @property
    def verify_range(self) -> int:
        """TIA range index that verifies: the one with the highest resistance."""
        return max(range(len(self.afe.tia_ohm)), key=lambda index: self.afe.tia_ohm[index])

    @property
    def settle_ns(self) -> int:
        """From the row DACs' update to the first sample."""
        return self.row_dac.settling_ns + self.afe.tia_settle_ns

    @property
    def rail_settle_ns(self) -> int:
        return self.rail_dac.settling_ns

    def pulse_cycles(self, width_ns: int) -> int:
        """Clock cycles, at least one, that the controller keeps a pulse's gate open."""
        return max((2 * width_ns * self.controller.clock_hz + 10**9) // (2 * 10**9), 1)

    def pulse_width_ns(self, width_ns: int) -> int:
        """The width that a pulse asked for as `width_ns` really has: whole clock cycles."""
        clock_hz = self.controller.clock_hz
        return (2 * self.pulse_cycles(width_ns) * 10**9 + clock_hz) // (2 * clock_hz)

    @property
    def trip_width_ns(self) -> int:
        """What is left of a pulse that sets the safety latch."""
        return self.pulse_width_ns(OVER_CURRENT_CYCLES * 10**9 // self.controller.clock_hz)

    def pulse_gap_ns(self, width_ns: int) -> int:
        """Least time before a pulse: the rails settle, and pulses keep within their duty."""
        return max(self.rail_settle_ns, math.ceil(width_ns * (1 / self.limits.duty - 1)))

    def rail_code(self, volts: float) -> int:
        """Rail DAC code of a voltage, rounded down so that it never exceeds what was asked; at most the last code."""
        return min(int(volts / self.rail_dac.lsb_v + 1e-9), (1 << self.rail_dac.bits) - 1)

    def amperes_per_code(self, tia_range: int) -> float:
        """Column current of one ADC code."""
        return self.column_adc.lsb_v / self.afe.tia_ohm[tia_range]

    def siemens_per_code(self, tia_range: int) -> float:
        """Conductance that moves a column by one ADC code when its row is driven at the read clamp."""
        read_v = self.read_clamp * self.row_dac.lsb_v
        return self.column_adc.lsb_v / (self.afe.tia_ohm[tia_range] * read_v)

    @cached_property
    def digest(self) -> int:
        """CRC-32 of the canonical JSON, parts included; tells two specs of one name apart."""
        parts = (self.row_dac, self.rail_dac, self.column_adc, self.switch)
        content = [self.model_dump(mode="json", exclude={"summary"}), *(part.model_dump(mode="json") for part in parts)]
        # Sorted, because the cell model's own keys come in the file's order.
        return zlib.crc32(json.dumps(content, sort_keys=True).encode())


_PartT = TypeVar("_PartT", Dac, Adc, Switch)


def _part(name: str, kind: type[_PartT], key: str) -> _PartT:
    parts = {entry.name.removesuffix(".toml"): entry for entry in (files("ohmloom.spec") / "parts").iterdir()}
    if name not in parts:
        raise SpecError(f"{key}: unknown part {name!r}; known: {', '.join(sorted(parts))}")
    values = tomllib.loads(parts[name].read_text("utf-8"))
    if values.get("kind") != kind.__name__.lower():
        raise SpecError(f"{key}: part {name!r} is of kind {values.get('kind')!r}, not {kind.__name__.lower()!r}")
    try:
        return kind(**values)
    except ValidationError as error:
        raise SpecError(f"{key} = {name!r}: {_explain(error)}") from None


def _explain(error: ValidationError, most: int = 4) -> str:
    texts = []
    for item in error.errors():
        key, message = ".".join(str(part) for part in item["loc"]), item["msg"].removeprefix("Value error, ")
        given = f" (given: {item['input']!r:.80})" if key and item["type"] != "missing" else ""
        texts.append((f"{key}: " if key else "") + message + given)
    return "; ".join(texts[:most]) + (f"; and {len(texts) - most} more" if len(texts) > most else "")


def chip_names() -> list[str]:
    """Names of the chips that come with ohmloom."""
    return sorted(entry.name.removesuffix(".toml") for entry in (files("ohmloom.spec") / "chips").iterdir())


def load_chip(name: str | Path) -> ChipSpec:
    """The chip spec of a bundled name or of a TOML file's path.

    Raises SpecError for an unknown name, an unreadable file, bad TOML, or a value that the spec does not allow; the
    message names the key.
    """
    bundled = files("ohmloom.spec") / "chips" / f"{name}.toml"
    path: Any = bundled if str(name) in chip_names() else Path(name)
    try:
        if not path.is_file():
            raise SpecError(f"unknown chip {str(name)!r}; known: {', '.join(chip_names())}, or the path of a TOML file")
        return ChipSpec(**tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise SpecError(f"chip spec {name}: {_explain(error)}") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"chip spec {name}: {error}") from None

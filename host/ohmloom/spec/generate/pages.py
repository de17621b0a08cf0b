"""The reference pages."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from ohmloom.link import frames
from ohmloom.spec import arithmetic, layout, network, policy, reference
from ohmloom.spec import commands as table_of
from ohmloom.spec.chip import Adc, ChipSpec, Dac, Switch, chip_names, load_chip
from ohmloom.spec.generate.markdown import NOTE, enumeration, keys, numbers, prose, records, table
from ohmloom.spec.generate.records import payload_fields, record_fields
from ohmloom.spec.generate.registers import Register
from ohmloom.spec.policy import Direction, Policy, load_policy, policy_names


def registers(bank: list[Register]) -> str:
    """registers.md."""
    rows: list[tuple[str, ...]] = []
    for register in bank:
        key = f" Key: `0x{register.key:08X}`." if register.key is not None else ""
        rows.append(
            (
                f"`0x{register.address:02X}`",
                f"`{register.name}`",
                register.access,
                f"`0x{register.reset:08X}`",
                register.doc + key,
            )
        )
        for field in register.fields:
            if field.width < 32:
                bits = f"{field.lsb + field.width - 1}:{field.lsb}" if field.width > 1 else str(field.lsb)
                rows.append(("", f"`{register.name}.{field.name}`", f"bit {bits}", f"`{field.reset}`", field.doc))
    return (
        f"{NOTE}# Registers\n\nAll registers have 32 bits. Addresses count words, as READ_REGISTERS and "
        "WRITE_REGISTERS do; byte addresses, as the firmware sees them, are four times these. "
        "Clamps, caps and other limits read the chip's values from power-up on.\n\n"
        + table(("address", "name", "access", "reset", "meaning"), rows)
    )


def commands() -> str:
    """commands.md."""
    text = (
        f"{NOTE}# Commands\n\nProtocol version {table_of.PROTOCOL_VERSION}. The line starts at "
        f"{table_of.DEFAULT_BAUD} baud, 8N1.\n\n## Frames\n\n{prose(frames)}"
        + table(
            ("type", "payload"),
            [
                ("a command's code", "its request"),
                (f"the code + `0x{table_of.ANSWER:02X}`", "its answer"),
                (f"`0x{table_of.TYPE_ERROR:02X}`", "an error, in place of the answer"),
                (f"`0x{table_of.TYPE_NAK:02X}`", "a NAK: the frame was not taken"),
            ],
        )
        + f"## Payloads\n\n{prose(layout)}## Overview\n\n"
        + table(
            ("code", "command", "answered by", ""),
            [
                (f"`0x{item.code:02X}`", f"[{item.name}](#{item.name.lower()})", item.by, item.summary)
                for item in table_of.COMMANDS.values()
            ],
        )
    )
    for command in table_of.COMMANDS.values():
        text += f"## {command.name}\n\nCode `0x{command.code:02X}`, answered by {command.by}: {command.summary}.\n\n"
        text += f"{command.rules}\n\n" if command.rules else ""
        for title, part in (("Request", command.request), ("Answer", command.answer)):
            fields = payload_fields(part)
            text += f"{title}:\n\n{records(fields)}" if fields else f"{title}: no payload.\n\n"
    text += f"## Errors\n\n{inspect.getdoc(table_of.ErrorCode)} The payload:\n\n"
    text += records(payload_fields(table_of.ERROR_LAYOUT)) + enumeration(table_of.ErrorCode)
    text += f"## NAK\n\n{inspect.getdoc(table_of.NakReason)} The payload:\n\n"
    text += records(payload_fields(table_of.NAK_LAYOUT)) + enumeration(table_of.NakReason)
    text += "## Values\n\n"
    for kind in (
        table_of.CellStatus,
        table_of.Polarity,
        table_of.Memory,
        table_of.Cause,
        table_of.EventKind,
        table_of.RunKind,
        table_of.RowState,
        table_of.BootTarget,
        table_of.Finding,
    ):
        own = kind.__doc__ or ""
        text += f"### {kind.__name__}\n\n" + (f"{own}\n\n" if own else "") + enumeration(kind)
    return text.rstrip("\n") + "\n"


# What the bundled chips' specs come to.
DERIVED: dict[str, Callable[[ChipSpec], str]] = {
    "tiles x rows x columns": lambda chip: f"{chip.tiles} x {chip.rows} x {chip.columns}",
    "cells": lambda chip: f"{chip.tiles * chip.rows * chip.columns:,}",
    "`pairs`: differential column pairs of a tile": lambda chip: f"{chip.pairs}",
    "`read_clamp`: largest row code": lambda chip: f"{chip.read_clamp} ({chip.read_clamp * chip.row_dac.lsb_v:.4f} V)",
    "`verify_range`: TIA range that verifies": lambda chip: (
        f"{chip.verify_range} ({chip.afe.tia_ohm[chip.verify_range]:g} ohm)"
    ),
    "`siemens_per_code` of each TIA range": lambda chip: ", ".join(
        f"{1e9 * chip.siemens_per_code(index):.2f} nS" for index in range(len(chip.afe.tia_ohm))
    ),
    "`settle_ns`: row DAC update to first sample": lambda chip: f"{chip.settle_ns:,}",
    "`rail_settle_ns`": lambda chip: f"{chip.rail_settle_ns:,}",
    "rail codes of the SET, RESET, FORM and gate limits": lambda chip: ", ".join(
        str(chip.rail_code(volts))
        for volts in (chip.limits.set_v, chip.limits.reset_v, chip.limits.form_v, chip.limits.gate_v)
    ),
    "`digest`": lambda chip: f"`0x{chip.digest:08X}`",
}


def chips() -> str:
    """chips.md."""
    bundled = [load_chip(name) for name in chip_names()]
    text = f"{NOTE}# Chip specs\n\n## Bundled chips\n\n"
    text += "".join(f"- `{chip.name}`: {chip.summary}\n" for chip in bundled) + "\n"
    text += table(
        ("derived", *(f"`{chip.name}`" for chip in bundled)),
        [(title, *(value(chip) for chip in bundled)) for title, value in DERIVED.items()],
    )
    text += "## Keys of a chip spec\n\n" + keys(ChipSpec, "###")
    for kind in (Dac, Adc, Switch):
        text += f"## Keys of a part: {kind.__name__}\n\n{keys(kind, '###')}"
    return text.rstrip("\n") + "\n"


def policies() -> str:
    """policies.md."""
    text = f"{NOTE}# Write-verify policies\n\n{prose(policy)}"
    text += numbers(policy)
    text += f"## POLICY memory\n\n{policy.POLICY_DTYPE.itemsize} bytes:\n\n"
    text += records(record_fields(policy.POLICY_DTYPE))
    text += "## Bundled policies\n\n"
    plain = [key for key, field in Policy.model_fields.items() if field.annotation not in (str, Direction)]
    directions = [key for key, field in Policy.model_fields.items() if field.annotation is Direction]
    for name in policy_names():
        item = load_policy(name)
        text += f"### {item.name}\n\n{item.summary}.\n\n"
        text += table(("key", "value"), [(f"`{key}`", _span(getattr(item, key))) for key in plain])
        text += table(
            ("key", *(f"`[{key}]`" for key in directions)),
            [
                (f"`{column}`", *(_span(getattr(getattr(item, key), column)) for key in directions))
                for column in Direction.model_fields
            ],
        )
    text += "## Keys of a policy\n\n" + keys(Policy, "###")
    return text.rstrip("\n") + "\n"


def _span(value: float | tuple[float, ...]) -> str:
    """A number, or the first and last of a table's."""
    if not isinstance(value, tuple):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    if len(set(value)) > 1:
        return f"{value[0]:g} .. {value[-1]:g}"
    return f"{value[0]:g}" if value else "none"


def network_page() -> str:
    """network.md."""
    text = f"{NOTE}# Networks in the controller\n\n{prose(network)}## NETWORK memory\n\n"
    text += "The header, then up to `controller.steps` steps of the chip spec.\n\n"
    text += f"Header, {network.HEADER_DTYPE.itemsize} bytes; `magic` is `0x{network.MAGIC:08X}`:\n\n"
    text += records(record_fields(network.HEADER_DTYPE))
    text += f"Step, {network.STEP_DTYPE.itemsize} bytes:\n\n" + records(record_fields(network.STEP_DTYPE))
    text += "`flags`:\n\n" + enumeration(network.StepFlag)
    text += numbers(network)
    text += f"## Arithmetic and CORRECTION memory\n\n{prose(arithmetic)}"
    text += numbers(arithmetic) + records(record_fields(arithmetic.CORRECTION_DTYPE))
    text += f"## Reference row\n\n{prose(reference)}" + numbers(reference)
    return text.rstrip("\n") + "\n"

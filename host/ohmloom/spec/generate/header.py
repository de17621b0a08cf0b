"""The firmware's C header: numbers that hold for every chip."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from ohmloom.spec import arithmetic, layout, network, policy, reference
from ohmloom.spec import commands as table
from ohmloom.spec.generate.records import constants, payload_fields, record_fields
from ohmloom.spec.generate.registers import Register

HEAD = """/* Registers, commands, payloads and memories of the ohmloom controller.
 * Generated from the spec by `python -m ohmloom.spec.generate`: do not edit. SPDX-License-Identifier: BSD-2-Clause
 * Register addresses are bytes. Offsets are bytes from the start of a payload or record, little-endian, unaligned. */
#ifndef OHMLOOM_H
#define OHMLOOM_H

#include <stdint.h>
"""

ENUMS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "ERROR": table.ErrorCode,
    "NAK": table.NakReason,
    "CELL": table.CellStatus,
    "POLARITY": table.Polarity,
    "MEMORY": table.Memory,
    "CAUSE": table.Cause,
    "EVENT": table.EventKind,
    "RUN_KIND": table.RunKind,
    "ROW_STATE": table.RowState,
    "BOOT": table.BootTarget,
    "FINDING": table.Finding,
    "STEP_FLAG": network.StepFlag,
}
# Prefix of the names of each module's constants.
MODULES = {table: "", layout: "", arithmetic: "", reference: "", network: "NETWORK_", policy: "POLICY_"}
RECORDS: dict[str, np.dtype[Any]] = {
    "NETWORK_HEADER": network.HEADER_DTYPE,
    "STEP": network.STEP_DTYPE,
    "CORRECTION": arithmetic.CORRECTION_DTYPE,
    "POLICY": policy.POLICY_DTYPE,
    "POLICY_DIRECTION": policy.DIRECTION_DTYPE,
}


def text(bank: list[Register]) -> str:
    """Text of ohmloom.h. Raises ValueError when two definitions share a name."""
    sections = [
        ("Registers", [line for register in bank for line in _register(register)]),
        (
            "Link, codes and limits",
            [
                _define(prefix + name.removeprefix(prefix), _number(value))
                for module, prefix in MODULES.items()
                for name, value in constants(module).items()
                if isinstance(value, int)
            ],
        ),
        (
            "Commands",
            [
                _define(f"COMMAND_{command.name}", f"0x{command.code:02X}u", command.summary)
                for command in table.COMMANDS.values()
            ],
        ),
        *(
            (
                kind.__name__,
                [
                    _define(f"{prefix}_{member.name}", _number(int(member)), getattr(member, "text", ""))
                    for member in kind
                ],
            )
            for prefix, kind in ENUMS.items()
        ),
        *(
            (
                f"{command.name} payloads",
                _payload(f"{command.name}_REQUEST", command.request)
                + _payload(f"{command.name}_ANSWER", command.answer),
            )
            for command in table.COMMANDS.values()
        ),
        ("ERROR payload", _payload("ERROR_PAYLOAD", table.ERROR_LAYOUT)),
        ("NAK payload", _payload("NAK_PAYLOAD", table.NAK_LAYOUT)),
        *((f"Record {name}", _record(name, dtype)) for name, dtype in RECORDS.items()),
    ]
    lines = [line for _, content in sections for line in content]
    names = [line.split()[1] for line in lines]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"ohmloom.h would define {', '.join(doubled)} twice")
    body = "\n".join("\n".join([f"/* {title} */", *content, ""]) for title, content in sections if content)
    return f"{HEAD}\n{body}\n#endif /* OHMLOOM_H */\n"


def _define(name: str, value: str, doc: str = "") -> str:
    return f"#define OHMLOOM_{name} {value}" + (f" /* {doc} */" if doc else "")


def _number(value: int) -> str:
    """Small numbers stay signed, so that a comparison with a negative code is one of signed integers."""
    return f"UINT32_C(0x{value:08X})" if value > 0xFFFFFF else f"({value})" if value < 0 else str(value)


def _register(register: Register) -> list[str]:
    name = f"REGISTER_{register.name.upper()}"
    lines = [_define(name, f"0x{4 * register.address:02X}u", f"{register.access}: {register.doc}")]
    if register.key is not None:
        lines.append(_define(f"{name}_KEY", f"UINT32_C(0x{register.key:08X})"))
    for field in register.fields:
        if field.width < 32:
            prefix = f"{name}_{field.name.upper()}"
            lines.append(_define(f"{prefix}_SHIFT", f"{field.lsb}u", field.doc))
            lines.append(_define(f"{prefix}_MASK", f"UINT32_C(0x{field.mask:08X})"))
    return lines


def _payload(prefix: str, payload: layout.Layout) -> list[str]:
    lines = [
        _define(f"{prefix}_{field.name.upper()}_OFFSET", f"{field.offset}u", f"{field.kind} {field.doc}".strip())
        for field in payload_fields(payload)
    ]
    if payload.array and payload.array.dtype.fields:
        lines += _record(f"{prefix}_{payload.array.name.upper()}", payload.array.dtype)
    elif not payload.array and payload.scalars:
        lines.append(_define(f"{prefix}_BYTES", f"{payload.header_bytes}u"))
    return lines


def _record(prefix: str, dtype: np.dtype[Any]) -> list[str]:
    lines = [
        _define(f"{prefix}_{field.name.replace('.', '_').upper()}_OFFSET", f"{field.offset}u", field.kind)
        for field in record_fields(dtype)
    ]
    return [*lines, _define(f"{prefix}_BYTES", f"{dtype.itemsize}u")]

"""Requests as (frame type, payload)."""

from __future__ import annotations

import zlib

import numpy as np

from ohmloom.spec import commands as table
from ohmloom.spec import registers
from ohmloom.spec.commands import Memory
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag


def packed(command: table.Command, **values: object) -> tuple[int, bytes]:
    return command.code, command.request.pack(**values)


def read_register(register: registers.Register) -> tuple[int, bytes]:
    return packed(table.READ_REGISTERS, address=register.address, count=1)


def write_register(register: registers.Register, value: int) -> tuple[int, bytes]:
    return packed(table.WRITE_REGISTERS, address=register.address, values=[value])


def step(**changes: int) -> np.ndarray:
    """A network's step: one layer of eight inputs and four outputs on tile 0, with changed fields."""
    record = np.zeros((), STEP_DTYPE)
    flags = StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT
    values = {
        "flags": flags, "shift": 9, "rows": 8, "pairs": 4, "inputs": 8, "outputs": 4, "width": 4, "scale": 40000,
    }  # fmt: skip
    for name, value in {**values, **changes}.items():
        record[name] = value
    return record


def network(*steps: np.ndarray, inputs: int = 8, outputs: int = 4, **header: int) -> list[tuple[int, bytes]]:
    """Requests that load a network of these steps, with changed fields of its header."""
    body = b"".join(each.tobytes() for each in steps)
    record = np.zeros((), HEADER_DTYPE)
    values = {
        "magic": MAGIC,
        "steps": len(steps),
        "inputs": inputs,
        "outputs": outputs,
        "crc": zlib.crc32(body),
        **header,
    }
    for name, value in values.items():
        record[name] = value
    content = record.tobytes() + body
    return [
        packed(table.MEM_WRITE, memory=Memory.NETWORK, offset=start, data=content[start : start + 300])
        for start in range(0, len(content), 300)
    ]

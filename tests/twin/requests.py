"""Requests as (frame type, payload)."""

from __future__ import annotations

from ohmloom.spec import commands as table
from ohmloom.spec import registers


def packed(command: table.Command, **values: object) -> tuple[int, bytes]:
    return command.code, command.request.pack(**values)


def read_register(register: registers.Register) -> tuple[int, bytes]:
    return packed(table.READ_REGISTERS, address=register.address, count=1)


def write_register(register: registers.Register, value: int) -> tuple[int, bytes]:
    return packed(table.WRITE_REGISTERS, address=register.address, values=[value])

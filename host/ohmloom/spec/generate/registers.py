"""From SystemRDL to the register module; the source of `Field` and `Register`, written here once, goes into it."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, Literal

from systemrdl.compiler import RDLCompiler
from systemrdl.node import FieldNode, RegNode
from systemrdl.rdltypes.builtin_enums import AccessType


@dataclass(frozen=True)
class Field:
    """Bits lsb .. lsb + width - 1 of a register."""

    name: str
    lsb: int
    width: int
    reset: int
    doc: str

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb

    def get(self, value: int) -> int:
        """This field of a register's value."""
        return (value & self.mask) >> self.lsb


@dataclass(frozen=True)
class Register:
    """A 32-bit register. `address` counts words; `key`, if any, is the one value that makes a write take effect."""

    name: str
    address: int
    access: Literal["r", "w", "rw"]
    reset: int
    doc: str
    fields: tuple[Field, ...]
    key: int | None = None


ACCESS: dict[AccessType, Literal["r", "w", "rw"]] = {AccessType.r: "r", AccessType.w: "w", AccessType.rw: "rw"}


def read() -> list[Register]:
    """The registers of registers.rdl in the order of their addresses."""
    compiler = RDLCompiler()
    with as_file(files("ohmloom.spec") / "registers.rdl") as path:
        compiler.compile_file(str(path))
    nodes = sorted(compiler.elaborate().top.registers(), key=lambda node: node.absolute_address)
    return [_register(node) for node in nodes]


def _register(node: RegNode) -> Register:
    fields = tuple(_field(field) for field in sorted(node.fields(), key=lambda field: field.low))
    access = {ACCESS[field.get_property("sw")] for field in node.fields()}
    if len(access) != 1:
        raise ValueError(f"registers.rdl: fields of {node.inst_name} differ in access: {sorted(access)}")
    return Register(
        node.inst_name,
        node.absolute_address // 4,
        access.pop(),
        sum(field.reset << field.lsb for field in fields),
        _doc(node),
        fields,
        node.get_property("key"),
    )


def _field(node: FieldNode) -> Field:
    reset = node.get_property("reset")
    if not isinstance(reset, int):
        raise ValueError(f"registers.rdl: {node.get_path()} has no fixed reset value")
    return Field(node.inst_name, node.low, node.width, reset, _doc(node))


def _doc(node: Any) -> str:
    return " ".join((node.get_property("desc") or "").split())


HEAD = '''"""The controller's registers: generated from registers.rdl by `python -m ohmloom.spec.generate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


'''


def module(bank: list[Register]) -> str:
    """Text of registers.py."""
    names = "".join(f"        {register.name.upper()},\n" for register in bank)
    return "\n".join(
        [
            HEAD + inspect.getsource(Field),
            "",
            inspect.getsource(Register),
            "",
            *(_constants(register) for register in bank),
            "# By word address.",
            "REGISTERS: Mapping[int, Register] = {",
            "    register.address: register",
            f"    for register in (\n{names}    )",
            "}",
            "",
        ]
    )


def _constants(register: Register) -> str:
    """The register, after those of its fields that do not fill it, and its key."""
    name = register.name.upper()
    lines, fields = [], []
    for field in register.fields:
        fields.append(f"Field({_text(field.name)}, {field.lsb}, {field.width}, 0x{field.reset:X}, {_text(field.doc)})")
        if field.width < 32:
            constant = f"{name}_{field.name.upper()}"
            lines.append(f"{constant} = {fields[-1]}")
            fields[-1] = constant
    if register.key is not None:
        lines.append(f"{name}_KEY = 0x{register.key:08X}")
    lines += [
        f"{name} = Register(",
        f'    {_text(register.name)}, 0x{register.address:02X}, "{register.access}", 0x{register.reset:08X},',
        f"    {_text(register.doc)},",
        f"    ({', '.join(fields)}{',' if len(fields) == 1 else ''}),",
        *([f"    {name}_KEY,"] if register.key is not None else []),
        ")",
        "",
    ]
    return "\n".join(lines)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

"""As much of ELF, 32-bit and little-endian, as the builder needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PT_LOAD = 1
SHT_SYMTAB = 2
STT_FUNC = 2


@dataclass(frozen=True)
class Segment:
    """`offset`: in the file; `address`: in memory; `size`: bytes in the file."""

    offset: int
    address: int
    size: int


class Elf:
    """A linked program. symbols: addresses by name; functions: those of code, of any size."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        program_at, section_at = struct.unpack_from("<II", content, 28)
        program_size, programs, section_size, sections = struct.unpack_from("<HHHH", content, 42)
        headers = [struct.unpack_from("<8I", content, program_at + index * program_size) for index in range(programs)]
        self.segments = [
            Segment(offset, address, size) for kind, offset, address, _, size, *_ in headers if kind == PT_LOAD and size
        ]
        tables = [struct.unpack_from("<10I", content, section_at + index * section_size) for index in range(sections)]
        self.symbols: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        for _, kind, _, _, offset, size, link, *_ in tables:
            if kind == SHT_SYMTAB:
                self._read_symbols(offset, size, tables[link][4])

    def _read_symbols(self, offset: int, size: int, names_at: int) -> None:
        for at in range(offset, offset + size, 16):
            name_at, value, _, info, _, _ = struct.unpack_from("<IIIBBH", self.content, at)
            end = self.content.index(0, names_at + name_at)
            name = self.content[names_at + name_at : end].decode()
            if name and not name.startswith((".L", "$")):
                self.symbols[name] = value
                if info & 0xF == STT_FUNC:
                    self.functions[name] = value

    def loaded(self, base: int) -> bytes:
        """Memory from `base` to the end of what is in the file, a multiple of 4 bytes; gaps are zero."""
        parts = [segment for segment in self.segments if segment.address >= base]
        end = max(segment.address + segment.size for segment in parts)
        memory = bytearray(-(-(end - base) // 4) * 4)
        for part in parts:
            start = part.address - base
            memory[start : start + part.size] = self.content[part.offset : part.offset + part.size]
        return bytes(memory)

    def patch(self, address: int, data: bytes) -> None:
        """Replace bytes that are in one segment of the file."""
        segment = next(
            part
            for part in self.segments
            if part.address <= address and address + len(data) <= part.address + part.size
        )
        at = segment.offset + address - segment.address
        self.content[at : at + len(data)] = data

"""Payload layouts: little-endian scalars followed by at most one array.

Signed 12-bit codes travel packed, two in three bytes: code 2k in bits 11:0 and code 2k+1 in bits 23:12 of each
three-byte group. An odd last code takes two bytes, so the number of codes follows from the number of bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmloom.errors import ArgumentError

SCALARS: Mapping[str, str] = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i", "i64": "q"}
CODE_MIN, CODE_MAX = -2048, 2047


class PayloadError(ArgumentError):
    """A payload does not fit its layout, or a value does not fit its field."""


def pack_codes(codes: ArrayLike) -> bytes:
    """Pack signed 12-bit codes, shape (n,), into ceil(1.5 n) bytes. Raises PayloadError beyond -2048..2047."""
    values = np.asarray(codes).ravel()
    if values.size == 0:
        return b""
    if values.dtype.kind not in "iu":
        raise PayloadError(f"codes are integers, not {values.dtype}")
    if values.min() < CODE_MIN or values.max() > CODE_MAX:
        raise PayloadError(f"codes {values.min()}..{values.max()} are outside {CODE_MIN}..{CODE_MAX}")
    values = values.astype(np.int16)
    even = np.zeros(values.size + (values.size & 1), dtype=np.uint16)
    even[: values.size] = values & 0xFFF
    low, high = even[0::2], even[1::2]
    packed = np.empty((low.size, 3), dtype=np.uint8)
    packed[:, 0] = low & 0xFF
    packed[:, 1] = (low >> 8) | ((high & 0xF) << 4)
    packed[:, 2] = high >> 4
    return packed.tobytes()[: (3 * values.size + 1) // 2]


def unpack_codes(data: bytes) -> NDArray[np.int16]:
    """The signed 12-bit codes in `data`, shape (floor(len(data) / 1.5),). Raises PayloadError when a code is cut."""
    count = len(data) * 2 // 3
    if (3 * count + 1) // 2 != len(data):
        raise PayloadError(f"{len(data)} bytes are not a whole number of packed 12-bit codes")
    padded = np.zeros((len(data) + 2) // 3 * 3, dtype=np.uint8)
    padded[: len(data)] = np.frombuffer(data, dtype=np.uint8)
    triples = padded.reshape(-1, 3).astype(np.int16)
    codes = np.empty((triples.shape[0], 2), dtype=np.int16)
    codes[:, 0] = triples[:, 0] | ((triples[:, 1] & 0xF) << 8)
    codes[:, 1] = (triples[:, 1] >> 4) | (triples[:, 2] << 4)
    # Shift the sign bit of the 12 up to bit 15 and back down.
    signed: NDArray[np.int16] = (codes.ravel()[:count] << 4) >> 4
    return signed


@dataclass(frozen=True)
class Array:
    """The array at a payload's end: packed codes (`i12`), scalars (`u8`, `i32`, ...) or records of scalars."""

    name: str
    kind: str | tuple[tuple[str, str], ...]
    doc: str = ""

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        if isinstance(self.kind, str):
            return np.dtype(np.int16) if self.kind == "i12" else np.dtype("<" + _NUMPY[self.kind])
        return np.dtype([(name, "<" + _NUMPY[kind]) for name, kind in self.kind])

    def pack(self, values: Any) -> bytes:
        """Bytes of the items; for u8 also `bytes`, as they are. Raises PayloadError for a value that does not fit."""
        if self.kind == "i12":
            return pack_codes(values)
        if isinstance(values, bytes) and self.kind == "u8":
            return values
        try:
            array = np.asarray(values, dtype=None if isinstance(self.kind, str) else self.dtype)
            packed = array.astype(self.dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise PayloadError(f"{self.name}: {error}") from None
        # numpy wraps arrays silently.
        if array.size and array.dtype != self.dtype and (array.dtype.kind not in "biu" or np.any(packed != array)):
            raise PayloadError(f"{self.name}: values do not fit {self.kind}")
        return packed.tobytes()

    def unpack(self, data: bytes) -> NDArray[Any]:
        if self.kind == "i12":
            return unpack_codes(data)
        if len(data) % self.dtype.itemsize:
            raise PayloadError(
                f"{self.name}: {len(data)} bytes are not a whole number of {self.dtype.itemsize}-byte items"
            )
        return np.frombuffer(data, dtype=self.dtype)


_NUMPY = {"u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "i16": "i2", "i32": "i4", "i64": "i8"}


@dataclass(frozen=True)
class Layout:
    """Scalars as (name, kind, doc), then optionally one array."""

    scalars: tuple[tuple[str, str, str], ...] = ()
    array: Array | None = None

    @cached_property
    def _struct(self) -> struct.Struct:
        return struct.Struct("<" + "".join(SCALARS[kind] for _, kind, _ in self.scalars))

    @property
    def header_bytes(self) -> int:
        return self._struct.size

    def pack(self, **values: Any) -> bytes:
        """Bytes of the payload. Raises PayloadError for a missing or unknown name or a value that does not fit."""
        names = [name for name, _, _ in self.scalars] + ([self.array.name] if self.array else [])
        if set(values) != set(names):
            raise PayloadError(f"payload has fields {names}, not {sorted(values)}")
        try:
            header = self._struct.pack(*(values[name] for name, _, _ in self.scalars))
        except struct.error as error:
            raise PayloadError(f"a value of {values} does not fit {self.scalars}: {error}") from None
        return header + (self.array.pack(values[self.array.name]) if self.array else b"")

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Values by name. Raises PayloadError when the length does not fit."""
        size = self._struct.size
        if len(data) < size or (self.array is None and len(data) > size):
            raise PayloadError(f"payload of {len(data)} bytes; {'at least ' if self.array else ''}{size} expected")
        names = (name for name, _, _ in self.scalars)
        values: dict[str, Any] = dict(zip(names, self._struct.unpack_from(data), strict=True))
        if self.array:
            values[self.array.name] = self.array.unpack(data[size:])
        return values

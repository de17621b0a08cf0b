"""Payloads against bit strings and struct-free models written from the layout's description."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmloom.spec import commands
from ohmloom.spec.layout import Array, Layout, PayloadError, pack_codes, unpack_codes

CODES = st.lists(st.integers(-2048, 2047), max_size=70)
BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "i16": 16, "i32": 32, "i64": 64}
LAYOUTS = [
    pytest.param(layout, id=f"{command.name}-{which}")
    for command in commands.COMMANDS.values()
    for which, layout in (("request", command.request), ("answer", command.answer))
] + [pytest.param(commands.ERROR_LAYOUT, id="ERROR"), pytest.param(commands.NAK_LAYOUT, id="NAK")]


def bit_string(codes: list[int]) -> bytes:
    """Code 2k is bits 11:0, code 2k+1 bits 23:12 of a group of three bytes; an odd last one takes two bytes."""
    packed = b""
    for k in range(0, len(codes), 2):
        bits = "".join(format(code % 4096, "012b") for code in reversed(codes[k : k + 2]))
        size = (len(bits) + 7) // 8
        packed += bytes(reversed([int(bits.zfill(8 * size)[8 * i : 8 * i + 8], 2) for i in range(size)]))
    return packed


def number(kind: str) -> st.SearchStrategy[int]:
    bits = BITS[kind]
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" else st.integers(0, (1 << bits) - 1)


def little_endian(kind: str, value: int) -> bytes:
    return value.to_bytes(BITS[kind] // 8, "little", signed=kind[0] == "i")


def items(array: Array) -> st.SearchStrategy[list[Any]]:
    if array.kind == "i12":
        return CODES
    if isinstance(array.kind, str):
        return st.lists(number(array.kind), max_size=20)
    return st.lists(st.tuples(*(number(kind) for _, kind in array.kind)), max_size=20)


def expected_bytes(layout: Layout, values: dict[str, Any]) -> bytes:
    data = b"".join(little_endian(kind, values[name]) for name, kind, _ in layout.scalars)
    if layout.array is None:
        return data
    content, kind = values[layout.array.name], layout.array.kind
    if kind == "i12":
        return data + bit_string(content)
    if isinstance(kind, str):
        return data + b"".join(little_endian(kind, item) for item in content)
    return data + b"".join(little_endian(part, item[i]) for item in content for i, (_, part) in enumerate(kind))


@given(CODES)
def test_packed_codes_are_the_bit_string(codes: list[int]) -> None:
    packed = pack_codes(codes)
    assert packed == bit_string(codes)
    assert len(packed) == (3 * len(codes) + 1) // 2
    assert unpack_codes(packed).tolist() == codes


def test_packing_known_bytes() -> None:
    assert pack_codes([0x123, 0x456]) == bytes([0x23, 0x61, 0x45])
    assert pack_codes([-1]) == bytes([0xFF, 0x0F])
    assert pack_codes([-2048, 2047]) == bytes([0x00, 0xF8, 0x7F])
    assert pack_codes(np.array([[1, 2], [3, 4]], dtype=np.uint8)) == bit_string([1, 2, 3, 4])


@pytest.mark.parametrize("length", [1, 4, 7, 10])
def test_a_cut_code_is_an_error(length: int) -> None:
    with pytest.raises(PayloadError, match=f"{length} bytes"):
        unpack_codes(bytes(length))


@pytest.mark.parametrize("codes", [[2048], [-2048, 2048], [-2049], [2**40], [0.5], [float("nan")], ["1"], [True]])
def test_what_is_no_code_is_an_error(codes: list[Any]) -> None:
    with pytest.raises(PayloadError, match="codes"):
        pack_codes(codes)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_round_trip(layout: Layout, data: st.DataObject) -> None:
    values: dict[str, Any] = {name: data.draw(number(kind), name) for name, kind, _ in layout.scalars}
    if layout.array:
        values[layout.array.name] = data.draw(items(layout.array), layout.array.name)
    packed = layout.pack(**values)
    assert packed == expected_bytes(layout, values)
    back = layout.unpack(packed)
    assert {name: item.tolist() if isinstance(item, np.ndarray) else item for name, item in back.items()} == values


@pytest.mark.parametrize("layout", LAYOUTS)
@given(length=st.integers(0, 64))
def test_wrong_lengths(layout: Layout, length: int) -> None:
    """Every length is either refused or a whole payload that packs to as many bytes."""
    rest = length - layout.header_bytes
    if layout.array is None:
        good = rest == 0
    elif layout.array.kind == "i12":
        good = rest >= 0 and rest % 3 != 1
    else:
        good = rest >= 0 and rest % layout.array.dtype.itemsize == 0
    if good:
        assert len(layout.pack(**layout.unpack(bytes(length)))) == length
    else:
        with pytest.raises(PayloadError, match="bytes"):
            layout.unpack(bytes(length))


MVM = commands.MVM.request


@pytest.mark.parametrize(
    "values",
    [
        {"tile": 0, "range": 0, "count": 1},
        {"tile": 0, "range": 0, "count": 1, "codes": [], "more": 1},
        {"tile": 256, "range": 0, "count": 1, "codes": []},
        {"tile": -1, "range": 0, "count": 1, "codes": []},
        {"tile": 0, "range": 0.5, "count": 1, "codes": []},
        {"tile": 0, "range": 0, "count": 1, "codes": [4000]},
    ],
)
def test_wrong_values(values: dict[str, Any]) -> None:
    with pytest.raises(PayloadError):
        MVM.pack(**values)


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (Array("a", "u8"), [256]),
        (Array("a", "u8"), np.array([256])),
        (Array("a", "u8"), np.array([-1])),
        (Array("a", "i16"), np.array([32768], dtype=np.uint16)),
        (Array("a", "u32"), [0.5]),
        (Array("a", "u32"), b"\0\0\0\0"),
        (Array("a", (("x", "u8"), ("y", "u16"))), [(0, 65536)]),
        (Array("a", (("x", "u8"), ("y", "u16"))), [(0, 1, 2)]),
    ],
)
def test_array_values_never_wrap(array: Array, values: object) -> None:
    with pytest.raises(PayloadError, match="a: "):
        array.pack(values)


def test_arrays_of_another_width_or_kind_convert() -> None:
    assert Array("a", "i32").pack(np.array([-1, 2], dtype=np.int64)) == b"\xff\xff\xff\xff\x02\0\0\0"
    assert Array("mask", "u8").pack(np.array([True, False])) == b"\x01\x00"
    assert Array("name", "u8").pack("Ω".encode()) == b"\xce\xa9"


def test_codes_of_commands_and_answers_are_all_different() -> None:
    codes = [command.code for command in commands.COMMANDS.values()]
    types = [*codes, *(code | commands.ANSWER for code in codes), commands.TYPE_NAK, commands.TYPE_ERROR]
    assert len(types) == len(set(types))
    assert all(0 < code < commands.ANSWER for code in codes)
    assert len({error.text for error in commands.ErrorCode}) == len(commands.ErrorCode)

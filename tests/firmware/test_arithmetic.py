"""Multiplication, division and CRC of a core that only adds and shifts, against Python's."""

from __future__ import annotations

import ctypes
import subprocess
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.firmware.conftest import Built
from tests.firmware.machines import FIRMWARE, HERE

from ohmloom.spec.arithmetic import GAIN_BITS

WORDS = st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from([0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))


@pytest.fixture(scope="session")
def library(built: Built, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("arithmetic")
    sources = [FIRMWARE / "src" / name for name in ("arithmetic.c", "crc32.c", "libcalls.c", "codes.c")]
    renamed = ["-Dmemcpy=own_memcpy", "-Dmemset=own_memset", "-D__mulsi3=own_multiply", "-D__udivsi3=own_divide"]
    flags = [
        "-std=c11",
        "-O1",
        "-shared",
        "-fPIC",
        "-fsanitize=undefined",
        "-fno-sanitize-recover=all",
        "-DOHMLOOM_HOST",
    ]
    includes = [f"-I{path}" for path in (FIRMWARE / "include", FIRMWARE / "src", HERE)]
    output = folder / "arithmetic.so"
    command = ["cc", *flags, *renamed, *includes, "-o", output, *sources, HERE / "buffer.c"]
    subprocess.run(command, check=True)
    loaded = ctypes.CDLL(str(output))
    for name in ("own_multiply", "own_divide", "divide_wide", "count_ones", "crc32"):
        getattr(loaded, name).restype = ctypes.c_uint32
    loaded.multiply_wide.restype = ctypes.c_uint64
    return loaded


@given(a=WORDS, b=WORDS)
def test_products(library: ctypes.CDLL, a: int, b: int) -> None:
    assert library.own_multiply(ctypes.c_uint32(a), ctypes.c_uint32(b)) == a * b & 0xFFFFFFFF
    assert library.multiply_wide(ctypes.c_uint32(a), ctypes.c_uint32(b)) == a * b


@given(bits=WORDS)
def test_ones(library: ctypes.CDLL, bits: int) -> None:
    assert library.count_ones(ctypes.c_uint32(bits)) == bits.bit_count()


@given(a=st.integers(0, (1 << 64) - 1), small=WORDS, b=WORDS)
def test_quotients(library: ctypes.CDLL, a: int, small: int, b: int) -> None:
    for dividend in (a, small, small * b):
        quotient = min(dividend // b, 0xFFFFFFFF) if b else 0xFFFFFFFF
        assert library.divide_wide(ctypes.c_uint64(dividend), ctypes.c_uint32(b)) == quotient
    if b:
        assert library.own_divide(ctypes.c_uint32(small), ctypes.c_uint32(b)) == small // b


@given(value=st.integers(-(1 << 17), (1 << 17) - 1), gain=st.integers(0, 0xFFFF), rounding=st.integers(0, 0x7FFF))
def test_scaling(library: ctypes.CDLL, value: int, gain: int, rounding: int) -> None:
    assert library.scale(value, gain, rounding) == (value * gain + rounding) >> GAIN_BITS


@given(data=st.binary(max_size=200))
def test_crc(library: ctypes.CDLL, data: bytes) -> None:
    buffer = (ctypes.c_uint8 * 4096).in_dll(library, "buffer")
    buffer[: len(data)] = list(data)
    assert library.crc32(0, len(data)) == zlib.crc32(data)


def test_code_counts(library: ctypes.CDLL) -> None:
    for size in range(4097):
        count = 2 * size // 3
        assert library.codes_count(size) == count
        assert library.codes_whole(size) == ((3 * count + 1) // 2 == size)


def test_memory_functions(library: ctypes.CDLL) -> None:
    target = ctypes.create_string_buffer(b"........", 8)
    library.own_memcpy(target, b"abcdef", ctypes.c_size_t(3))
    library.own_memset(ctypes.byref(target, 5), ord("x"), ctypes.c_size_t(2))
    assert target.raw == b"abc..xx."

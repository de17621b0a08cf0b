"""Random conversations with a controller: requests that are nearly right, in frames that are not always, as hypothesis strategies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ohmloom.link import encode
from ohmloom.spec import ChipSpec, registers
from ohmloom.spec import commands as table
from ohmloom.spec.commands import HELLO, PROTOCOL_VERSION, Command, Memory
from ohmloom.spec.memory_map import MemoryMap

REQUESTS_MOST = 8
SMALL = st.integers(0, 3)


@dataclass(frozen=True)
class Request:
    """A request, and what becomes of its frame on the line."""

    name: str
    kind: int
    payload: bytes
    fault: str = "none"  # none, flip, drop, twice, again, skip, noise
    place: int = 0


@dataclass(frozen=True)
class Greeting:
    """A new session, or the same one again."""

    session: int | None


def near(limit: int, most: int) -> st.SearchStrategy[int]:
    """0..most, often small and often around a limit."""
    edges = sorted({max(0, min(most, value)) for value in (0, 1, limit - 1, limit, limit + 1, most)})
    return st.one_of(st.sampled_from(edges), st.integers(0, max(0, limit - 1)))


def conversations(spec: ChipSpec) -> st.SearchStrategy[list[Request | Greeting]]:
    """Lists of requests to the gateware's commands and the quick ones of the firmware's."""
    requests = st.one_of(*(_of(command, values) for command, values in _values(spec).items()), _raw())
    faulty = st.builds(
        lambda request, fault, place: Request(request.name, request.kind, request.payload, fault, place),
        requests, st.sampled_from(["flip", "drop", "twice", "again", "skip", "noise"]), st.integers(0, 400),
    )  # fmt: skip
    greetings = st.builds(Greeting, st.one_of(st.none(), st.integers(0, (1 << 32) - 1)))
    # Mostly good ones, or no conversation gets far.
    items = st.one_of(requests, requests, requests, requests, faulty, greetings)
    return st.lists(items, min_size=1, max_size=REQUESTS_MOST)


def _of(command: Command, values: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Request]:
    return values.map(lambda given: Request(command.name, command.code, command.request.pack(**given)))


def _raw() -> st.SearchStrategy[Request]:
    """Any length of any bytes; of the firmware's commands only lengths that it refuses at once."""
    codes = [
        code
        for code, command in table.COMMANDS.items()
        if command.by != "firmware" and code not in (HELLO.code, table.RATE.code)
    ]
    return st.builds(Request, st.just("raw"), st.sampled_from([*codes, 0x00, 0x77, 0x7F]), st.binary(max_size=24))


def _values(spec: ChipSpec) -> dict[Command, st.SearchStrategy[dict[str, Any]]]:
    clamp, sizes = spec.read_clamp, MemoryMap(spec).sizes
    tile, row, column = near(spec.tiles, 255), near(spec.rows, 0xFFFF), near(spec.columns, 0xFFFF)
    tia_range = near(len(spec.afe.tia_ohm), 255)
    code = st.one_of(
        st.integers(-clamp, clamp), st.integers(-clamp, clamp), st.sampled_from([clamp + 1, -clamp - 1, 2047, -2048])
    )
    good = st.integers(-clamp, clamp)
    register = st.one_of(st.sampled_from([each.address for each in registers.REGISTERS.values()]), near(24, 0xFFFF))
    keys = [each.key for each in registers.REGISTERS.values() if each.key is not None]
    value = st.one_of(st.sampled_from([*keys, 0, 1]), st.integers(0, (1 << 32) - 1))
    memory = near(len(Memory) - 1, 255)
    offset = st.one_of(near(100, 1 << 31), st.sampled_from([size - 2 for size in sizes.values()]))

    def vectors(width: int) -> st.SearchStrategy[dict[str, Any]]:
        exact = st.integers(1, 3).flatmap(
            lambda count: st.fixed_dictionaries(
                {"count": st.just(count), "codes": st.lists(good, min_size=count * width, max_size=count * width)}
            )
        )
        other = st.fixed_dictionaries({"count": SMALL, "codes": st.lists(code, max_size=3 * width)})
        return st.one_of(exact, exact, other)

    def cells() -> st.SearchStrategy[list[tuple[int, int]]]:
        # Few are due, or a row takes long.
        cell = st.one_of(st.just((0, 0)), st.just((0, 0)), st.tuples(st.integers(-2, 500), st.integers(-1, 40)))
        return st.lists(cell, min_size=spec.columns, max_size=spec.columns)

    where = {"tile": tile, "row": row}
    inputs = spec.rows
    limits = spec.limits
    return {
        table.INFO: st.just({}),
        table.READ_REGISTERS: st.fixed_dictionaries({"address": register, "count": near(5, 255)}),
        table.WRITE_REGISTERS: st.fixed_dictionaries({"address": register, "values": st.lists(value, max_size=3)}),
        table.MEM_WRITE: st.fixed_dictionaries({"memory": memory, "offset": offset, "data": st.binary(max_size=40)}),
        table.MEM_READ: st.fixed_dictionaries({"memory": memory, "offset": offset, "length": near(64, 0xFFFF)}),
        table.MVM: vectors(spec.rows).flatmap(
            lambda given: st.fixed_dictionaries({"tile": tile, "range": tia_range, **{key: st.just(each) for key, each in given.items()}})
        ),
        table.ROUTE: st.fixed_dictionaries({"stages": st.lists(st.tuples(SMALL, SMALL, near(5, 255), SMALL, SMALL), max_size=3)}),
        table.INFER: vectors(inputs),
        table.PROGRAM: st.fixed_dictionaries({**where, "cells": cells()}),
        table.READ: st.fixed_dictionaries({**where, "rows": near(3, 0xFFFF), "samples": near(3, 255)}),
        table.PULSE: st.fixed_dictionaries({
            **where, "column": column, "polarity": near(2, 255), "rail": near(spec.rail_code(limits.set_v), 0xFFFF),
            "gate": near(spec.rail_code(limits.gate_v), 0xFFFF), "width_ns": near(limits.pulse_ns, (1 << 32) - 1),
        }),
        table.SERVICE: st.fixed_dictionaries({"after": near(5, (1 << 32) - 1)}),
        table.ADVANCE: st.fixed_dictionaries({"duration_ns": st.one_of(st.integers(0, 10**7), near(10**9, (1 << 64) - 1))}),
        table.IV: st.fixed_dictionaries({**where, "column": column, "range": tia_range, "codes": st.lists(code, max_size=2)}),
        table.RUN_STATUS: st.just({}),
        table.RUN_ROW: st.fixed_dictionaries(where),
        table.FIRMWARE: st.just({}),
    }  # fmt: skip


class Speaker:
    """Turns a conversation into bytes for the line, one write an item."""

    def __init__(self, session: int) -> None:
        self._session, self._next, self._last = session, 1, b""

    def says(self, item: Request | Greeting) -> bytes:
        if isinstance(item, Greeting):
            self._session = self._session if item.session is None else item.session
            if item.session is not None:
                self._next = 1
            return encode(HELLO.code, 0, HELLO.request.pack(session=self._session, protocol=PROTOCOL_VERSION))
        number = (self._next + 1) & 0xFF if item.fault == "skip" else self._next
        data = encode(item.kind, number, item.payload)
        if item.fault == "flip":
            flipped = bytearray(data)
            flipped[item.place % (len(data) - 1)] ^= 1 << item.place % 8
            return bytes(flipped)
        if item.fault == "drop":
            place = item.place % (len(data) - 1)
            return data[:place] + data[place + 1 :]
        if item.fault == "skip":
            return data
        if item.fault == "again" and self._last:
            return self._last
        self._next, self._last = (self._next + 1) & 0xFF, data
        if item.fault == "twice":
            return data + data
        if item.fault == "noise":
            return np.random.default_rng(item.place).bytes(item.place % 30 + 1) + b"\0" + data
        return data

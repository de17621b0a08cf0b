"""Random conversations with a controller: requests that are nearly right, in frames that are not always.

Each begins at a point of a chip's life, one of `PASTS`. `shortest` says what of a conversation is enough for a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

import numpy as np
from tests.twin.requests import network, packed, step, write_register

from ohmloom.link import encode
from ohmloom.spec import ChipSpec, core, load_policy, registers
from ohmloom.spec import commands as table
from ohmloom.spec.commands import HELLO, MAX_RETRIES, PROTOCOL_VERSION, Command, Memory, RunKind
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import StepFlag
from ohmloom.spec.policy import POLICY_DTYPE

ITEMS_MOST = 12
LONG_IN = 150  # conversations one has a request that takes millions of cycles
ARM = write_register(registers.ARM, registers.ARM.key or 0)
KEYS = [each.key for each in registers.REGISTERS.values() if each.key is not None]
FAULTS = "flip", "drop", "twice", "again", "skip", "noise"
RATES = 460_800, 921_600, 1_000_000, 2_000_000  # slow ones take long
# Fields of a policy, and where their values end
ODD = {
    "max_reversals": 6, "max_top_pulses": 20, "backoff": 200, "grid": 16, "error_edges": 400, "conductance_edges": 500,
}  # fmt: skip
T = TypeVar("T")


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


@dataclass(frozen=True)
class Conversation:
    """What is said, item by item, and after what."""

    past: str
    items: list[Request | Greeting]


def _formed(spec: ChipSpec) -> list[tuple[int, bytes]]:
    """Some cells that conduct, some that do not."""
    return [
        request
        for tile in range(spec.tiles)
        for row in range(spec.rows // 2)
        for request in (ARM, packed(table.FORM, tile=tile, row=row, mask=[1] * spec.columns))
    ]


def _network() -> list[tuple[int, bytes]]:
    """Two layers, of which INFER takes eight codes a vector."""
    hidden = step(flags=StepFlag.FIRST | StepFlag.LAST | StepFlag.RELU)
    return network(hidden, step(tile=1, rows=4, inputs=4, outputs=2, width=2, pairs=2), outputs=2)


def _loaded(spec: ChipSpec, *places: tuple[int, int]) -> list[tuple[int, bytes]]:
    rng = np.random.default_rng(1)
    cells = np.stack([rng.integers(40, 500, spec.columns), rng.integers(0, 3, spec.columns) * 20], axis=1)
    return [packed(table.RUN_LOAD, tile=tile, row=row, cells=cells) for tile, row in places]


def _begun(kind: RunKind) -> tuple[int, bytes]:
    key = registers.ARM.key if kind is RunKind.FORM else 0
    return packed(table.RUN_BEGIN, run=7, kind=kind, key=key, retries=1)


PASTS: dict[str, Callable[[ChipSpec], list[tuple[int, bytes]]]] = {
    "virgin": lambda spec: [],
    "formed": lambda spec: [*_formed(spec), *_network()],
    "calibrated": lambda spec: [*_formed(spec), packed(table.CALIBRATE, tile=spec.tiles - 1)],
    "in a run": lambda spec: [
        *_formed(spec), _begun(RunKind.PROGRAM), *_loaded(spec, (0, 0), (0, 2), (1, 1)), packed(table.RUN_NEXT)
    ],
    "forms in a run": lambda spec: [_begun(RunKind.FORM), *_loaded(spec, (1, 5), (0, 6)), packed(table.RUN_NEXT)],
}  # fmt: skip


class Talker:
    """Makes conversations of all commands but those that would end them: BOOT gets no image that is whole."""

    def __init__(self, spec: ChipSpec, random: Random) -> None:
        self._spec, self._random = spec, random
        self._quick, self._long = self._commands()

    def conversation(self) -> Conversation:
        items: list[Request | Greeting] = []
        for _ in range(self._random.randint(1, ITEMS_MOST)):
            items += self._piece()
        if self._random.randrange(LONG_IN) == 0:
            items.insert(self._random.randint(0, len(items)), self._one(self._long))
        return Conversation(self._random.choice(list(PASTS)), items)

    def _piece(self) -> list[Request | Greeting]:
        """One item, or some that belong together."""
        random = self._random
        kind = random.randrange(60)
        if kind < 3:
            return [Greeting(random.choice([None, random.getrandbits(32)]))]
        if kind < 12:
            request = self._single()
            return [Request(request.name, request.kind, request.payload, random.choice(FAULTS), random.randint(0, 400))]
        return {12: self._forming, 13: self._odd_policy, 14: self._rate}.get(kind, lambda: [self._single()])()

    def _single(self) -> Request:
        return self._raw() if self._random.randrange(15) == 0 else self._one(self._quick)

    def _one(self, commands: dict[Command, Callable[[], dict[str, Any]]]) -> Request:
        command = self._random.choice(list(commands))
        return _request(packed(command, **commands[command]()))

    def _raw(self) -> Request:
        """Any length of any bytes, which few commands take."""
        others = HELLO, table.RATE, table.CALIBRATE, table.SELFTEST
        codes = [code for code, command in table.COMMANDS.items() if command not in others]
        return Request("raw", self._random.choice([*codes, 0x00, 0x77, 0x7F]), self._bytes(24))

    def _forming(self) -> list[Request | Greeting]:
        """The arm key, and what uses it up."""
        spec, random = self._spec, self._random
        mask = self._list(spec.columns, lambda: random.choice([0, 0, 0, 0, 1, 255]))
        form = packed(table.FORM, tile=random.randrange(spec.tiles), row=random.randrange(spec.rows), mask=mask)
        return [_request(ARM), _request(form)]

    def _odd_policy(self) -> list[Request | Greeting]:
        """A write-verify policy with other numbers, in no order that makes sense, and a row that is programmed by it."""
        spec, rng = self._spec, np.random.default_rng(self._random.getrandbits(32))
        record = np.frombuffer(load_policy(spec.cell.policy).pack(spec), POLICY_DTYPE).copy()
        for name in self._random.sample([*ODD, "set", "reset"], self._random.randint(1, 4)):
            if name in ODD:
                record[name] = rng.integers(0, ODD[name], record[name].shape)
            else:
                for field in ("first", "level", "step"):
                    record[name][field] = rng.integers(-300, 1500, record[name][field].shape)
        record["max_pulses"] = rng.integers(1, 40)
        due = rng.random(spec.columns) < 0.3
        cells = np.stack([rng.integers(0, 500, spec.columns), due * rng.integers(1, 40, spec.columns)], axis=1)
        tile, row = rng.integers(0, spec.tiles), rng.integers(0, spec.rows)
        write = packed(table.MEM_WRITE, memory=Memory.POLICY, offset=0, data=record.tobytes())
        return [_request(write), _request(packed(table.PROGRAM, tile=int(tile), row=int(row), cells=cells))]

    def _rate(self) -> list[Request | Greeting]:
        return [_request(packed(table.RATE, baud=self._random.choice(RATES)))]

    # Values

    def _near(self, limit: int, most: int) -> int:
        """0..most, often small and often around a limit."""
        edges = sorted({max(0, min(most, value)) for value in (0, 1, limit - 1, limit, limit + 1, most)})
        return self._random.choice([self._random.choice(edges), self._random.randint(0, max(0, limit - 1))])

    def _bytes(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randint(0, most))

    def _list(self, length: int, make: Callable[[], T]) -> list[T]:
        return [make() for _ in range(length)]

    def _code(self) -> int:
        clamp = self._spec.read_clamp
        return self._random.choice(
            [self._good(), self._good(), self._random.choice([clamp + 1, -clamp - 1, 2047, -2048])]
        )

    def _good(self) -> int:
        return self._random.randint(-self._spec.read_clamp, self._spec.read_clamp)

    def _vectors(self) -> dict[str, Any]:
        width = self._spec.rows
        if self._random.randrange(3):
            count = self._random.randint(1, 3)
            return {"count": count, "codes": self._list(count * width, self._good)}
        return {
            "count": self._random.randint(0, 3),
            "codes": self._list(self._random.randint(0, 3 * width), self._code),
        }

    def _cell(self) -> tuple[int, int]:
        # Few are due, or a row takes long.
        return (self._random.randint(-2, 500), self._random.randint(-1, 40)) if self._random.random() < 0.2 else (0, 0)

    def _commands(
        self,
    ) -> tuple[dict[Command, Callable[[], dict[str, Any]]], dict[Command, Callable[[], dict[str, Any]]]]:
        """Values of commands that take a moment, or are refused mostly; and of those that take long."""
        spec, random, near, limits = self._spec, self._random, self._near, self._spec.limits
        sizes = MemoryMap(spec).sizes

        def where() -> dict[str, Any]:
            return {"tile": near(spec.tiles, 255), "row": near(spec.rows, 0xFFFF)}

        def column() -> int:
            return near(spec.columns, 0xFFFF)

        def tia_range() -> int:
            return near(len(spec.afe.tia_ohm), 255)

        def register() -> int:
            return random.choice([random.choice(list(registers.REGISTERS)), near(24, 0xFFFF)])

        def word() -> int:
            return random.choice([random.choice([*KEYS, 0, 1]), random.getrandbits(32)])

        def memory() -> dict[str, Any]:
            offset = random.choice([near(100, 1 << 31), random.choice([size - 2 for size in sizes.values()])])
            return {"memory": near(len(Memory) - 1, 255), "offset": offset}

        def cells() -> list[tuple[int, int]]:
            return self._list(spec.columns, self._cell)

        def stage() -> tuple[int, ...]:
            return random.randint(0, 3), random.randint(0, 2), near(5, 255), random.randint(0, 3), random.randint(0, 3)

        def run() -> dict[str, Any]:
            return {
                "run": near(3, (1 << 32) - 1),
                "key": random.choice([*KEYS, 0]),
                "retries": near(MAX_RETRIES + 1, 255),
            }

        def image() -> int:
            # Its CRC takes long.
            return random.randint(0, core.IMAGE_BYTES) if random.randrange(16) == 0 else random.randint(0, 200)

        quick: dict[Command, Callable[[], dict[str, Any]]] = {
            table.INFO: dict,
            table.READ_REGISTERS: lambda: {"address": register(), "count": near(5, 255)},
            table.WRITE_REGISTERS: lambda: {"address": register(), "values": self._list(random.randint(0, 3), word)},
            table.MEM_WRITE: lambda: {**memory(), "data": self._bytes(40)},
            table.MEM_READ: lambda: {**memory(), "length": near(64, 0xFFFF)},
            table.MVM: lambda: {"tile": near(spec.tiles, 255), "range": tia_range(), **self._vectors()},
            table.ROUTE: lambda: {"stages": self._list(random.randint(0, 3), stage)},
            table.INFER: self._vectors,
            table.PROGRAM: lambda: {**where(), "cells": cells()},
            table.READ: lambda: {**where(), "rows": near(3, 0xFFFF), "samples": near(3, 255)},
            table.PULSE: lambda: {
                **where(), "column": column(), "polarity": near(2, 255), "rail": near(spec.rail_code(limits.set_v), 0xFFFF),
                "gate": near(spec.rail_code(limits.gate_v), 0xFFFF), "width_ns": near(limits.pulse_ns, (1 << 32) - 1),
            },
            table.FORM: lambda: {**where(), "mask": self._list(random.randint(0, spec.columns), lambda: random.randint(0, 1))},
            table.SERVICE: lambda: {"after": near(5, (1 << 32) - 1)},
            table.ADVANCE: lambda: {"duration_ns": random.choice([random.randint(0, 10**7), near(10**9, (1 << 64) - 1)])},
            table.IV: lambda: {
                **where(), "column": column(), "range": tia_range(), "codes": self._list(random.randint(0, 2), self._code),
            },
            table.CALIBRATE: lambda: {"tile": random.randint(spec.tiles, 255)},
            table.RUN_BEGIN: lambda: {**run(), "kind": random.randint(len(RunKind), 255)},
            table.RUN_LOAD: lambda: {**where(), "cells": cells()},
            table.RUN_NEXT: dict,
            table.RUN_STATUS: dict,
            table.RUN_ROW: where,
            table.REFRESH: lambda: {**where(), "samples": near(3, 255)},
            table.UPDATE: lambda: {"offset": near(core.IMAGE_BYTES, 1 << 31), "data": self._bytes(40)},
            table.BOOT: lambda: {"target": near(2, 255), "bytes": image(), "crc": word()},
            table.FIRMWARE: dict,
        }  # fmt: skip
        long: dict[Command, Callable[[], dict[str, Any]]] = {
            table.CALIBRATE: lambda: {"tile": random.randrange(spec.tiles)},
            table.SELFTEST: dict,
            table.RUN_BEGIN: lambda: {**run(), "kind": random.choice(list(RunKind))},
        }
        return quick, long


def _request(packed_one: tuple[int, bytes]) -> Request:
    kind, payload = packed_one
    return Request(table.COMMANDS[kind].name, kind, payload)


class Speaker:
    """Turns a conversation into bytes for the line, one write an item. following: the first request's number in the open session."""

    def __init__(self, session: int, following: int) -> None:
        self._session, self._next, self._last = session, following, b""

    def says(self, item: Request | Greeting) -> bytes:
        if isinstance(item, Greeting):
            if item.session is not None and item.session != self._session:
                self._session, self._next = item.session, 1
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


def shortest(conversation: Conversation, differs: Callable[[Conversation], bool]) -> Conversation:
    """A conversation that `differs`, without the items that are not needed for that and, where it then still does, without faults."""
    for index in reversed(range(len(conversation.items))):
        fewer = _with(conversation, index)
        if fewer.items and differs(fewer):
            conversation = fewer
    for index, item in enumerate(conversation.items):
        if isinstance(item, Request) and item.fault != "none":
            plain = _with(conversation, index, Request(item.name, item.kind, item.payload))
            if differs(plain):
                conversation = plain
    return conversation


def _with(conversation: Conversation, index: int, *items: Request | Greeting) -> Conversation:
    before: Sequence[Request | Greeting] = conversation.items
    return Conversation(conversation.past, [*before[:index], *items, *before[index + 1 :]])

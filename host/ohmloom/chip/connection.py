"""The connection to a controller: what it is, its registers and memories, its time, and the upkeep of its front end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Self
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from ohmloom.chip.findings import SelftestFinding, finding
from ohmloom.errors import ArgumentError, ChipError, LinkError
from ohmloom.link import Session
from ohmloom.spec import ChipSpec, Policy, load_chip, load_policy, registers
from ohmloom.spec.arithmetic import CORRECTION_DTYPE, GAIN_ONE
from ohmloom.spec.commands import (
    ADVANCE,
    CALIBRATE,
    INFO,
    MEM_READ,
    MEM_WRITE,
    READ_REGISTERS,
    SELFTEST,
    SERVICE,
    WRITE_REGISTERS,
    Cause,
    ErrorCode,
    EventKind,
    Finding,
    Memory,
)
from ohmloom.spec.policy import POLICY_DTYPE

Progress = Callable[[str, int, int], None]  # what, done, of how many


def no_progress(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Connection:
    """A connected controller; what a chip's cells and vectors are handled with comes with its subclasses."""

    def __init__(self, session: Session, spec: ChipSpec | str | Path | None = None) -> None:
        self._session = session
        answer = session.request(INFO)
        name = answer["name"].tobytes().decode("utf-8", "replace")
        self.spec: ChipSpec = spec if isinstance(spec, ChipSpec) else load_chip(spec or name)
        if (self.spec.name, self.spec.digest) != (name, answer["digest"]):
            raise LinkError(
                f"the endpoint is a {name!r} with spec digest {answer['digest']:08x}, not {self.spec.name!r} with "
                f"{self.spec.digest:08x}: give its own spec"
            )
        self._version: int = answer["version"]
        self._warned = False  # that nothing calibrates

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. A second call does nothing."""
        self._session.close()

    # What it is

    def info(self) -> dict[str, Any]:
        """Names, sizes, limits, link and counters of the endpoint, for people and logs."""
        values = self._registers()
        return {
            "chip": self.spec.name,
            "tiles": self.spec.tiles,
            "rows": self.spec.rows,
            "columns": self.spec.columns,
            "controller_version": f"{self._version >> 16}.{self._version >> 8 & 255}.{self._version & 255}",
            "emulated": self._session.emulated,
            "baud": self._session.baud,
            "window": self._session.window,
            "payload_bytes": self._session.payload_max,
            "tripped": bool(registers.STATUS_TRIPPED.get(values["status"])),
            "network": bool(registers.STATUS_NETWORK_VALID.get(values["status"])),
            "registers": values,
            "link": vars(self._session.statistics),
        }

    @property
    def emulated(self) -> bool:
        """Whether the fabric is emulated: only then are there `meters`, and `advance`."""
        return self._session.emulated

    @property
    def link_bytes(self) -> int:
        """Bytes sent and received since the connection was opened."""
        return self._session.statistics.bytes_sent + self._session.statistics.bytes_received

    @property
    def meters(self) -> dict[Cause, tuple[float, float]]:
        """(joules, seconds) by cause, since the fabric was made. Emulated fabrics only."""
        rows = self._session.request(ADVANCE, duration_ns=0)["meters"]
        return {cause: (1e-15 * int(rows[cause]["energy_fj"]), 1e-9 * int(rows[cause]["time_ns"])) for cause in Cause}

    @property
    def energy_j(self) -> float:
        """Energy that the fabric has used. Emulated fabrics only."""
        rows = self._session.request(ADVANCE, duration_ns=0)["meters"]
        return 1e-15 * int(rows["energy_fj"].sum())

    @property
    def fabric_time_s(self) -> float:
        """Time that has passed for the fabric. Emulated fabrics only."""
        return 1e-9 * int(self._session.request(ADVANCE, duration_ns=0)["time_ns"])

    def advance(self, seconds: float) -> None:
        """Lets fabric time pass, in which cells relax. Emulated fabrics only; for a real one, wait."""
        if not (np.isfinite(seconds) and 0 <= seconds < 1e9):
            raise ArgumentError(f"seconds: {seconds} is not within 0..1e9")
        self._session.request(ADVANCE, duration_ns=round(seconds * 1e9))

    def wait(self, seconds: float) -> None:
        """Lets time pass on any chip: `advance` where it is emulated, and by the clock where it is real."""
        if self._session.emulated:
            self.advance(seconds)
        else:
            sleep(seconds)

    def events(self, after: int = 0) -> list[tuple[int, EventKind, int]]:
        """(number, kind, argument) of the controller's events after the given number, oldest first."""
        events: list[tuple[int, EventKind, int]] = []
        while (rows := self._session.request(SERVICE, after=after)["events"]).size:  # as many as one frame holds
            events += [(int(row["number"]), EventKind(row["kind"]), int(row["argument"])) for row in rows]
            after = events[-1][0]
        return events

    # Upkeep

    def calibrate(self, tile: int | None = None) -> list[dict[str, int]]:
        """Measures and corrects offset and gain of the columns of one tile or of all; a report for each."""
        tiles = range(self.spec.tiles) if tile is None else [self._tile(tile)]
        return [self._session.request(CALIBRATE, tile=index) for index in tiles]

    @property
    def correction(self) -> NDArray[Any]:
        """Offset and gain corrections in force, CORRECTION_DTYPE records (tiles, ranges, columns); calibrates tiles that never were."""
        return np.stack([self._calibrate_once(tile) for tile in range(self.spec.tiles)])

    def selftest(self) -> list[SelftestFinding]:
        """Everything that is wrong with memories, converters, reference resistors and rows; an empty list is good.

        A shorted row shows once a cell of it is formed. At most as many findings as one answer holds.
        """
        rows = self._session.request(SELFTEST)["findings"].tolist()
        return [finding(self.spec, Finding(kind), tile, index, value) for kind, tile, index, value in rows]

    def load_policy(self, policy: Policy | str | Path) -> None:
        """Loads a write-verify policy: a bundled one by name, a TOML file by its path, or as it is."""
        loaded = policy if isinstance(policy, Policy) else load_policy(policy)
        self._write_memory(Memory.POLICY, loaded.pack(self.spec))

    @contextmanager
    def using_policy(self, policy: Policy | str | Path) -> Iterator[None]:
        """Loads a write-verify policy for a while; at the end the chip has its former one again."""
        before = self._read_memory(Memory.POLICY, POLICY_DTYPE.itemsize)
        self.load_policy(policy)
        try:
            yield
        finally:
            self._write_memory(Memory.POLICY, before)

    def stop(self) -> None:
        """Emergency stop: sets the safety latch, all lines float until `clear_trip`."""
        self._session.request(WRITE_REGISTERS, address=registers.TRIP_SET.address, values=[1])

    def clear_trip(self) -> None:
        """Clears the safety latch."""
        self._session.request(WRITE_REGISTERS, address=registers.TRIP_CLEAR.address, values=[registers.TRIP_CLEAR.key])

    # Inside

    def _stored_correction(self, tile: int) -> NDArray[Any]:
        shape = len(self.spec.afe.tia_ohm), self.spec.columns
        size = int(np.prod(shape)) * CORRECTION_DTYPE.itemsize
        return np.frombuffer(self._read_memory(Memory.CORRECTION, size, tile * size), CORRECTION_DTYPE).reshape(shape)

    def _calibrate_once(self, tile: int) -> NDArray[Any]:
        """Calibrates a tile whose stored correction is still the neutral one; warns, once, where no firmware runs that could.

        Returns the tile's correction, (ranges, columns).
        """
        stored = self._stored_correction(tile)
        if not (stored["offset"] == 0).all() or not (stored["gain"] == GAIN_ONE).all():
            return stored
        try:
            self.calibrate(tile)
        except ChipError as error:
            if error.code != ErrorCode.NO_FIRMWARE:
                raise
            if not self._warned:
                self._warned = True
                warn(
                    "the controller runs no firmware, which calibrates its columns: offsets (5 codes) and gain errors (2 %) stay in",
                    stacklevel=2,
                )
            return stored
        return self._stored_correction(tile)

    def _registers(self) -> dict[str, int]:
        values: dict[str, int] = {}
        words = sorted(word for word, register in registers.REGISTERS.items() if "r" in register.access)
        for word in words:
            answer = self._session.request(READ_REGISTERS, address=word, count=1)
            values[registers.REGISTERS[word].name] = int(answer["values"][0])
        return values

    def _write_memory(self, memory: Memory, content: bytes) -> None:
        size = self._session.payload_max // 2
        requests = (
            (MEM_WRITE, {"memory": memory, "offset": offset, "data": content[offset : offset + size]})
            for offset in range(0, len(content), size)
        )
        for _ in self._session.stream(requests):
            pass

    def _read_memory(self, memory: Memory, length: int, offset: int = 0) -> bytes:
        size = self._session.payload_max // 2
        requests = (
            (MEM_READ, {"memory": memory, "offset": offset + start, "length": min(size, length - start)})
            for start in range(0, length, size)
        )
        return b"".join(answer["data"].tobytes() for answer in self._session.stream(requests))

    def _tile(self, tile: int) -> int:
        return self._index("tile", tile, self.spec.tiles)

    @staticmethod
    def _index(name: str, value: int, count: int) -> int:
        if not isinstance(value, (int, np.integer)) or not 0 <= value < count:
            raise ArgumentError(f"{name}: an integer within 0..{count - 1} wanted, given {value!r}")
        return int(value)

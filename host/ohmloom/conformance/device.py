"""The endpoint under test: its chip, its frames as they are, and what has to be as before when a check is over."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ohmloom.chip import SPEC_SCHEMES, Chip, connected
from ohmloom.errors import ChipError, LinkError
from ohmloom.link import BadFrame, Frame, FrameDecoder, Port, encode, open_port
from ohmloom.recording import LONGEST_PAYLOAD, RecordingPort
from ohmloom.spec import ChipSpec, registers
from ohmloom.spec.commands import (
    ANSWER,
    ERROR_LAYOUT,
    HELLO,
    INFO,
    PROTOCOL_VERSION,
    READ_REGISTERS,
    ROUTE,
    TYPE_ERROR,
    WRITE_REGISTERS,
    Command,
    ErrorCode,
    Memory,
)
from ohmloom.spec.memory_map import MemoryMap

# A real port waits in each read; a virtual one says at once that nothing will come.
READ_S, SILENT_READS = 0.1, 30
FIRST_SILENT_READS = 3  # before the session: the controller may listen at another rate


class Device:
    """An open endpoint. tile: whose cells may be written; keep_cells: none may be."""

    def __init__(
        self,
        url: str,
        *,
        spec: ChipSpec | str | Path | None = None,
        baud: int | None = None,
        tile: int | None = None,
        keep_cells: bool = False,
        recording: Path | None = None,
    ) -> None:
        self.url, self.keep_cells = url, keep_cells
        port: Port = open_port(url)
        try:
            if recording is not None:
                port = RecordingPort(port, recording, url)
            # What a request is answered before any HELLO: of a controller that has just started.
            self.first = exchange(
                port, b"\0" + encode(INFO.code, 0, b""), 1, FrameDecoder(LONGEST_PAYLOAD), FIRST_SILENT_READS
            )
        except BaseException:
            port.close()
            raise
        self.chip: Chip = connected(port, url, spec, baud)
        self.spec = self.chip.spec
        self.tile = self.spec.tiles - 1 if tile is None else tile
        self._session = self.chip._session
        self._kept = {memory: self.read_memory(memory) for memory in Memory}
        self.memory_changed = False  # set by who writes memories

    def close(self) -> None:
        self.chip.close()

    @property
    def emulated(self) -> bool:
        return self._session.emulated

    @property
    def new(self) -> bool:
        """Whether its controller was started for this connection."""
        return self.url.startswith(tuple(f"{scheme}://" for scheme in SPEC_SCHEMES))

    @property
    def window(self) -> int:
        return self._session.window

    @property
    def has_rate(self) -> bool:
        """Whether the line has a rate that both ends set: a TCP connection has none."""
        return not self.url.startswith(("socket://", "rfc2217://"))

    def restore(self) -> None:
        """No trip, no arm key, no route, and the memories of the beginning."""
        self.write(registers.TRIP_CLEAR, registers.TRIP_CLEAR.key or 0)
        self.write(registers.ARM, 0)
        self.ask(ROUTE, stages=[])
        if self.memory_changed:
            for memory, content in self._kept.items():
                self.write_memory(memory, content)
            self.memory_changed = False

    # Requests

    def ask(self, command: Command, **values: Any) -> dict[str, Any]:
        """The answer to a request. Raises ChipError when it is refused."""
        return self._session.request(command, **values)

    def refusal(self, command: Command, **values: Any) -> ErrorCode | None:
        """Why a request is refused; None when it is not."""
        try:
            self.ask(command, **values)
        except ChipError as error:
            return _error_code(error.code)
        return None

    def read(self, register: registers.Register) -> int:
        return int(self.ask(READ_REGISTERS, address=register.address, count=1)["values"][0])

    def write(self, register: registers.Register, value: int) -> None:
        self.ask(WRITE_REGISTERS, address=register.address, values=[value])

    def memory_bytes(self, memory: Memory) -> int:
        return MemoryMap(self.spec).sizes[memory]

    def read_memory(self, memory: Memory) -> bytes:
        return self.chip._read_memory(memory, self.memory_bytes(memory))

    def write_memory(self, memory: Memory, content: bytes) -> None:
        self.memory_changed = True
        self.chip._write_memory(memory, content)

    # Frames

    @contextmanager
    def frames(self) -> Iterator[Frames]:
        """Frames as they are, in a session of their own, at the line's present rate; afterwards the device has a session again."""
        try:
            yield Frames(self._session._wire._port, self.spec.link.payload_bytes)
        finally:
            self._session.hello()


class Frames:
    """A conversation frame by frame; nothing is repeated, nothing is hidden. It begins with HELLO, number 0."""

    def __init__(self, port: Port, max_payload: int) -> None:
        self.port = port
        self._decoder = FrameDecoder(max_payload)
        port.reset_input_buffer()
        self.session = secrets.randbits(32)
        self.hello_answer = self.hello()

    def hello(self, session: int | None = None, sequence: int = 0) -> Frame:
        """HELLO's answer; the next request's number follows it."""
        self.session = self.session if session is None else session
        self.next = (sequence + 1) & 0xFF
        payload = HELLO.request.pack(session=self.session, protocol=PROTOCOL_VERSION)
        return self.frame(b"\0" + encode(HELLO.code, sequence, payload))

    def ask(self, command: Command | int, payload: bytes = b"") -> Frame:
        """A request with the next number; its answer."""
        data = self.request(command, payload)
        return self.frame(data)

    def request(self, command: Command | int, payload: bytes = b"") -> bytes:
        """The bytes of a request with the next number."""
        data = encode(command.code if isinstance(command, Command) else command, self.next, payload)
        self.next = (self.next + 1) & 0xFF
        return data

    def frame(self, data: bytes) -> Frame:
        """Sends bytes; the one good frame that comes back. Raises AssertionError for anything else."""
        found = self.exchange(data, 1)
        if len(found) == 1 and isinstance(found[0], Frame):
            return found[0]
        raise AssertionError(f"one good frame wanted, found {found}")

    def exchange(self, data: bytes, count: int) -> list[Frame | BadFrame]:
        """Sends bytes; what comes back, until it is `count` frames or nothing more comes."""
        return exchange(self.port, data, count, self._decoder, SILENT_READS)


def exchange(port: Port, data: bytes, count: int, decoder: FrameDecoder, silent_reads: int) -> list[Frame | BadFrame]:
    """Sends bytes; what comes back, until it is `count` frames or so many reads in turn have brought nothing."""
    port.write(data)
    found: list[Frame | BadFrame] = []
    silent = 0
    port.timeout = READ_S
    while len(found) < count and silent < silent_reads:
        came = port.read(port.in_waiting or 1)
        silent = 0 if came else silent + 1
        found += decoder.feed(came)
    return found


def _error_code(number: int) -> ErrorCode:
    """Raises LinkError for a code that is not in the table."""
    for code in ErrorCode:
        if code == number:
            return code
    raise LinkError(f"the endpoint refuses with error {number}, which the command table does not have")


def refused(frame: Frame) -> tuple[int, ErrorCode] | None:
    """(command, why) of a refusal; None for another frame."""
    if frame.type != TYPE_ERROR:
        return None
    values = ERROR_LAYOUT.unpack(frame.payload)
    return values["command"], _error_code(values["code"])


def answers(frame: Frame, command: Command) -> bool:
    return frame.type == command.code | ANSWER

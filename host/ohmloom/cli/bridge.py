"""A bridge from an open port to whoever opens the door: a pseudo-terminal, or a TCP port of this machine.

It passes bytes as they are. Stop signals wait until what is under way is done, so that no request is cut in two.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Protocol, Self

from ohmloom.errors import LinkError
from ohmloom.link import Port, Session

# How long nothing is looked at: a port is any pyserial object, which cannot be waited for together with a client.
IDLE_MIN_MS, IDLE_MAX_MS = 1, 20
LEAVING = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)  # the last one on Linux only


class Stop:
    """SIGINT and SIGTERM as a file that becomes readable, and stays so."""

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe()
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reading)
        os.close(self._writing)

    def _note(self, number: int, frame: FrameType | None) -> None:
        os.write(self._writing, b"!")

    def fileno(self) -> int:
        return self._reading

    def within(self, milliseconds: float) -> bool:
        """Whether a signal has come or comes within this time."""
        return bool(select.select([self], [], [], milliseconds / 1000)[0])


class Client(Protocol):
    """The far end, while somebody is there. Neither call blocks when `poll` has announced it."""

    def fileno(self) -> int: ...
    def read(self) -> bytes: ...  # nothing once the client has left
    def write(self, data: bytes) -> int: ...  # how much was taken; all of it when nobody is left to take it
    def rate(self) -> int | None: ...  # the line rate that the client has chosen, None where there is none
    def close(self) -> None: ...


class Door(Protocol):
    """Where clients come in, one at a time."""

    address: str
    has_rate: bool

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def wait(self, stop: Stop) -> Client | None: ...  # None when stopped
    def turn_away(self) -> None: ...  # those who knock while a client is there


def bridge(port: Port, door: Door, stop: Stop, *, once: bool, ready: Callable[[], None]) -> None:
    """Serves clients until stopped, or until the first one leaves. Raises OSError or LinkError when the port fails."""
    try:
        if not door.has_rate:
            _to_highest_rate(port)
        ready()
        while client := door.wait(stop):
            _serve(port, client, door, stop)
            if once:
                return
    except termios.error as error:  # pyserial lets it through when a device is gone, and it is no OSError
        raise LinkError(f"the port failed: {error}") from error


def _serve(port: Port, client: Client, door: Door, stop: Stop) -> None:
    try:
        # Anew for each client: the board may have been reset, or the last client may have changed its rate.
        if not door.has_rate:
            _to_highest_rate(port)
        _carry(port, client, door, stop)
    except LinkError as error:
        print(f"client sent away: {error}", file=sys.stderr, flush=True)
    finally:
        client.close()
    port.reset_input_buffer()  # answers that the client has not waited for


def _carry(port: Port, client: Client, door: Door, stop: Stop) -> None:
    poller = select.poll()
    poller.register(stop, select.POLLIN)
    poller.register(client)
    to_client = b""
    idle_ms = IDLE_MIN_MS
    while True:
        # Nothing more is taken from either end while the client does not take what it has been sent.
        poller.modify(client, LEAVING | (select.POLLOUT if to_client else select.POLLIN))
        events = dict(poller.poll(idle_ms))
        idle_ms = IDLE_MIN_MS if events else min(2 * idle_ms, IDLE_MAX_MS)
        if stop.fileno() in events:
            return
        if not events.get(client.fileno(), 0) & LEAVING:  # whoever knocks now may be the next one
            door.turn_away()
        if client.fileno() in events:
            if to_client:
                to_client = to_client[client.write(to_client) :]
            elif data := client.read():
                _set_rate(port, client.rate())
                port.write(data)
            else:
                return
        if not to_client and (waiting := port.in_waiting):
            to_client = port.read(waiting)
            to_client = to_client[client.write(to_client) :]
            idle_ms = IDLE_MIN_MS


def _set_rate(port: Port, baud: int | None) -> None:
    if baud is not None and baud != port.baudrate:
        try:
            port.baudrate = baud
        except (OSError, ValueError):  # the client listens at a rate that the port cannot do, and will hear nothing
            print(f"the port cannot do the client's {baud} baud", file=sys.stderr, flush=True)


def _to_highest_rate(port: Port) -> None:
    """For doors without a rate: the board goes to its highest and stays there, whatever rate a client believes in."""
    session = Session(port)
    session.hello()
    if session.baud_max > session.baud:
        session.set_rate(session.baud_max)

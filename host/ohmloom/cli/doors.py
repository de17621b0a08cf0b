"""Doors of a bridge: a pseudo-terminal, and a TCP port that only this machine reaches."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty
from types import TracebackType
from typing import Self

from ohmloom.cli.bridge import IDLE_MAX_MS, Client, Stop
from ohmloom.spec.commands import DEFAULT_BAUD

CHUNK = 65_536
_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()}


class PtyDoor:
    """A pseudo-terminal. `address` is its path; a client is there while it is open."""

    has_rate = True

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        settings = termios.tcgetattr(slave)
        settings[4] = settings[5] = getattr(termios, f"B{DEFAULT_BAUD}")
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        self.address = os.ttyname(slave)
        os.close(slave)  # so that the last client's leaving is seen
        os.set_blocking(self._master, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._master)

    def wait(self, stop: Stop) -> Client | None:
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        while not stop.within(IDLE_MAX_MS):
            events = dict(poller.poll(0)).get(self._master, 0)
            if events & select.POLLIN or not events & select.POLLHUP:
                return _PtyClient(self._master, self.address)
        return None

    def turn_away(self) -> None:
        """Whoever opens a pseudo-terminal shares it: programs lock it, as pyserial does."""


class _PtyClient:
    def __init__(self, master: int, path: str) -> None:
        self._master, self._path = master, path

    def fileno(self) -> int:
        return self._master

    def read(self) -> bytes:
        try:
            return os.read(self._master, CHUNK)
        except OSError:  # EIO: closed
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def rate(self) -> int | None:
        return _SPEEDS.get(termios.tcgetattr(self._master)[5]) or None  # both ends share their settings

    def close(self) -> None:
        """Drops what the client has not read. The door keeps the pseudo-terminal for the next one."""
        slave = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(self._master, termios.TCOFLUSH)
        termios.tcflush(slave, termios.TCIFLUSH)
        os.close(slave)


class TcpDoor:
    """A port of the loopback interface. `address` is its pyserial URL."""

    has_rate = False

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setblocking(False)
        self.address = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def wait(self, stop: Stop) -> Client | None:
        while True:
            readable = select.select([stop.fileno(), self._listener.fileno()], [], [])[0]
            if stop.fileno() in readable:
                return None
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, ConnectionError):  # gone again before it was let in
                continue
            return _TcpClient(connection)

    def turn_away(self) -> None:
        try:
            connection, (host, port) = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        connection.close()
        print(f"turned away {host}:{port}: one client at a time", file=sys.stderr, flush=True)


class _TcpClient:
    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def read(self) -> bytes:
        try:
            return self._connection.recv(CHUNK)
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def rate(self) -> int | None:
        return None

    def close(self) -> None:
        self._connection.close()

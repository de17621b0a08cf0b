"""Ports: whatever pyserial opens from a URL, the endpoints of installed packages included."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import socket
from importlib.metadata import entry_points
from typing import Any, Protocol

import serial
from serial.urlhandler import protocol_socket

from ohmloom.errors import Error, LinkError
from ohmloom.spec.commands import DEFAULT_BAUD

ENDPOINT_GROUP = "ohmloom.endpoints"
WRITE_TIMEOUT_S = 10.0


class Port(Protocol):
    """What a session uses of `serial.Serial`. `read` returns nothing once `timeout` (s) is over or nothing can come."""

    timeout: float | None
    baudrate: int

    @property
    def in_waiting(self) -> int: ...
    def read(self, size: int = ..., /) -> bytes: ...
    def write(self, data: bytes, /) -> int | None: ...
    def reset_input_buffer(self) -> None: ...
    def close(self) -> None: ...


class _SocketPort(protocol_socket.Serial):
    """pyserial's own port, but fast (a byte at a time takes 15 us each) and without a leak."""

    _socket: socket.socket | None = None

    @property
    def in_waiting(self) -> int:
        # pyserial says 1 whenever bytes wait.
        return len(self._socket.recv(65_536, socket.MSG_PEEK)) if super().in_waiting and self._socket else 0

    def close(self) -> None:
        kept = self._socket
        super().close()
        if kept:  # pyserial forgets a socket without closing it when the other end has gone
            kept.close()


@functools.cache
def register_endpoints() -> None:
    """Hand the packages of entry points `ohmloom.endpoints` to pyserial, which finds `protocol_<scheme>` in them."""
    for entry in entry_points(group=ENDPOINT_GROUP):
        if entry.value not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(entry.value)


def known_schemes() -> list[str]:
    """URL schemes that `open_port` takes beside a device's path."""
    register_endpoints()
    schemes: set[str] = set()
    for name in serial.protocol_handler_packages:
        try:
            package = importlib.import_module(name)
        except ImportError:  # pyserial passes over it in the same way
            continue
        modules = (module.name for module in pkgutil.iter_modules(package.__path__))
        schemes.update(module.removeprefix("protocol_") for module in modules if module.startswith("protocol_"))
    return sorted(schemes)


def open_port(url: str, baudrate: int = DEFAULT_BAUD, timeout: float = 0.1) -> Port:
    """Open a device's path or a pyserial URL. Raises LinkError; errors of an endpoint's own (`ohmloom.Error`) pass."""
    register_endpoints()
    options: dict[str, Any] = {}
    if not url.startswith("rfc2217://"):  # which has no time-out for writing and refuses one
        options["write_timeout"] = WRITE_TIMEOUT_S
    if "://" not in url:
        options["exclusive"] = True  # a second program's frames would be taken for the first one's
    try:
        if url.startswith("socket://"):
            return _SocketPort(url, baudrate=baudrate, timeout=timeout, **options)
        return serial.serial_for_url(url, baudrate=baudrate, timeout=timeout, **options)
    except Error:
        raise
    except (OSError, ValueError) as error:
        schemes = ", ".join(f"{scheme}://" for scheme in known_schemes())
        raise LinkError(f"cannot open {url!r}: {error}. Give a serial port's path or a URL: {schemes}") from error

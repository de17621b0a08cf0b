"""Opening ports, and sessions in real time: a pty with the real receiver, silence, and other programs' bytes."""

import contextlib
import os
import socket
import threading
import time

import numpy as np
import pytest
import serial

from ohmloom.errors import LinkError
from ohmloom.link import Session, known_schemes, open_port
from ohmloom.spec.commands import MVM


@pytest.fixture
def pty():
    """(master's descriptor, path of the serial port)"""
    master, slave = os.openpty()
    yield master, os.ttyname(slave)
    os.close(slave)
    os.close(master)


@contextlib.contextmanager
def serving(master, feed):
    """Passes what arrives at the pty to `feed` and sends what it returns."""
    stop = threading.Event()

    def serve():
        while not stop.is_set():
            with contextlib.suppress(BlockingIOError):
                os.write(master, feed(os.read(master, 4096)))
            time.sleep(0.001)

    os.set_blocking(master, False)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_real_serial_port_with_losses(pty, receiver, executor, mvm_values):
    master, path = pty
    replies = 0

    def feed(data):
        nonlocal replies
        answer = receiver.feed(data)
        replies += 1
        return answer[:-1] if replies in (3, 5) else answer

    with serving(master, feed):
        session = Session(open_port(path))
        session.hello()
        values = [mvm_values(i, 500) for i in range(60)]
        answers = list(session.stream((MVM, each) for each in values))
        session.close()
    assert executor.calls == [(MVM.code, MVM.request.pack(**each)) for each in values]
    for answer, each in zip(answers, values, strict=True):
        np.testing.assert_array_equal(answer["codes"], each["codes"][::-1])
    assert session.statistics.repeats > 0


def test_a_controller_that_falls_silent(pty, receiver, mvm_values):
    master, path = pty
    silent = threading.Event()
    with serving(master, lambda data: b"" if silent.is_set() else receiver.feed(data)):
        session = Session(open_port(path), silence_s=0.5)
        session.hello()
        session.request(MVM, **mvm_values(0, 20))
        silent.set()
        started = time.monotonic()
        with pytest.raises(LinkError, match=r"MVM failed: no frame came for \d"):
            session.request(MVM, **mvm_values(1, 20))
        assert time.monotonic() - started < 5
        session.close()


def test_nobody_there(pty):
    port = open_port(pty[1])
    started = time.monotonic()
    with pytest.raises(LinkError, match="silent"):
        Session(port, silence_s=0.5).hello()
    assert time.monotonic() - started < 5
    port.close()


def test_an_echo_is_no_controller():
    port = open_port("loop://")
    with pytest.raises(LinkError, match="bytes came back, but no answer to HELLO"):
        Session(port, silence_s=0.5).hello()
    port.close()


@pytest.mark.parametrize("text", [b"$GPGGA,123519,4807.038,N*47\r\n", b"\0\xff\0\x01", b"\x55"])
def test_a_program_that_talks_all_the_time(port, receiver, session, mvm_values, text):
    session.silence_s = 0.5
    port.to_host = lambda _: text
    spew = type("Spew", (type(port),), {"in_waiting": 1000, "read": lambda _, size: (text * size)[:size]})
    honest, port.__class__ = type(port), spew
    with pytest.raises(LinkError, match="bytes came back"):
        session.hello()
    port.__class__ = honest
    port.to_host = lambda data: data
    session.hello()
    port.__class__ = spew
    started = time.monotonic()
    with pytest.raises(LinkError, match=r"MVM failed: (no frame came|200 attempts)"):
        session.request(MVM, **mvm_values(0, 20))
    assert time.monotonic() - started < 10


def test_a_socket_whose_server_goes_away(receiver, executor, mvm_values):
    def serve():
        connection, _ = server.accept()
        with connection:
            while len(executor.calls) < 50:
                connection.sendall(receiver.feed(connection.recv(4096)))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        session = Session(open_port(f"socket://127.0.0.1:{server.getsockname()[1]}"), silence_s=1.0)
        session.hello()
        answers = list(session.stream((MVM, mvm_values(i, 1500)) for i in range(50)))
        thread.join()
    assert [answer["saturated"] for answer in answers] == list(range(50))
    assert executor.calls == [(MVM.code, MVM.request.pack(**mvm_values(i, 1500))) for i in range(50)]
    with pytest.raises(LinkError, match="the port failed"):
        session.request(MVM, **mvm_values(50, 20))
    session.close()


def test_unknown_urls_name_what_there_is(tmp_path):
    for url in ("nonsense://x", str(tmp_path / "ttyNone"), "socket://nowhere"):
        with pytest.raises(LinkError, match=r"cannot open '.*'.*emu://.*socket://") as caught:
            open_port(url)
        assert url in str(caught.value)


def test_endpoints_are_announced_once():
    assert {"emu", "socket", "loop"} <= set(known_schemes())
    assert serial.protocol_handler_packages.count("ohmloom_emulator.endpoint") == 1


def test_a_port_is_nobody_elses(pty):
    port = open_port(pty[1])
    with pytest.raises(LinkError, match="lock"):
        open_port(pty[1])
    port.close()

"""`ohmloom serve`, driven from outside by this library and by programs that know nothing of it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import termios
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import serial

import ohmloom
from ohmloom.link import Frame, FrameDecoder, encode
from ohmloom.spec.commands import ANSWER, HELLO, PROTOCOL_VERSION

Serve = Callable[..., Any]
Run = Callable[..., Any]
WAYS = {"pty": ("--pty",), "tcp": ("--tcp", 0)}
HELLO_FRAME = encode(HELLO.code, 0, HELLO.request.pack(session=7, protocol=PROTOCOL_VERSION))
TARGETS = np.linspace(2e-6, 38e-6, 128).reshape(8, 16)

both_ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def _frames(data: bytes) -> list[Frame]:
    return [item for item in FrameDecoder(0xFFFF).feed(data) if isinstance(item, Frame)]


class Foreign:
    """A program that opens the address by itself and sends bytes."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme:
            self.socket = socket.create_connection((parts.hostname, parts.port), timeout=5)
            self.fileno, self._close = self.socket.fileno(), self.socket.close
        else:
            self.fileno = os.open(address, os.O_RDWR | os.O_NOCTTY)
            self._close = lambda: os.close(self.fileno)
        os.set_blocking(self.fileno, False)

    def send(self, data: bytes) -> int:
        """Sends what is taken within a second of the last progress."""
        sent, deadline = 0, time.monotonic() + 1
        while sent < len(data) and time.monotonic() < deadline:
            try:
                sent += os.write(self.fileno, data[sent : sent + 4096])
                deadline = time.monotonic() + 1
            except BlockingIOError:
                time.sleep(0.01)
        return sent

    def receive(self, enough: Callable[[bytes], bool], patience_s: float = 5) -> bytes:
        received, deadline = b"", time.monotonic() + patience_s
        while not enough(received) and time.monotonic() < deadline:
            try:
                received += os.read(self.fileno, 4096)
            except BlockingIOError:
                time.sleep(0.01)
        return received

    def __enter__(self) -> Foreign:
        return self

    def __exit__(self, *error: object) -> None:
        self._close()


@pytest.mark.parametrize(("way", "number"), [(WAYS["pty"], signal.SIGTERM), (WAYS["tcp"], signal.SIGINT)], ids=WAYS)
def test_clients_come_and_go_and_the_state_stays(serve: Serve, way: tuple[object], number: signal.Signals) -> None:
    server = serve("--chip", "bench-8x16", *way, "--state", "chip.npz", "--ideal")
    assert server.announcement.startswith("serving bench-8x16 at ")
    with ohmloom.connect(server.address) as chip:
        assert chip.program_conductance(0, TARGETS).converged_fraction == 1.0
    with ohmloom.connect(server.address) as chip:
        read = chip.read_conductance(0)
    result = server.end(number)
    assert (result.code, result.out, result.err) == (0, "", "")
    with ohmloom.connect("emu://bench-8x16", state="chip.npz", ideal=True) as chip:
        np.testing.assert_array_equal(chip.read_conductance(0), read)
    assert np.abs(read - TARGETS).max() <= 1.1e-6


@both_ways
def test_served_and_opened_in_this_process_are_the_same_chip(serve: Serve, way: tuple[object]) -> None:
    codes = np.random.default_rng(3).integers(-300, 301, (70, 8))

    def job(url: str) -> list[np.ndarray]:
        with ohmloom.connect(url) as chip:
            report = chip.program_conductance(1, TARGETS)
            return [report.pulses, report.conductance, chip.mvm(1, codes), chip.read_conductance(1)]

    server = serve("--chip", "bench-8x16", *way, "--seed", 11, "--stuck", 0.05, "--ber", 3e-4)
    for served, clean in zip(job(server.address), job("emu://bench-8x16?seed=11&stuck=0.05"), strict=True):
        np.testing.assert_array_equal(served, clean)


@both_ways
def test_a_foreign_program_is_answered(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way)
    with Foreign(server.address) as program:
        program.send(HELLO_FRAME)
        data = program.receive(lambda received: bool(_frames(received)))
        assert [(frame.type, frame.sequence) for frame in _frames(data)] == [(HELLO.code | ANSWER, 0)]
        assert HELLO.answer.unpack(_frames(data)[0].payload)["session"] == 7


@both_ways
def test_garbage_and_half_a_frame_do_not_harm_the_next_client(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way)
    for content in (random.Random(1).randbytes(5000), HELLO_FRAME[:5], b"", HELLO_FRAME + b"\x07" * 900):
        with Foreign(server.address) as program:
            assert program.send(content) == len(content)
        with ohmloom.connect(server.address) as chip:
            assert chip.info()["chip"] == "bench-8x16"
            assert chip.read_conductance(0).shape == (8, 16)


@both_ways
def test_a_client_that_never_reads_is_held_back_and_forgotten(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way)
    flood = HELLO_FRAME * 2_000_000
    with Foreign(server.address) as program:
        assert program.send(flood) < len(flood)
    with ohmloom.connect(server.address) as chip:
        assert chip.info()["chip"] == "bench-8x16"
    assert server.end().code == 0


@both_ways
def test_what_a_client_has_not_read_is_not_for_the_next(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way)
    with Foreign(server.address) as program:
        program.send(HELLO_FRAME)
        program.receive(lambda received: bool(received))
        program.send(HELLO_FRAME * 50)
        time.sleep(0.1)
    time.sleep(0.1)
    with Foreign(server.address) as program:
        assert program.receive(lambda received: bool(received), patience_s=0.2) == b""


@both_ways
def test_stopped_while_a_client_is_there(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way, "--state", "chip.npz")
    with ohmloom.connect(server.address) as chip:
        chip.form(0)
        assert server.end().code == 0
        with pytest.raises(ohmloom.LinkError):
            chip.read_conductance(0)
    with ohmloom.connect("emu://bench-8x16", state="chip.npz") as chip:
        assert (chip.read_conductance(0) > 1e-6).mean() > 0.9


@both_ways
def test_once(serve: Serve, way: tuple[object]) -> None:
    server = serve("--chip", "bench-8x16", *way, "--once")
    with ohmloom.connect(server.address) as chip:
        chip.info()
    assert server.end(None).code == 0


def test_the_safety_latch_lasts_from_command_to_command(serve: Serve, run: Run) -> None:
    endpoint = ("-e", serve("--chip", "bench-8x16", "--tcp", 0).address)
    assert run("stop", *endpoint).code == 0
    refused = run("read", *endpoint)
    assert refused.code == 1
    assert "safety latch" in refused.err
    assert run("clear-trip", *endpoint).code == 0
    assert run("read", *endpoint).code == 0
    assert run("stop", *endpoint).code == 0
    events = json.loads(run("events", *endpoint, "--json").out)
    assert [event["kind"] for event in events] == ["TRIP", "TRIP"]
    assert json.loads(run("events", *endpoint, "--after", events[0]["number"], "--json").out) == events[1:]


def test_one_client_at_a_time(serve: Serve) -> None:
    server = serve("--chip", "bench-8x16", "--tcp", 0)
    with ohmloom.connect(server.address) as chip:
        with pytest.raises(ohmloom.LinkError):
            ohmloom.connect(server.address)
        assert chip.info()["chip"] == "bench-8x16"
    with ohmloom.connect(server.address) as chip:
        assert chip.info()["chip"] == "bench-8x16"
    assert "one client at a time" in server.end().err


def test_tcp_is_of_this_machine_alone_and_says_when_a_port_is_taken(serve: Serve) -> None:
    server = serve("--chip", "bench-8x16", "--tcp", 0)
    address = urlsplit(server.address)
    assert address.hostname == "127.0.0.1"
    second = serve("--chip", "bench-8x16", "--tcp", address.port)
    assert second.announcement == ""
    result = second.end(None)
    assert result.code == 1
    assert result.err.startswith("ohmloom: ")
    assert "in use" in result.err
    assert result.err.count("\n") == 1


def test_a_pseudo_terminal_has_the_client_s_rate(serve: Serve) -> None:
    server = serve("--chip", "bench-8x16", "--pty")
    heard = {}
    for baud in (9600, 115_200, 57_600):
        with serial.Serial(server.address, baud, timeout=0.5) as port:
            port.write(HELLO_FRAME)
            heard[baud] = _frames(port.read(64))
    assert [baud for baud, frames in heard.items() if frames] == [115_200]
    with ohmloom.connect(server.address) as chip:
        assert chip.info()["baud"] == chip.spec.link.baud_max
    # Board and pseudo-terminal stay at the rate that the client has left them at: a program that sets none is heard.
    descriptor = os.open(server.address, os.O_RDWR | os.O_NOCTTY)
    assert termios.tcgetattr(descriptor)[5] == termios.B3000000
    os.close(descriptor)
    with Foreign(server.address) as program:
        program.send(b"\0" + HELLO_FRAME)
        assert _frames(program.receive(lambda received: bool(_frames(received))))


def test_any_endpoint_can_be_shared(serve: Serve) -> None:
    """A serial port, here a served pseudo-terminal, behind TCP; its rate is the highest although TCP has none."""
    board = serve("--chip", "bench-8x16", "--pty")
    shared = serve("--endpoint", board.address, "--tcp", 0)
    assert shared.announcement.startswith(f"serving {board.address} at socket://127.0.0.1:")
    for _ in range(2):
        with ohmloom.connect(shared.address) as chip:
            assert chip.form(0).converged_fraction > 0.9
    descriptor = os.open(board.address, os.O_RDWR | os.O_NOCTTY)
    assert termios.tcgetattr(descriptor)[5] == termios.B3000000
    os.close(descriptor)
    # The board goes away under the server: it says so and ends.
    board.end()
    with Foreign(shared.address) as program:
        program.receive(lambda received: False, patience_s=0.2)
        result = shared.end(None)
    assert result.code == 1
    assert "Traceback" not in result.err


def test_an_endpoint_that_does_not_answer_is_not_shared_without_a_rate(serve: Serve) -> None:
    server = serve("--endpoint", "loop://", "--tcp", 0)
    result = server.end(None)
    assert (result.code, server.announcement) == (1, "")
    assert "no controller answers" in result.err

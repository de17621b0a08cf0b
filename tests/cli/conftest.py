"""The command in this process, and servers in processes of their own, all in a folder that is thrown away."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ohmloom.cli import main

COMMAND = (sys.executable, "-c", "from ohmloom.cli import main; main()")


@dataclass
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OHMLOOM_ENDPOINT", "OHMLOOM_SPEC", "OHMLOOM_BAUD", "OHMLOOM_RECORD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`ohmloom ARGUMENTS`."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["ohmloom", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Result(int(caught.value.code or 0), captured.out, captured.err)

    yield call
    signal.signal(signal.SIGTERM, before)


@dataclass
class Server:
    """A running `ohmloom serve`. `address` is what it has printed."""

    process: subprocess.Popen[str]
    announcement: str

    @property
    def address(self) -> str:
        return self.announcement.split()[-1]

    def end(self, number: signal.Signals | None = signal.SIGTERM) -> Result:
        """Sends the signal, if any, and waits."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        return Result(self.process.returncode, out, err)


Serve = Callable[..., Server]


@contextmanager
def _servers() -> Iterator[Serve]:
    started: list[Server] = []

    def start(*arguments: object) -> Server:
        process = subprocess.Popen(
            (*COMMAND, "serve", *map(str, arguments)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        started.append(Server(process, process.stdout.readline()))
        return started[-1]

    try:
        yield start
    finally:
        for server in started:
            server.process.kill()
            server.process.communicate()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`ohmloom serve ARGUMENTS`, once it is ready."""
    with _servers() as start:
        yield start

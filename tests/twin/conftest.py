"""Two boards of one chip, one emulated and one with the compiled gateware, that get the same frames."""

from __future__ import annotations

import copy
import fcntl
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pytest

from ohmloom.link import BadFrame, Frame, FrameDecoder, encode
from ohmloom.spec import load_chip
from ohmloom.spec.commands import COMMANDS, ERROR_LAYOUT, HELLO, PROTOCOL_VERSION, RATE, TYPE_ERROR
from ohmloom_emulator.board import Board
from ohmloom_twin import board, build
from ohmloom_twin.board import TwinBoard


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sequences", type=int, metavar="N", help="random conversations to compare, other ones each time")
    parser.addoption(
        "--sequences-seed", type=int, metavar="N", help="which ones: what a run with a difference has named"
    )


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """One process compiles, the others wait for it."""
    folder = build.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build.library(load_chip("bench-8x16"))


@dataclass(frozen=True)
class Moment:
    """All that a pair's boards are between two requests."""

    emulated: Board
    twin: board.Moment
    following: int


class Pair:
    """Frames in, answers out, of both boards; `ask` asserts that they are the same bytes."""

    def __init__(self, chip: str = "bench-8x16", **options: object) -> None:
        self.emulated, self.twin = Board(chip, **options), TwinBoard(chip, **options)  # type: ignore[arg-type]
        self.spec = self.emulated.fabric.spec
        self.following = 0  # sequence number of the next request
        self.hello()

    def exchange(self, data: bytes) -> bytes:
        """Raw bytes to both, at the line's rate; the bytes of both, which have to be the same."""
        baud = self.emulated.baud
        wanted = self.emulated.feed(data)
        given = self.twin.feed_at(data, baud)
        assert given == wanted, f"{_said(given, self.spec)}, wanted {_said(wanted, self.spec)}"
        return given

    def hello(self, session: int = 1) -> None:
        """Opens a session, at the first rate, and goes on at the highest."""
        self.exchange(encode(HELLO.code, 0, HELLO.request.pack(session=session, protocol=PROTOCOL_VERSION)))
        self.exchange(encode(RATE.code, 1, RATE.request.pack(baud=self.spec.link.baud_max)))
        self.following = 2

    def ask(self, *requests: tuple[int, bytes]) -> list[Frame]:
        """Requests one after the other; their answers."""
        frames = []
        for number, (kind, payload) in enumerate(requests):
            data = encode(kind, self.following, payload)
            self.following = (self.following + 1) & 0xFF
            try:
                given = self.exchange(data)
            except AssertionError as error:
                name = COMMANDS[kind].name if kind in COMMANDS else hex(kind)
                raise AssertionError(f"request {number}, {name} {payload[:40].hex()}: {error}") from None
            frames += [
                frame for frame in FrameDecoder(self.spec.link.payload_bytes).feed(given) if isinstance(frame, Frame)
            ]
        return frames

    def moment(self) -> Moment:
        """What `go_back` takes."""
        return Moment(self._copy(self.emulated), self.twin.moment(), self.following)

    def go_back(self, to: Moment) -> None:
        """Everything is as it was; the moment stays good for more."""
        self.emulated = self._copy(to.emulated)
        self.twin.go_back(to.twin)
        self.following = to.following

    def _copy(self, board: Board) -> Board:
        return copy.deepcopy(board, {id(self.spec): self.spec})  # a spec never changes

    def same_fabric(self) -> None:
        """Conductances, counters of samples and pulses, time and energy."""
        ours, theirs = self.emulated.fabric.state(), self.twin.fabric.state()
        for name, value in ours.items():
            assert (value == theirs[name]).all(), f"fabric state {name} differs"


def _said(data: bytes, spec: object) -> str:
    texts = []
    for item in FrameDecoder(0xFFFF).feed(data):
        if isinstance(item, BadFrame):
            texts.append(f"bad frame ({item.reason})")
        elif item.type == TYPE_ERROR and len(item.payload) == 10:
            texts.append(f"#{item.sequence} {ERROR_LAYOUT.unpack(item.payload)}")
        else:
            texts.append(f"#{item.sequence} {item.type:#x} {item.payload.hex()[:400]}")
    return "; ".join(texts) or "nothing"


@pytest.fixture
def pair() -> Iterator[Callable[..., Pair]]:
    """Makes pairs, and closes them."""
    made: list[Pair] = []

    def make(*arguments: str, **options: object) -> Pair:
        made.append(Pair(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.twin.twin.close()


@pytest.fixture
def check(pair: Callable[..., Pair]) -> Callable[..., Pair]:
    """Sends requests to both boards of a new pair, and compares answers and fabrics."""

    def run(requests: Iterable[tuple[int, bytes]], **options: object) -> Pair:
        boards = pair(**options)
        boards.ask(*requests)
        boards.same_fabric()
        return boards

    return run

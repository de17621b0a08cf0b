"""Sessions that are recorded and replayed: the same answers without the chip, and departures are named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.link import Frame, FrameDecoder, Session, encode, open_port
from ohmloom.recording import RecordingPort, Splitter, read
from ohmloom.replay.against import compare
from ohmloom.spec.commands import ANSWER, COMMANDS, HELLO, INFO, PROTOCOL_VERSION, READ, TYPE_ERROR, TYPE_NAK
from ohmloom_emulator.board import Board

TARGETS = np.linspace(2e-6, 38e-6, 128).reshape(8, 16)
CODES = np.random.default_rng(3).integers(-300, 301, (90, 8))


def job(chip: ohmloom.Chip) -> list[Any]:
    report = chip.program_conductance(1, TARGETS)
    try:
        chip.pulse(0, 0, 0, 0.5, width_s=9e-6)
        chip.stop()
        chip.read_conductance(0)
    except ohmloom.ChipError as error:
        refused = str(error)
    chip.clear_trip()
    return [report.pulses, report.conductance, chip.mvm(1, CODES), chip.read_conductance(1), refused, chip.events()]


def same(first: list[Any], second: list[Any]) -> None:
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ber", [0.0, 3e-4], ids=["clean", "noisy"])
def test_a_replay_answers_as_the_chip_did(ber: float, tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    with ohmloom.record("emu://bench-8x16", file, seed=4, ber=ber) as chip:
        recorded = job(chip)
        assert (chip.info()["link"]["bad_frames"] > 0) == (ber > 0)
    with ohmloom.connect(f"replay://{file}") as chip:
        same(job(chip), recorded)
    with ohmloom.connect("emu://bench-8x16", seed=4) as chip:
        same(job(chip), recorded)


def test_a_replay_goes_by_the_record_of_a_port_whose_answers_take_time(tmp_path: Path) -> None:
    """How requests are cut depends on which answers had come; a replay hands them out as they came."""

    class Slow:
        """A port that hands answers out a few bytes at a time."""

        def __init__(self) -> None:
            self.port = open_port("emu://bench-8x16?seed=4")
            self.timeout: float | None = 0.1
            self.baudrate = self.port.baudrate
            self.left = b""
            self.reads = 0

        @property
        def in_waiting(self) -> int:
            self.left += self.port.read(self.port.in_waiting)
            self.reads += 1
            return min(len(self.left), 40 if self.reads % 3 else 1)

        def read(self, size: int = 1, /) -> bytes:
            data, self.left = self.left[:size], self.left[size:]
            return data

        def write(self, data: bytes, /) -> int | None:
            self.port.baudrate = self.baudrate
            return self.port.write(data)

        def reset_input_buffer(self) -> None: ...
        def close(self) -> None: ...

    file = tmp_path / "session.jsonl"
    session = Session(RecordingPort(Slow(), file, "slow"))
    session.hello()
    session.set_rate(session.baud_max)
    chip = ohmloom.Chip(session)
    recorded = job(chip)
    chip.close()
    with ohmloom.connect(f"replay://{file}") as chip:
        same(job(chip), recorded)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "session.jsonl"
    with ohmloom.record("emu://bench-8x16", file) as chip:
        chip.read_conductance(0)
        chip.mvm(0, CODES[:2])
    return file


def test_a_departure_is_named(recorded: Path) -> None:
    lines = recorded.read_text("utf-8").splitlines()
    place, kind = next(
        (number, json.loads(line))
        for number, line in enumerate(lines, start=1)
        if json.loads(line).get("type") == READ.code and json.loads(line)["to"] == "chip"
    )
    with ohmloom.connect(f"replay://{recorded}") as chip:
        for _ in range(2):  # a departure does not go away
            with pytest.raises(
                ohmloom.ReplayError, match=rf"MVM number \d+ .* but line {place} of the recording has READ number \d+ "
            ):
                chip.mvm(0, CODES[:2])
    assert kind["payload"] == READ.request.pack(tile=0, row=0, rows=8, samples=1).hex()


def test_the_end_of_a_recording_is_named(recorded: Path) -> None:
    with ohmloom.connect(f"replay://{recorded}") as chip:
        chip.read_conductance(0)
        chip.mvm(0, CODES[:2])
        with pytest.raises(
            ohmloom.ReplayError, match=r"the recording ends before frame \d+, INFO number \d+ \(empty\)"
        ):
            chip._session.request(INFO)


def test_the_file_is_what_its_page_says(recorded: Path) -> None:
    header, *events = (json.loads(line) for line in recorded.read_text("utf-8").splitlines())
    assert (header["format"], header["version"], header["url"]) == ("ohmloom recording", 1, "emu://bench-8x16")
    assert {"baud": 3_000_000} in [{key: event[key] for key in event if key != "t_s"} for event in events]
    times = [event["t_s"] for event in events]
    assert times == sorted(times)
    assert times[0] >= 0
    frames = [event for event in events if "type" in event]
    assert [event["type"] for event in frames if event["to"] == "chip"][:2] == [HELLO.code, 0x07]
    for event in frames:
        if event["to"] == "chip":
            COMMANDS[event["type"]].request.unpack(bytes.fromhex(event["payload"]))
    asked = {event["sequence"]: event["type"] for event in frames if event["to"] == "chip"}
    for event in frames:
        if event["to"] == "host":
            assert event["type"] == asked[event["sequence"]] | ANSWER


def test_frames_that_nobody_should_send_are_recorded_too(tmp_path: Path) -> None:
    """Bad frames and their NAKs, a frame cut into writes, and what was never ended."""
    file = tmp_path / "session.jsonl"
    hello = encode(HELLO.code, 0, HELLO.request.pack(session=9, protocol=PROTOCOL_VERSION))
    info = encode(INFO.code, 1, b"")
    writes = [hello, b"\x03\x01\x02\0", info[:3], info[3:], encode(0x77, 2, b""), b"\0\0", b"\x05\x05"]

    def talk(port: Any) -> bytes:
        answers = b""
        for data in writes:
            port.write(data)
            answers += port.read(1000)
        port.close()
        return answers

    answers = talk(RecordingPort(open_port("emu://bench-8x16"), file, "emu"))
    kinds = [item.type for item in FrameDecoder(512).feed(answers) if isinstance(item, Frame)]
    assert kinds == [HELLO.code | ANSWER, TYPE_NAK, INFO.code | ANSWER, TYPE_ERROR]
    assert talk(open_port(f"replay://{file}")) == answers
    bad = [passed.item for passed in read(file) if isinstance(passed.item, bytes)]
    assert bad == [b"\x03\x01\x02", b"\x05\x05"]


def test_each_frame_s_bytes_come_back() -> None:
    rng = np.random.default_rng(5)
    for length in (0, 1, 250, 253, 254, 255, 256, 508, 512, 2048):
        for payload in (bytes(length), b"\1" * length, rng.bytes(length)):
            (item,) = Splitter().feed(encode(7, 250, payload))
            assert item == Frame(7, 250, payload)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], "empty"),
        (lambda lines: lines[1:], "line 1: no line of a recording"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 2'), *lines[1:]], "line 1: .*version 2 of 'ohmloom recording'"),
        (lambda lines: [*lines[:3], lines[3][:-9], *lines[4:]], "line 4: no line"),
        (lambda lines: [*lines, '{"t_s": 1, "to": "moon", "bad": ""}'], "'moon'"),
        (lambda lines: [*lines, '{"t_s": 1, "to": "host", "type": 300, "sequence": 1, "payload": ""}'], "are bytes"),
        (lambda lines: [*lines, '{"t_s": 1, "to": "host", "type": 3, "sequence": 1, "payload": "x"}'], "hexadecimal"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(recorded: Path, change: Callable[[list[str]], list[str]], message: str) -> None:
    recorded.write_text("\n".join(change(recorded.read_text("utf-8").splitlines())), "utf-8")
    with pytest.raises(ohmloom.ReplayError, match=message):
        ohmloom.connect(f"replay://{recorded}")


def test_missing_files() -> None:
    with pytest.raises(ohmloom.ReplayError, match=r"nowhere/x\.jsonl: .*No such file"):
        ohmloom.connect("replay://nowhere/x.jsonl")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ohmloom.record("emu://bench-8x16", "nowhere/x.jsonl")


def test_recording_does_not_change_the_chip(tmp_path: Path) -> None:
    with ohmloom.record("emu://bench-8x16", tmp_path / "x.jsonl", seed=4, state=tmp_path / "one.npz") as chip:
        job(chip)
    with ohmloom.connect("emu://bench-8x16", seed=4, state=tmp_path / "two.npz") as chip:
        job(chip)
    states = [Board("bench-8x16", seed=4, state=tmp_path / name).fabric.state() for name in ("one.npz", "two.npz")]
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name])


def test_an_endpoint_is_compared_with_a_recording(tmp_path: Path) -> None:
    file = tmp_path / "session.jsonl"
    with ohmloom.record("emu://bench-8x16", file, seed=4) as chip:
        job(chip)
    assert compare(file, "emu://bench-8x16?seed=4") is None
    assert compare(file, f"replay://{file}") is None
    difference = compare(file, "emu://bench-8x16?seed=5")
    assert difference is not None
    assert re.fullmatch(
        r"line \d+, behind \w+ number \d+ .*: answer to .* was recorded, and now came answer to .*", difference
    )
    lines = file.read_text("utf-8").splitlines()
    file.write_text("\n".join(lines[:-1]), "utf-8")
    assert str(compare(file, "emu://bench-8x16?seed=4")).startswith("behind the recording's end came answer to SERVICE")
    file.write_text("\n".join([*lines, lines[-1]]), "utf-8")
    assert str(compare(file, "emu://bench-8x16?seed=4")).endswith("now came nothing")

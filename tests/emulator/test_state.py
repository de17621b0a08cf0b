"""A chip's state as a file: what one process leaves, another finds."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import serial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ohmloom
from ohmloom.errors import ArgumentError, SpecError, StateError
from ohmloom.link import FrameDecoder, encode
from ohmloom.spec.commands import ANSWER, HELLO, INFO, PROTOCOL_VERSION
from ohmloom.spec.effects import ALL_EFFECTS
from ohmloom_emulator.board import Board, board_of_url

CHIP = "bench-8x16"


def python(code, *arguments, check=True):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
    )


PROGRAM = """
    import sys, numpy as np, ohmloom
    chip = ohmloom.connect("emu://bench-8x16", state=sys.argv[1], seed=5)
    target = np.random.default_rng(0).uniform(2e-6, 40e-6, (8, 16))
    chip.program_conductance(1, target)
    chip.advance(100.0)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A state file that another process has written, which ended without closing the chip."""
    path = tmp_path_factory.mktemp("state") / "chip.npz"
    python(PROGRAM, path)
    return path


@pytest.fixture
def file(saved, tmp_path):
    copy = tmp_path / "chip.npz"
    copy.write_bytes(saved.read_bytes())
    return copy


def conductances(board):
    return np.stack([board.fabric.state()[f"tile{tile}_conductance"] for tile in range(2)])


def test_another_process_finds_the_cells_as_they_were_left(file):
    here = Board(CHIP, state=file)
    with ohmloom.connect(f"emu://{CHIP}", seed=5) as chip:
        chip.program_conductance(1, np.random.default_rng(0).uniform(2e-6, 40e-6, (8, 16)))
        chip.advance(100.0)
        twin = chip._session._wire._port.board
        np.testing.assert_array_equal(conductances(here), conductances(twin))
        assert here.fabric.now_ns == twin.fabric.now_ns
        assert here.fabric.seed == 5
        for memory, content in twin.controller.memories.arrays().items():
            np.testing.assert_array_equal(here.controller.memories.arrays()[memory], content)


def test_cells_drift_by_advance_and_not_by_wall_time(file):
    script = """
        import sys, ohmloom, numpy as np
        with ohmloom.connect("emu://bench-8x16", state=sys.argv[1]) as chip:
            chip.advance(float(sys.argv[2]))
            chip.mvm(1, [0] * 8)
    """
    python(script, file, 0)  # the state holds what was last looked at
    before = conductances(Board(CHIP, state=file))
    python(script, file, 0)
    np.testing.assert_array_equal(conductances(Board(CHIP, state=file)), before)
    python(script, file, 1e6)
    after = conductances(Board(CHIP, state=file))
    assert (after[1] != before[1]).mean() > 0.9
    assert 0.1e-6 < np.std(after[1] - before[1]) < 5e-6


def test_reading_in_two_processes_is_reading_in_one(file, tmp_path):
    other = tmp_path / "other.npz"
    other.write_bytes(file.read_bytes())
    with ohmloom.connect(f"emu://{CHIP}?state={file}") as chip:
        whole = [chip.mvm(1, np.full((3, 8), 200)), chip.mvm(1, np.full((2, 8), -100))]
    for codes, wanted in zip((np.full((3, 8), 200), np.full((2, 8), -100)), whole, strict=True):
        with ohmloom.connect(f"emu://{CHIP}?state={other}") as chip:
            np.testing.assert_array_equal(chip.mvm(1, codes), wanted)
    first, second = Board(CHIP, state=file), Board(CHIP, state=other)
    for key, value in first.fabric.state().items():
        np.testing.assert_array_equal(value, second.fabric.state()[key], err_msg=key)


def assert_refused(path, match, **options):
    content = path.read_bytes()
    with pytest.raises(StateError, match=match):
        ohmloom.connect(f"emu://{options.pop('chip', CHIP)}", state=path, **options)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1, -30, -400])
def test_truncated_file_is_refused(file, length):
    file.write_bytes(file.read_bytes()[:length])
    assert_refused(file, "state")


@pytest.mark.parametrize("content", [b"hello", b"PK\x03\x04nonsense", b"\x93NUMPY\x01\x00", b"\x80\x04]\x94."])
def test_foreign_bytes_are_refused(file, content):
    file.write_bytes(content)
    assert_refused(file, "state")


def test_foreign_archives_are_refused(file):
    np.savez(file, a=np.arange(3))
    assert_refused(file, "state")
    np.savez(file, a=np.array([object()], dtype=object))
    assert_refused(file, "state")
    np.save(file.with_suffix(".npy"), np.arange(3))
    file.with_suffix(".npy").rename(file)
    assert_refused(file, "state")


def test_a_networks_file_is_no_state(file):
    spec = ohmloom.load_chip(CHIP)
    layer = ohmloom.Layer(np.ones((2, 1)), np.zeros(1), "none")
    ohmloom.compile(ohmloom.Model((layer,), "regression"), spec, np.ones((3, 2))).save(file)
    assert_refused(file, "state")


@pytest.mark.parametrize("change", [
    {"seed": None}, {"seed": "7"}, {"seed": -1}, {"seed": 1.5}, {"stuck": "x"}, {"stuck": 2.0}, {"effects": None}, {"effects": ["gravity"]},
    {"effects": "adc"}, {"format": 99}, {"format": None}, {"digest": 1}, {"chip": "other"},
], ids=str)  # fmt: skip
def test_wrong_meta_is_refused(file, change):
    with np.load(file) as arrays:
        content = dict(arrays)
    meta = {**json.loads(content["meta"].tobytes()), **change}
    content["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(file, **content)
    assert_refused(file, "state")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), near=st.sampled_from(["start", "anywhere", "end"])
)
def test_any_flipped_bit_is_found_or_harmless(saved, tmp_path, place, bit, near):
    content = bytearray(saved.read_bytes())
    index = int(place * (len(content) if near == "anywhere" else 1500)) - (1500 if near == "end" else 0)
    content[index] ^= 1 << bit
    path = tmp_path / "flipped.npz"
    path.write_bytes(content)
    try:
        board = Board(CHIP, state=path)
    except StateError:
        return
    sound = Board(CHIP, state=saved)
    for key, value in sound.fabric.state().items():
        np.testing.assert_array_equal(value, board.fabric.state()[key], err_msg=key)


def test_another_chips_file_is_refused(file):
    assert_refused(file, "belongs to chip 'bench-8x16'", chip="lab-128x128x4")


@pytest.mark.parametrize("options", [{"seed": 6}, {"stuck": 0.5}, {"ideal": True}, {"effects": "adc"}])
def test_another_seed_or_other_effects_are_refused(file, options):
    assert_refused(file, "was made with", **options)


def test_the_same_options_are_taken(file):
    Board(CHIP, state=file, seed=5, effects=ALL_EFFECTS)
    Board(CHIP, state=file, ideal=False)


@pytest.mark.parametrize("option", ["stuck", "ideal"])
def test_options_are_kept_in_the_file(tmp_path, option):
    path = tmp_path / "new.npz"
    Board(CHIP, state=path, **{option: 1}).save()
    board = Board(CHIP, state=path)
    twin = Board(CHIP, **{option: 1})
    assert (board.fabric.stuck, board.fabric.effects) == (twin.fabric.stuck, twin.fabric.effects)
    np.testing.assert_array_equal(conductances(board), conductances(twin))


def test_folder_that_is_not_there_is_named_at_once(tmp_path):
    with pytest.raises(StateError, match="no folder"):
        ohmloom.connect(f"emu://{CHIP}", state=tmp_path / "nowhere" / "chip.npz")


def test_folder_as_a_state_is_refused(tmp_path):
    with pytest.raises(StateError, match="cannot be read"):
        ohmloom.connect(f"emu://{CHIP}", state=tmp_path)


def test_folder_that_cannot_be_written_is_an_error_at_close(tmp_path):
    """A folder that vanishes: it cannot be written even by root."""
    folder = tmp_path / "here"
    folder.mkdir()
    chip = ohmloom.connect(f"emu://{CHIP}", state=folder / "chip.npz")
    folder.rmdir()
    with pytest.raises(StateError, match="cannot be written"):
        chip.close()
    chip.close()


def test_save_that_fails_leaves_the_old_file(file, monkeypatch):
    content = file.read_bytes()
    board = Board(CHIP, state=file)
    board.fabric.advance(10**9)

    def full(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(StateError, match="No space left"):
        board.save()
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]


def test_nothing_is_written_without_a_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ohmloom.connect(f"emu://{CHIP}").close()
    assert list(tmp_path.iterdir()) == []


# The URL scheme


def test_plain_pyserial_opens_the_emulator():
    code = """
        import ohmloom, serial
        from ohmloom.link import encode
        port = serial.serial_for_url("emu://bench-8x16?seed=3", baudrate=115200, timeout=1)
        port.write(bytes.fromhex("{}"))
        print(port.read(1000).hex(), port.in_waiting)
        port.close()
    """
    hello = encode(HELLO.code, 0, HELLO.request.pack(session=1, protocol=PROTOCOL_VERSION)) + encode(INFO.code, 1, b"")
    reply, waiting = python(code.format(hello.hex())).stdout.split()
    frames = FrameDecoder(512).feed(bytes.fromhex(reply))
    assert [frame.type for frame in frames] == [HELLO.code | ANSWER, INFO.code | ANSWER]
    assert INFO.answer.unpack(frames[1].payload)["name"].tobytes() == b"bench-8x16"
    assert waiting == "0"


def test_port_is_closed_once_and_then_refuses():
    port = serial.serial_for_url(f"emu://{CHIP}")
    port.close()
    port.close()
    with pytest.raises(serial.PortNotOpenError):
        port.write(b"x")
    with pytest.raises(serial.PortNotOpenError):
        port.read()
    port.open()
    assert port.is_open
    with pytest.raises(serial.SerialException, match="already open"):
        port.open()
    port.close()


def test_bytes_at_a_wrong_rate_are_noise():
    port = serial.serial_for_url(f"emu://{CHIP}", baudrate=9600)
    hello = encode(HELLO.code, 0, HELLO.request.pack(session=1, protocol=PROTOCOL_VERSION))
    port.write(hello * 20)
    assert all(
        getattr(frame, "type", None) != HELLO.code | ANSWER for frame in FrameDecoder(512).feed(port.read(10**6))
    )
    port.baudrate = 115200
    port.reset_input_buffer()
    port.write(b"\0" + hello)
    assert FrameDecoder(512).feed(port.read(10**6))[-1].type == HELLO.code | ANSWER
    port.close()


def test_options_of_the_url(tmp_path):
    path = tmp_path / "a chip+1.npz"
    board = board_of_url(
        f"emu://{CHIP}?seed=9&stuck=0.25&state={str(path).replace(' ', '%20').replace('+', '%2B')}&ber=0.001&effects=adc,tia,stuck"
    )
    assert (board.fabric.seed, board.fabric.stuck, board.fabric.effects) == (9, 0.25, {"adc", "tia", "stuck"})
    board.save()
    assert path.exists()
    for text, ideal in (("1", True), ("true", True), ("", True), ("0", False), ("no", False)):
        assert (board_of_url(f"emu://{CHIP}?ideal={text}").fabric.effects == set()) is ideal


@pytest.mark.parametrize(("query", "names"), [
    ("sed=1", "sed"), ("seed=x", "seed|invalid literal"), ("seed=-1", "seed"), ("seed=1.5", "1.5"), ("seed=9223372036854775808", "seed"),
    ("ber=0.5", "ber"), ("ber=-1", "ber"), ("ber=nan", "ber"), ("ber=many", "many"), ("stuck=1.5", "stuck"), ("stuck=nan", "stuck"),
    ("ideal=maybe", "ideal"), ("faults=adc:2:0", "faults: 'adc:2:0'"), ("effects=gravity", "gravity"), ("ideal=1&effects=adc", "ideal"),
])  # fmt: skip
def test_bad_options_are_named(query, names):
    with pytest.raises(ArgumentError, match=names):
        ohmloom.connect(f"emu://{CHIP}?{query}")


@pytest.mark.parametrize("options", [{"seed": -1}, {"ber": 1.0}, {"stuck": -0.1}, {"effects": "gravity"}, {"sed": 1}])
def test_bad_options_of_connect_are_named(options):
    with pytest.raises(ArgumentError, match=next(iter(options))):
        ohmloom.connect(f"emu://{CHIP}", **options)


def test_effects_may_be_a_list_of_names():
    with ohmloom.connect(f"emu://{CHIP}", effects=["adc", "tia"]) as chip:
        assert chip._session._wire._port.board.fabric.effects == {"adc", "tia"}


def test_faults_are_of_the_opened_board_and_not_of_the_file(file):
    with ohmloom.connect(f"emu://{CHIP}?faults=adc:0:1,reference:1:2", state=file) as chip:
        assert [(finding.tile, finding.column) for finding in chip.selftest()] == [(0, 1), (1, 2)]
    with ohmloom.connect(f"emu://{CHIP}", state=file, faults=["row:1:7"]) as chip:
        assert [(finding.tile, finding.row) for finding in chip.selftest()] == [(1, 7)]
    with ohmloom.connect(f"emu://{CHIP}", state=file) as chip:
        assert chip.selftest() == []


def test_unknown_chips_are_named():
    with pytest.raises(SpecError, match="unknown chip 'bench-9x9'; known: bench-8x16"):
        ohmloom.connect("emu://bench-9x9")
    with pytest.raises(SpecError, match="unknown chip"):
        ohmloom.connect("emu://")


def test_options_do_not_go_to_ports_that_take_none():
    with pytest.raises(ArgumentError, match="seed"):
        ohmloom.connect("loop://", seed=1)

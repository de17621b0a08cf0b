"""The firmware on the core answers as the emulator's controller does, byte for byte; and what happens without it."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.hdl.soc.assembler import assemble
from tests.twin.requests import packed, write_register

from ohmloom.link import FrameDecoder, encode
from ohmloom.spec import commands as table
from ohmloom.spec import core, load_chip, registers
from ohmloom.spec.commands import TYPE_ERROR, BootTarget, CellStatus, ErrorCode, RunKind
from ohmloom_emulator.board import Board
from ohmloom_twin import build
from ohmloom_twin.board import TwinBoard

CHIP = "bench-8x16"
Requests = list[tuple[int, bytes]]


def advance(duration_ns: int = 0) -> tuple[int, bytes]:
    return packed(table.ADVANCE, duration_ns=duration_ns)


def form_row(tile: int, row: int) -> Requests:
    return [write_register(registers.ARM, registers.ARM.key), packed(table.FORM, tile=tile, row=row, mask=[1] * 16)]


def targets(seed: int, tolerance: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(40, 500, 16), np.full(16, tolerance)], axis=1)
    cells[rng.random(16) < 0.2, 1] = 0
    return cells.ravel()


def load(tile: int, row: int, seed: int = 0) -> tuple[int, bytes]:
    return packed(table.RUN_LOAD, tile=tile, row=row, cells=targets(seed))


def begin(run: int = 7, kind: RunKind = RunKind.PROGRAM, key: int = 0, retries: int = 2) -> tuple[int, bytes]:
    return packed(table.RUN_BEGIN, run=run, kind=kind, key=key, retries=retries)


def test_sweeps_and_what_they_refuse(check: Callable) -> None:
    sweep = {"tile": 1, "row": 2, "column": 5, "range": 0, "codes": [0, 10, -327, 327]}
    clamp = load_chip(CHIP).read_clamp
    check([
        *form_row(1, 2),
        *(packed(table.IV, **sweep | change) for change in (
            {}, {"range": 1}, {"column": 15, "codes": [clamp]}, {"codes": list(range(-30, 30))},
            {"tile": 2}, {"row": 8}, {"column": 16}, {"range": 2}, {"codes": []}, {"codes": [5, clamp + 1]},
            {"tile": 2, "codes": [2047]}, {"row": 300, "range": 9},
        )),
        (table.IV.code, b""), (table.IV.code, bytes(7)), (table.IV.code, bytes(500)),
        advance(),
    ])  # fmt: skip


def test_firmware_is_named_and_the_latch_refuses(check: Callable) -> None:
    check([
        packed(table.FIRMWARE), (table.FIRMWARE.code, b"x"), packed(table.RUN_STATUS), packed(table.RUN_NEXT),
        packed(table.RUN_ROW, tile=0, row=0), packed(table.RUN_ROW, tile=2, row=0), packed(table.REFRESH, tile=0, row=0, samples=1),
        load(0, 0), (0x3F, b""), (0x3C, b"1"),
        write_register(registers.TRIP_SET, 1),
        packed(table.IV, tile=9, row=0, column=0, range=0, codes=[1]), packed(table.CALIBRATE, tile=9), (table.SELFTEST.code, b"x"),
        packed(table.RUN_NEXT), packed(table.REFRESH, tile=0, row=0, samples=1), packed(table.RUN_STATUS), packed(table.FIRMWARE),
        write_register(registers.TRIP_CLEAR, registers.TRIP_CLEAR.key),
        packed(table.IV, tile=0, row=0, column=0, range=0, codes=[1]),
    ])  # fmt: skip


def test_calibration_and_self_test(check: Callable) -> None:
    boards = check([
        packed(table.CALIBRATE, tile=1), packed(table.CALIBRATE, tile=2), packed(table.SELFTEST),
        packed(table.MEM_READ, memory=table.Memory.CORRECTION, offset=0, length=256), advance(),
    ])  # fmt: skip
    assert (boards.emulated.controller.memories.correction["offset"][1] != 0).any()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["adc:0:3", "row:1:2", "reference:0:7"])
def test_what_is_broken_is_found(fault: str, pair: Callable) -> None:
    boards = pair(faults=[fault])
    for fabric in (boards.emulated.fabric, boards.twin.fabric):  # formed cells, or a shorted row drives nothing
        state = fabric.state()
        for name in ("conductance", "written"):
            state[f"tile1_{name}"][:] = 20e-6
        fabric.restore(state)
    (answer,) = boards.ask(packed(table.SELFTEST))
    assert answer.payload
    boards.same_fabric()


def test_a_run_programs_its_rows_and_refreshes_them(check: Callable) -> None:
    check([
        *form_row(0, 1), *form_row(0, 2),
        begin(kind=3), begin(retries=9), begin(kind=RunKind.FORM, key=1), begin(),
        load(0, 2, 1), load(0, 1, 2), load(0, 1, 3), load(2, 0), load(0, 8), (table.RUN_LOAD.code, bytes(9)),
        packed(table.RUN_ROW, tile=0, row=1), packed(table.RUN_STATUS), packed(table.REFRESH, tile=0, row=1, samples=1),
        packed(table.RUN_NEXT), packed(table.RUN_STATUS), packed(table.RUN_NEXT), packed(table.RUN_NEXT),
        packed(table.RUN_ROW, tile=0, row=1), packed(table.RUN_ROW, tile=0, row=2), packed(table.RUN_STATUS),
        advance(10**15), packed(table.REFRESH, tile=0, row=1, samples=0), packed(table.REFRESH, tile=0, row=1, samples=4),
        packed(table.REFRESH, tile=0, row=2, samples=64), packed(table.SERVICE, after=0), advance(),
    ])  # fmt: skip


def test_a_run_forms_its_rows(check: Callable) -> None:
    check([
        begin(kind=RunKind.FORM, key=registers.ARM.key), load(1, 7), load(1, 0), packed(table.RUN_NEXT), packed(table.RUN_NEXT),
        packed(table.RUN_NEXT), packed(table.RUN_STATUS), packed(table.RUN_ROW, tile=1, row=7), packed(table.SERVICE, after=0),
        packed(table.REFRESH, tile=1, row=7, samples=1), advance(),
    ])  # fmt: skip


def chunks(image: bytes, size: int = 480) -> Requests:
    return [
        packed(table.UPDATE, offset=at, data=np.frombuffer(image[at : at + size], np.uint8))
        for at in range(0, len(image), size)
    ]


def boot(image: bytes, target: BootTarget = BootTarget.RAM, **changes: int) -> tuple[int, bytes]:
    return packed(table.BOOT, **{"target": target, "bytes": len(image), "crc": zlib.crc32(image)} | changes)


def test_bad_images_are_refused_and_a_good_one_is_started(check: Callable) -> None:
    image = build.firmware(load_chip(CHIP))
    first, *others = chunks(image)
    check([
        boot(image), packed(table.UPDATE, offset=2, data=[1]), packed(table.UPDATE, offset=core.IMAGE_BYTES - 4, data=[0] * 8),
        packed(table.UPDATE, offset=1 << 31, data=[1, 2, 3, 4]), *others, boot(image), first,
        packed(table.UPDATE, offset=100, data=[0] * 4), boot(image), packed(table.FIRMWARE), first,
        boot(image, target=2), boot(image, crc=1), boot(image, bytes=len(image) - 4),
        boot(image, bytes=1 << 30), packed(table.FIRMWARE), boot(image),
    ])  # fmt: skip


class Blank(TwinBoard):
    """A board whose flash is empty."""

    def _start(self) -> None:
        self.twin.set_flash(core.FLASH_IMAGE[0], bytes([0xFF]) * core.IMAGE_BYTES)
        self.twin.boot()


class Asked:
    """One session with a board."""

    def __init__(self, board: Board) -> None:
        self.board, self._next = board, 1
        hello = table.HELLO.request.pack(session=1, protocol=table.PROTOCOL_VERSION)
        self._feed(encode(table.HELLO.code, 0, hello), table.DEFAULT_BAUD)
        rate = table.RATE.request.pack(baud=8 * table.DEFAULT_BAUD)
        self._feed(encode(table.RATE.code, self._next, rate), table.DEFAULT_BAUD)

    def _feed(self, data: bytes, baud: int) -> bytes:
        return self.board.feed_at(data, baud) if isinstance(self.board, TwinBoard) else self.board.feed(data)

    def __call__(self, request: tuple[int, bytes]) -> tuple[int, dict[str, object]]:
        """Type and values of the answer."""
        self._next = (self._next + 1) & 0xFF
        data = self._feed(encode(request[0], self._next, request[1]), 8 * table.DEFAULT_BAUD)
        (frame,) = FrameDecoder(512).feed(data)
        layout = table.ERROR_LAYOUT if frame.type == TYPE_ERROR else table.COMMANDS[request[0]].answer
        return frame.type, layout.unpack(frame.payload)


def refused(command: table.Command) -> tuple[int, dict[str, object]]:
    return TYPE_ERROR, {"command": command.code, "code": ErrorCode.NO_FIRMWARE, "detail": 0}


def test_without_firmware_the_rest_answers_and_new_firmware_is_taken() -> None:
    ask = Asked(Blank(CHIP, seed=2))
    for command in (table.IV, table.CALIBRATE, table.SELFTEST, table.RUN_NEXT):
        assert ask((command.code, b"")) == refused(command)
    assert ask(packed(table.MVM, tile=0, range=0, count=1, codes=[10] * 8))[0] == table.MVM.code | table.ANSWER
    image = build.firmware(load_chip(CHIP))
    for chunk in chunks(image):
        assert ask(chunk)[0] == table.UPDATE.code | table.ANSWER
    ask(packed(table.UPDATE, offset=200, data=[0] * 4))
    assert ask(boot(image)) == refused(table.BOOT)
    ask(packed(table.UPDATE, offset=200, data=list(image[200:204])))
    assert ask(boot(image))[0] == table.BOOT.code | table.ANSWER
    assert ask(packed(table.FIRMWARE)) == (0xBB, {"version": core.FIRMWARE_VERSION, "boots": 1})
    assert ask(packed(table.IV, tile=0, row=0, column=0, range=0, codes=[5]))[0] == table.IV.code | table.ANSWER


@pytest.mark.parametrize("saved", [Board, TwinBoard])
def test_a_run_goes_on_wherever_the_chip_was_saved(saved: type[Board], tmp_path: Path) -> None:
    """One state file, kept by either board in the middle of a run, read by both."""
    state = tmp_path / "chip.npz"
    first = saved(CHIP, seed=4, state=state)
    ask = Asked(first)
    for request in (*form_row(0, 1), begin(), load(0, 1), load(0, 4, 1), packed(table.RUN_NEXT)):
        assert ask(request)[0] != TYPE_ERROR
    first.save()
    answers = []
    for kind in (Board, TwinBoard):
        ask = Asked(kind(CHIP, state=state))
        requests = (packed(table.RUN_STATUS), packed(table.RUN_NEXT), packed(table.RUN_ROW, tile=0, row=1))
        answers.append([str(ask(request)) for request in requests])
    assert answers[0] == answers[1]
    assert "'loaded': 2, 'done': 1" in answers[0][0]


def hanging_image() -> bytes:
    """Firmware that takes requests and never answers them."""
    entry = core.RAM_BASE + core.IMAGE_HEADER_DTYPE.itemsize
    body = np.array(assemble("li t0, REGISTERS_BASE\nli t1, 1\nsw t1, ALIVE(t0)\nend: j end"), "<u4").tobytes()
    header = np.zeros(1, core.IMAGE_HEADER_DTYPE)
    header["magic"], header["version"], header["entry"] = core.FIRMWARE_MAGIC, core.FIRMWARE_VERSION, entry
    header["bytes"], header["crc"] = header.nbytes + len(body), zlib.crc32(body)
    return header.tobytes() + body


@pytest.mark.slow  # the time that hanging firmware is given
def test_firmware_that_hangs_leaves_the_rest_alone_and_is_replaced_by_the_flashs() -> None:
    ask, image = Asked(TwinBoard(CHIP, seed=2)), hanging_image()
    for chunk in chunks(image):
        ask(chunk)
    assert ask(boot(image))[0] == table.BOOT.code | table.ANSWER
    for request in form_row(0, 0):
        kind, values = ask(request)
    assert kind == table.FORM.code | table.ANSWER
    assert (values["cells"]["status"] == CellStatus.CONVERGED).mean() > 0.9
    cycles = ask.board.twin.cycles
    assert ask((table.CALIBRATE.code, b"\0")) == refused(table.CALIBRATE)
    assert ask.board.twin.cycles - cycles < 2.1 * (1 << core.TIME_BITS)
    ask.board.twin.boot()
    assert ask(packed(table.FIRMWARE)) == (0xBB, {"version": core.FIRMWARE_VERSION, "boots": 0})

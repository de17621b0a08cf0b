"""The firmware in a process: compiled for the host with sanitizers, or the image itself on an RV32I core. What the gateware would do
for it comes back as calls, and is done by the emulator's controller and fabric."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ohmloom.spec import ChipSpec, core, registers
from ohmloom.spec.commands import READ_REGISTERS, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_emulator.controller.controller import Controller

FIRMWARE = Path(__file__).parents[2] / "firmware"
HERE = Path(__file__).parent / "machine"
ON_THE_CORE_ONLY = ("start.c", "trap.c", "restart.c", "libcalls.c")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CUT_EXIT = 99
FLASH_BYTES, STORE_BYTES = 0x200000, 1 << 16


class PowerCut(Exception):  # noqa: N818 - it is what the test asked for
    """The flash lost power in the middle of what it did."""


def compile_native(chip_folder: Path, output: Path) -> Path:
    """The firmware for the host, for the chip whose chip.h is in `chip_folder`."""
    sources = [path for path in sorted((FIRMWARE / "src").glob("*.c")) if path.name not in ON_THE_CORE_ONLY]
    _compile(
        [*sources, HERE / "native.c", HERE / "devices.c"], chip_folder, output, [*SANITIZERS, "-DOHMLOOM_HOST", "-O1"]
    )
    return output


def compile_core(chip_folder: Path, output: Path) -> Path:
    """A core for the image."""
    _compile([HERE / "rv32.c", HERE / "devices.c"], chip_folder, output, ["-O2"])
    return output


def _compile(sources: Sequence[Path], chip_folder: Path, output: Path, flags: Sequence[str]) -> None:
    includes = [f"-I{path}" for path in (chip_folder, FIRMWARE / "include", FIRMWARE / "src", HERE)]
    warnings = ["-std=c11", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    subprocess.run(["cc", *warnings, *flags, *includes, "-o", output, *sources], check=True)


@dataclass
class Machine:
    """A board whose flash and store are files in `folder`; `start` powers it up."""

    spec: ChipSpec
    command: Sequence[Path | str]
    folder: Path

    def __post_init__(self) -> None:
        self.flash_path, self.store_path = self.folder / "flash", self.folder / "store"
        for path, size in ((self.flash_path, FLASH_BYTES), (self.store_path, STORE_BYTES)):
            if not path.exists():
                path.write_bytes(b"\xff" * size)
        self.flash = np.memmap(self.flash_path, np.uint8, "r+", shape=(FLASH_BYTES,))
        self.store = np.memmap(self.store_path, np.uint8, "r+", shape=(STORE_BYTES,))
        self.instructions = 0  # that the last request took, without calls and measurements
        self.process: subprocess.Popen[bytes] | None = None
        self.slot = 0

    def start(self, controller: Controller) -> None:
        """Power up, in front of the fabric that the controller has."""
        self.controller = controller
        at, size = self._correction
        self.store[at : at + size] = np.frombuffer(controller.memories.read(Memory.CORRECTION, 0, size), np.uint8)
        self.process = subprocess.Popen(
            [*self.command[:1], self.flash_path, self.store_path, *self.command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def stop(self) -> str:
        """Power off. Returns what it had to say on standard error."""
        assert self.process is not None
        _, said = self.process.communicate()
        assert self.process.returncode == 0, said.decode()
        self.process = None
        return said.decode()

    def cut_power(self, after: int, seed: int) -> None:
        """In the flash operation (a page's program, a sector's erase) `after`, counted from 1, from now on."""
        self._tell(b"F" + after.to_bytes(4, "little") + seed.to_bytes(4, "little"))

    def hurry(self) -> None:
        """From now on the firmware finds the next request waiting when it has answered one, and flash takes most of a row's time."""
        self._tell(b"H")

    def set_latch(self, cause: int) -> None:
        """As the gateware's safety latch; 0 clears it."""
        self._tell(b"T" + bytes([cause]))

    def execute(self, frame_type: int, payload: bytes) -> tuple[int, bytes]:
        """The firmware's answer to its commands, the controller's to all others."""
        if frame_type >> 4 == core.FIRMWARE_COMMANDS >> 4:
            answer = self.request(frame_type, payload)
            self.copy_correction()
            return answer
        answer = self.controller.execute(frame_type, payload)
        self.set_latch(self._trip_cause())
        return answer

    def request(self, frame_type: int, payload: bytes) -> tuple[int, bytes]:
        """(type, payload) of the answer. Raises PowerCut."""
        self._tell(b"R" + bytes([frame_type]) + len(payload).to_bytes(2, "little") + bytes([self.slot]) + payload)
        self.slot = (self.slot + 1) % MemoryMap(self.spec).slots
        while (kind := self._hear(1)) != b"A":
            if kind == b"C":
                answered, length, _ = self._head()
                answer, content = self.call(answered, self._hear(length))
                self._tell(bytes([answer]) + len(content).to_bytes(2, "little") + content + self._cause())
            elif kind == b"P":
                drive, probe = (int.from_bytes(self._hear(4), "little") for _ in range(2))
                saturated, sums = self.probe(drive, probe)
                self._tell(saturated.to_bytes(4, "little") + sums.astype("<i4").tobytes() + self._cause())
            elif kind == b"B":
                raise Restarted(int.from_bytes(self._hear(4), "little"))
            else:
                raise AssertionError(kind)
        answered, length, self.instructions = self._head()
        return answered, self._hear(length)

    # What the gateware does

    def call(self, frame_type: int, payload: bytes) -> tuple[int, bytes]:
        self.copy_correction()
        return self.controller.execute(frame_type, payload)

    def probe(self, drive: int, probe: int) -> tuple[int, np.ndarray]:
        fields = {field.name: drive >> field.lsb & ((1 << field.width) - 1) for field in core.DRIVE.fields}
        count, code = probe >> 16 & 31, ((probe & 0xFFF) ^ 0x800) - 0x800
        fabric, adcs = self.controller.fabric, self.spec.afe.column_adcs
        row = fabric.reference_row if fields["first_row"] == self.spec.rows else fields["first_row"]
        columns = np.arange(fields["first_slot"] * adcs, min((fields["last_slot"] + 1) * adcs, self.spec.columns))
        sums, saturated = np.zeros(self.spec.columns, np.int64), 0
        for _ in range(count):
            fabric.select(fields["tile"], row, fields["rows"], fields["tia_range"])
            fabric.drive(np.full((1, fields["rows"]), code))
            raw, ends = fabric.sample(columns)
            sums[columns] += raw.sum(axis=0)
            saturated += int(ends.sum())
        return saturated, sums

    def copy_correction(self) -> None:
        """From the store into the controller that works with it."""
        at, size = self._correction
        self.controller.memories.write(Memory.CORRECTION, 0, self.store[at : at + size].tobytes())

    @property
    def _correction(self) -> tuple[int, int]:
        """Where it lies in the store, and its size."""
        store = MemoryMap(self.spec)
        return store.base[Memory.CORRECTION], store.sizes[Memory.CORRECTION]

    def _cause(self) -> bytes:
        return bytes([self._trip_cause()])

    def _trip_cause(self) -> int:
        request = READ_REGISTERS.request.pack(address=registers.TRIP_CAUSE.address, count=1)
        return self.controller.execute(READ_REGISTERS.code, request)[1][0]

    def _head(self) -> tuple[int, int, int]:
        head = self._hear(7)
        return head[0], int.from_bytes(head[1:3], "little"), int.from_bytes(head[3:7], "little")

    def _tell(self, data: bytes) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            self._ended()

    def _hear(self, count: int) -> bytes:
        assert self.process is not None
        assert self.process.stdout is not None
        data = self.process.stdout.read(count) if count else b""
        if len(data) < count:
            self._ended()
        return data

    def _ended(self) -> None:
        assert self.process is not None
        _, said = self.process.communicate()
        code, self.process = self.process.returncode, None
        if code == CUT_EXIT:
            raise PowerCut
        raise AssertionError(f"exit code {code}: {said.decode()}")


class Restarted(Exception):  # noqa: N818 - the firmware did as it was told
    """The native firmware has started a staged image; the argument says how often."""

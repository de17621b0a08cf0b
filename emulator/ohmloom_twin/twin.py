"""The compiled controller in this process, with an emulated fabric at its pins."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.errors import Error
from ohmloom.spec import core
from ohmloom.spec.commands import ADVANCE, TYPE_ERROR, Polarity
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.switches import Rail, SwitchMap
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric, Stage
from ohmloom_twin.build import booted, cache_folder, firmware, library
from ohmloom_twin.switch_state import Chain, Window, Write, decode

# With nothing on the line and a controller that is not busy nothing more will come, once the last byte is through the synchroniser and in the
# queue, and a new rate is set.
QUIET_CYCLES, QUIET_BITS = 64, 2
BOOT_CYCLES = 20_000_000  # far more than the boot ROM takes for the largest image
DAC_CHANNELS = 8

_DRIVE = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(ctypes.c_int16))
_CONVERT = ctypes.CFUNCTYPE(None, ctypes.c_uint64)
_OPENS = ctypes.CFUNCTYPE(ctypes.c_int)
_CLOSES = ctypes.CFUNCTYPE(None, ctypes.c_uint64)
_ADVANCE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_uint8), ctypes.POINTER(ctypes.c_uint8))


class _Fabric(ctypes.Structure):
    _fields_ = (
        ("drive", _DRIVE),
        ("convert", _CONVERT),
        ("gate_opens", _OPENS),
        ("gate_closes", _CLOSES),
        ("advance", _ADVANCE),
    )


class Twin:
    """Bytes in, bytes out, at a line rate; between them the gateware runs, and causes the fabric's events.

    A drive is one event, when its first settled sample is taken; its conversions are one before the next event; a pulse is one when the
    gate closes. What goes wrong
    behind the pins is raised by the `feed` in which it happened.
    """

    def __init__(self, fabric: Fabric, waves: bool = False) -> None:
        """waves: `write_waves` will be called; the gateware is then compiled another time, and slower."""
        self.fabric, self.spec, self._waves = fabric, fabric.spec, waves
        self._switches = SwitchMap(self.spec)
        self._decoded = lru_cache(maxsize=1024)(self._decode)  # the same rows come again and again
        self._clock = Controller(fabric)  # for ADVANCE, which is no business of the gateware's
        self._compiled = library(self.spec, waves)
        self._library = ctypes.CDLL(str(self._compiled))
        for name, result, arguments in (
            ("twin_new", ctypes.c_void_p, [_Fabric]),
            ("twin_delete", None, [ctypes.c_void_p]),
            ("twin_cycles", ctypes.c_uint64, [ctypes.c_void_p]),
            ("twin_executed", ctypes.c_uint64, [ctypes.c_void_p]),
            ("twin_rows", ctypes.POINTER(ctypes.c_int16), [ctypes.c_void_p]),
            ("twin_rails", ctypes.POINTER(ctypes.c_int16), [ctypes.c_void_p]),
            ("twin_switches", ctypes.POINTER(ctypes.c_uint8), [ctypes.c_void_p]),
            ("twin_store_read", None, [ctypes.c_void_p, ctypes.c_void_p]),
            ("twin_store_write", None, [ctypes.c_void_p, ctypes.c_void_p]),
            ("twin_flash_read", None, [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p]),
            ("twin_flash_write", None, [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_char_p]),
            ("twin_cut", None, [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32]),
            ("twin_boot", ctypes.c_int, [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int]),
            ("twin_save", ctypes.c_void_p, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)]),
            ("twin_load", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64]),
            (
                "twin_feed",
                ctypes.c_size_t,
                [
                    ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p,
                    ctypes.c_size_t,
                ],
            ),
        ):  # fmt: skip
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        if waves:
            self._library.twin_waves.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64]
            self._library.twin_waves_end.argtypes = [ctypes.c_void_p]
        self._callbacks = _Fabric(
            _DRIVE(self._guarded(self._drive)),
            _CONVERT(self._guarded(self._convert)),
            _OPENS(self._guarded(self._gate_opens)),
            _CLOSES(self._guarded(self._gate_closes)),
            _ADVANCE(self._guarded(self._advance)),
        )
        self._handle: int | None = self._library.twin_new(self._callbacks)
        self.set_flash(core.FLASH_IMAGE[0], firmware(self.spec))
        self._error: BaseException | None = None
        self._columns = np.arange(self.spec.columns)
        self._channels = self._columns // self.spec.afe.column_adcs
        dacs = self.spec.afe.row_dacs
        self._row_dacs = np.ctypeslib.as_array(self._library.twin_rows(self._handle), (dacs, DAC_CHANNELS))
        self._rails = np.ctypeslib.as_array(self._library.twin_rails(self._handle), (DAC_CHANNELS,))
        self._received = np.zeros(1 << 20, dtype=np.uint8)

    @property
    def cycles(self) -> int:
        """Clock cycles that the controller has run."""
        return int(self._library.twin_cycles(self._handle))

    @property
    def executed_cycles(self) -> int:
        """Those of them in which a request was executed."""
        return int(self._library.twin_executed(self._handle))

    def feed(self, data: bytes, baud: int) -> bytes:
        """Bytes that arrive at `baud`; returns those that the controller sends, as that rate reads them."""
        quiet = QUIET_CYCLES + QUIET_BITS * self.spec.controller.clock_hz // baud
        count = self._library.twin_feed(
            self._handle, data, len(data), baud, quiet, self._received.ctypes.data, self._received.size
        )
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._received[:count].tobytes()

    def write_waves(self, path: Path, first_us: float, end_us: float) -> None:
        """Writes all wires to a VCD file, from and to these times from now on. Raises Error when it cannot be written."""
        first, end = (self.cycles + round(time * 1e-6 * self.spec.controller.clock_hz) for time in (first_us, end_us))
        if not self._library.twin_waves(self._handle, os.fsencode(path), first, end):
            raise Error(f"waves: {path} cannot be written")

    def end_waves(self) -> None:
        """The file is then whole, whatever of the window was still to come."""
        if self._waves:
            self._library.twin_waves_end(self._handle)

    def close(self) -> None:
        if self._handle is not None:
            self._library.twin_delete(self._handle)
            self._handle = None

    def memory(self) -> NDArray[np.uint16]:
        """The words of the controller's memory."""
        words = np.zeros(-(-MemoryMap(self.spec).bytes // 2), dtype=np.uint16)
        self._library.twin_store_read(self._handle, words.ctypes.data)
        return words

    def set_memory(self, words: NDArray[np.uint16]) -> None:
        kept = np.ascontiguousarray(words, dtype=np.uint16)
        self._library.twin_store_write(self._handle, kept.ctypes.data)

    def flash(self, offset: int, length: int) -> bytes:
        """Content of the core's flash."""
        content = np.zeros(length, dtype=np.uint8)
        self._library.twin_flash_read(self._handle, offset, length, content.ctypes.data)
        return content.tobytes()

    def set_flash(self, offset: int, content: bytes) -> None:
        self._library.twin_flash_write(self._handle, offset, len(content), content)

    def boot(self, fresh: bool = False) -> None:
        """Runs until the firmware, or the boot ROM without one, can be asked.

        fresh: nothing has run, and the flash's images are a new twin's; then the way to where the journal is read is gone once and kept.
        """
        if fresh and not self._load(booted(self.spec, self._compiled, self._first_boot)):
            raise Error(f"{self.spec.name}: a file in {cache_folder()} is damaged; remove it")
        if not self._library.twin_boot(self._handle, BOOT_CYCLES, False):
            raise Error(f"{self.spec.name}: the firmware has not started within {BOOT_CYCLES} cycles")

    def save(self) -> bytes:
        """All that the controller and the parts remember, between two calls of `feed`; neither the fabric nor the flash's content."""
        length = ctypes.c_uint64()
        content = self._library.twin_save(self._handle, ctypes.byref(length))
        return ctypes.string_at(content, length.value)

    def load(self, saved: bytes) -> None:
        """As it was at a `save` of a twin of this chip. Raises ValueError for other bytes; the twin is then of no more use."""
        if not self._load(saved):
            raise ValueError(f"no saved twin of {self.spec.name}")

    def _load(self, saved: bytes) -> bool:
        return bool(self._library.twin_load(self._handle, saved, len(saved)))

    def _first_boot(self) -> bytes:
        if not self._library.twin_boot(self._handle, BOOT_CYCLES, True):
            raise Error(f"{self.spec.name}: the firmware has not read the journal within {BOOT_CYCLES} cycles")
        return self.save()

    def cut_power(self, cycles: int, seed: int) -> None:
        """The power fails after that many more cycles of `feed`, for good. A pulse under way ends there, and what was being written to the
        flash is left half done, by `seed`: `flash` shows it, for another twin to start with."""
        self._library.twin_cut(self._handle, cycles, seed)

    def _guarded(self, function: Any) -> Any:
        """An exception cannot pass through C++: `feed` raises it."""

        def call(*arguments: Any) -> int:
            try:
                return function(*arguments) or 0
            except BaseException as error:
                self._error = self._error or error
                return 0

        return call

    # Events

    def _state(self) -> Window | Chain | Write | None:
        chains, bits = self._switches.chains, self._switches.bits
        return self._decoded(ctypes.string_at(self._library.twin_switches(self._handle), chains * bits))

    def _decode(self, closed: bytes) -> Window | Chain | Write | None:
        bits = self._switches.bits
        return decode(self.spec, [list(closed[start : start + bits]) for start in range(0, len(closed), bits)])

    def _drive(self, again: int, codes: Any) -> None:
        if not again:
            self._drive_rows(self._state())
        raw, saturated = self.fabric.foresee(self._columns)
        code = (1 << (self.spec.column_adc.bits - 1)) - raw[0]
        code[saturated[0] & (code == 1)] = 0  # both of the ADC's last codes are raw 2047
        np.ctypeslib.as_array(codes, (len(code),))[:] = code

    def _convert(self, channels: int) -> None:
        self.fabric.convert(self._columns[channels >> self._channels & 1 == 1])

    def _drive_rows(self, state: Window | Chain | Write | None) -> None:
        fabric, spec = self.fabric, self.spec
        # Row r is channel r // row_dacs of DAC r mod row_dacs.
        codes = self._row_dacs.T.reshape(-1)[: spec.rows].astype(np.int64) - (1 << (spec.row_dac.bits - 1))
        if isinstance(state, Window):
            fabric.select(state.tile, state.row, state.rows, state.tia_range)
            first = 0 if state.row == fabric.reference_row else state.row  # the reference row hangs on the first driver
            codes = codes[first : first + state.rows]
        elif isinstance(state, Chain):
            fabric.route([
                Stage(stage.tile, stage.tia_range, stage.attenuator, bool(stage.relu), bool(stage.bias))
                for stage in state.stages
            ])  # fmt: skip
        else:
            raise AssertionError(f"a sample is taken while the switches connect {state}")
        fabric.drive(codes[None, :])

    def _write(self) -> dict[str, Any]:
        state = self._state()
        if not isinstance(state, Write):
            raise AssertionError(f"the pulse gate opens while the switches connect {state}")
        return {
            "tile": state.tile,
            "row": state.row,
            "groups": np.array([state.columns]),
            "polarity": Polarity.RESET if state.reset else Polarity.SET,
            "rails": np.array([int(self._rails[Rail.RESET if state.reset else Rail.SET])]),
            "gate": int(self._rails[Rail.GATE]),
        }

    def _gate_opens(self) -> int:
        # A trip opens the switches with the gate, so what is written is decided now.
        self._writing = self._write()
        return int(self.fabric.pulse_current_a(**self._writing) > self.spec.limits.over_current_a)

    def _gate_closes(self, cycles: int) -> None:
        clock_hz = self.spec.controller.clock_hz
        width_ns = (2 * cycles * 10**9 + clock_hz) // (2 * clock_hz)
        self.fabric.pulse(width_ns=width_ns, **self._writing)

    def _advance(self, request: Any, answer: Any) -> int:
        """ADVANCE's request: a byte that says whether it was taken, and the answer's payload."""
        taken, payload = self._clock.execute(ADVANCE.code, bytes(request[: ADVANCE.request.header_bytes]))
        content = bytes([taken != TYPE_ERROR]) + (payload if taken != TYPE_ERROR else b"")
        for place, byte in enumerate(content):
            answer[place] = byte
        return len(content)

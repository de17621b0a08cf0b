"""The controller at the level of transactions: checks a command against the spec's limits and has it done.

Every check comes before the first event, so a refused command has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import registers
from ohmloom.spec.arithmetic import to_codes
from ohmloom.spec.commands import (
    ADVANCE,
    ANSWER,
    CALIBRATE,
    COMMANDS,
    ERROR_LAYOUT,
    FORM,
    INFER,
    INFO,
    IV,
    MAX_EVENTS,
    MEM_READ,
    MEM_WRITE,
    MVM,
    PROGRAM,
    PULSE,
    PULSE_TRIPPED,
    READ,
    READ_REGISTERS,
    REFRESH,
    ROUTE,
    RUN_NEXT,
    SELFTEST,
    SERVICE,
    TYPE_ERROR,
    WRITE_REGISTERS,
    Cause,
    ErrorCode,
    EventKind,
    Polarity,
)
from ohmloom.spec.layout import PayloadError
from ohmloom_emulator.controller.checks import Checks, Values, within
from ohmloom_emulator.controller.firmware import Firmware
from ohmloom_emulator.controller.memories import Memories, Refusal
from ohmloom_emulator.controller.runs import Engine
from ohmloom_emulator.controller.sequencer import Sequencer
from ohmloom_emulator.controller.write_verify import RowReport, WriteVerify, cells_of
from ohmloom_emulator.fabric import Fabric, Integers, Stage

MAX_ADVANCE_NS = 1 << 60  # 36 years
REQUIRED = {
    MVM,
    INFER,
    PROGRAM,
    READ,
    PULSE,
    FORM,
    IV,
    CALIBRATE,
    SELFTEST,
    RUN_NEXT,
    REFRESH,
}  # what a set safety latch refuses


class Controller:
    """Executes commands on a fabric. `execute` is what the link's receiver calls for each frame that is in sequence."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.spec = fabric, fabric.spec
        self.memories = Memories(self.spec)
        self.link_counters: Callable[[], dict[registers.Register, int]] = dict
        self._sequencer = Sequencer(fabric, self.memories)
        self._engine = WriteVerify(fabric, self.memories)
        self._check = Checks(self.spec)
        self.firmware = Firmware(
            fabric, self.memories, Engine(self._program_row, self._form_row, self._read_row), self._check
        )
        self._armed = False
        self._route: list[Stage] = []
        self._trip_cause = 0
        self._scratch = 0
        self._saturations = 0
        self._events: list[tuple[int, EventKind, int]] = []
        self._event_count = 0
        self._handlers: dict[int, Callable[[Values], Values]] = {
            INFO.code: self._info,
            READ_REGISTERS.code: self._read_registers,
            WRITE_REGISTERS.code: self._write_registers,
            MEM_WRITE.code: self._mem_write,
            MEM_READ.code: self._mem_read,
            MVM.code: self._mvm,
            ROUTE.code: self._route_tiles,
            INFER.code: self._infer,
            PROGRAM.code: self._program,
            READ.code: self._read,
            PULSE.code: self._pulse,
            FORM.code: self._form,
            SERVICE.code: self._service,
            ADVANCE.code: self._advance,
            **self.firmware.handlers,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it keeps over power cycles."""
        return {**self.memories.arrays(), **self.firmware.arrays()}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """As after a power-up. Raises ValueError for an array that is missing or another."""
        self.memories.restore(arrays)
        self.firmware.restore(arrays)

    def execute(self, frame_type: int, payload: bytes) -> tuple[int, bytes]:
        """(answer type, answer payload) of one request; a refused one answers TYPE_ERROR."""
        command = COMMANDS.get(frame_type)
        try:
            if command is None or frame_type not in self._handlers:
                raise Refusal(ErrorCode.UNKNOWN_COMMAND, frame_type)
            if command in REQUIRED and self._trip_cause:
                raise Refusal(ErrorCode.TRIPPED, self._trip_cause)
            try:
                values = command.request.unpack(payload)
            except PayloadError:
                raise Refusal(ErrorCode.BAD_LENGTH, len(payload)) from None
            return frame_type | ANSWER, command.answer.pack(**self._handlers[frame_type](values))
        except Refusal as refusal:
            return TYPE_ERROR, ERROR_LAYOUT.pack(command=frame_type, code=refusal.code, detail=refusal.detail)

    # Link and memories

    def _info(self, _: Values) -> Values:
        spec = self.spec
        return {
            "version": registers.VERSION.reset,
            "tiles": spec.tiles,
            "rows": spec.rows,
            "columns": spec.columns,
            "digest": spec.digest,
            "name": spec.name.encode(),
        }

    def _registers(self) -> dict[registers.Register, int]:
        spec, limits = self.spec, self.spec.limits
        valid = True
        try:
            _ = self.memories.network
        except Refusal:
            valid = False
        return {
            registers.ID: registers.ID.reset,
            registers.VERSION: registers.VERSION.reset,
            registers.STATUS: (self._trip_cause != 0) | self._armed << 1 | valid << 2,
            registers.TRIP_CAUSE: self._trip_cause,
            registers.SCRATCH: self._scratch,
            registers.PULSES: self._engine.pulses,
            registers.DRIVES: self._sequencer.drives,
            registers.SATURATIONS: self._saturations,
            registers.READ_CLAMP: spec.read_clamp,
            registers.SET_CLAMP: spec.rail_code(limits.set_v),
            registers.RESET_CLAMP: spec.rail_code(limits.reset_v),
            registers.FORM_CLAMP: spec.rail_code(limits.form_v),
            registers.GATE_CLAMP: spec.rail_code(limits.gate_v),
            registers.PULSE_CAP_NS: limits.pulse_ns,
            registers.FORM_CAP_NS: limits.form_pulse_ns,
            registers.CELLS_PER_PULSE: limits.cells_per_pulse,
            **self.link_counters(),
        }

    def _read_registers(self, values: Values) -> Values:
        address, count = values["address"], values["count"]
        if not 1 <= count <= 64:
            raise Refusal(ErrorCode.BAD_VALUE, count)
        content = {register.address: value for register, value in self._registers().items()}
        for word in range(address, address + count):
            if word not in registers.REGISTERS:
                raise Refusal(ErrorCode.BAD_ADDRESS, word)
        return {"values": [content.get(word, 0) & 0xFFFFFFFF for word in range(address, address + count)]}

    def _write_registers(self, values: Values) -> Values:
        words = dict(enumerate((int(value) for value in values["values"]), start=values["address"]))
        for word, value in words.items():
            register = registers.REGISTERS.get(word)
            if register is None:
                raise Refusal(ErrorCode.BAD_ADDRESS, word)
            if "w" not in register.access:
                raise Refusal(ErrorCode.READ_ONLY, word)
            if register is registers.TRIP_CLEAR and value != register.key:
                raise Refusal(ErrorCode.BAD_VALUE, value)
        for word, value in words.items():
            register = registers.REGISTERS[word]
            if register is registers.SCRATCH:
                self._scratch = value
            elif register is registers.TRIP_CLEAR:
                self._trip_cause = 0
            elif register is registers.TRIP_SET:
                self._trip(registers.TRIP_CAUSE_HOST.mask)
            elif register is registers.ARM:
                self._armed = value == register.key and not self._trip_cause
        return {}

    def _mem_write(self, values: Values) -> Values:
        self.memories.write(values["memory"], values["offset"], values["data"].tobytes())
        return {}

    def _mem_read(self, values: Values) -> Values:
        self._check.answer(MEM_READ, values["length"], 8)
        return {"data": self.memories.read(values["memory"], values["offset"], values["length"])}

    # Fast path

    def _mvm(self, values: Values) -> Values:
        tile, count = self._check.tile(values), values["count"]
        self._check.tia_range(values["range"])
        codes = self._check.codes(values["codes"], self.spec.rows, count)
        self._check.answer(MVM, count * self.spec.columns, 12)
        route = self._route if self._route and self._route[0].tile == tile else []
        raw = self._sequencer.multiply(tile, values["range"], codes, route)
        return {"saturated": self._take_saturated(), "codes": raw}

    def _route_tiles(self, values: Values) -> Values:
        rows = values["stages"]
        if len(rows) == 1:
            raise Refusal(ErrorCode.BAD_VALUE, 1)
        stages = []
        for row in rows:
            within(int(row["tile"]), self.spec.tiles)
            self._check.tia_range(int(row["range"]))
            within(int(row["attenuator"]), len(self.spec.afe.attenuations), ErrorCode.BAD_VALUE)
            tile, tia_range, attenuator = (int(row[key]) for key in ("tile", "range", "attenuator"))
            stages.append(Stage(tile, tia_range, attenuator, bool(row["relu"]), bool(row["bias"])))
        if len({stage.tile for stage in stages}) < len(stages):  # a tile cannot drive itself
            raise Refusal(ErrorCode.BAD_VALUE, len(stages))
        self._route = stages
        return {}

    def _infer(self, values: Values) -> Values:
        network = self.memories.network
        codes = self._check.codes(values["codes"], network.inputs, values["count"])
        self._check.answer(INFER, len(codes) * network.outputs, 16)
        outputs = self._sequencer.infer(network, codes)
        return {"saturated": self._take_saturated(), "outputs": outputs}

    def _take_saturated(self) -> int:
        saturated, self._sequencer.saturated = self._sequencer.saturated, 0
        if saturated and not self._saturations:
            self._log(EventKind.SATURATED, saturated)
        self._saturations += saturated
        return min(saturated, 0xFFFF)

    # Cells

    def _program(self, values: Values) -> Values:
        tile, row = self._check.tile(values), self._check.row(values)
        return {"cells": cells_of(self._program_row(tile, row, *self._check.cells(values["cells"])))}

    def _form(self, values: Values) -> Values:
        tile, row = self._check.tile(values), self._check.row(values)
        mask = values["mask"]
        if mask.size != self.spec.columns:
            raise Refusal(ErrorCode.BAD_LENGTH, mask.size)
        if not self._armed:
            raise Refusal(ErrorCode.NOT_ARMED)
        return {"cells": cells_of(self._form_row(tile, row, mask != 0))}

    def _program_row(self, tile: int, row: int, target: Integers, tolerance: Integers) -> RowReport:
        return self._ended(self._engine.program(tile, row, target, tolerance))

    def _form_row(self, tile: int, row: int, mask: NDArray[np.bool_]) -> RowReport:
        """Uses up the arm key."""
        self._armed = False
        self._log(EventKind.FORM, tile << 16 | row)
        return self._ended(self._engine.form(tile, row, mask))

    def _ended(self, report: RowReport) -> RowReport:
        if report.tripped:
            self._trip(registers.TRIP_CAUSE_OVER_CURRENT.mask)
        return report

    def _read(self, values: Values) -> Values:
        tile, row, rows, samples = self._check.tile(values), values["row"], values["rows"], values["samples"]
        if rows < 1 or not 1 <= samples <= 64:
            raise Refusal(ErrorCode.BAD_VALUE, min(rows, samples))
        within(row + rows - 1, self.spec.rows)
        self._check.answer(READ, rows * self.spec.columns, 12)
        codes = [self._read_row(tile, index, samples) for index in range(row, row + rows)]
        return {"codes": np.concatenate(codes)}

    def _read_row(self, tile: int, row: int, samples: int) -> Integers:
        return to_codes(self._engine.verify(tile, row, samples))

    def _pulse(self, values: Values) -> Values:
        limits, spec = self.spec.limits, self.spec
        tile, row = self._check.tile(values), self._check.row(values)
        column = self._check.column(values)
        polarity = within(values["polarity"], len(Polarity), ErrorCode.BAD_VALUE)
        clamp = spec.rail_code((limits.set_v, limits.reset_v)[polarity])
        if values["rail"] > clamp or values["gate"] > spec.rail_code(limits.gate_v):
            raise Refusal(ErrorCode.BAD_CODE, max(values["rail"], values["gate"]))
        if not 1 <= values["width_ns"] <= limits.pulse_ns:
            raise Refusal(ErrorCode.BAD_VALUE, values["width_ns"])
        groups = np.arange(spec.columns)[None, :] == column
        rails, width_ns = np.array([values["rail"]]), spec.pulse_width_ns(values["width_ns"])
        self._engine.pulses += 1
        if not self.fabric.pulse(tile, row, groups, Polarity(polarity), rails, values["gate"], width_ns):
            self._trip(registers.TRIP_CAUSE_OVER_CURRENT.mask)
            return {"code": PULSE_TRIPPED}
        return {"code": int(to_codes(self._engine.verify(tile, row))[column])}

    # Events, time and meters

    def _service(self, values: Values) -> Values:
        layout = SERVICE.answer.array
        assert layout is not None
        events = [event for event in self._events if event[0] > values["after"]]
        return {"events": np.array(events[: self.spec.link.payload_bytes // layout.dtype.itemsize], dtype=layout.dtype)}

    def _advance(self, values: Values) -> Values:
        duration_ns = values["duration_ns"]
        if self.fabric.now_ns + duration_ns > MAX_ADVANCE_NS:
            raise Refusal(ErrorCode.BAD_VALUE, min(duration_ns, (1 << 63) - 1))
        self.fabric.advance(duration_ns)
        meters = [(self.fabric.energy_fj[cause], self.fabric.time_ns[cause]) for cause in Cause]
        return {
            "time_ns": self.fabric.now_ns,
            "meters": np.array(meters, dtype=ADVANCE.answer.array.dtype if ADVANCE.answer.array else None),
        }

    def _trip(self, cause: int) -> None:
        self._trip_cause |= cause
        self._armed = False
        self._log(EventKind.TRIP, cause)

    def _log(self, kind: EventKind, argument: int) -> None:
        self._event_count += 1
        self._events = [*self._events[1 - MAX_EVENTS :], (self._event_count, kind, argument)]

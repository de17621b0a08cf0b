"""The controller's memories, and what lies in them."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmloom.spec import ChipSpec, load_policy
from ohmloom.spec.arithmetic import CORRECTION_DTYPE, GAIN_ONE
from ohmloom.spec.commands import ErrorCode, Memory
from ohmloom.spec.network import (
    HEADER_DTYPE,
    MAGIC,
    STEP_DTYPE,
    StepFlag,
    network_bytes,
)
from ohmloom.spec.policy import POLICY_DTYPE


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the program
    """A command is refused with this error code; nothing has changed."""

    def __init__(self, code: ErrorCode, detail: int = 0) -> None:
        super().__init__(code.text)
        self.code, self.detail = code, detail


@dataclass(frozen=True)
class Network:
    """A valid network: steps (STEP_DTYPE records) and the sizes at its ends."""

    steps: NDArray[Any]
    inputs: int
    outputs: int

    @property
    def runs(self) -> list[NDArray[Any]]:
        """Steps that are one drive each: analog ones with the converting step behind them."""
        ends = np.flatnonzero((self.steps["flags"] & StepFlag.ANALOG) == 0) + 1
        return np.split(self.steps, ends[:-1])


class Memories:
    """NETWORK, BIAS, CORRECTION, POLICY and NOTES as bytes, kept over power cycles, with typed views."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        self._correction_shape = (spec.tiles, len(spec.afe.tia_ohm), spec.columns)
        correction = np.zeros(self._correction_shape, dtype=CORRECTION_DTYPE)
        correction["gain"] = GAIN_ONE
        self._bytes = {
            Memory.NETWORK: bytearray(network_bytes(spec.controller.steps)),
            Memory.BIAS: bytearray(4 * spec.controller.biases),
            Memory.CORRECTION: bytearray(correction.tobytes()),
            Memory.POLICY: bytearray(load_policy(spec.cell.policy).pack(spec)),
            Memory.NOTES: bytearray(spec.controller.notes_bytes),
        }
        self._network: Network | None = None

    def read(self, memory: int, offset: int, length: int) -> bytes:
        return bytes(self._slice(memory, offset, length)[offset : offset + length])

    def write(self, memory: int, offset: int, data: bytes) -> None:
        """Raises Refusal for a bad address, or a policy beyond the chip's clamps."""
        content = self._slice(memory, offset, len(data))
        if memory == Memory.POLICY:
            changed = content.copy()
            changed[offset : offset + len(data)] = data
            self._check_policy(np.frombuffer(bytes(changed), dtype=POLICY_DTYPE)[0])
        content[offset : offset + len(data)] = data
        self._network = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            f"memory_{memory.name.lower()}": np.frombuffer(bytes(content), np.uint8)
            for memory, content in self._bytes.items()
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Raises ValueError when an array is missing or has another size; changes nothing then."""
        for key, mine in self.arrays().items():
            if key not in arrays or arrays[key].shape != mine.shape or arrays[key].dtype != np.uint8:
                raise ValueError(f"array {key!r} is missing or has not {mine.size} bytes")
        for memory in self._bytes:
            self._bytes[memory][:] = arrays[f"memory_{memory.name.lower()}"].tobytes()
        self._network = None

    @property
    def correction(self) -> NDArray[Any]:
        """CORRECTION_DTYPE records of shape (tiles, ranges, columns); a view that can be written."""
        return np.frombuffer(self._bytes[Memory.CORRECTION], dtype=CORRECTION_DTYPE).reshape(self._correction_shape)

    @property
    def bias(self) -> NDArray[np.int32]:
        return np.frombuffer(self._bytes[Memory.BIAS], dtype="<i4")

    @property
    def policy(self) -> Any:
        """One POLICY_DTYPE record."""
        return np.frombuffer(self._bytes[Memory.POLICY], dtype=POLICY_DTYPE)[0]

    @property
    def network(self) -> Network:
        """The loaded network. Raises Refusal NO_NETWORK unless header, CRC and every step's bounds are right."""
        if self._network is None:
            self._network = self._parse_network()
        return self._network

    def _slice(self, memory: int, offset: int, length: int) -> bytearray:
        if memory not in self._bytes:
            raise Refusal(ErrorCode.BAD_ADDRESS, memory)
        content = self._bytes[Memory(memory)]
        if offset + length > len(content):
            raise Refusal(ErrorCode.BAD_ADDRESS, offset + length)
        return content

    def _check_policy(self, policy: Any) -> None:
        limits, code = self._spec.limits, self._spec.rail_code
        for key, volts, cap_ns in (
            ("set", limits.set_v, limits.pulse_ns),
            ("reset", limits.reset_v, limits.pulse_ns),
            ("form", limits.form_v, limits.form_pulse_ns),
        ):
            direction = policy[key]
            if direction["top"] > code(volts) or direction["gate"] > code(limits.gate_v):
                raise Refusal(ErrorCode.BAD_CODE, int(max(direction["top"], direction["gate"])))
            if not 1 <= direction["pulse_ns"] <= cap_ns:
                raise Refusal(ErrorCode.BAD_VALUE, int(direction["pulse_ns"]))

    def _parse_network(self) -> Network:
        content = bytes(self._bytes[Memory.NETWORK])
        header = np.frombuffer(content, dtype=HEADER_DTYPE, count=1)[0]
        count = int(header["steps"])
        body = content[HEADER_DTYPE.itemsize : HEADER_DTYPE.itemsize + count * STEP_DTYPE.itemsize]
        if header["magic"] != MAGIC or not 1 <= count <= self._spec.controller.steps or binascii.crc32(body) != header["crc"]:
            raise Refusal(ErrorCode.NO_NETWORK)
        network = Network(np.frombuffer(body, dtype=STEP_DTYPE), int(header["inputs"]), int(header["outputs"]))
        if not all(_step_fits(step, self._spec) for step in network.steps) or not _runs_fit(network, self._spec):
            raise Refusal(ErrorCode.NO_NETWORK)
        return network


def _step_fits(step: Any, spec: ChipSpec) -> bool:
    row, rows, pair, pairs = (int(step[key]) for key in ("row", "rows", "pair", "pairs"))
    first_input, inputs, output, outputs, width = (
        int(step[key]) for key in ("input", "inputs", "output", "outputs", "width")
    )
    return (
        step["tile"] < spec.tiles
        and step["range"] < len(spec.afe.tia_ohm)
        and rows >= 1
        and pairs >= 1
        and row + rows <= spec.rows
        and pair + pairs <= spec.pairs
        and inputs >= 1
        and outputs >= 1
        and first_input + inputs <= spec.controller.width
        and output + outputs <= width <= spec.controller.width
        and int(step["bias"]) + width <= spec.controller.biases
        and abs(int(step["level"])) <= spec.read_clamp
        and (
            step["shift"] < len(spec.afe.attenuations) if step["flags"] & StepFlag.ANALOG else 1 <= step["shift"] <= 47
        )
    )


def _runs_fit(network: Network, spec: ChipSpec) -> bool:
    """Whether each drive finds the codes and accumulators that it takes, and the last one leaves the outputs."""
    width, sums = network.inputs, 0  # codes of the layer's inputs; accumulators, 0 before a layer's first step
    for run in network.runs:
        first, last = run[0], run[-1]
        flags = int(last["flags"])
        if flags & StepFlag.FIRST:
            sums = int(last["width"])
        if len(set(run["tile"])) < len(run):  # a tile cannot drive itself
            return False
        if len({int(step["level"]) for step in run if step["flags"] & StepFlag.LEVEL}) > 1:  # one DAC for all bias rows
            return False
        if int(first["input"]) + int(first["inputs"]) > width or int(last["width"]) != sums:
            return False
        if flags & StepFlag.LAST:
            width, sums = sums, 0
    ends = network.steps["flags"] & (StepFlag.OUTPUT | StepFlag.ANALOG)
    # Outputs have 16 bits: no row may be driven with them.
    ends_well = (
        ends[-1] == StepFlag.OUTPUT
        and not (ends[:-1] & StepFlag.OUTPUT).any()
        and (width, sums) == (network.outputs, 0)
    )
    return bool(ends_well) and network.inputs <= spec.controller.width

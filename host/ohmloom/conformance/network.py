"""A network on the chip: its memory's checks, and one that is compiled, programmed and run."""

from __future__ import annotations

import zlib

import numpy as np

import ohmloom
from ohmloom.conformance.check import Skip, check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.errors import ChipError
from ohmloom.spec import registers
from ohmloom.spec.commands import INFER, ErrorCode, Memory
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag
from ohmloom.spec.registers import STATUS_NETWORK_VALID

CORRELATION = 0.9  # of a small network's outputs with exact ones


def _network(device: Device, **changes: int) -> bytes:
    """One layer of two outputs on the device's tile, with changed fields of its header or step."""
    rows = changes.get("rows", min(4, device.spec.rows))
    step, header = np.zeros((), STEP_DTYPE), np.zeros((), HEADER_DTYPE)
    values = {
        "flags": StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT, "tile": device.tile, "shift": 9, "rows": rows, "pairs": 2,
        "inputs": rows, "outputs": 2, "width": 2, "scale": 40_000, **changes,
    }  # fmt: skip
    for name, value in values.items():
        if name in (STEP_DTYPE.names or ()):
            step[name] = value
    body = step.tobytes()
    for name, value in {"magic": MAGIC, "steps": 1, "inputs": rows, "outputs": 2, "crc": zlib.crc32(body)}.items():
        header[name] = value
    if "magic" in changes:
        header["magic"] = changes["magic"]
    return header.tobytes() + body


@check()
def validity(device: Device) -> None:
    """A network is valid with the right magic, CRC and bounds, and INFER is refused without one"""
    spec = device.spec
    device.write_memory(Memory.BIAS, bytes(device.memory_bytes(Memory.BIAS)))
    for changes, valid in (
        ({}, True),
        ({"magic": 1}, False),
        ({"tile": spec.tiles}, False),
        ({"range": len(spec.afe.tia_ohm)}, False),
        ({"row": spec.rows}, False),
        ({"pairs": spec.pairs + 1}, False),
        ({"width": spec.controller.width + 1}, False),
        ({"shift": 48}, False),
        ({"flags": StepFlag.FIRST | StepFlag.LAST}, False),
        ({}, True),
    ):
        device.write_memory(Memory.NETWORK, _network(device, **changes))
        shown = bool(STATUS_NETWORK_VALID.get(device.read(registers.STATUS)))
        equal(shown, valid, f"network_valid with {changes}")
        rows = min(4, spec.rows)
        refusal = device.refusal(INFER, count=1, codes=np.zeros(rows, np.int64))
        equal(refusal, None if valid else ErrorCode.NO_NETWORK, f"INFER with {changes}")


@check()
def infer_limits(device: Device) -> None:
    """INFER is refused for a wrong number of codes, codes beyond the read clamp, and too long an answer"""
    spec, rows = device.spec, min(4, device.spec.rows)
    device.write_memory(Memory.BIAS, bytes(device.memory_bytes(Memory.BIAS)))
    device.write_memory(Memory.NETWORK, _network(device))
    clamp = spec.read_clamp
    answer = device.ask(INFER, count=3, codes=np.full(3 * rows, clamp))
    equal(answer["outputs"].size, 6, "outputs of three vectors")
    for count, codes, wanted in (
        (0, [], ErrorCode.BAD_LENGTH),
        (1, [0] * (rows + 1), ErrorCode.BAD_LENGTH),
        (2, [0] * rows, ErrorCode.BAD_LENGTH),
        (1, [clamp + 1] + [0] * (rows - 1), ErrorCode.BAD_CODE),
        (1, [-clamp - 1] + [0] * (rows - 1), ErrorCode.BAD_CODE),
    ):
        equal(device.refusal(INFER, count=count, codes=codes), wanted, f"INFER of {count} vectors with codes {codes}")
    # One input and two outputs: answers are longer than requests.
    device.write_memory(Memory.NETWORK, _network(device, rows=1))
    most = (spec.link.payload_bytes - INFER.answer.header_bytes) // 4
    equal(device.ask(INFER, count=most, codes=[0] * most)["outputs"].size, 2 * most, "outputs in the longest answer")
    refusal = device.refusal(INFER, count=most + 1, codes=[0] * (most + 1))
    equal(refusal, ErrorCode.ANSWER_TOO_LONG, f"INFER of {most + 1} vectors with two outputs each")


@check(writes=True)
def whole_network(device: Device) -> None:
    """A small network of two layers is compiled, formed, programmed and run; its outputs follow the exact ones"""
    spec = device.spec
    rng = np.random.default_rng(4)
    inputs, hidden, outputs = min(6, spec.rows), min(6, spec.pairs, spec.rows), 2
    layers = [
        ohmloom.Layer(rng.normal(0, 1 / np.sqrt(inputs), (inputs, hidden)), rng.normal(0, 0.2, hidden), "relu"),
        ohmloom.Layer(rng.normal(0, 1 / np.sqrt(hidden), (hidden, outputs)), rng.normal(0, 0.2, outputs), "none"),
    ]
    model = ohmloom.Model(tuple(layers), task="regression")
    X = rng.uniform(-1, 1, (60, inputs))
    network = ohmloom.compile(model, spec, X)
    device.memory_changed = True
    try:
        report = device.chip.program(network)
    except ChipError as error:
        if error.code == ErrorCode.NO_FIRMWARE:
            raise Skip("no firmware is running, which would calibrate") from None
        raise
    expect(report.converged_fraction >= 0.9, f"{report.converged_fraction:.0%} of the cells converge")
    wanted, found = model.forward(X), device.chip.infer(X)
    for output in range(outputs):
        correlation = float(np.corrcoef(wanted[:, output], found[:, output])[0, 1])
        expect(correlation >= CORRELATION, f"output {output} correlates with {correlation:.3f} to the exact one")

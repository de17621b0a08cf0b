"""Memories that the host reaches."""

from __future__ import annotations

import numpy as np

from ohmloom.conformance.check import check, equal
from ohmloom.conformance.device import Device
from ohmloom.spec.commands import MEM_READ, MEM_WRITE, ErrorCode, Memory
from ohmloom.spec.policy import POLICY_DTYPE


@check()
def content(device: Device) -> None:
    """Memories keep what is written, at any offset and length"""
    rng = np.random.default_rng(2)
    for memory in (Memory.BIAS, Memory.CORRECTION, Memory.NETWORK, Memory.NOTES):
        size = device.memory_bytes(memory)
        wanted = bytearray(rng.bytes(size))
        device.write_memory(memory, bytes(wanted))
        for _ in range(4):
            length = int(rng.integers(0, min(100, size)))
            offset = int(rng.integers(0, size - length + 1))
            wanted[offset : offset + length] = data = rng.bytes(length)
            device.ask(MEM_WRITE, memory=memory, offset=offset, data=data)
        equal(device.read_memory(memory) == wanted, True, f"{memory.name} reads as it was written")


@check()
def bounds(device: Device) -> None:
    """Nothing is read or written beyond a memory's end"""
    for memory in Memory:
        size = device.memory_bytes(memory)
        for offset, length in ((size, 1), (size - 1, 2), (0xFFFFFFFF, 1), (1 << 31, 4)):
            refusal = device.refusal(MEM_READ, memory=memory, offset=offset, length=length)
            equal(refusal, ErrorCode.BAD_ADDRESS, f"reading {length} bytes of {memory.name} at {offset}")
            refusal = device.refusal(MEM_WRITE, memory=memory, offset=offset, data=bytes(length))
            equal(refusal, ErrorCode.BAD_ADDRESS, f"writing {length} bytes of {memory.name} at {offset}")
        equal(device.ask(MEM_READ, memory=memory, offset=size, length=0)["data"].size, 0, "bytes read at the end")
    for number in (len(Memory), 255):
        equal(device.refusal(MEM_READ, memory=number, offset=0, length=1), ErrorCode.BAD_ADDRESS, f"memory {number}")


@check()
def policy_limits(device: Device) -> None:
    """A write-verify policy beyond the clamps or caps is refused, and the old one stays"""
    spec, limits = device.spec, device.spec.limits
    before = device.read_memory(Memory.POLICY)
    for direction, volts, cap_ns in (
        ("set", limits.set_v, limits.pulse_ns),
        ("reset", limits.reset_v, limits.pulse_ns),
        ("form", limits.form_v, limits.form_pulse_ns),
    ):
        for field, most, code in (
            ("top", spec.rail_code(volts), ErrorCode.BAD_CODE),
            ("gate", spec.rail_code(limits.gate_v), ErrorCode.BAD_CODE),
            ("pulse_ns", cap_ns, ErrorCode.BAD_VALUE),
        ):
            for value, wanted in ((most, None), (most + 1, code)):
                record = np.frombuffer(before, POLICY_DTYPE).copy()
                record[direction][field] = value
                device.memory_changed = True
                refusal = device.refusal(MEM_WRITE, memory=Memory.POLICY, offset=0, data=record.tobytes())
                equal(refusal, wanted, f"a policy whose {direction} has {field} {value}")
                device.write_memory(Memory.POLICY, before)
    equal(device.read_memory(Memory.POLICY) == before, True, "the policy is the one before")

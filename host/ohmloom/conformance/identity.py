"""What the endpoint says of itself."""

from __future__ import annotations

from ohmloom.conformance.check import check, equal, expect
from ohmloom.conformance.device import Device
from ohmloom.spec import registers
from ohmloom.spec.commands import HELLO, INFO, PROTOCOL_VERSION, READ_REGISTERS, WRITE_REGISTERS, ErrorCode
from ohmloom.spec.registers import REGISTERS


@check()
def hello(device: Device) -> None:
    """HELLO names the protocol and the link's limits"""
    with device.frames() as frames:
        answer = HELLO.answer.unpack(frames.hello_answer.payload)
        link = device.spec.link
        wanted = {
            "session": frames.session, "protocol": PROTOCOL_VERSION, "window": link.window, "payload": link.payload_bytes,
            "baud_max": link.baud_max, "emulated": device.emulated,
        }  # fmt: skip
        equal(answer, wanted, "HELLO's answer")


@check()
def info(device: Device) -> None:
    """INFO names the chip, its sizes and the digest of its spec"""
    spec, answer = device.spec, device.ask(INFO)
    equal(answer["name"].tobytes().decode("utf-8", "replace"), spec.name, "name")
    for key in ("tiles", "rows", "columns", "digest"):
        equal(answer[key], getattr(spec, key), key)
    equal(answer["version"], device.read(registers.VERSION), "version, in INFO and in its register")


@check()
def constants(device: Device) -> None:
    """Registers of constants and limits have the spec's values"""
    spec, limits = device.spec, device.spec.limits
    for register, wanted in (
        (registers.ID, registers.ID.reset),
        (registers.READ_CLAMP, spec.read_clamp),
        (registers.SET_CLAMP, spec.rail_code(limits.set_v)),
        (registers.RESET_CLAMP, spec.rail_code(limits.reset_v)),
        (registers.FORM_CLAMP, spec.rail_code(limits.form_v)),
        (registers.GATE_CLAMP, spec.rail_code(limits.gate_v)),
        (registers.PULSE_CAP_NS, limits.pulse_ns),
        (registers.FORM_CAP_NS, limits.form_pulse_ns),
        (registers.CELLS_PER_PULSE, limits.cells_per_pulse),
    ):
        equal(device.read(register), wanted, register.name)


@check()
def register_access(device: Device) -> None:
    """Registers are read and written where there are some, and only so"""
    for word in range(max(REGISTERS) + 2):
        refusal = device.refusal(READ_REGISTERS, address=word, count=1)
        equal(refusal, None if word in REGISTERS else ErrorCode.BAD_ADDRESS, f"reading register {word}")
        if word not in REGISTERS or "w" not in REGISTERS[word].access:
            wanted = ErrorCode.READ_ONLY if word in REGISTERS else ErrorCode.BAD_ADDRESS
            equal(device.refusal(WRITE_REGISTERS, address=word, values=[0]), wanted, f"writing register {word}")
    for count in (0, 65):
        equal(device.refusal(READ_REGISTERS, address=0, count=count), ErrorCode.BAD_VALUE, f"reading {count} registers")
    equal(
        device.refusal(READ_REGISTERS, address=0xFFFF, count=2), ErrorCode.BAD_ADDRESS, "reading beyond the last word"
    )


@check()
def scratch(device: Device) -> None:
    """The scratch register keeps its 32 bits; a refused write changes none of its words"""
    register = registers.SCRATCH
    for value in (0xFFFFFFFF, 0, 0x89ABCDEF):
        device.write(register, value)
        equal(device.read(register), value, "scratch")
    following = device.refusal(WRITE_REGISTERS, address=register.address, values=[1, 2])
    equal(following, ErrorCode.READ_ONLY, "writing on into a read-only register")
    equal(device.read(register), 0x89ABCDEF, "scratch after a refused write")
    device.ask(WRITE_REGISTERS, address=register.address, values=[])
    values = device.ask(READ_REGISTERS, address=registers.ID.address, count=2)["values"]
    expect(len(values) == 2 and values[0] == registers.ID.reset, f"two registers at once: {values}")

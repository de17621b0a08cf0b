"""The standard interface without ohmloom: frames, COBS, CRC and packed codes in plain Python, for a driver in any language.

    ohmloom serve --chip bench-8x16 --tcp 5000 &
    python examples/raw_protocol.py [URL]

URL: a port of pyserial, by default socket://127.0.0.1:5000; /dev/ttyUSB1 for a board that was just reset. docs/reference/commands.md is the
reference. A driver for daily use also repeats what was lost: the same frame again, which is executed only once.
"""

import secrets
import struct
import sys
from binascii import crc_hqx

import serial

HELLO, INFO, WRITE_REGISTERS, MVM, FORM, CALIBRATE = 0x01, 0x02, 0x04, 0x10, 0x23, 0x31
ANSWER, ERROR = 0x80, 0xFF
ARM, ARM_KEY = 0x06, 0x464F524D  # register and what allows one FORM: docs/reference/registers.md
TILE, ROW, RANGE, READ_CODE = 0, 3, 0, 327  # the read limit, 0.2 V, in steps of the row DAC: docs/reference/chips.md


def stuffed(data: bytes) -> bytes:
    """COBS of up to 254 bytes between zeros: no 0x00 in the result, each run of bytes behind its length + 1."""
    result = b""
    for run in data.split(b"\0"):
        while len(run) >= 254:
            result, run = result + b"\xff" + run[:254], run[254:]
        result += bytes([len(run) + 1]) + run
    return result


def unstuffed(data: bytes) -> bytes:
    result = b""
    while data:
        length, data = data[0], data[1:]
        result, data = result + data[: length - 1], data[length - 1 :]
        if length < 255 and data:
            result += b"\0"
    return result


def packed(codes: list[int]) -> bytes:
    """Signed 12-bit codes, two in three bytes, the first in the low bits."""
    bits = sum((code & 0xFFF) << 12 * index for index, code in enumerate(codes))
    return bits.to_bytes((12 * len(codes) + 7) // 8, "little")


def unpacked(data: bytes) -> list[int]:
    bits = int.from_bytes(data, "little")
    codes = [bits >> 12 * index & 0xFFF for index in range(8 * len(data) // 12)]
    return [code - 4096 if code >= 2048 else code for code in codes]


class Controller:
    """Requests and answers one at a time; `sequence` numbers the frames."""

    def __init__(self, url: str) -> None:
        self.sequence = 0
        try:
            self.port = serial.serial_for_url(url, baudrate=115_200, timeout=2)
        except serial.SerialException as error:
            raise SystemExit(f"{url} cannot be opened: {error}; is `ohmloom serve` running?") from None

    def ask(self, command: int, payload: bytes = b"") -> bytes:
        frame = bytes([command, self.sequence]) + payload
        self.port.write(b"\0" + stuffed(frame + struct.pack("<H", crc_hqx(frame, 0xFFFF))) + b"\0")
        answer = b"\0"
        while answer == b"\0":  # empty frames mean nothing
            answer = self.port.read_until(b"\0")
        if not answer.endswith(b"\0"):
            raise SystemExit(f"command {command:#04x}: no answer; is this the right port, at 115200 baud?")
        content = unstuffed(answer[:-1])
        kind, sequence, body, crc = content[0], content[1], content[2:-2], content[-2:]
        if struct.pack("<H", crc_hqx(content[:-2], 0xFFFF)) != crc:
            raise SystemExit("the answer was damaged on the line")
        if kind == ERROR:
            raise SystemExit("refused: command {:#04x}, error {}, value {}".format(*struct.unpack("<BBq", body)))
        if (kind, sequence) != (command | ANSWER, self.sequence):
            raise SystemExit(f"command {command:#04x}: an answer of type {kind:#04x}, number {sequence} came")
        self.sequence = (self.sequence + 1) % 256
        return body


def main(url: str) -> None:
    chip = Controller(url)
    _session, protocol, window, payload_bytes, baud_max, emulated = struct.unpack(
        "<IHBHIB", chip.ask(HELLO, struct.pack("<IH", secrets.randbits(32), 1))
    )
    print(
        f"HELLO: protocol {protocol}, {'emulated' if emulated else 'real'} chip, {window} requests in flight, payloads of {payload_bytes} bytes, "
        f"up to {baud_max} baud"
    )
    info = chip.ask(INFO)
    version, tiles, rows, columns, digest = struct.unpack_from("<IBHHI", info)
    print(
        f"INFO: {info[13:].decode()}, {tiles} tiles of {rows} x {columns}, controller {version:#08x}, spec {digest:#010x}"
    )

    offset, gain_error, residual, failed = struct.unpack("<hHHH", chip.ask(CALIBRATE, bytes([TILE])))
    print(
        f"CALIBRATE: offsets up to {offset / 16:.1f} codes, gains {gain_error / 32768:.1%}, {residual / 16:.1f} codes left; "
        f"{failed} columns out of bounds"
    )
    chip.ask(WRITE_REGISTERS, struct.pack("<HI", ARM, ARM_KEY))
    cells = list(struct.iter_unpack("<BHh", chip.ask(FORM, struct.pack("<BH", TILE, ROW) + b"\1" * columns)))
    print(f"FORM: {sum(status == 1 for status, _, _ in cells)} of {columns} cells of row {ROW} are formed")

    # Two vectors: nothing, which shows the columns' offsets, and the read voltage on the row that was formed.
    vectors = [0] * rows + [READ_CODE if row == ROW else 0 for row in range(rows)]
    answer = chip.ask(MVM, struct.pack("<BBH", TILE, RANGE, 2) + packed(vectors))
    (saturated,), codes = struct.unpack_from("<H", answer), unpacked(answer[2:])
    print(f"MVM: {saturated} saturated samples; column codes less their offsets:")
    print(*(driven - idle for idle, driven in zip(codes[:columns], codes[columns:], strict=True)))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "socket://127.0.0.1:5000")

"""The command table: codes, payloads and who answers. The protocol's one definition (link layer: `ohmloom.link`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from ohmloom.spec.layout import Array, Layout

PROTOCOL_VERSION = 1

# Frame types. A request's type is its command's code; its answer sets bit 7.
ANSWER = 0x80
TYPE_NAK = 0xFE
TYPE_ERROR = 0xFF
DEFAULT_BAUD = 115_200
BAUD_MIN = 9_600  # that RATE takes
PROVISIONAL_BAD_FRAMES = 4  # at a new rate before its first good frame: then the old rate comes back
MAX_EVENTS = 64  # that SERVICE remembers
MAX_RETRIES = 8  # of a run's rows
NO_ROW = 0xFFFF  # in place of a row: none is left
PULSE_TRIPPED = -32768  # in place of a verify code: the pulse went over the rail's current, and all lines float


class ErrorCode(IntEnum):
    """Why a command was refused. Nothing has been changed or pulsed when one of these comes back."""

    UNKNOWN_COMMAND = 1, "the controller does not know this command"
    BAD_LENGTH = 2, "the payload's length does not fit the command"
    BAD_ADDRESS = 3, "no such tile, row, column, register or memory offset"
    BAD_CODE = 4, "a DAC code is beyond the clamp of its mode"
    BAD_VALUE = 5, "a value is outside its allowed range"
    ANSWER_TOO_LONG = 6, "the answer would not fit one frame: ask for less"
    NOT_ARMED = 7, "forming needs the arm key first"
    TRIPPED = 8, "the safety latch is set: clear the trip first"
    NO_NETWORK = 9, "no valid network is loaded"
    NOT_EMULATED = 10, "only an emulated fabric can do this"
    READ_ONLY = 11, "this register or memory is read-only"
    NO_FIRMWARE = 12, "the firmware that answers this is not running"

    text: str

    def __new__(cls, value: int, text: str) -> ErrorCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member


class NakReason(IntEnum):
    """Why a frame was not taken. The sender repeats from the expected sequence number on."""

    BAD_FRAME = 1
    OUT_OF_SEQUENCE = 2
    NO_SESSION = 3


class CellStatus(IntEnum):
    """How write-verify or forming ended for one cell."""

    SKIPPED = 0
    CONVERGED = 1
    EXHAUSTED = 2
    STUCK = 3
    TRIPPED = 4


class Polarity(IntEnum):
    SET = 0
    RESET = 1


class Memory(IntEnum):
    """Memories that MEM_READ and MEM_WRITE reach."""

    NETWORK = 0  # header and layer steps: `ohmloom.spec.network`
    BIAS = 1  # int32 in 1/16 ADC codes, one per output of each layer
    CORRECTION = 2  # per tile, range and column: `ohmloom.spec.arithmetic`
    POLICY = 3  # write-verify policy tables: `ohmloom.spec.policy`
    NOTES = 4  # host's notes in flash: which network is on the chip


class Cause(IntEnum):
    """Where energy and time go; ADVANCE reports one counter for each."""

    ARRAY_READ = 0
    ROW_DAC = 1
    TIA = 2
    ADC = 3
    WRITE = 4
    IDLE = 5


class EventKind(IntEnum):
    TRIP = 1
    FORM = 2
    SATURATED = 4


class RunKind(IntEnum):
    """What a run does to its rows."""

    PROGRAM = 0
    FORM = 1


class RowState(IntEnum):
    """How far a run is with one row. BEGUN: under way, or cut off by a reset or a trip."""

    EMPTY = 0
    LOADED = 1
    BEGUN = 2
    DONE = 3


class BootTarget(IntEnum):
    """Where new firmware goes: RAM forgets it at the next power-up, FLASH keeps it."""

    RAM = 0
    FLASH = 1


@dataclass(frozen=True)
class Command:
    """One row of the table. `by`: who answers on hardware; `emulation` commands are refused by a board.

    rules: what is checked in which order, and what exactly is done, where the fields alone do not say it.
    """

    code: int
    name: str
    by: Literal["gateware", "firmware", "emulation"]
    summary: str
    request: Layout
    answer: Layout
    rules: str = ""


# fmt: off
# The table reads as a table.
_TILE = ("tile", "u8", "tile index")
_ROW = ("row", "u16", "row index")
_COLUMN = ("column", "u16", "column index")
_CELLS = Array(
    "cells",
    (("status", "u8"), ("pulses", "u16"), ("code", "i16")),
    "per column: CellStatus, pulses applied, code at the verify that ended it",
)

HELLO = Command(
    0x01, "HELLO", "gateware", "opens a session and clears the answer memory; the next frame's number follows HELLO's",
    Layout((("session", "u32", "random number of the connection"), ("protocol", "u16", "protocol version of the host"))),
    Layout((
        ("session", "u32", "as given"), ("protocol", "u16", "protocol version of the controller"),
        ("window", "u8", "requests that may be in flight"), ("payload", "u16", "largest payload in bytes"),
        ("baud_max", "u32", "highest line rate"), ("emulated", "u8", "1 when the fabric is emulated"),
    )),
)
INFO = Command(
    0x02, "INFO", "gateware", "names the chip",
    Layout(),
    Layout((
        ("version", "u32", "controller version, 0xMMmmpp"), ("tiles", "u8", ""), ("rows", "u16", ""),
        ("columns", "u16", ""), ("digest", "u32", "CRC-32 of the chip spec's canonical JSON"),
    ), Array("name", "u8", "UTF-8 chip name")),
)
READ_REGISTERS = Command(
    0x03, "READ_REGISTERS", "gateware", "reads consecutive registers",
    Layout((("address", "u16", "first word address"), ("count", "u8", "1..64"))),
    Layout((), Array("values", "u32")),
)
WRITE_REGISTERS = Command(
    0x04, "WRITE_REGISTERS", "gateware", "writes consecutive registers",
    Layout((("address", "u16", "first word address"),), Array("values", "u32")),
    Layout(),
)
MEM_WRITE = Command(
    0x05, "MEM_WRITE", "gateware", "loads bytes into a memory",
    Layout((("memory", "u8", "Memory"), ("offset", "u32", "byte offset")), Array("data", "u8")),
    Layout(),
)
MEM_READ = Command(
    0x06, "MEM_READ", "gateware", "reads bytes of a memory",
    Layout((("memory", "u8", "Memory"), ("offset", "u32", "byte offset"), ("length", "u16", "bytes"))),
    Layout((), Array("data", "u8")),
)
RATE = Command(
    0x07, "RATE", "gateware", "changes the line rate after this answer; provisional until a good frame arrives at the new rate",
    Layout((("baud", "u32", "wanted rate"),)),
    Layout((("baud", "u32", "rate taken from the next frame on"),)),
)
MVM = Command(
    0x10, "MVM", "gateware", "multiplies vectors of row codes by one tile; answers raw signed column codes",
    Layout((
        _TILE, ("range", "u8", "TIA range index"), ("count", "u16", "vectors"),
    ), Array("codes", "i12", "count x rows row codes")),
    Layout((("saturated", "u16", "column samples at a converter's end"),), Array("codes", "i12", "count x columns")),
)
ROUTE = Command(
    0x12, "ROUTE", "gateware", "chains tiles with no converter between them for MVMs on the first tile of the route; no stages: none",
    Layout((), Array("stages", (
        ("tile", "u8"), ("range", "u8"), ("attenuator", "u8"), ("relu", "u8"), ("bias", "u8"),
    ), "in order: TIA range, attenuator and rectifier behind the tile; bias: the last row is driven by its DAC, as on the first tile")),
    Layout(),
)
INFER = Command(
    0x11, "INFER", "gateware", "runs the loaded network on vectors of input codes",
    Layout((("count", "u16", "vectors"),), Array("codes", "i12", "count x inputs")),
    Layout((("saturated", "u16", "column samples at a converter's end"),), Array("outputs", "i16", "count x outputs")),
)
PROGRAM = Command(
    0x20, "PROGRAM", "gateware", "write-verifies one row: cells with tolerance 0 are left alone",
    Layout((_TILE, _ROW), Array("cells", "i12", "per column: target verify code, tolerance in codes")),
    Layout((), _CELLS),
)
READ = Command(
    0x21, "READ", "gateware", "reads rows one at a time at the verify voltage; corrected codes",
    Layout((_TILE, _ROW, ("rows", "u16", "rows to read"), ("samples", "u8", "samples averaged a cell, 1..64"))),
    Layout((), Array("codes", "i12", "rows x columns")),
)
PULSE = Command(
    0x22, "PULSE", "gateware", "applies one characterisation pulse to one cell, then reads it",
    Layout((
        _TILE, _ROW, _COLUMN, ("polarity", "u8", "Polarity"), ("rail", "u16", "rail DAC code"),
        ("gate", "u16", "word-line DAC code"), ("width_ns", "u32", "pulse width"),
    )),
    Layout((("code", "i16", "verify code after the pulse; PULSE_TRIPPED when it tripped"),)),
)
FORM = Command(
    0x23, "FORM", "gateware", "forms the masked cells of one row; needs the arm key, which it uses up",
    Layout((_TILE, _ROW), Array("mask", "u8", "one byte a column: 1 = form if not formed")),
    Layout((), _CELLS),
    "Whether a cell is formed is told from its verify code: CALIBRATE first, or a column's offset passes for a formed cell.",
)
IV = Command(
    0x30, "IV", "firmware", "reads one cell at a list of row codes within the read clamp",
    Layout((_TILE, _ROW, _COLUMN, ("range", "u8", "TIA range index")), Array("codes", "i12", "row codes")),
    Layout((("saturated", "u16", "samples at a converter's end"),), Array("codes", "i16", "corrected, in 1/16 ADC codes")),
    "For each code, IV_SAMPLES times: the word line of the row alone is on, its DAC takes the code, and the slot of columns that the cell's "
    "lies in is converted. The cell's answer is ((sum of its raw codes - offset) * gain + 2**14) >> 15, ended at 16 bits: a sum of 16 counts in "
    "1/16 codes. saturated counts all samples of the slot's columns and ends at 65535.",
)
CALIBRATE = Command(
    0x31, "CALIBRATE", "firmware", "measures offset and gain of every column of a tile on the reference row and stores the correction",
    Layout((_TILE,)),
    Layout((
        ("offset_max", "i16", "largest offset found, 1/16 codes"), ("gain_error_max", "u16", "largest gain error found, 1/32768"),
        ("residual_max", "u16", "largest error left on the reference row, 1/16 codes"), ("failed", "u16", "columns out of bounds"),
    )),
    "In the order of the TIA ranges; all columns are converted. Sums of CALIBRATION_SAMPLES drives each (a probe): one with no word line on, "
    "then n at +read_clamp and n at -read_clamp on the reference row (n: `calibration_probes`). offset = floor((sum * 16 + N / 2) / N) of the "
    "first, N = CALIBRATION_SAMPLES. gain = (R * n * N + swing / 2) / swing, floored, where R is `reference_code` and swing, at least 1, the "
    "difference of the sums of either sign. A column fails, and keeps offset 0 and gain 1, whose offset is beyond OFFSET_BOUND or whose gain is "
    "beyond GAIN_BOUND from 1. One more probe of either sign: what is left on the reference row is |swing * gain - R * N| >> 20, the largest "
    "of the columns that did not fail in this range is reported. (`ohmloom.spec.reference`)",
)
SELFTEST = Command(
    0x32, "SELFTEST", "firmware", "tests memories, converters and reference resistors",
    Layout(),
    Layout((), Array("findings", (("kind", "u8"), ("tile", "u8"), ("index", "u16"), ("value", "i32")), "Finding records")),
    "Tile by tile, in the verify range, sums of SELFTEST_SAMPLES drives, which count in 1/16 codes, of all columns: with no word line on; at "
    "+read_clamp on the reference row; at code 0 on each row alone, in order. Columns in order: beyond OFFSET_BOUND with no word line is an "
    "ADC_CHANNEL (that sum), else a reference whose corrected sum is more than REFERENCE_BOUND_PERCENT % from `reference_q4` is a REFERENCE "
    "(the corrected sum, as for IV). Then rows in order: the largest difference to the sums with no word line, of the first column that has it, "
    "beyond OFFSET_BOUND either side is a ROW_SHORT. Findings beyond the largest payload are left out. MEMORY comes from hardware alone.",
)
RUN_BEGIN = Command(
    0x33, "RUN_BEGIN", "firmware", "begins a run over rows, whose targets and progress are kept in flash; forgets the run before",
    Layout((
        ("run", "u32", "the host's number of this run; 0: none"), ("kind", "u8", "RunKind"),
        ("key", "u32", "FORM: the arm key, with which each row is armed; PROGRAM: 0"),
        ("retries", "u8", "times that cells which did not converge are tried again, 0..MAX_RETRIES"),
    )),
    Layout(),
    "Refused: kind, retries (BAD_VALUE with it), the key of a FORM run (BAD_VALUE with it). Number 0 only forgets the run before.",
)
RUN_LOAD = Command(
    0x34, "RUN_LOAD", "firmware", "keeps one row's targets; a row is loaded once in a run",
    Layout((_TILE, _ROW), Array("cells", "i12", "as for PROGRAM; FORM: cells with a tolerance are formed")),
    Layout(),
    "Checked as for PROGRAM, in that order; then BAD_VALUE with 0 when there is no run, or with the row's RowState when it is loaded.",
)
RUN_NEXT = Command(
    0x35, "RUN_NEXT", "firmware", "programs or forms the next row that is not done, in the order of tiles and rows",
    Layout(),
    Layout((
        ("tile", "u8", "of the row"), ("row", "u16", "NO_ROW: all are done"), ("attempts", "u8", "times it was tried"),
        ("left", "u16", "rows that are not done"),
    ), Array(_CELLS.name, _CELLS.kind, "per column: as for PROGRAM, pulses of all attempts; none with NO_ROW")),
    "Without a run all are done. The row is BEGUN in flash before its first pulse, and DONE, with its bad cells, after its last. The cells that "
    "did not converge are tried again, retries times, alone: as PROGRAM with tolerance 0 for all others, or as FORM with only them masked. An "
    "answer's status and code are those of the last attempt that a cell took part in, of the first for cells with tolerance 0; pulses end at "
    "65535. Bad cells are those that end EXHAUSTED or STUCK. A trip ends it at once: the row stays BEGUN, and the answer says how far it came. "
    "Each attempt of a FORM run is armed anew and logged.",
)
RUN_STATUS = Command(
    0x36, "RUN_STATUS", "firmware", "how far the run is; right after a reset, too",
    Layout(),
    Layout((
        ("run", "u32", "number given at its begin; 0: none"), ("kind", "u8", "RunKind"), ("loaded", "u16", "rows with targets"),
        ("done", "u16", "rows that are done"), ("begun", "u16", "rows under way when power failed or the latch was set"),
        ("bad", "u32", "cells of done rows that did not converge"),
    )),
    "loaded counts all rows that are not EMPTY.",
)
RUN_ROW = Command(
    0x37, "RUN_ROW", "firmware", "one row of the run: its state and its bad cells",
    Layout((_TILE, _ROW)),
    Layout((("state", "u8", "RowState"),), Array("bad", "u8", "per column: 1 = did not converge; of a row that is not done: 0")),
)
REFRESH = Command(
    0x38, "REFRESH", "firmware", "reads one done row of a PROGRAM run and programs its cells that left their tolerance; bad cells are left alone",
    Layout((_TILE, _ROW, ("samples", "u8", "samples averaged a cell, 1..64"))),
    Layout((("drifted", "u16", "cells out of tolerance"),), _CELLS),
    "Refused, in this order: tile, row (BAD_ADDRESS), samples, a FORM run (BAD_VALUE with its kind), a row that is not DONE (BAD_VALUE with its "
    "RowState). The row is read as READ does; drifted are the cells with a tolerance that are beyond it and not bad. When there are some, they "
    "are programmed as by PROGRAM, with tolerance 0 for all others, and cells is its answer; when not, all are SKIPPED with the code that was "
    "read. The journal stays as it is.",
)
UPDATE = Command(
    0x39, "UPDATE", "firmware", "stores a part of a new firmware image beside the one that runs",
    Layout((("offset", "u32", "byte offset, a multiple of 4"),), Array("data", "u8")),
    Layout(),
    "BAD_ADDRESS: an offset that is no multiple of 4 (with it), an end beyond IMAGE_BYTES (with it).",
)
BOOT = Command(
    0x3A, "BOOT", "firmware", "checks the new image and starts it; a bad one is refused, and the old one goes on",
    Layout((("target", "u8", "BootTarget"), ("bytes", "u32", "of the image"), ("crc", "u32", "CRC-32 of the image"))),
    Layout(),
    "All BAD_VALUE, in this order: target; bytes, when less than a header or more than IMAGE_BYTES; the CRC-32 of what was stored, when it is "
    "not crc; the header's magic; its version, when its bits above 16 are not FIRMWARE_VERSION's; its bytes, when not the image's; its crc. Each "
    "with the offending value, as found in the image or computed from it. (`ohmloom.spec.core`)",
)
FIRMWARE = Command(
    0x3B, "FIRMWARE", "firmware", "names the firmware that runs",
    Layout(),
    Layout((("version", "u32", "0xMMmmpp"), ("boots", "u32", "times that BOOT was taken since power-up"))),
)
SERVICE = Command(
    0x40, "SERVICE", "gateware", "answers the events after the given number (trips, forming, saturation)",
    Layout((("after", "u32", "number of the last event known"),)),
    Layout((), Array("events", (("number", "u32"), ("kind", "u8"), ("argument", "u32")), "EventKind and its argument")),
)
ADVANCE = Command(
    0x50, "ADVANCE", "emulation", "lets fabric time pass and answers the meters",
    Layout((("duration_ns", "u64", "fabric time to pass; 0 reads the meters"),)),
    Layout((("time_ns", "u64", "fabric time"),), Array("meters", (("energy_fj", "u64"), ("time_ns", "u64")), "one per Cause")),
)

COMMANDS: dict[int, Command] = {
    command.code: command
    for command in (
        HELLO, INFO, READ_REGISTERS, WRITE_REGISTERS, MEM_WRITE, MEM_READ, RATE, MVM, ROUTE, INFER,
        PROGRAM, READ, PULSE, FORM, IV, CALIBRATE, SELFTEST, RUN_BEGIN, RUN_LOAD, RUN_NEXT, RUN_STATUS, RUN_ROW, REFRESH,
        UPDATE, BOOT, FIRMWARE, SERVICE, ADVANCE,
    )
}

ERROR_LAYOUT = Layout((
    ("command", "u8", "code of the refused command"), ("code", "u8", "ErrorCode"), ("detail", "i64", "the offending value"),
))
NAK_LAYOUT = Layout((("expected", "u8", "sequence number expected next"), ("reason", "u8", "NakReason")))
# fmt: on


class Finding(IntEnum):
    """What a self-test found. An empty list means that everything is well."""

    MEMORY = 1  # the RAM of the core (index: the word, value: bits that it does not keep)
    ADC_CHANNEL = 2  # a converter channel does not answer with its tag or sits at an end
    REFERENCE = 3  # reference resistor out of bounds (value: its corrected code)
    ROW_SHORT = 4  # a row that drives its cells at code 0 (value: largest raw code against no row, 1/16 codes)

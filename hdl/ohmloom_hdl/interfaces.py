"""The signatures between the controller's blocks. `docs/gateware.md` shows who is connected to whom.

All streams transfer when `valid` and `ready` are high; a payload stays until it is taken.
"""

from amaranth import signed
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import INFER
from ohmloom.spec.memory_map import MemoryMap

CODE = 12  # bits of a row code, column code or verify code


def index_bits(count: int) -> int:
    """Bits that number `count` things, at least one."""
    return max((count - 1).bit_length(), 1)


def count_bits(count: int) -> int:
    """Bits that hold 0 .. count."""
    return count.bit_length()


class StorePort(wiring.Signature):
    """A master's port of the controller's memory (`store.py`), which has 16-bit words.

    A transfer takes place in a cycle with `valid` and `ready`. `write`: enables of the two bytes, 0 to read. `data_r` holds
    what was read from the cycle after the transfer until this port's next transfer.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self.address_bits = index_bits(-(-MemoryMap(spec).bytes // 2))
        super().__init__(
            {
                "valid": Out(1),
                "ready": In(1),
                "address": Out(self.address_bits),
                "write": Out(2),
                "data_w": Out(16),
                "data_r": In(16),
            }
        )


class RequestPort(wiring.Signature):
    """From the link to whoever executes commands.

    `valid` rises with `type`, `length` (payload bytes, at `MemoryMap.request(slot)`) and stays until `done`, a strobe with
    which `answer_type` and `answer_length` are given; the answer's payload is at `MemoryMap.answer(answer_slot)` by then. It is
    behind `head` halves of words that are somebody else's and count in its length, as does the lower half of the slot with `upper`.
    """

    def __init__(self, spec: ChipSpec) -> None:
        slots, longest = index_bits(MemoryMap(spec).slots), count_bits(spec.link.payload_bytes)
        super().__init__(
            {
                "valid": Out(1),
                "type": Out(8),
                "length": Out(longest),
                "slot": Out(slots),
                "answer_slot": Out(slots),
                "head": Out(2),
                "upper": Out(1),
                "done": In(1),
                "answer_type": In(8),
                "answer_length": In(longest),
            }
        )


def drive_layout(spec: ChipSpec) -> data.StructLayout:
    """One drive of rows and the conversion of its columns.

    Not `routed`: word lines first_row .. first_row + rows - 1 of `tile` are on, all others off; first_row = spec.rows is
    the reference row, rows = 0 leaves all off. Routed: as `route` says; first_row and rows then say which DACs take codes.
    `first_slot` .. `last_slot`: conversions; slot s converts columns s * column_adcs + 0 .. column_adcs - 1 of the tile,
    or of the route's last one. `follow`: its row codes, at least one, are written after it was taken; not routed.
    """
    slots = spec.column_adc.channels
    return data.StructLayout(
        {
            "tile": index_bits(spec.tiles),
            "first_row": count_bits(spec.rows),
            "rows": count_bits(spec.rows),
            "tia_range": index_bits(len(spec.afe.tia_ohm)),
            "first_slot": index_bits(slots),
            "last_slot": index_bits(slots),
            "routed": 1,
            "follow": 1,
        }
    )


def stage_layout(spec: ChipSpec) -> data.StructLayout:
    """One tile of a route: `ohmloom_emulator.fabric.Stage` without the bias row's code, which is a row code like others."""
    return data.StructLayout(
        {
            "tile": index_bits(spec.tiles),
            "tia_range": index_bits(len(spec.afe.tia_ohm)),
            "attenuator": index_bits(len(spec.afe.attenuations)),
            "relu": 1,
            "bias": 1,
        }
    )


def route_layout(spec: ChipSpec) -> data.StructLayout:
    """Tiles in a chain: `stages` of them, 2 .. spec.tiles, in order."""
    return data.StructLayout(
        {"stages": count_bits(spec.tiles), "stage": data.ArrayLayout(stage_layout(spec), spec.tiles)}
    )


def sample_layout(spec: ChipSpec) -> data.StructLayout:
    """One column sample. raw: signed code, min(2048 - ADC code, 2047); end: the ADC code is its lowest or highest, or its
    channel tag was wrong; last: no more samples come of this drive."""
    return data.StructLayout({"column": index_bits(spec.columns), "raw": signed(CODE), "end": 1, "last": 1})


def pulse_layout(spec: ChipSpec) -> data.StructLayout:
    """One write pulse on the columns that are set in the column mask, at `row` of `tile`.

    reset: RESET, else SET; form: a forming pulse, of the SET direction, with its own clamps; rail, gate: rail DAC codes.
    """
    return data.StructLayout(
        {
            "tile": index_bits(spec.tiles),
            "row": index_bits(spec.rows),
            "reset": 1,
            "form": 1,
            "rail": spec.rail_dac.bits,
            "gate": spec.rail_dac.bits,
            "width_ns": count_bits(spec.limits.form_pulse_ns),
        }
    )


class AfePort(wiring.Signature):
    """An engine's port of the analog front end (`afe/front_end.py`).

    Drives: write the row codes of the next drive through `code_*` (in any order, each cycle with `code_write` one), then
    offer `drive`. It is taken as soon as its DAC words can be shifted, while the drive before it is still converted; after
    that the next codes may be written. `samples` come for each drive in order, in rising order of columns within a slot
    and of slots, and cannot be held back. `route` is looked at when a routed drive is taken. A drive whose codes `follow`
    is offered first, then its rows' codes are written in order; `code_row` is the next one's from when the drive is taken.

    Pulses: write the mask through `mask_*`, never in a cycle with `code_write`, offer `pulse`; it is taken at once when no
    drive is under way. `pulse_done` strobes at its end, with `pulse_tripped` when it set the safety latch or was cut or
    refused by it.

    After a trip all that is under way ends: `samples` with `last` come for every drive that was taken, with any codes.
    `idle`: nothing is under way.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "code_write": Out(1),
                "code_row": Out(index_bits(spec.rows)),
                "code": Out(signed(CODE)),
                "drive": Out(stream.Signature(drive_layout(spec))),
                "route": Out(route_layout(spec)),
                "samples": In(stream.Signature(sample_layout(spec), always_ready=True)),
                "mask_write": Out(1),
                "mask_column": Out(index_bits(spec.columns)),
                "mask": Out(1),
                "pulse": Out(stream.Signature(pulse_layout(spec))),
                "pulse_done": In(1),
                "pulse_tripped": In(1),
                "idle": In(1),
            }
        )


class JobKind(enum.Enum, shape=3):
    MVM = 0
    INFER = 1
    PROGRAM = 2
    FORM = 3
    READ = 4
    PULSE = 5


def most_vectors(spec: ChipSpec) -> int:
    """Of one job: a frame has to take their codes, and another one what becomes of them, at least 2 bytes each."""
    return (spec.link.payload_bytes - INFER.answer.header_bytes) // 2


def job_layout(spec: ChipSpec) -> data.StructLayout:
    """What the command processor has an engine do: the fields of the request, checked against the spec before.

    data: byte offset in the store of the request's array (codes, cells or mask); answer: of the answer's payload, which
    the engine writes whole, header included. inputs, outputs, steps: of the loaded network, for INFER. routed: MVM runs
    through the route. rows: READ's rows, or of one vector's codes.
    """
    store_bytes = index_bits(MemoryMap(spec).bytes)
    return data.StructLayout(
        {
            "kind": JobKind,
            "tile": index_bits(spec.tiles),
            "row": index_bits(spec.rows),
            "column": index_bits(spec.columns),
            "rows": count_bits(spec.rows),
            "samples": 7,
            "tia_range": index_bits(len(spec.afe.tia_ohm)),
            "routed": 1,
            "count": count_bits(most_vectors(spec)),
            "inputs": count_bits(spec.controller.width),
            "outputs": count_bits(spec.controller.width),
            "steps": count_bits(spec.controller.steps),
            "reset": 1,
            "data": store_bytes,
            "answer": store_bytes,
        }
    )


# What is set in an engine before a job, by a word each: of a PULSE job its rail and word-line codes and its width; of routed vectors
# the stages, one by one (`stage_layout`, and the stage's number from bit STAGE_NUMBER on), and how many they are.
SETTINGS = data.StructLayout(dict.fromkeys(("rail", "gate", "width_low", "width_high", "stage", "stages"), 1))
STAGE_NUMBER = 12


class EnginePort(wiring.Signature):
    """From the command processor to an engine. `job` is taken when the engine is idle; `done` strobes once at its end.

    `word` is what a strobe of `sets` sets in the idle engine; the next job uses it up.

    With `done`: `saturated`, samples of the job at a converter's end, at most 65535; `tripped`: a pulse set the safety
    latch. `count_drive` and `count_pulse` strobe once for each drive that was converted and for each pulse applied, `count_cell`
    once for each cell that is reported, from column 0 on: `failed` as EXHAUSTED or STUCK, `cut` as TRIPPED.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "job": Out(stream.Signature(job_layout(spec))),
                "word": Out(16),
                "sets": Out(SETTINGS),
                "done": In(1),
                "saturated": In(16),
                "tripped": In(1),
                "count_drive": In(1),
                "count_pulse": In(1),
                "count_cell": In(1),
                "failed": In(1),
                "cut": In(1),
            }
        )


class OutputPort(wiring.Signature):
    """From the front end to the safety block, which owns every pin that can put energy into the array.

    Row DACs: `row_code` for DAC `row_code_dac` of the next frame is loaded with `row_code_write`; `row_frame` then sends one
    frame to all row DACs, whose command is 0 (write input register) or 2 (write and update all), to one channel. The last
    clock edge of an updating frame waits for `row_release`. `row_updated` strobes with it.

    Rails: `rail_frame` likewise, for one channel (`ohmloom.spec.switches.Rail`); form: the code is a forming pulse's, and is
    held to the clamp of forming. `rail_updated` strobes when an updating frame has ended.

    Switches: `switch_bits`, bit 0 of each chain first, one bit of each chain a transfer; `switch_latch` strobes when the
    last one has been taken: the parts take them over, and `switch_updated` strobes.

    `pulse`: opens the gate for width_ns as soon as the rest that the duty asks for is over. `pulse_done` strobes at its
    end, with `pulse_tripped` when it was refused, cut, or met by a trip.

    operating: an operation is under way: the watchdog counts. ready: the DACs hold Vmid, and the latch is not set; while
    it is low frames and pulses are taken and nothing comes of them.
    """

    def __init__(self, spec: ChipSpec) -> None:
        chains = spec.tiles + 1
        super().__init__(
            {
                "row_code_write": Out(1),
                "row_code_dac": Out(index_bits(spec.afe.row_dacs)),
                "row_code": Out(signed(CODE)),
                "row_frame": Out(stream.Signature(data.StructLayout({"update": 1, "channel": 3}))),
                "row_release": Out(1),
                "row_updated": In(1),
                "rail_frame": Out(
                    stream.Signature(
                        data.StructLayout({"update": 1, "channel": 3, "code": spec.rail_dac.bits, "form": 1})
                    )
                ),
                "rail_updated": In(1),
                "switch_bits": Out(stream.Signature(chains)),
                "switch_latch": Out(1),
                "switch_updated": In(1),
                "pulse": Out(
                    stream.Signature(
                        data.StructLayout({"reset": 1, "form": 1, "width_ns": count_bits(spec.limits.form_pulse_ns)})
                    )
                ),
                "pulse_done": In(1),
                "pulse_tripped": In(1),
                "operating": Out(1),
                "ready": In(1),
            }
        )


class SafetyControl(wiring.Signature):
    """From the command processor to the safety block.

    trip: sets the latch (cause host); clear: clears it once its cause has gone; arm, disarm: the form key; form_begin uses
    it up and opens the time in which forming pulses are allowed, which form_end, a trip or the watchdog ends.
    cause: bits as in register trip_cause.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "trip": Out(1),
                "clear": Out(1),
                "arm": Out(1),
                "disarm": Out(1),
                "form_begin": Out(1),
                "form_end": Out(1),
                "tripped": In(1),
                "cause": In(3),
                "armed": In(1),
            }
        )


class SpiPort(wiring.Signature):
    """Pins of one serial bus whose clock runs at the full domain rate.

    `clock_high`, `clock_low`: what the clock pin shows in the first and second half of a cycle, for a DDR output register;
    `select_n`: SYNC or CS; `data`: one line a chain. All change at the start of a cycle.
    """

    def __init__(self, lines: int) -> None:
        super().__init__({"clock_high": Out(1), "clock_low": Out(1), "select_n": Out(1, init=1), "data": Out(lines)})


class AfePins(wiring.Signature):
    """The analog front end's pins, seen from the gateware.

    over_current: asynchronous, high while the rail's current is over its limit. sdo: one line an ADC.
    """

    def __init__(self, spec: ChipSpec) -> None:
        super().__init__(
            {
                "row_dac": Out(SpiPort(spec.afe.row_dacs)),
                "rail_dac": Out(SpiPort(1)),
                "adc": Out(SpiPort(1)),
                "sdo": In(spec.afe.column_adcs),
                "switch": Out(SpiPort(spec.tiles + 1)),
                "switch_reset_n": Out(1),
                "pulse_gate": Out(1),
                "over_current": In(1),
            }
        )

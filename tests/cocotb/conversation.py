"""What a host asks a board from its first frame to a trip and back: the same requests to any controller of `bench-8x16`."""

from __future__ import annotations

import zlib

import numpy as np

from ohmloom.spec import ChipSpec, registers
from ohmloom.spec import commands as table
from ohmloom.spec.commands import Command, Memory, Polarity
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag

TILE, ROW, CELLS = 1, 3, 4
FIRST_BAUD = (
    1_000_000  # of the controller that is simulated, in place of DEFAULT_BAUD: at that, HELLO alone takes a minute
)
# Between the currents that PROGRAM draws here and the one of a cell under the strongest pulse.
OVER_CURRENT_A = 85e-6


def packed(command: Command, **values: object) -> tuple[int, bytes]:
    return command.code, command.request.pack(**values)


def read(register: registers.Register, count: int = 1) -> tuple[int, bytes]:
    return packed(table.READ_REGISTERS, address=register.address, count=count)


def write(register: registers.Register, value: int) -> tuple[int, bytes]:
    return packed(table.WRITE_REGISTERS, address=register.address, values=[value])


def network(spec: ChipSpec) -> bytes:
    """Two layers, 8-4-2, on one tile: the first with a rectifier, the second on the rows around `ROW`."""
    both = StepFlag.FIRST | StepFlag.LAST
    layers = (
        {"flags": both | StepFlag.RELU, "rows": 8, "inputs": 8, "pairs": 4, "outputs": 4, "width": 4, "shift": 16},
        {"flags": both | StepFlag.OUTPUT, "row": ROW - 1, "rows": 4, "inputs": 4, "pairs": 2, "outputs": 2, "width": 2, "shift": 14},
    )  # fmt: skip
    steps = np.zeros(len(layers), STEP_DTYPE)
    for step, layer in zip(steps, layers, strict=True):
        for name, value in {"tile": TILE, "scale": 40_000, **layer}.items():
            step[name] = value
    header = np.zeros((), HEADER_DTYPE)
    values = {"magic": MAGIC, "steps": len(layers), "inputs": 8, "outputs": 2, "crc": zlib.crc32(steps.tobytes())}
    for name, value in values.items():
        header[name] = value
    return header.tobytes() + steps.tobytes()


def pieces(spec: ChipSpec) -> list[list[tuple[int, bytes]]]:
    """Requests, in pieces that are sent at once: FORM, PROGRAM and READ of a row; MVM and INFER; a PULSE of a current over
    `OVER_CURRENT_A`, what is refused then, and MVM again."""
    rng = np.random.default_rng(1)
    clamp = spec.read_clamp

    def vectors(count: int) -> np.ndarray:
        return rng.integers(-clamp, clamp + 1, count * spec.rows)

    form = packed(table.FORM, tile=TILE, row=ROW, mask=[1] * CELLS + [0] * (spec.columns - CELLS))
    cells = [(int(target), 40) for target in rng.integers(100, 400, CELLS)] + [(0, 0)] * (spec.columns - CELLS)
    mvm = packed(table.MVM, tile=TILE, range=0, count=2, codes=vectors(2))
    pulse = {
        "tile": TILE, "row": ROW, "column": 2, "polarity": Polarity.RESET, "gate": spec.rail_code(spec.limits.gate_v),
        "width_ns": 1000,
    }  # fmt: skip
    weak, strong = (packed(table.PULSE, **pulse, rail=spec.rail_code(volt)) for volt in (1.0, spec.limits.reset_v))
    clear = write(registers.TRIP_CLEAR, registers.TRIP_CLEAR.key)
    state = read(registers.STATUS, 2)
    return [
        [packed(table.INFO), form, write(registers.ARM, registers.ARM.key), form],
        [packed(table.PROGRAM, tile=TILE, row=ROW, cells=cells)],
        [packed(table.READ, tile=TILE, row=ROW - 1, rows=2, samples=2), mvm],
        [packed(table.MEM_WRITE, memory=Memory.NETWORK, offset=0, data=network(spec)),
         packed(table.INFER, count=3, codes=vectors(3)), weak],
        [strong, state, mvm, weak],
        [clear, state, mvm],
        [packed(table.SERVICE, after=0), read(registers.PULSES, 3)],
    ]  # fmt: skip

"""The power fails in the middle of any flash operation of a run: what comes back is a run that goes on, with nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.firmware.machines import Machine, PowerCut, compile_native
from tests.firmware.test_answers import Both

from ohmloom.spec import core, load_chip, registers
from ohmloom.spec.commands import (
    NO_ROW,
    RUN_BEGIN,
    RUN_LOAD,
    RUN_NEXT,
    RUN_ROW,
    RUN_STATUS,
    TYPE_ERROR,
    CellStatus,
    Command,
    RowState,
    RunKind,
)
from ohmloom.spec.generate import chip_header
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric
from ohmloom_firmware import build_firmware

ROWS = ((0, 1), (0, 6), (1, 0))
RUN = 77
STATUSES = 80  # requests, each of which gives the firmware one look at the slow flash
TARGETS = np.stack([np.arange(300, 1100, 50), np.full(16, 60)], axis=1).ravel()


def ask(machine: Machine, command: Command, **values: Any) -> dict[str, Any]:
    frame_type, payload = machine.request(command.code, command.request.pack(**values))
    assert frame_type != TYPE_ERROR, (command.name, values, payload.hex())
    return command.answer.unpack(payload)


class Host:
    """What a host does: begins or goes on with its run, whatever it finds, and notes what it was told."""

    def __init__(self) -> None:
        self.told: dict[tuple[int, int], Any] = {}

    def run(self, machine: Machine) -> None:
        if ask(machine, RUN_STATUS)["run"] != RUN:
            ask(machine, RUN_BEGIN, run=RUN, kind=RunKind.PROGRAM, key=0, retries=1)
        for tile, row in ROWS:
            if ask(machine, RUN_ROW, tile=tile, row=row)["state"] == RowState.EMPTY:
                ask(machine, RUN_LOAD, tile=tile, row=row, cells=TARGETS)
        while (answer := ask(machine, RUN_NEXT))["row"] != NO_ROW:
            self.told[int(answer["tile"]), int(answer["row"])] = answer["cells"]


def power_up(machine: Machine, controller: Controller) -> None:
    machine.start(controller)
    # A run before it, whose journal has to go.
    ask(machine, RUN_BEGIN, run=1, kind=RunKind.FORM, key=registers.ARM_KEY, retries=0)
    ask(machine, RUN_LOAD, tile=1, row=1, cells=TARGETS)


def check_end(machine: Machine, host: Host) -> None:
    """Each row is done, and its bad cells are those that its last answer named, if the host got one."""
    status = ask(machine, RUN_STATUS)
    assert (status["run"], status["loaded"], status["done"], status["begun"]) == (RUN, 3, 3, 0)
    for tile, row in ROWS:
        kept = ask(machine, RUN_ROW, tile=tile, row=row)
        assert kept["state"] == RowState.DONE
        if (tile, row) in host.told:
            np.testing.assert_array_equal(kept["bad"], host.told[tile, row]["status"] != CellStatus.CONVERGED)


@pytest.mark.parametrize("columns", [12, 20, 34])
def test_columns_that_fill_no_byte(tmp_path: Path, columns: int) -> None:
    """Answers as the emulator's. When all places for a row's result are spoilt, its cells count as bad, and no others."""
    bench, rng = load_chip("bench-8x16"), np.random.default_rng(columns)
    afe = bench.afe.model_copy(update={"column_adcs": -(-columns // bench.column_adc.channels)})
    limits = bench.limits.model_copy(update={"over_current_a": 0.012})
    spec = bench.model_copy(update={"columns": columns, "afe": afe, "limits": limits})
    build_firmware(spec, tmp_path)
    machine = Machine(spec, [compile_native(tmp_path / "build", tmp_path / "native")], tmp_path)
    both = Both(machine, seed=columns)
    for kind, key in ((RunKind.FORM, registers.ARM_KEY), (RunKind.PROGRAM, 0)):
        both.ask(RUN_BEGIN, run=RUN, kind=kind, key=key, retries=2)
        for row in range(3):
            cells = np.stack([rng.choice([500, 2000], columns, p=[0.8, 0.2]), rng.integers(0, 3, columns) * 30], axis=1)
            both.ask(RUN_LOAD, tile=0, row=row, cells=cells.ravel())
        attempts = [int(both.ask(RUN_NEXT)["attempts"]) for _ in range(3)]
        both.ask(RUN_STATUS)
        for row in range(3):
            both.ask(RUN_ROW, tile=0, row=row)
    assert max(attempts) == 3
    machine.stop()

    sizes = chip_header.journal(spec)
    result = 2 * sizes["BAD_BYTES"]
    places = core.FLASH_JOURNAL + core.FLASH_SECTOR_BYTES + sizes["TARGET_BYTES"] + chip_header.MARK_BYTES
    for place in range(sizes["RECORD_RESULTS"]):
        at = places + place * result
        machine.flash[at : at + result] = [0xFE] + (result - 1) * [0xFF]  # the power went after one bit
    machine.start(machine.controller)
    rows = [ask(machine, RUN_ROW, tile=0, row=row)["bad"] for row in range(3)]
    assert rows[0].all()
    assert ask(machine, RUN_STATUS)["bad"] == sum(int(row.sum()) for row in rows)
    machine.stop()


@pytest.mark.parametrize("hurry", [False, True])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_cut_in_any_flash_operation(new_machine: Callable[[str], Machine], seed: int, hurry: bool) -> None:
    """One cut, in each operation in turn; the next power-up goes on."""
    cuts = 0
    for count in range(1, 60):
        machine = new_machine("native")
        power_up(machine, Controller(Fabric(machine.spec, ideal=True)))
        host = Host()
        if hurry:
            machine.hurry()
        machine.cut_power(count, seed=1000 * seed + 7 * count + 1)
        try:
            host.run(machine)
            for _ in range(STATUSES if hurry else 1):
                ask(machine, RUN_STATUS)
        except PowerCut:
            cuts += 1
            machine.start(machine.controller)
            host.run(machine)
            check_end(machine, host)
            machine.stop()
            continue
        check_end(machine, host)
        machine.stop()
        break
    # Erases and the run; targets and mark of each row; result of each, and begun where flash was free for it.
    assert cuts >= 3 + 2 * 3 + (3 if hurry else 2 * 3) - 1


@pytest.mark.parametrize("seed", range(6))
def test_many_cuts_in_one_run(new_machine: Callable[[str], Machine], seed: int) -> None:
    """The power goes again and again, each time a few operations further."""
    rng, machine, host = np.random.default_rng(seed), new_machine("native"), Host()
    power_up(machine, Controller(Fabric(machine.spec, ideal=True)))
    cuts = 0
    for _ in range(60):
        machine.cut_power(int(rng.integers(2, 6)), seed=int(rng.integers(1, 1 << 31)))
        try:
            host.run(machine)
            ask(machine, RUN_STATUS)
            break
        except PowerCut:
            cuts += 1
            machine.start(machine.controller)
    assert cuts >= 3
    check_end(machine, host)
    machine.stop()

"""The power fails in the middle of any flash operation of a run: what comes back is a run that goes on, with nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.firmware.machines import Machine, PowerCut

from ohmloom.spec import registers
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
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric

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

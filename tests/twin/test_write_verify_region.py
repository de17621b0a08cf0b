"""Whole regions, formed and programmed to random targets: per cell the status, pulses and code of the emulator's controller."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ohmloom.spec import commands as table
from ohmloom.spec import registers
from ohmloom.spec.commands import ANSWER, CellStatus

TOLERANCE = 12  # codes
ARM = (
    table.WRITE_REGISTERS.code,
    table.WRITE_REGISTERS.request.pack(address=registers.ARM.address, values=[registers.ARM.key]),
)


def program(boards, tile: int, rows: range, columns: range, seed: int) -> np.ndarray:
    """Forms and programs a region; the records of its cells, (rows, columns)."""
    rng = np.random.default_rng(seed)
    inside = np.isin(np.arange(boards.spec.columns), columns)
    records = []
    for row in rows:
        targets = np.where(inside, rng.integers(30, 420, inside.size), 0)
        cells = list(zip(targets.tolist(), (TOLERANCE * inside).tolist(), strict=True))
        form = table.FORM.request.pack(tile=tile, row=row, mask=inside.astype(int).tolist())
        answers = boards.ask(
            ARM,
            (table.FORM.code, form),
            (table.PROGRAM.code, table.PROGRAM.request.pack(tile=tile, row=row, cells=cells)),
        )
        assert [answer.type for answer in answers[1:]] == [table.FORM.code | ANSWER, table.PROGRAM.code | ANSWER]
        records.append(table.PROGRAM.answer.unpack(answers[-1].payload)["cells"][inside])
    boards.same_fabric()
    return np.stack(records)


@pytest.mark.parametrize("seed", range(2))
def test_a_whole_tile_of_the_bench_chip(pair: Callable, seed: int) -> None:
    cells = program(pair("bench-8x16", seed=seed), tile=1, rows=range(8), columns=range(16), seed=seed)
    assert cells.shape == (8, 16)
    assert (cells["status"] == CellStatus.CONVERGED).mean() > 0.8
    assert cells["pulses"].max() > 5
    assert set(cells["status"].flat) <= {CellStatus.CONVERGED, CellStatus.EXHAUSTED, CellStatus.STUCK}


@pytest.mark.slow  # compiles the large chip
def test_a_region_of_the_lab_chip(pair: Callable) -> None:
    boards = pair("lab-128x128x4", seed=3)
    cells = program(boards, tile=2, rows=range(40, 56), columns=range(100, 116), seed=3)
    assert cells.shape == (16, 16)
    assert (cells["status"] == CellStatus.CONVERGED).mean() > 0.8
    assert cells["pulses"].max() > 5

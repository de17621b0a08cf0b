"""The cell's calibration: NeuRRAM's published programming statistics, and what a table from the mean response makes."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ohmloom_emulator.devices import Statistical

COUNT = 20_000


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench" / "cells"))
    return importlib.import_module("neurram"), importlib.import_module("policy")


def test_published_policy_and_published_numbers(bench: tuple[ModuleType, ModuleType]) -> None:
    """Wan et al. (2022): about 8.5 pulses a cell, about 99 % converge, 0.18..0.77 % of cells fail."""
    neurram, policy = bench
    cells = neurram.Cells.formed(Statistical(), COUNT, 4)
    target = neurram.targets(COUNT, 4)
    converged, pulses, reversals = neurram.program(cells, target)
    assert 8.0 <= pulses.mean() <= 9.0
    assert 0.987 <= converged.mean() <= 0.996
    assert np.abs(cells.g - target)[converged].max() < 1e-6 + 6 * 0.4e-6  # the verify tolerance and read noise
    again = policy.program(neurram.Cells.formed(Statistical(), COUNT, 4), target, policy.neurram())
    np.testing.assert_array_equal(again.converged, converged)
    np.testing.assert_array_equal(again.pulses, pulses)
    np.testing.assert_array_equal(again.reversals, reversals)


def test_every_working_cell_reaches_its_target(bench: tuple[ModuleType, ModuleType]) -> None:
    neurram, policy = bench
    model = Statistical()
    cells = neurram.Cells.formed(model, COUNT, 6)
    outcome = policy.program(cells, neurram.targets(COUNT, 6), policy.from_mean_response(model))
    working = cells.device.stuck == 0
    assert outcome.converged[working].mean() >= 0.9995
    assert outcome.pulses.mean() <= 4.0
    assert outcome.pulses.max() <= 60

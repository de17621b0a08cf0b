"""Weights keep their sums when cells are stuck, as far as a linear programme says that they can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

import ohmloom
from ohmloom.compiler import FaultMap, compensated, weight_cells
from ohmloom.errors import ArgumentError
from ohmloom.spec import load_chip


def sums(network, targets):
    return [cells.differences(targets) for cells in weight_cells(network)]


@pytest.mark.parametrize("copies", [1, 2, 4])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_sums_are_kept_or_missed_by_the_least_possible(copies, share, bench, fault_map, random_model):
    network = ohmloom.compile(random_model([2, 4, 2]), bench, np.random.default_rng(0).random((20, 2)), copies=copies)
    faults = fault_map(bench, share, seed=copies)
    targets = compensated(network, faults, bench)
    low, high = bench.cell.g_min_siemens, bench.cell.g_max_siemens
    hit = 0
    for cells, before, after in zip(weight_cells(network), sums(network, network.targets), sums(network, targets), strict=True):
        for index in np.ndindex(before.shape):
            plus = cells.plus[index][cells.used[index]]
            members = np.concatenate([plus, plus + 1])
            sign = np.repeat([1.0, -1.0], len(plus))
            stuck, level = faults.stuck.ravel()[members], faults.conductance.ravel()[members]
            hit += stuck.any()
            # The smallest e with -e <= wanted - sum <= e over the working cells' range.
            bounds = [(g, g) if s else (low, high) for s, g in zip(stuck, level, strict=True)]
            best = linprog(
                [*np.zeros(len(members)), 1.0],
                A_ub=1e6 * np.array([[*sign, -1e-6], [*-sign, -1e-6]]), b_ub=1e6 * np.array([before[index], -before[index]]),
                bounds=[*bounds, (0, None)],
            )  # fmt: skip
            assert abs(after[index] - before[index]) == pytest.approx(1e-6 * best.fun, abs=1e-10)
    assert hit


def test_only_hit_weights_change_and_working_cells_stay_in_range(bench, fault_map, random_model):
    network = ohmloom.compile(random_model([4, 4]), bench, np.ones((2, 4)), copies=2)
    faults = fault_map(bench, 0.2)
    targets = compensated(network, faults, bench)
    used = np.isfinite(network.targets)
    np.testing.assert_array_equal(np.isfinite(targets), used)
    stuck = faults.stuck & used
    np.testing.assert_array_equal(targets[stuck], faults.conductance[stuck])
    working = targets[used & ~faults.stuck]
    assert working.min() >= bench.cell.g_min_siemens
    assert working.max() <= bench.cell.g_max_siemens
    (cells,) = weight_cells(network)
    hit = (faults.stuck.ravel()[cells.plus] | faults.stuck.ravel()[cells.plus + 1]).any(axis=-1)
    untouched = np.concatenate([cells.plus[~hit].ravel(), cells.plus[~hit].ravel() + 1])
    np.testing.assert_array_equal(targets.ravel()[untouched], network.targets.ravel()[untouched])


def test_biases_on_a_row_of_their_own_are_kept(bench, fault_map, random_model):
    network = ohmloom.compile(random_model([4, 4, 2]), bench, np.random.default_rng(0).random((20, 4)), mode="analog")
    row = np.isfinite(network.targets[0, -1])
    assert row.any()
    low, high = bench.cell.g_min_siemens, bench.cell.g_max_siemens
    for seed in range(20):
        faults = fault_map(bench, 0.3, seed)
        targets = compensated(network, faults, bench)
        for plus in np.flatnonzero(row)[::2]:
            pair = slice(plus, plus + 2)
            stuck, level = faults.stuck[0, -1, pair], faults.conductance[0, -1, pair]
            before, after = (-np.diff(g[0, -1, pair])[0] for g in (network.targets, targets))
            lowest = np.where(stuck, level, low)
            highest = np.where(stuck, level, high)
            assert after == pytest.approx(np.clip(before, lowest[0] - highest[1], highest[0] - lowest[1]), abs=1e-12)


def test_doing_it_twice_is_doing_it_once(bench, fault_map, random_model):
    network = ohmloom.compile(random_model([4, 4]), bench, np.ones((2, 4)), copies=2)
    faults = fault_map(bench, 0.3)
    once = replace(network, targets=compensated(network, faults, bench))
    np.testing.assert_allclose(compensated(once, faults, bench), once.targets, rtol=1e-12)


def test_routed_tiles_sum_rows_only(fault_map, random_model):
    """A hidden layer's other columns drive other rows of the next tile: they cannot make up for a cell."""
    lab = load_chip("lab-128x128x4")
    network = ohmloom.compile(random_model([6, 8, 4]), lab, np.random.default_rng(0).random((20, 6)), mode="analog", copies=4)
    hidden, last = weight_cells(network)
    plus = hidden.plus[2, 3, hidden.summed[0]]
    stuck = np.zeros(network.targets.shape, dtype=bool)
    stuck.ravel()[plus[0]] = True
    faults = FaultMap(stuck, np.where(stuck, 40e-6, np.nan))
    changed = np.flatnonzero(compensated(network, faults, lab).ravel() != np.nan_to_num(network.targets.ravel(), nan=np.nan))
    changed = changed[np.isfinite(network.targets.ravel()[changed])]
    assert set(changed) <= {*plus, *(plus + 1)}
    assert len(last.summed) == 1


def test_a_map_needs_the_conductance_of_every_stuck_cell():
    stuck = np.ones((1, 2, 2), dtype=bool)
    with pytest.raises(ArgumentError, match="every stuck cell needs its conductance"):
        FaultMap(stuck, np.full((1, 2, 2), np.nan))
    with pytest.raises(ArgumentError, match=r"two arrays \(tiles, rows, columns\)"):
        FaultMap(stuck, np.ones((2, 2)))

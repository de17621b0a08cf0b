"""Networks compiled around stuck cells: the same function, other places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ohmloom
from ohmloom import FaultMap, Network
from ohmloom.compiler import compensated, weight_cells
from ohmloom.compiler.network import Interface
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model
from ohmloom.spec import load_chip


@pytest.fixture
def ideal():
    """No cell is stuck here: a cell that the map calls stuck takes its target, the conductance that it is stuck at."""
    with ohmloom.connect("emu://bench-8x16", ideal=True) as chip:
        yield chip


def cost(network, model, faults, X):
    """Mean square of what stuck cells leave wrong in the last layer's sums of a one-layer model."""
    (cells,) = weight_cells(network)
    conductance = np.where(faults.stuck, faults.conductance, np.nan_to_num(network.targets))
    weights = cells.differences(conductance) / network.scales[0].siemens_per_weight
    return float(((X @ (weights - model.layers[0].weights)) ** 2).mean())


@pytest.mark.parametrize("widths", [[8, 4], [6, 7, 3], [5, 8, 4, 2]])
def test_outputs_come_in_the_models_order(widths, ideal, fault_map, random_model):
    rng = np.random.default_rng(1)
    model, X = random_model(widths), rng.random((60, widths[0]))
    faults = fault_map(ideal.spec, 0.06, seed=len(widths))
    network = ohmloom.compile(model, ideal.spec, X, faults=faults)
    moved = [network.interface.input_order != tuple(range(widths[0])), network.interface.output_order != tuple(range(widths[-1]))]
    moved += [not np.array_equal(a.bias, b.bias) for a, b in zip(network.model.layers[:-1], model.layers, strict=False)]
    assert any(moved)
    ideal.program(network, tolerance_siemens=0.07e-6)
    expected = model.forward(X)
    np.testing.assert_allclose(network.model.forward(X), expected, rtol=1e-4, atol=1e-5)  # only hidden units have moved
    got = ideal.infer(X)
    for output in range(widths[-1]):
        assert np.corrcoef(got[:, output], expected[:, output])[0, 1] > 0.95
    values = X
    for index in range(len(model.layers)):  # each layer alone, in the model's units
        ideal.load(network.layer(index))
        values = ideal.infer(values)
    assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] > 0.95


def test_classes_stay_with_their_outputs(ideal, fault_map, random_model):
    X = np.random.default_rng(1).random((60, 6))
    model = random_model([6, 4], task="classification", classes=np.array(["a", "b", "c", "d"]))
    network = ohmloom.compile(model, ideal.spec, X, faults=fault_map(ideal.spec, 0.1, seed=3))
    ideal.program(network, tolerance_siemens=0.07e-6)
    assert (ideal.predict(X) == model.predict(X)).mean() > 0.9


def test_a_dead_row_gets_the_input_that_is_always_zero(bench, random_model):
    model = random_model([8, 4])
    X = np.random.default_rng(1).random((50, 8))
    X[:, 5] = 0.0
    network = ohmloom.compile(model, bench, X, copies=1)
    (block,) = network.blocks
    stuck = np.zeros(network.targets.shape, dtype=bool)
    stuck[block.tile, block.row + 2, :] = True
    faults = FaultMap(stuck, np.where(stuck, 0.5e-6, np.nan))
    mapped = ohmloom.compile(model, bench, X, copies=1, faults=faults)
    assert mapped.interface.input_order[2] == 5
    assert cost(mapped, model, faults, X) < 0.01 * cost(network, model, faults, X)


def test_spare_pairs_carry_what_a_dead_column_cannot(bench, random_model):
    model, X = random_model([8, 5]), np.random.default_rng(1).random((50, 8))
    plain = ohmloom.compile(model, bench, X, copies=1)
    (block,) = plain.blocks
    stuck = np.zeros(plain.targets.shape, dtype=bool)
    stuck[block.tile, :, 2 * block.pair : 2 * block.pair + 2] = True
    faults = FaultMap(stuck, np.where(stuck, 1e-6, np.nan))
    network = ohmloom.compile(model, bench, X, copies=1, faults=faults)
    assert network.steps["pairs"][0] == bench.pairs
    assert "spare pairs" in network.explain()
    assert cost(network, model, faults, X) < 1e-6


def test_range_is_kept_free_where_cells_are_stuck(bench, fault_map, random_model):
    rng = np.random.default_rng(1)
    model = Model((Layer(rng.choice([-1.0, 1.0], (4, 4)), np.zeros(4), "none"),), "regression")
    X = rng.random((50, 4))
    whole = ohmloom.compile(model, bench, X, copies=4)
    faulty = ohmloom.compile(model, bench, X, copies=4, faults=fault_map(bench, 0.2))
    assert faulty.scales[0].siemens_per_weight < whole.scales[0].siemens_per_weight


@pytest.mark.parametrize("seed", range(5))
def test_mapping_costs_less_than_repair_alone(seed, bench, fault_map, random_model):
    model, X = random_model([8, 6], seed=seed), np.random.default_rng(seed).random((50, 8))
    faults = fault_map(bench, 0.15, seed=seed)
    plain = ohmloom.compile(model, bench, X)
    repaired = replace(plain, targets=compensated(plain, faults, bench))
    mapped = ohmloom.compile(model, bench, X, faults=faults)
    assert cost(mapped, model, faults, X) < cost(repaired, model, faults, X) < cost(plain, model, faults, X)


def test_no_faults_change_no_order(bench, random_model):
    X = np.random.default_rng(1).random((20, 6))
    faults = FaultMap(np.zeros((2, 8, 16), dtype=bool), np.full((2, 8, 16), np.nan))
    network = ohmloom.compile(random_model([6, 4, 3]), bench, X, faults=faults)
    plain = ohmloom.compile(random_model([6, 4, 3]), bench, X)
    assert network.interface.input_order == tuple(range(6))
    np.testing.assert_array_equal(network.targets, plain.targets)


def test_files_and_notes_keep_the_orders(tmp_path, bench, fault_map, random_model):
    X = np.random.default_rng(1).random((20, 6))
    network = ohmloom.compile(random_model([6, 4, 3]), bench, X, faults=fault_map(bench, 0.2))
    network.save(tmp_path / "network.npz")
    loaded = Network.load(tmp_path / "network.npz")
    assert loaded.interface.to_json() == network.interface.to_json()
    assert loaded.scales == network.scales
    assert Interface.from_json(network.interface.to_json()).to_json() == network.interface.to_json()
    assert network.interface.output_order is not None


def test_analog_mode_is_mapped_as_well(fault_map, random_model):
    rng = np.random.default_rng(1)
    model, X = random_model([6, 5, 3]), rng.random((40, 6))
    with ohmloom.connect("emu://lab-128x128x4", ideal=True) as chip:
        faults = fault_map(chip.spec, 0.02)
        network = ohmloom.compile(model, chip.spec, X, mode="analog", copies=1, faults=faults)
        chip.program(network, tolerance_siemens=0.07e-6)
        expected, got = model.forward(X), chip.infer(X)
    for output in range(3):
        assert np.corrcoef(got[:, output], expected[:, output])[0, 1] > 0.95


def test_another_chips_map_is_refused(fault_map, random_model, bench):
    with pytest.raises(ArgumentError, match="a map of bench-8x16"):
        ohmloom.compile(random_model([4, 2]), bench, np.ones((2, 4)), faults=fault_map(load_chip("lab-128x128x4"), 0.1))


def test_full_scale_leaves_room_and_clips_what_is_beyond(bench):
    model = Model((Layer(np.array([[1.0], [0.25]]), np.zeros(1), "none"),), "regression")
    cell = bench.cell
    span = cell.g_max_siemens - cell.g_min_siemens
    half = ohmloom.compile(model, bench, np.ones((2, 2)), copies=1, full_scale=[2.0])
    clipped = ohmloom.compile(model, bench, np.ones((2, 2)), copies=1, full_scale=[0.5])
    np.testing.assert_allclose(half.targets[0, :2, 0], cell.g_min_siemens + span * np.array([0.5, 0.125]))
    np.testing.assert_allclose(clipped.targets[0, :2, 0], cell.g_min_siemens + span * np.array([1.0, 0.5]))

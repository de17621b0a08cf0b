"""Finding stuck cells over the link, and what repair and fine-tuning do on chips that have them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

import ohmloom
from ohmloom.compiler import weight_cells
from ohmloom.demos import demo_class
from ohmloom.errors import ArgumentError
from ohmloom.train import ChipNoise, train_mlp


@pytest.fixture
def faulty():
    with ohmloom.connect("emu://bench-8x16", seed=3, stuck=0.15) as chip:
        yield chip


def fabric(chip):
    return chip._session._wire._port.board.fabric


def test_the_map_is_what_the_fabric_says(faulty):
    faults = faulty.find_faults()
    truth = np.stack([tile.devices.stuck != 0 for tile in fabric(faulty).tiles])
    level = np.stack([tile.devices.initial_siemens for tile in fabric(faulty).tiles])
    assert 20 < truth.sum() < 60
    np.testing.assert_array_equal(faults.stuck, truth)
    np.testing.assert_allclose(faults.conductance[truth], level[truth], atol=0.5e-6, rtol=0.02)
    assert np.isnan(faults.conductance[~truth]).all()


def weight_error(chip, network):
    conductance = np.stack([chip.read_conductance(tile, samples=8) for tile in range(chip.spec.tiles)])
    read = [
        cells.differences(conductance) / scale.siemens_per_weight
        for cells, scale in zip(weight_cells(network), network.scales, strict=True)
    ]
    return [float((w - layer.weights).std()) for w, layer in zip(read, network.model.layers, strict=True)]


def test_repair_and_map_bring_weights_closer(faulty, random_model):
    model, X = random_model([4, 4]), np.random.default_rng(0).random((30, 4))
    plain = ohmloom.compile(model, faulty.spec, X, copies=2)
    faulty.program(plain, repair=False)
    (broken,) = weight_error(faulty, plain)
    faulty.program(plain)
    (repaired,) = weight_error(faulty, plain)
    mapped = ohmloom.compile(model, faulty.spec, X, copies=2, faults=faulty.find_faults())
    faulty.program(mapped)
    (around,) = weight_error(faulty, mapped)
    assert around < repaired < 0.7 * broken


def blobs(samples=300, seed=0):
    """Three classes of 4 features within 0..1, a little overlapping."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=samples)
    centres = np.array([[0.2, 0.8, 0.3, 0.5], [0.7, 0.3, 0.2, 0.6], [0.5, 0.5, 0.9, 0.1]])
    return np.clip(centres[labels] + rng.normal(0, 0.12, (samples, 4)), 0, 1), np.array(["x", "y", "z"])[labels]


def test_fine_tuning_learns_what_the_chip_does(faulty):
    X, y = blobs()
    X_test, y_test = blobs(seed=1)
    model = train_mlp(X, y, hidden=(6,), epochs=60)
    network = ohmloom.compile(model, faulty.spec, X, copies=1)
    faulty.program(network, repair=False)
    before = (faulty.predict(X_test) == y_test).mean()
    first = fabric(faulty).state()
    tuned = faulty.fine_tune(network, X, y)
    after = (faulty.predict(X_test) == y_test).mean()
    software = (model.predict(X_test) == y_test).mean()
    assert before < software - 0.05
    assert after > software - 0.03
    np.testing.assert_array_equal(tuned.model.layers[0].weights, model.layers[0].weights)
    assert np.abs(tuned.model.layers[1].weights - model.layers[1].weights).max() > 0.01
    # The first layer's cells had no pulse.
    block = network.blocks[0]
    rows, columns = slice(block.row, block.row + block.rows), slice(2 * block.pair, 2 * (block.pair + block.pairs))
    key = f"tile{block.tile}_pulses"
    np.testing.assert_array_equal(fabric(faulty).state()[key][rows, columns], first[key][rows, columns])


def test_fine_tuning_of_values(faulty):
    rng = np.random.default_rng(0)
    X = rng.random((300, 4))
    y = np.stack([X @ [1.0, -2.0, 0.5, 1.0], np.abs(X[:, 0] - X[:, 1])], axis=1)
    model = train_mlp(X, y, hidden=(6,), task="regression", epochs=60)
    network = ohmloom.compile(model, faulty.spec, X, copies=1)
    faulty.program(network, repair=False)
    before = ((faulty.predict(X) - y) ** 2).mean()
    faulty.fine_tune(network, X, y)
    assert ((faulty.predict(X) - y) ** 2).mean() < 0.5 * before


@pytest.mark.parametrize(("X", "y", "options", "message"), [
    (np.ones((2, 3)), ["x", "y"], {}, r"X: shape \(samples, 4\)"),
    (np.ones((2, 4)), ["x"], {}, "2 labels or values wanted"),
    (np.ones((2, 4)), ["x", "q"], {}, "is not one of the classes x, y, z"),
    (np.full((2, 4), np.nan), ["x", "y"], {}, "must be finite"),
    (np.ones((2, 4)), ["x", "y"], {"epochs": 0}, "epochs of 1 or more"),
])  # fmt: skip
def test_wrong_data_touch_nothing(X, y, options, message, faulty):
    data = blobs(60)
    network = ohmloom.compile(train_mlp(*data, hidden=(4,), epochs=2), faulty.spec, data[0])
    faulty.program(network)
    pulses = faulty.info()["registers"]["pulses"]
    with pytest.raises(ArgumentError, match=message):
        faulty.fine_tune(network, X, y, **options)
    assert faulty.info()["registers"]["pulses"] == pulses


def test_analog_mode_cannot_be_tuned_layer_by_layer(random_model):
    with ohmloom.connect("emu://lab-128x128x4", ideal=True) as chip:
        X = np.random.default_rng(0).random((10, 4))
        network = ohmloom.compile(random_model([4, 3, 2]), chip.spec, X, mode="analog")
        with pytest.raises(ArgumentError, match="no converters between its layers"):
            chip.fine_tune(network, X, np.zeros((10, 2)))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_digits_lose_at_most_a_point_with_ten_percent_stuck():
    losses = []
    for seed in range(5):
        with ohmloom.connect("emu://lab-128x128x4", seed=seed, stuck=0.1) as chip:
            data = demo_class("digits")().data(chip.spec, seed)
            noise = ChipNoise.of(chip.spec, 1.0)
            model = train_mlp(data.X_train, data.y_train, hidden=data.hidden, noise=noise, seed=seed)
            network = ohmloom.compile(model, chip.spec, data.X_train, faults=chip.find_faults())
            chip.program(network)
            chip.fine_tune(network, data.X_train, data.y_train, seed=seed)
            chip.advance(1.0)
            chip_right, software_right = (
                (predict(data.X_test) == data.y_test).mean() for predict in (chip.predict, model.predict)
            )
            losses.append(100 * (software_right - chip_right))
    assert np.mean(losses) <= 1.0


def test_cells_stuck_beyond_the_converter_are_compiled_around(tmp_path, random_model):
    """At 100 kilohm the converter ends at 62 uS, below the cells that are stuck on."""
    file = tmp_path / "fine.toml"
    text = (files("ohmloom.spec") / "chips" / "bench-8x16.toml").read_text("utf-8")
    file.write_text(text.replace("47000.0", "100000.0"), "utf-8")
    with ohmloom.connect(f"emu://{file}", seed=3, stuck=0.15) as chip:
        faults = chip.find_faults()
        assert (faults.conductance[faults.stuck] > 60e-6).any()
        model, X = random_model([4, 4]), np.random.default_rng(0).random((30, 4))
        network = ohmloom.compile(model, chip.spec, X, copies=2, faults=faults)
        report = chip.program(network)
        assert report.failed.any()  # what is stuck beyond the converter is never where it should be
        assert not (report.failed & ~faults.stuck).any()

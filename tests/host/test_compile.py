"""Where layers lie, how weights become conductances, and networks as files."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ohmloom
from ohmloom.compiler.placement import place
from ohmloom.errors import ArgumentError
from ohmloom.spec import load_chip
from ohmloom.spec.network import StepFlag

BENCH, LAB = load_chip("bench-8x16"), load_chip("lab-128x128x4")
COPIES = st.sampled_from([1, 2, 4, 8, 16])


@st.composite
def stacks(draw, chip):
    """Widths of a stack of layers that may or may not fit the chip."""
    widths = draw(st.lists(st.integers(1, 3 * chip.rows), min_size=2, max_size=5))
    return list(itertools.pairwise(widths))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), chip=st.sampled_from([BENCH, LAB]), copies=COPIES)
def test_blocks_lie_on_the_chip_do_not_overlap_and_cover_each_weight_once(data, chip, copies):
    shapes = data.draw(stacks(chip))
    try:
        blocks = place(shapes, copies, chip)
    except ArgumentError as error:
        assert "too large" in str(error)  # noqa: PT017 - a refusal is as good as a placement
        return
    cells = np.zeros((chip.tiles, chip.rows, chip.pairs), dtype=int)
    weights = [np.zeros(shape, dtype=int) for shape in shapes]
    for block in blocks:
        assert 0 <= block.tile < chip.tiles
        assert block.row >= 0
        assert block.pair >= 0
        assert block.row + block.rows <= chip.rows
        assert block.pair + block.pairs <= chip.pairs
        cells[block.tile, block.row : block.row + block.rows, block.pair : block.pair + block.pairs] += 1
        weights[block.layer][block.input : block.input + block.inputs, block.output : block.output + block.outputs] += 1
        assert block.row_copies * block.pair_copies <= copies
    assert cells.max() == 1
    assert all((weight == 1).all() for weight in weights)
    assert [block.layer for block in blocks] == sorted(block.layer for block in blocks)


@pytest.mark.parametrize(("shapes", "fits"), [
    ([(8, 8)], True), ([(8, 8), (8, 8)], True), ([(8, 8)] * 3, False), ([(16, 8)], True), ([(17, 8)], False), ([(8, 16)], True),
    ([(8, 17)], False), ([(4, 8)] * 4, True), ([(4, 8)] * 5, False), ([(8, 4)] * 4, True), ([(4, 4)] * 8, True), ([(4, 4)] * 9, False),
    ([(5, 8), (3, 8), (6, 8), (2, 8)], True), ([(1, 1)] * 128, True), ([(1, 1)] * 129, False),
], ids=str)  # fmt: skip
def test_what_fits_is_placed_and_what_does_not_is_refused(shapes, fits):
    if fits:
        assert len(place(shapes, 1, BENCH)) >= len(shapes)
    else:
        with pytest.raises(ArgumentError, match="too large for bench-8x16: 2 tiles of 8 rows x 8 pairs"):
            place(shapes, 1, BENCH)


def test_copies_are_taken_where_they_fit():
    (block,) = place([(3, 2)], 4, BENCH)
    assert (block.row_copies, block.pair_copies) == (2, 2)
    (block,) = place([(8, 2)], 4, BENCH)
    assert (block.row_copies, block.pair_copies) == (1, 4)
    assert all(block.row_copies == block.pair_copies == 1 for block in place([(16, 2)], 4, BENCH))


@pytest.mark.parametrize("copies", [0, 3, 32, "all", None])
def test_copies_that_are_not_allowed(random_model, copies):
    with pytest.raises(ArgumentError, match="copies"):
        ohmloom.compile(random_model([3, 2]), BENCH, np.eye(3), copies=copies)


def test_auto_copies_take_what_fits(random_model):
    def pairs(widths):
        network = ohmloom.compile(random_model(widths), BENCH, np.ones((2, widths[0])))
        return network.cells / 2 / sum(a * b for a, b in itertools.pairwise(widths))

    assert pairs([4, 4]) == 4
    assert pairs([8, 8]) == 1
    assert pairs([2, 2]) == 4


def test_weights_are_pairs_of_conductances(random_model):
    model = random_model([5, 3])
    network = ohmloom.compile(model, BENCH, np.eye(5), copies=1)
    (block,) = network.blocks
    g = network.targets[block.tile, block.row : block.row + 5, 2 * block.pair : 2 * (block.pair + 3)]
    weights = model.layers[0].weights
    np.testing.assert_allclose((g[:, 0::2] - g[:, 1::2]) / 39e-6, weights / np.abs(weights).max(), atol=1e-12)
    np.testing.assert_allclose(np.minimum(g[:, 0::2], g[:, 1::2]), 1e-6, rtol=1e-9)
    assert g.max() == pytest.approx(40e-6)
    assert np.isfinite(network.targets).sum() == network.cells == 30


def test_tia_range_is_the_finest_that_holds_the_currents(random_model):
    """47 kohm takes 24 uA within 90 % of 1.25 V: one cell of 40 uS at 0.2 V gives 8 uA, four of them 32 uA."""
    few = ohmloom.Model((ohmloom.Layer(np.ones((2, 1)), np.zeros(1), "none"),), "regression")
    many = ohmloom.Model((ohmloom.Layer(np.ones((4, 1)), np.zeros(1), "none"),), "regression")
    assert ohmloom.compile(few, BENCH, np.ones((5, 2)), copies=1).steps["range"].tolist() == [1]
    assert ohmloom.compile(many, BENCH, np.ones((5, 4)), copies=1).steps["range"].tolist() == [0]
    small = np.vstack([np.ones((1, 4)) * 0.5, np.eye(4)])  # never more than half the rows at once
    assert ohmloom.compile(many, BENCH, small, copies=1).steps["range"].tolist() == [1]


def test_currents_beyond_the_widest_range_get_less_drive():
    """128 cells of 40 uS at 0.2 V give 1 mA: 7 V at 6.8 kohm."""
    wide = ohmloom.Model((ohmloom.Layer(np.ones((128, 1)), np.zeros(1), "none"),), "regression")
    network = ohmloom.compile(wide, LAB, np.ones((3, 128)), copies=1)
    volts = network.interface.codes(np.ones((1, 128))) * 2.5 / 4096
    peak_v = (volts @ network.targets[0, :, :2])[0, 0] * 6800
    assert 0.8 * 1.25 <= peak_v <= 0.91 * 1.25
    assert network.steps["range"].tolist() == [0]


def test_steps_say_where_layers_begin_and_end(random_model):
    network = ohmloom.compile(random_model([12, 6, 2]), LAB, np.ones((2, 12)), copies=1)
    assert network.steps["flags"].tolist() == [
        StepFlag.FIRST | StepFlag.LAST | StepFlag.RELU,
        StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT,
    ]
    tall = ohmloom.compile(random_model([16, 6]), BENCH, np.ones((2, 16)), copies=1)
    assert tall.steps["flags"].tolist() == [StepFlag.FIRST, StepFlag.LAST | StepFlag.OUTPUT]
    assert tall.steps["input"].tolist() == [0, 8]


@pytest.mark.parametrize(("X", "named"), [
    (np.ones((3, 2)), "shape"), (np.ones(3), "shape"), (np.ones((0, 3)), "shape"), ([[1.0, np.nan, 1.0]], "NaN"), ([[np.inf] * 3], "NaN"),
], ids=["width", "vector", "none", "NaN", "infinity"])  # fmt: skip
def test_bad_calibration_data(random_model, X, named):
    with pytest.raises(ArgumentError, match=named):
        ohmloom.compile(random_model([3, 2]), BENCH, X)


def test_what_the_controller_cannot_take_is_refused(random_model):
    with pytest.raises(ArgumentError, match="1025 wide"):
        ohmloom.compile(random_model([1025, 2]), LAB, np.ones((1, 1025)))
    with pytest.raises(ArgumentError, match="steps"):
        ohmloom.compile(random_model([1] * 70), LAB, np.ones((1, 1)), copies=1)
    faint = ohmloom.Layer(1e-200 * np.eye(2), np.ones(2), "none")
    with pytest.raises(ArgumentError, match="layer 0: its scale does not fit"):
        ohmloom.compile(ohmloom.Model((faint,), "regression"), BENCH, np.eye(2))


def test_vector_that_no_frame_holds_is_refused():
    """A chip of many narrow tiles: 400 inputs take 602 bytes, frames hold 128."""
    content = BENCH.model_dump() | {"tiles": 100, "columns": 16}
    content["link"] = {**content["link"], "payload_bytes": 128}
    content["controller"] = {**content["controller"], "width": 512, "steps": 64}
    spec = ohmloom.ChipSpec(**content)
    model = ohmloom.Model((ohmloom.Layer(np.ones((400, 2)), np.zeros(2), "none"),), "regression")
    with pytest.raises(ArgumentError, match="400 inputs"):
        ohmloom.compile(model, spec, np.ones((2, 400)))


@pytest.mark.parametrize("weights", [np.zeros((3, 2)), np.array([[1e-30, 0], [0, 0], [0, 0]])])
def test_degenerate_weights_and_data_compile(weights):
    model = ohmloom.Model((ohmloom.Layer(weights, np.zeros(2), "none"),), "regression")
    for X in (np.zeros((2, 3)), np.ones((2, 3))):
        try:
            network = ohmloom.compile(model, BENCH, X)
        except ArgumentError as error:
            assert "scale" in str(error)  # noqa: PT017
            continue
        with ohmloom.connect("emu://bench-8x16", ideal=True) as chip:
            chip.program(network)
            np.testing.assert_allclose(chip.infer(X), 0.0, atol=1e-9)


def test_explain_names_every_choice(random_model):
    text = ohmloom.compile(random_model([5, 4, 2]), BENCH, np.ones((2, 5)), copies=1).explain()
    first, *layers = text.splitlines()
    assert "bench-8x16" in first
    assert "2 layers" in first
    assert len(layers) == 2
    for index, line in enumerate(layers):
        for word in (f"layer {index}", "tile", "rows", "pairs", "TIA range", "ohm", "codes", "uS"):
            assert word in line


# Files


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    layers = (
        ohmloom.Layer(rng.normal(size=(5, 4)), rng.normal(size=4), "relu"),
        ohmloom.Layer(rng.normal(size=(4, 3)), rng.normal(size=3), "none"),
    )
    network = ohmloom.compile(
        ohmloom.Model(layers, "classification", np.array(["a", "b", "c"])), BENCH, rng.normal(size=(20, 5))
    )
    path = tmp_path_factory.mktemp("network") / "net.npz"
    network.save(path)
    return network, path


def assert_equal(first, second):
    assert (first.chip, first.digest, first.blocks, first.notes) == (
        second.chip,
        second.digest,
        second.blocks,
        second.notes,
    )
    np.testing.assert_array_equal(first.targets, second.targets)
    np.testing.assert_array_equal(first.biases, second.biases)
    assert first.memory() == second.memory()
    assert first.interface.to_json() == second.interface.to_json()
    np.testing.assert_array_equal(first.model.classes, second.model.classes)
    for one, other in zip(first.model.layers, second.model.layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.bias, other.bias)
        assert one.activation == other.activation


def test_saved_network_is_loaded_as_it_was(file):
    network, path = file
    loaded = ohmloom.Network.load(path)
    assert_equal(loaded, network)
    with ohmloom.connect("emu://bench-8x16", ideal=True) as chip:
        chip.program(loaded)
        assert chip.infer(np.zeros((2, 5))).shape == (2, 3)


@pytest.mark.parametrize(
    "classes",
    [np.array([0, 1, 2]), np.array([0.5, 1.5, 2.5]), np.array([True, False, True]), np.array(["x", "y", "z"])],
)
def test_classes_keep_their_type(tmp_path, classes):
    layer = ohmloom.Layer(np.eye(3), np.zeros(3), "none")
    network = ohmloom.compile(ohmloom.Model((layer,), "classification", classes), BENCH, np.eye(3))
    network.save(tmp_path / "net.npz")
    loaded = ohmloom.Network.load(tmp_path / "net.npz").model.classes
    assert loaded.dtype.kind == classes.dtype.kind
    np.testing.assert_array_equal(loaded, classes)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), end=st.booleans())
def test_any_flipped_bit_is_found_or_harmless(file, tmp_path, place, bit, end):
    network, path = file
    content = bytearray(path.read_bytes())
    place %= 1500 if end else len(content)
    content[-1 - place if end else place] ^= 1 << bit
    (tmp_path / "flipped.npz").write_bytes(content)
    try:
        loaded = ohmloom.Network.load(tmp_path / "flipped.npz")
    except ArgumentError:
        return
    assert_equal(loaded, network)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match="not a compiled network"):
        ohmloom.Network.load(path)


def test_missing_file_and_chips_state_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="net"):
        ohmloom.Network.load(tmp_path / "net.npz")
    ohmloom.connect("emu://bench-8x16", state=tmp_path / "chip.npz").close()
    with pytest.raises(ArgumentError, match="not a compiled network"):
        ohmloom.Network.load(tmp_path / "chip.npz")

"""ONNX graphs, built by hand, against ONNX's own reference evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import ohmloom
from ohmloom.errors import ArgumentError


def weights(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def graph(nodes, constants, shape=("n", 6)):
    """An ONNX model with input x of `shape`, of nodes (op, inputs, attributes) whose outputs are t0, t1, ... and the last y."""
    made, inputs_of = [], "x"
    for index, (op, inputs, attributes) in enumerate(nodes):
        name = "y" if index == len(nodes) - 1 else f"t{index}"
        made.append(helper.make_node(op, [inputs_of if i is None else i for i in inputs], [name], name=f"n{index}", **attributes))
        inputs_of = name
    return helper.make_model(
        helper.make_graph(
            made, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", "m"))],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
    )  # fmt: skip


def saved(model, path):
    onnx.save(model, path)
    return path


MLP = [("Gemm", [None, "w0", "b0"], {"transB": 1}), ("Relu", [None], {}), ("Gemm", [None, "w1", "b1"], {"alpha": 0.5, "beta": 2.0})]
MLP_CONSTANTS = {"w0": weights(5, 6), "b0": weights(5), "w1": weights(5, 3), "b1": weights(1, 3)}

CHAINS = {
    "gemm": (MLP, MLP_CONSTANTS, ("n", 6)),
    "matmul and add": (
        [("MatMul", [None, "w0"], {}), ("Add", ["b0", None], {}), ("Relu", [None], {}), ("MatMul", [None, "w1"], {}), ("Add", [None, "b1"], {})],
        {"w0": weights(6, 4), "b0": weights(4), "w1": weights(4, 2), "b1": weights(1, 2)}, (1, 6),
    ),
    "identity, dropout, softmax": (
        [("Identity", [None], {}), *MLP[:2], ("Dropout", [None], {}), MLP[2], ("LogSoftmax", [None], {})], MLP_CONSTANTS, ("n", 6)
    ),
    "convolutions": (
        [
            ("Conv", [None, "k0", "b0"], {"pads": [1, 0, 2, 1], "strides": [2, 1], "dilations": [1, 2]}), ("Relu", [None], {}),
            ("Conv", [None, "k1"], {"group": 2}), ("Add", [None, "b1"], {}), ("Relu", [None], {}), ("Flatten", [None], {}),
            ("Gemm", [None, "w", "b"], {}),
        ],
        {
            "k0": weights(4, 2, 3, 2), "b0": weights(4), "k1": weights(6, 2, 2, 2), "b1": weights(6, 1, 1),
            "w": weights(6 * 3 * 4, 3), "b": weights(3),
        },
        ("n", 2, 7, 6),
    ),
    "reshape": (
        [("Conv", [None, "k"], {"auto_pad": "VALID"}), ("Reshape", [None, "s"], {}), ("MatMul", [None, "w"], {})],
        {"k": weights(2, 1, 3, 3), "s": np.array([0, 8]), "w": weights(8, 3)}, ("n", 1, 4, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("nodes", "constants", "shape"), CHAINS.values(), ids=CHAINS)
def test_supported_graphs_compute_what_onnx_says(nodes, constants, shape, tmp_path):
    model = graph(nodes, constants, shape)
    X = weights(1 if shape[0] == 1 else 7, *shape[1:], seed=1)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": X})
    loaded = ohmloom.load_onnx(saved(model, tmp_path / "m.onnx"))
    outputs = loaded.forward(X.reshape(len(X), -1), np.float64)
    if nodes[-1][0] == "LogSoftmax":  # left out: the differences between classes stay
        outputs, expected = (values - values.max(axis=1, keepdims=True) for values in (outputs, expected))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_constants_may_be_nodes(tmp_path):
    model = graph([("MatMul", [None, "w"], {})], {})
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weights(6, 2))))
    X = weights(3, 6, seed=1)
    np.testing.assert_allclose(ohmloom.load_onnx(saved(model, tmp_path / "m.onnx")).forward(X), X @ weights(6, 2), rtol=1e-5)


def test_task_and_classes(tmp_path):
    path = saved(graph(MLP, MLP_CONSTANTS), tmp_path / "m.onnx")
    np.testing.assert_array_equal(ohmloom.load_onnx(path).classes, [0, 1, 2])
    np.testing.assert_array_equal(ohmloom.load_onnx(path, classes=["a", "b", "c"]).classes, ["a", "b", "c"])
    assert ohmloom.load_onnx(path, task="regression").classes is None


def test_open_shape_is_asked_for(tmp_path):
    path = saved(graph(MLP, MLP_CONSTANTS, ("n", "features")), tmp_path / "m.onnx")
    with pytest.raises(ArgumentError, match="give input_shape"):
        ohmloom.load_onnx(path)
    assert ohmloom.load_onnx(path, input_shape=(6,)).inputs == 6


@pytest.mark.parametrize(("nodes", "constants", "shape", "message"), [
    ([*MLP, ("Sigmoid", [None], {})], MLP_CONSTANTS, ("n", 6), r"node 'n3' \(Sigmoid\) is not supported; supported: Gemm, MatMul"),
    ([("Conv", [None, "k"], {}), ("MaxPool", [None], {"kernel_shape": [2, 2]})], {"k": weights(2, 1, 3, 3)}, ("n", 1, 6, 6), "MaxPool"),
    ([("Relu", [None], {}), *MLP], MLP_CONSTANTS, ("n", 6), "ReLU before the first layer"),
    ([MLP[0], ("Add", [None, "x"], {})], MLP_CONSTANTS | {"w0": weights(6, 6), "b0": weights(6)}, ("n", 6), "'x' is not a constant"),
    ([("Gemm", [None, "w0", "b0"], {"transA": 1})], MLP_CONSTANTS, (6, 6), "transposed"),
    ([("MatMul", ["w0", None], {})], MLP_CONSTANTS, (6, 2), "on the right"),
    ([MLP[0], ("Relu", [None], {}), ("Add", [None, "b0"], {})], MLP_CONSTANTS, ("n", 6), "only the sums of a dense layer"),
    ([("Conv", [None, "k"], {"auto_pad": "SAME_UPPER"})], {"k": weights(2, 1, 3, 3)}, ("n", 1, 6, 6), "SAME_UPPER is not supported: give pads"),
    ([("Conv", [None, "k"], {})], {"k": weights(2, 1, 3)}, ("n", 1, 6), r"over \(height, width\)"),
    ([("Conv", [None, "k"], {})], {"k": weights(2, 1, 3, 3)}, ("n", 1, 2, 6), "larger than its padded input"),
    ([("Conv", [None, "k"], {})], {"k": weights(64, 1, 3, 3)}, ("n", 1, 64, 64), "more than 16777216 weights"),
    ([("Gemm", [None, "w0", "b0"], {"transB": 1})], MLP_CONSTANTS, ("n", 7), r"weights \(6, 5\) do not fit its input of shape \(7,\)"),
    ([("Conv", [None, "k"], {}), ("Gemm", [None, "w"], {})], {"k": weights(1, 1, 1, 1), "w": weights(4, 2)}, ("n", 1, 2, 2), "flatten it first"),
    ([("Softmax", [None], {}), *MLP], MLP_CONSTANTS, ("n", 6), "behind a softmax"),
    ([("Flatten", [None], {"axis": 2}), *MLP], MLP_CONSTANTS, ("n", 6, 1), "axis 1 is supported"),
    ([("Flatten", [None], {})], {}, ("n", 6), "nothing to put on a chip"),
])  # fmt: skip
def test_what_is_not_supported_is_named(nodes, constants, shape, message, tmp_path):
    path = saved(graph(nodes, constants, shape), tmp_path / "m.onnx")
    with pytest.raises(ArgumentError, match=message):
        ohmloom.load_onnx(path)


def test_branches_are_refused(tmp_path):
    model = graph([*MLP[:2], MLP[2]], MLP_CONSTANTS | {"w1": weights(6, 3)})
    model.graph.node[2].input[0] = "x"
    with pytest.raises(ArgumentError, match="branches are not supported"):
        ohmloom.load_onnx(saved(model, tmp_path / "m.onnx"))


def test_softmax_of_a_regression_is_refused(tmp_path):
    path = saved(graph([*MLP, ("Softmax", [None], {})], MLP_CONSTANTS), tmp_path / "m.onnx")
    with pytest.raises(ArgumentError, match="at the end of a classification only"):
        ohmloom.load_onnx(path, task="regression")


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        ohmloom.load_onnx(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07garbage")
    with pytest.raises(ArgumentError, match="not a valid ONNX file"):
        ohmloom.load_onnx(tmp_path / "bad.onnx")


def test_an_imported_network_runs_on_a_chip(tmp_path):
    nodes = [("Gemm", [None, "w0", "b0"], {}), ("Relu", [None], {}), ("Gemm", [None, "w1", "b1"], {})]
    constants = {"w0": weights(6, 5), "b0": weights(5), "w1": weights(5, 3), "b1": weights(3)}
    model = ohmloom.load_onnx(saved(graph(nodes, constants), tmp_path / "m.onnx"))
    X = weights(40, 6, seed=2)
    with ohmloom.connect("emu://bench-8x16", ideal=True) as chip:
        chip.program(ohmloom.compile(model, chip.spec, X), tolerance_siemens=0.1e-6)
        error = chip.infer(X) - model.forward(X)
    assert np.abs(error).max() < 0.05 * np.abs(model.forward(X)).max()

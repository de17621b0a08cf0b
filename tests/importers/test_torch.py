"""torch modules against torch's own forward pass; left out where torch is not installed, as it is large."""

from __future__ import annotations

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import ArgumentError

torch = pytest.importorskip("torch")
nn = torch.nn

MODULES = {
    "dense": (lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3, bias=False)), (6,)),
    "nested": (lambda: nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(6, 4)), nn.Identity(), nn.ReLU(), nn.Linear(4, 2)), (6,)),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)), nn.ReLU(),
            nn.Conv2d(4, 6, 3, groups=2, padding="same"), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4 * 4, 3),
        ),
        (2, 7, 6),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), MODULES.values(), ids=MODULES)
def test_modules_compute_what_torch_does(make, shape):
    torch.manual_seed(0)
    module = make().eval()
    X = torch.randn(5, *shape)
    with torch.no_grad():
        expected = module(X).numpy()
    model = ohmloom.from_torch(module, input_shape=shape if len(shape) > 1 else None)
    np.testing.assert_allclose(model.forward(X.reshape(5, -1).numpy(), np.float64), expected, rtol=1e-4, atol=1e-5)


def test_last_softmax_is_left_out():
    module = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    X = torch.randn(20, 4)
    np.testing.assert_array_equal(ohmloom.from_torch(module).predict(X.numpy()), module(X).argmax(dim=1).numpy())


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.Linear(2, 2), "torch.nn.Sequential wanted, given Linear"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), r"module 1 \(Sigmoid\) is not supported here; supported: Sequential"),
    (lambda: nn.Sequential(nn.Softmax(dim=1), nn.Linear(2, 2)), r"module 0 \(Softmax\)"),
    (lambda: nn.Sequential(nn.Conv2d(1, 2, 3)), "give input_shape"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Flatten(start_dim=0)), "start_dim 1"),
    (lambda: nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 2)), r"module 1 \(Linear\): weights \(2, 2\) do not fit"),
])  # fmt: skip
def test_what_is_not_supported_is_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        ohmloom.from_torch(make())


def test_other_padding_modes_are_refused():
    module = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(ArgumentError, match="padding_mode"):
        ohmloom.from_torch(module, input_shape=(1, 4, 4))

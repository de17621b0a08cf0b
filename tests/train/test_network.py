import numpy as np
import pytest

from ohmloom.train.network import Network, cross_entropy, half_square
from ohmloom.train.noise import ChipNoise

LEVELS = 2**40  # rounding far below the finite differences


def chip(pair_sigma=0.0, column_sigma=0.0, read_levels=LEVELS):
    return ChipNoise(np.full(257, pair_sigma), read_levels, column_sigma)


def batch(rng, outputs, loss):
    X = rng.uniform(-1.0, 1.0, (3, 5, 4))
    targets = rng.random((3, 5, outputs))
    return X, targets / targets.sum(axis=-1, keepdims=True) if loss is cross_entropy else targets


@pytest.mark.parametrize("loss", [cross_entropy, half_square])
@pytest.mark.parametrize(
    ("hidden", "noise"),
    [
        ((), None),
        ((6, 5), None),
        ((), chip(pair_sigma=0.05, column_sigma=0.1)),
        ((6, 5), chip(pair_sigma=0.05)),
    ],
)
def test_gradient_agrees_with_finite_differences(hidden, noise, loss):
    rng = np.random.default_rng(3)
    X, targets = batch(rng, 3, loss)
    network = Network((4, *hidden, 3), 1 / 3, noise, rng, np.float64)
    network.parameters[network.weights :] += rng.normal(0.0, 0.2, len(network.parameters) - network.weights)
    decay = 0.3

    def value():
        norm = sum(float(np.sum((V * np.exp(s)) ** 2)) for V, s in zip(network.V, network.log_scale, strict=True))
        # The same generator each time: the chips' errors stay as they are.
        return network.step(X, targets, loss, np.random.default_rng(11)) + 0.5 * decay * norm

    value()
    network.decay(decay)
    gradient = network.gradient.copy()
    step = 1e-5
    for index in range(len(gradient)):
        start = network.parameters[index]
        network.parameters[index] = start + step
        above = value()
        network.parameters[index] = start - step
        below = value()
        network.parameters[index] = start
        assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-7)


def test_without_errors_a_chip_computes_the_plain_network():
    rng = np.random.default_rng(0)
    X, targets = batch(rng, 3, half_square)
    losses = []
    for noise in (None, chip()):
        network = Network((4, 8, 3), 1 / 3, noise, np.random.default_rng(5), np.float64)
        losses.append(network.step(X, targets, half_square, rng))
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_every_draw_is_another_chip():
    sigma = 0.05
    network = Network((4, 3), 1.0, chip(pair_sigma=sigma), np.random.default_rng(5), np.float64)
    network.log_scale[:] = 0.0
    X = np.broadcast_to([1.0, 0.0, 0.0, 0.0], (4000, 2, 4))  # reads the first row of weights, twice on each chip
    seen = []

    def loss(z, targets):
        seen.append(z)
        return half_square(z, targets)

    network.step(X, np.zeros((4000, 2, 3)), loss, np.random.default_rng(1))
    np.testing.assert_array_equal(seen[0][:, 0], seen[0][:, 1])
    np.testing.assert_allclose(seen[0][:, 0].std(axis=0), sigma, rtol=5 / np.sqrt(2 * 4000))
    np.testing.assert_allclose(seen[0][:, 0].mean(axis=0), network.V[0][0], atol=5 * sigma / np.sqrt(4000))


def test_hidden_activations_are_row_codes():
    levels = 3
    network = Network((1, 1, 1), 1.0, chip(read_levels=levels), np.random.default_rng(5), np.float64)
    network.parameters[:] = 0.0
    network.V[0][:] = network.V[1][:] = 1.0
    seen = []

    def loss(z, targets):
        seen.append(z.ravel())
        return half_square(z, targets)

    X = np.array([-1.0, 0.0, 0.1, 0.3, 0.6, 0.9]).reshape(1, 6, 1)
    network.step(X, np.zeros((1, 6, 1)), loss, np.random.default_rng(1))
    np.testing.assert_allclose(seen[0], [0.0, 0.0, 0.0, 0.3, 0.6, 0.9], atol=1e-12)


def test_losses_by_hand():
    value, gradient = cross_entropy(np.array([[0.0, np.log(3.0)]]), np.array([[1.0, 0.0]]))
    assert value == pytest.approx(np.log(4.0))
    np.testing.assert_allclose(gradient, [[-0.75, 0.75]])
    value, gradient = half_square(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]]))
    assert value == pytest.approx((0.5 * (1 + 4) + 0.5 * 4) / 2)
    np.testing.assert_allclose(gradient, [[0.5, 1.0], [-1.0, 0.0]])
    assert np.isfinite(cross_entropy(np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]]))[0])


def test_clip_keeps_weights_within_the_cells():
    for noise, largest in ((chip(), 1.0), (None, 5.0)):
        network = Network((2, 2), 1.0, noise, np.random.default_rng(0), np.float64)
        network.V[0][:] = [[5.0, -5.0], [0.5, -0.5]]
        network.bias[0][:] = 7.0
        network.clip()
        np.testing.assert_array_equal(network.V[0], [[largest, -largest], [0.5, -0.5]])
        np.testing.assert_array_equal(network.bias[0], 7.0)

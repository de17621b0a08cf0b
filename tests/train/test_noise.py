import numpy as np
import pytest

from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model
from ohmloom.spec.cells import total_sigma
from ohmloom.spec.chip import load_chip
from ohmloom.train import ChipNoise

SPEC = load_chip("lab-128x128x4")


def weights_of_programmed_pairs(weights, age_s, copies, draws, rng):
    """Pairs of cells, copy by copy, programmed and read back as weights; the definition, cell by cell."""
    low, high = SPEC.cell.g_min_siemens, SPEC.cell.g_max_siemens
    largest = np.abs(weights).max()
    total = np.zeros((draws, *weights.shape))
    for sign in (1, -1):
        target = low + np.maximum(sign * weights, 0.0) / largest * (high - low)
        for _ in range(copies):
            total += sign * (target + total_sigma(target, age_s) * rng.standard_normal(total.shape))
    return total * largest / (copies * (high - low))


@pytest.mark.parametrize(("age_s", "copies"), [(1.0, 1), (86_400.0, 1), (1.0, 4)])
def test_perturbed_weights_stray_as_pairs_of_cells_do(age_s, copies):
    weights = np.array([[-0.2, 0.0, 0.05], [0.1, -0.13, 0.17]])
    model = Model((Layer(weights, np.arange(3.0), "none"),), "regression")
    noise = ChipNoise.of(SPEC, age_s, copies)
    rng = np.random.default_rng(1)
    drawn = np.array([noise.perturb(model, rng).layers[0].weights for _ in range(8000)])
    cells = weights_of_programmed_pairs(weights, age_s, copies, 8000, rng)
    # 8,000 draws: a standard deviation is known to 0.8 %, its ratio to 1.1 %; 5 sigma.
    np.testing.assert_allclose(drawn.std(axis=0) / cells.std(axis=0), 1.0, atol=0.056)
    assert np.all(np.abs(drawn.mean(axis=0) - weights) < 5 * cells.std(axis=0) / np.sqrt(8000))
    errors = (drawn - weights).reshape(8000, -1)
    assert np.abs(np.corrcoef(errors.T) - np.eye(6)).max() < 5 / np.sqrt(8000)


def test_bias_and_zero_layers_are_exact():
    model = Model((Layer(np.zeros((2, 2)), np.array([0.3, -4.0]), "none"),), "classification", np.arange(2))
    perturbed = ChipNoise.of(SPEC).perturb(model, np.random.default_rng(0))
    np.testing.assert_array_equal(perturbed.layers[0].weights, 0.0)
    np.testing.assert_array_equal(perturbed.layers[0].bias, [0.3, -4.0])


def test_column_noise_is_the_data_sheets():
    # ADS7953: 2.5 V / 4096 a code, 0.5 LSB of noise and 1/12 LSB^2 of rounding; TIA 0.2 mV; 6.8 kohm; 0.2 V read at 1.
    # Two columns make one output of 39 uS full weight. 2.5 V / 4096 (the row DAC's LSB) x 327 is the clamp.
    lsb_v = 2.5 / 4096
    code_v = np.sqrt(2 * ((0.5**2 + 1 / 12) * lsb_v**2 + 0.0002**2))
    expected = code_v / 6800 / (SPEC.read_clamp * SPEC.row_dac.lsb_v) / 39e-6
    assert ChipNoise.of(SPEC).column_sigma == pytest.approx(expected, rel=1e-9)


def test_quantise_rounds_to_row_codes():
    noise = ChipNoise.of(SPEC)
    values = np.linspace(-3.0, 3.0, 1001)
    codes = noise.quantise(values, 3.0) / 3.0 * noise.read_levels
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-9)
    assert np.abs(codes).max() == pytest.approx(SPEC.read_clamp)
    assert np.abs(noise.quantise(values, 3.0) - values).max() <= 0.5 * 3.0 / SPEC.read_clamp + 1e-12
    np.testing.assert_array_equal(noise.quantise(np.zeros(3), 0.0), 0.0)


def test_scaled_scales_random_errors_only():
    noise = ChipNoise.of(SPEC)
    double = noise.scaled(2.0)
    np.testing.assert_allclose(double.pair_sigma, 2.0 * noise.pair_sigma)
    assert double.column_sigma == 2.0 * noise.column_sigma
    assert double.read_levels == noise.read_levels


@pytest.mark.parametrize(
    "arguments", [{"age_s": 0.0}, {"age_s": -1.0}, {"age_s": np.nan}, {"age_s": np.inf}, {"copies": 0}]
)
def test_impossible_chips_are_refused(arguments):
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        ChipNoise.of(SPEC, **arguments)

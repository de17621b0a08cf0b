"""Losses by cause: their size against published numbers, their sum, and which one a bad part brings to the top."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from ohmloom import ArgumentError, Layer, Model, load_chip
from ohmloom.compiler import compile_model
from ohmloom.explain import CAUSES, Explanation, Subject, demo_subject, explain
from ohmloom.spec import chip as chip_spec

CHIP = "bench-8x16"
BUNDLED = Path(chip_spec.__file__).parent / "chips" / f"{CHIP}.toml"
INPUTS, OUTPUTS = 16, 8


def linear_layer(inputs: int, outputs: int) -> Subject:
    """One linear layer, as a regression of its own outputs."""
    rng = np.random.default_rng(1)
    weights = rng.uniform(-1, 1, (inputs, outputs))
    model = Model((Layer(weights, np.zeros(outputs), "none"),), "regression")
    X = rng.uniform(-1, 1, (400, inputs))
    return Subject(compile_model(model, load_chip(CHIP), X, copies=1), CHIP, X, X @ weights, "linear")


@pytest.fixture(scope="module")
def linear() -> Subject:
    """Over both tiles."""
    return linear_layer(INPUTS, OUTPUTS)


@pytest.fixture(scope="module")
def small() -> Subject:
    return linear_layer(8, 4)


@pytest.fixture(scope="module")
def losses(linear: Subject) -> Explanation:
    return explain(linear, seeds=2)


@pytest.fixture(scope="module")
def small_losses(small: Subject) -> Explanation:
    return explain(small, seeds=2)


@pytest.fixture(scope="module")
def digits() -> Explanation:
    return explain(demo_subject("digits", CHIP), seeds=2)


def error_of(subject: Subject, sigma_plus: np.ndarray, sigma_minus: np.ndarray) -> float:
    """Relative rms error of outputs for independent deviations (siemens) of the cells, (inputs, outputs) each."""
    weights = subject.network.model.layers[0].weights
    spec = subject.spec
    siemens_per_weight = (spec.cell.g_max_siemens - spec.cell.g_min_siemens) / np.abs(weights).max()
    variance = (sigma_plus**2 + sigma_minus**2) / siemens_per_weight**2
    outputs = subject.X @ weights
    return float(sqrt(((subject.X**2) @ variance).mean() / (outputs**2).mean()))


def test_relaxation_is_as_large_as_published(linear: Subject, losses: Explanation) -> None:
    """Wan et al. (2022), Extended Data: sigma in uS after 1 s against g / 40 uS, less the verify error of +-1 uS."""
    weights = linear.network.model.layers[0].weights
    scale = (linear.spec.cell.g_max_siemens - linear.spec.cell.g_min_siemens) / np.abs(weights).max()

    def sigma(weight: np.ndarray) -> np.ndarray:
        x = (linear.spec.cell.g_min_siemens + np.maximum(weight, 0) * scale) / 40e-6
        total = 0.348 + 16.030 * x - 43.853 * x**2 + 45.393 * x**3 - 16.815 * x**4
        return 1e-6 * np.sqrt(np.maximum(total**2 - 1 / 3, 0))

    expected = error_of(linear, sigma(weights), sigma(-weights))
    assert losses.causes["relaxation"].output_error == pytest.approx(expected, rel=0.15)


def test_programming_error_stays_within_the_tolerance(linear: Subject, losses: Explanation) -> None:
    ones = np.full((INPUTS, OUTPUTS), 1e-6)
    largest = error_of(linear, ones, ones)
    assert 0.3 * largest < losses.causes["programming"].output_error < largest


def test_mapping_is_rounding(linear: Subject, losses: Explanation) -> None:
    """More than rounded inputs and columns cost, less than with each conductance a code and a half off as well."""
    spec, network = linear.spec, linear.network
    weights = network.model.layers[0].weights
    siemens_per_weight = (spec.cell.g_max_siemens - spec.cell.g_min_siemens) / np.abs(weights).max()
    siemens_per_code = spec.column_adc.lsb_v / spec.afe.tia_ohm[network.steps["range"][0]] / spec.row_dac.lsb_v
    weight_codes = weights * siemens_per_weight / siemens_per_code  # ADC codes for each row code
    rows_codes2 = (weight_codes**2).sum(axis=0) / 12
    columns_codes2 = len(network.blocks) * 2 / 12
    outputs = (linear.X * network.interface.input_scale) @ weight_codes
    power = (outputs**2).mean()
    lower = sqrt((rows_codes2 + columns_codes2).mean() / power)
    cells = np.full(weights.shape, 1.5 * spec.siemens_per_code(spec.verify_range))
    upper = sqrt(lower**2 + error_of(linear, cells, cells) ** 2)
    assert lower < losses.causes["mapping"].output_error < upper


def test_r2_of_a_regression_follows_from_the_output_error(losses: Explanation) -> None:
    """The labels are the software's outputs, of mean 0: R2 is 1 - error ** 2."""
    assert losses.software == pytest.approx(1.0, abs=1e-9)
    assert losses.all.score == pytest.approx(losses.all.output_error**2, rel=0.02)
    assert set(losses.to_json()) >= {"software_r2", "causes", "sum", "all"}
    assert set(losses.to_json()["all"]) >= {"loss_r2", "standard_error", "output_error"}


@pytest.mark.parametrize("which", ["losses", "digits"])
def test_causes_add_up(which: str, request: pytest.FixtureRequest) -> None:
    found: Explanation = request.getfixturevalue(which)
    causes = found.causes.values()
    assert list(found.causes) == list(CAUSES)
    assert found.sum.score == pytest.approx(sum(loss.score or 0 for loss in causes))
    assert found.sum.output_error == pytest.approx(sqrt(sum(loss.output_error**2 for loss in causes)))
    assert sum(map(found.share, found.causes)) == pytest.approx(1)
    # Measured on other chips, where causes meet.
    assert found.all.output_error == pytest.approx(found.sum.output_error, rel=0.35)


def test_accuracy_counts_from_the_software(digits: Explanation) -> None:
    subject = digits.subject
    software = float((subject.network.model.predict(subject.X) == subject.labels).mean())
    assert digits.software == software
    one_sample = 100 / len(subject.X)
    for loss in (*digits.causes.values(), digits.all):
        assert loss.score is not None
        assert 2 * loss.score / one_sample == pytest.approx(round(2 * loss.score / one_sample), abs=1e-6)  # two chips


@pytest.mark.parametrize(
    ("cause", "old", "new"),
    [
        (
            "tia",
            "tia_offset_sigma_lsb = 5.0",
            "tia_offset_sigma_lsb = 50.0",
        ),  # more than verify and calibration can take
        ("ir_drop", "_ohm = 0.2", "_ohm = 800.0"),
        ("stuck", 'model = "statistical"', 'model = "statistical"\nstuck_fraction = 0.2'),
        ("read_noise", 'model = "statistical"', 'model = "statistical"\nread_noise = 0.3\nstuck_fraction = 0.0'),
    ],
)
def test_a_bad_part_is_found(cause: str, old: str, new: str, small: Subject, tmp_path: Path) -> None:
    text = BUNDLED.read_text("utf-8")
    assert old in text
    path = tmp_path / "chip.toml"
    path.write_text(text.replace(old, new), "utf-8")
    network = compile_model(small.network.model, load_chip(path), small.X)
    found = explain(Subject(network, str(path), small.X, None, "linear"), seeds=1)
    assert next(iter(found.ranked)) == cause
    assert found.share(cause) > 0.5


def test_older_cells_have_relaxed_more(small: Subject, small_losses: Explanation) -> None:
    later = explain(small, seeds=2, age_s=86400.0)
    assert later.causes["relaxation"].output_error > 1.1 * small_losses.causes["relaxation"].output_error
    assert later.causes["stuck"] == small_losses.causes["stuck"]  # nothing else knows of the time


def test_without_labels_there_is_only_the_output_error(small: Subject, small_losses: Explanation) -> None:
    seen: list[tuple[str, int, int]] = []
    bare = Subject(small.network, CHIP, small.X, None, "bare")
    found = explain(bare, seeds=1, progress=lambda *step: seen.append(step))
    assert found.software is None
    assert found.all.score is None
    assert found.all.standard_error is None
    jobs = len(CAUSES) + 1  # and all together
    assert seen == [("chips", done, jobs) for done in range(jobs + 1)]


def test_other_seeds_are_other_chips(small: Subject, small_losses: Explanation) -> None:
    other = explain(small, seeds=1, first_seed=7)
    assert other.seeds == (7,)
    assert other.causes["relaxation"].output_error != small_losses.causes["relaxation"].output_error


@pytest.mark.parametrize(
    ("options", "message"), [({"seeds": 0}, "seeds"), ({"first_seed": -1}, "seeds"), ({"age_s": float("nan")}, "age_s")]
)
def test_arguments_out_of_range(small: Subject, options: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        explain(small, **options)  # type: ignore[arg-type]


def test_outputs_that_are_all_zero_cannot_be_compared(small: Subject) -> None:
    silent = Subject(small.network, CHIP, np.zeros((3, 8)), None, "silent")
    with pytest.raises(ArgumentError, match="outputs are 0"):
        explain(silent)

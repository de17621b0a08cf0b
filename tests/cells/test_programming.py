"""Every cell model on the whole stack: link, calibration, write-verify, vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import SpecError
from ohmloom.spec import Policy, load_chip, load_policy
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.controller.memories import Memories
from ohmloom_emulator.devices import cells_of

MICRO = 1e-6


def ispp(pulse_ns: int, set_v: Any, reset_v: Any, step_v: Any, top_v: float, form_gate_v: float = 1.2) -> Policy:
    """Incremental step pulse programming."""

    def direction(first: Any, gate_v: float, top: float) -> dict[str, Any]:
        return {"first_v": first, "step_v": step_v, "top_v": top, "gate_v": gate_v, "pulse_ns": pulse_ns}

    return Policy.model_validate({
        "name": "ispp", "max_pulses": 400, "max_reversals": 100, "max_top_pulses": 100, "backoff_v": 0.01,
        "error_edges_siemens": (2e-6, 4e-6, 8e-6), "set": direction(set_v, 4.0, top_v),
        "reset": direction(reset_v, 5.0, top_v), "form": direction(set_v, form_gate_v, top_v),
    })  # fmt: skip


@dataclass(frozen=True)
class Case:
    cell: dict[str, Any]
    policy: Policy
    effects: frozenset[Effect] = field(default=ALL_EFFECTS)


# Parameters where a model's published device does not suit reading at 0.2 V.
CASES = {
    "vteam": Case(
        {"g_min_siemens": 1e-6, "g_max_siemens": 40e-6, "r_on_ohm": 2e4, "r_off_ohm": 2e6, "exponential": True,
         "v_on_v": -0.8, "v_off_v": 0.8, "k_on_m_per_s": -6e-3, "k_off_m_per_s": 6e-3, "alpha_off": 3},
        ispp(1000, 0.82, 0.82, [0.01, 0.02, 0.04], 2.0),
    ),
    "yakopcic": Case(
        {"g_min_siemens": 1e-6, "g_max_siemens": 40e-6, "area": 6e-3, "v_p_v": 0.6, "v_n_v": 0.6,
         "initial_siemens": 2e-6},
        ispp(10_000, 0.65, 0.65, [0.02, 0.03, 0.05], 3.0),
    ),
    "messaris": Case(
        {"g_min_siemens": 22e-6, "g_max_siemens": 34e-6, "area": 0.5},
        ispp(10_000, 0.6, 0.8, 0.02, 2.0),
    ),
    # No threshold: every read of a real one would disturb it by as much as a pulse, see test_reading.py.
    "linear-drift": Case(
        {"g_min_siemens": 11e-6, "g_max_siemens": 40e-6, "r_on_ohm": 2e4, "r_off_ohm": 1e5, "thickness_nm": 3,
         "window": "biolek", "window_p": 2},
        ispp(10_000, 2.0, 2.0, 0.2, 4.0),
        ALL_EFFECTS - {Effect.RELAXATION},
    ),
    "stanford-pku": Case(
        {"g_min_siemens": 1.2e-6, "g_max_siemens": 40e-6, "area": 0.2, "field_min_v_per_m": 1.2e9},
        ispp(20, 1.0, 1.0, [0.005, 0.01, 0.02], 2.5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", CASES)
def test_every_model_is_programmed_through_the_link(make_chip: Any, model: str) -> None:
    case = CASES[model]
    chip_file = make_chip({"model": model, **case.cell}, name="variant", tiles=1)
    with ohmloom.connect(f"emu://{chip_file}?seed=5&stuck=0&effects={','.join(sorted(case.effects))}") as chip:
        low, high = chip.spec.cell.g_min_siemens, chip.spec.cell.g_max_siemens
        target = np.full((8, 16), np.nan)
        target[:4] = np.random.default_rng(3).uniform(low, high, (4, 16))
        report = chip.program_conductance(0, target, policy=case.policy)
        assert report.converged_fraction >= 0.95
        error = chip.read_conductance(0, samples=16)[:4] - target[:4]
        # The tolerance, noise of the read that passed (4 sigma) and what the model's read does until the next slot.
        assert np.abs(error[report.converged[:4]]).max() < (1.0 + 1.8) * MICRO
        assert np.std(error[report.converged[:4]]) < 0.8 * MICRO


@pytest.mark.parametrize("seed", [0, 1])
def test_the_bundled_hfox_chip_programs_with_its_own_policy_and_multiplies(seed: int) -> None:
    with ohmloom.connect("emu://bench-8x16-hfox", seed=seed, stuck=0.0) as chip:
        spec = chip.spec
        target = np.random.default_rng(seed).uniform(spec.cell.g_min_siemens, spec.cell.g_max_siemens, (8, 16))
        report = chip.program_conductance(0, target)
        assert report.converged_fraction >= 0.95
        assert report.pulses_per_cell <= 20
        g = chip.read_conductance(0, samples=16)
        # Fluctuators may be up to 10 % off their mean; the rest sits within tolerance and noise.
        assert np.mean(np.abs(g - target) < 1.8 * MICRO) >= 0.95

        codes = np.random.default_rng(9).integers(-spec.read_clamp, spec.read_clamp + 1, (60, 8))
        raw = chip.mvm(0, codes)
        volts = codes * spec.row_dac.lsb_v
        v0 = 0.35  # Jiang et al. 2016, Table I (a)
        bent = spec.limits.read_v * np.sinh(volts / v0) / np.sinh(spec.limits.read_v / v0)
        codes_per_ampere = spec.afe.tia_ohm[0] / spec.column_adc.lsb_v
        slopes = [np.polyfit((bent @ g[:, column]) * codes_per_ampere, raw[:, column], 1)[0] for column in range(16)]
        np.testing.assert_allclose(slopes, 1.0, atol=4 * spec.afe.tia_gain_sigma + 0.03)  # columns' gain, IR drop


def test_a_classifier_runs_on_the_hfox_chip() -> None:
    """Four corners of a square by a linear layer: the whole way from weights to labels."""
    from ohmloom import CrossbarMLPClassifier

    rng = np.random.default_rng(0)
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    y = rng.integers(0, 4, 400)
    X = corners[y] + 0.3 * rng.standard_normal((400, 2))
    classifier = CrossbarMLPClassifier(
        endpoint="emu://bench-8x16-hfox?seed=2&stuck=0", hidden_layer_sizes=(), max_iter=60, random_state=0
    ).fit(X[:300], y[:300])
    assert classifier.score(X[300:], y[300:]) >= 0.93


def test_the_spec_names_the_policy_after_power_up(make_chip: Any) -> None:
    cell = {"model": "statistical", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}
    for name in ("neurram", "hfox"):
        spec = load_chip(make_chip({**cell, "policy": name}))
        packed = Memories(spec).read(3, 0, len(load_policy(name).pack(spec)))
        assert packed == load_policy(name).pack(spec) != load_policy("default").pack(spec)
    with pytest.raises(SpecError, match="unknown policy 'mine'"):
        Memories(load_chip(make_chip({**cell, "policy": "mine"})))


HFOX: dict[str, Any] = {"model": "stanford-pku-hfox", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "hfox"}, "cell.model: unknown 'hfox'; known: statistical, stanford-pku, stanford-pku-hfox, vteam"),
        ({"gap_typo_nm": 1.0}, "cell.gap_typo_nm: stanford-pku-hfox has no such parameter; it has a0_nm, "),
        ({"read_v": 0.1}, "cell.read_v: stanford-pku-hfox has no such parameter"),
        ({"window": "biolek"}, "cell.window: stanford-pku-hfox has no such parameter"),
        ({"v0_v": "0.3"}, "cell.v0_v: a finite number wanted, given '0.3'"),
        ({"v0_v": True}, "cell.v0_v: a finite number wanted, given True"),
        ({"v0_v": -1}, "v0_v is -1"),
        ({"area": 0}, "area is 0"),
        ({"area": 10}, "cell.area: with 10, stanford-pku-hfox covers 1.89e-06..0.00208 S .* of 0.193 to 5.28 fits"),
        ({"initial_siemens": 1.0}, "initial_siemens is 1.0: the model covers"),
        ({"stuck_fraction": 2}, "stuck_fraction is 2"),
        ({"model": "statistical", "stuck_fraction": -0.1}, "stuck_fraction is within 0..1, not -0.1"),
        ({"telegraph_s": 5}, "cell.telegraph_s: a list of numbers wanted, given 5"),
        ({"telegraph_s": [5, 1]}, "telegraph_s is two rising times"),
        ({"model": "vteam", "exponential": 1}, "cell.exponential: true or false wanted, given 1"),
        ({"model": "vteam", "window": "round"}, "cell.window: one of none, joglekar, biolek, prodromakis wanted"),
        ({"model": "vteam", "window": 3}, "cell.window: one of none"),
        ({"model": "vteam", "window": "biolek", "window_j": 1}, "cell.window_j: the biolek window has other"),
        ({"model": "vteam"}, "vteam covers 0.001..0.02 S at 0.2 V, not 1e-06..4e-05 S; no area fits: narrow the range"),
        ({"model": "statistical", "stuck_fracton": 0.1}, "cell.stuck_fracton: statistical has no such parameter"),
        ({"model": "statistical", "set_threshold_v": "1"}, "cell.set_threshold_v: a finite number wanted"),
        ({"model": "statistical", "time_decade_v": 0}, "cell: time_decade_v is positive"),
    ],
)
def test_a_wrong_key_of_the_cell_is_named(make_chip: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        cells_of(load_chip(make_chip({**HFOX, **changes})))


def test_a_board_with_a_wrong_cell_does_not_open(make_chip: Any) -> None:
    path: Path = make_chip({**HFOX, "colour": 1})
    with pytest.raises(SpecError, match=r"cell\.colour"):
        ohmloom.connect(f"emu://{path}")

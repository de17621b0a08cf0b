"""Fits of devices whose physics is written out in conftest, judged on further devices that no fit has seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmloom.errors import ArgumentError
from ohmloom.spec import load_chip
from ohmloom_emulator.devices import cells_of
from ohmloom_emulator.fit import DeviceFit, UndeterminedError, fit_device


def error_on_new_devices(fit: DeviceFit, population: Any, folder: Path, **plan: int) -> float:
    """Rms error (siemens) one pulse ahead of the chip that was written, on 60 devices that were never measured."""
    path = folder / "fitted.toml"
    path.write_text(fit.spec, encoding="utf-8")
    cells, _ = cells_of(load_chip(path))
    rng = np.random.default_rng(3)
    everyone = cells.device(7, 0, np.arange(200)[:, None], 0, stuck=0.0)
    squares = [
        (cells.pulse(before, volts, width_s, device=everyone, normals=rng.standard_normal((200, len(before)))).mean(axis=0)
         - after) ** 2
        for volts, width_s, before, after in population.measure(60, 99, **plan).steps
    ]  # fmt: skip
    return float(np.sqrt(np.mean(squares)))


PLAN = {"rounds": 10, "length": 3}


@pytest.fixture(scope="module")
def messaris_fit(messaris: Any, tmp_path_factory: pytest.TempPathFactory) -> DeviceFit:
    """The statistical model, whose equations are others, fitted to Messaris cells."""
    path = messaris.measure(7, 2, **PLAN).write(tmp_path_factory.mktemp("messaris") / "lab.csv")
    return fit_device(path, chip="bench-8x16")


@pytest.fixture(scope="module")
def vteam_fit(vteam: Any, tmp_path_factory: pytest.TempPathFactory) -> DeviceFit:
    path = vteam.measure(8, 1, rounds=4).write(tmp_path_factory.mktemp("vteam") / "lab.csv")
    return fit_device(path, "vteam", "bench-8x16")


@pytest.mark.slow
def test_parameters_are_recovered_within_their_stated_errors(vteam_fit: DeviceFit) -> None:
    true = {"r_on_ohm": 12e3, "r_off_ohm": 3e5, "k_on_m_per_s": -1e-3, "k_off_m_per_s": 1e-3, "alpha_on": 3.0,
            "alpha_off": 3.0, "v_on_v": -0.4, "v_off_v": 0.5}  # fmt: skip
    found = vteam_fit.report["parameters"]
    assert set(found) == set(true)
    for name, value in true.items():
        entry = found[name]
        assert entry["value"] * value > 0, name
        relative = entry["standard_error"] / abs(entry["value"])
        assert relative < 0.7, name
        assert abs(math.log(entry["value"] / value)) < 3.5 * relative, name
    for name in ("r_on_ohm", "r_off_ohm"):
        assert found[name]["value"] == pytest.approx(true[name], rel=0.03)
    for name in ("v_on_v", "v_off_v"):
        assert found[name]["value"] == pytest.approx(true[name], rel=0.15)
    assert vteam_fit.report["found"]["cycle_noise"] == pytest.approx(0.01, rel=0.35)
    assert vteam_fit.report["stuck_devices"] == []


@pytest.mark.slow
def test_the_held_out_error_is_that_on_new_devices(vteam_fit: DeviceFit, vteam: Any, tmp_path: Path) -> None:
    stated = vteam_fit.report["held_out"]
    assert stated["left_out"] == "devices"
    assert stated["next_pulse_rms_siemens"] == pytest.approx(
        error_on_new_devices(vteam_fit, vteam, tmp_path, rounds=4), rel=0.2
    )
    assert stated["next_pulse_rms_siemens"] < 0.3 * stated["no_model_rms_siemens"]
    assert 0.85 < stated["within_95_percent_interval"] <= 0.99


def test_another_model_s_devices_and_the_error_that_this_leaves(
    messaris_fit: DeviceFit, messaris: Any, tmp_path: Path
) -> None:
    found, stated = messaris_fit.report["parameters"], messaris_fit.report["held_out"]
    assert found["min_siemens"]["value"] == pytest.approx(1 / 16719.0, rel=0.03)  # where RESET ends
    assert found["max_siemens"]["value"] == pytest.approx(1 / 10e3, rel=0.1)
    actual = error_on_new_devices(messaris_fit, messaris, tmp_path, **PLAN)
    assert stated["next_pulse_rms_siemens"] == pytest.approx(actual, rel=0.2)
    assert stated["next_pulse_rms_siemens"] < 0.6 * stated["no_model_rms_siemens"]
    assert stated["pulses"] == messaris_fit.report["pulses"] == 7 * 60  # each pulse was held out once


def test_the_report_is_plain_data_and_the_spec_a_chip(messaris_fit: DeviceFit, tmp_path: Path) -> None:
    assert json.loads(json.dumps(messaris_fit.report)) == messaris_fit.report
    path = tmp_path / "fitted.toml"
    path.write_text(messaris_fit.spec, encoding="utf-8")
    spec = load_chip(path)
    base = load_chip("bench-8x16")
    assert (spec.name, spec.cell.model, spec.rows, spec.afe) == ("lab", "statistical", base.rows, base.afe)
    cells, _ = cells_of(spec)
    low, high = cells.limits_siemens(cells.device(0, 0, np.arange(200), 0, stuck=0.0))
    assert np.mean((low <= spec.cell.g_min_siemens) & (high >= spec.cell.g_max_siemens)) > 0.85
    assert cells.read_noise_siemens(80e-6) == pytest.approx(0.005 * 80e-6, rel=0.25)
    assert messaris_fit.trains[0].measured_siemens.shape == messaris_fit.trains[0].simulated_siemens.shape == (60,)


def without(text: str, keep: Any) -> str:
    header, *lines = text.splitlines()
    return "\n".join([header, *(line for line in lines if keep(line.split(",")))]) + "\n"


@pytest.mark.parametrize(
    ("model", "keep", "names", "needs"),
    [
        ("statistical", lambda f: not f[2].startswith("-"), ("reset_threshold_v", "min_siemens"), "RESET pulses"),
        ("vteam", lambda f: not f[2] or f[2].startswith("-"), ("v_on_v", "r_on_ohm", "alpha_on"), "SET pulses"),
        ("statistical", lambda f: f[3] in ("", "1e-06"), ("time_decade_v",), "two widths"),
    ],
)
def test_an_experiment_that_cannot_show_a_parameter_is_refused(
    vteam: Any, tmp_path: Path, model: str, keep: Any, names: tuple[str, ...], needs: str
) -> None:
    path = vteam.measure(4, 5, reads=1).write(tmp_path / "lab.csv")
    path.write_text(without(path.read_text("utf-8"), keep), encoding="utf-8")
    with pytest.raises(UndeterminedError, match=r"lab\.csv does not determine") as refusal:
        fit_device(path, model)
    assert set(names) <= set(refusal.value.names)
    assert needs in str(refusal.value)
    for name in names:
        assert name in str(refusal.value)


def test_data_that_look_complete_but_leave_a_parameter_open_are_refused(messaris: Any, tmp_path: Path) -> None:
    """Gentle pulses of all amplitudes and widths: nothing stops to rise, so that the upper end is not in the data."""
    gentle = replace(messaris, set_v=(0.55, 0.75), reset_v=(0.45, 0.65), widths_s=(0.01, 0.05), start=14e3)
    with pytest.raises(UndeterminedError, match=r"lab\.csv does not determine") as refusal:
        fit_device(gentle.measure(4, 1, **PLAN).write(tmp_path / "lab.csv"))
    assert refusal.value.names == ("max_siemens",)
    assert "max_siemens (needs SET pulses hard enough that the conductance stops to rise)" in str(refusal.value)


@pytest.mark.slow
def test_one_amplitude_for_all_is_refused_by_threshold_and_exponent(vteam: Any, tmp_path: Path) -> None:
    """They stand for each other then; the ends of the range are seen."""
    one = replace(vteam, set_v=(0.7, 0.7001), reset_v=(0.9, 0.9001), threshold=0.0)
    with pytest.raises(UndeterminedError) as refusal:
        fit_device(one.measure(5, 1, rounds=2).write(tmp_path / "lab.csv"), "vteam")
    assert {"alpha_on", "v_on_v"} & set(refusal.value.names)
    assert not {"r_on_ohm", "r_off_ohm"} & set(refusal.value.names)
    assert "several amplitudes" in str(refusal.value)


def test_what_is_known_is_not_fitted(vteam: Any, tmp_path: Path) -> None:
    path = vteam.measure(2, 6, rounds=2).write(tmp_path / "lab.csv")
    known = {"alpha_on": 3.0, "alpha_off": 3.0, "v_on_v": -0.4, "v_off_v": 0.5, "r_on_ohm": 12e3, "r_off_ohm": 3e5}
    fit = fit_device(path, "vteam", fixed=known)
    assert fit.report["fixed"] == known
    assert set(fit.report["parameters"]) == {"k_on_m_per_s", "k_off_m_per_s"}
    assert fit.report["parameters"]["k_on_m_per_s"]["value"] == pytest.approx(-1e-3, rel=0.3)
    assert fit.report["held_out"]["left_out"] == "ends"  # of two devices
    assert fit.report["kept"]["set_spread"] == "needs 5 devices or more"


@pytest.mark.parametrize(
    ("model", "fixed", "message"),
    [
        ("vteam", {"width": 1.0}, "no parameter 'width'; fitted are r_on_ohm"),
        ("vteam", {"v_on_v": 0.4}, "v_on_v are negative"),
        ("hp", {}, "'hp' is none of statistical"),
    ],
)
def test_bad_arguments_are_named(vteam: Any, tmp_path: Path, model: str, fixed: dict[str, float], message: str) -> None:
    path = vteam.measure(2, 6, rounds=1).write(tmp_path / "lab.csv")
    with pytest.raises(ArgumentError, match=message):
        fit_device(path, model, fixed=fixed)


def test_devices_that_never_move_are_left_out_and_counted(vteam: Any, tmp_path: Path) -> None:
    path = vteam.measure(2, 6, rounds=2).write(tmp_path / "lab.csv")
    rows = [f"stuck,{index},{volts},1e-6,50000" for index, volts in enumerate((0.8, -1.0, 0.9, -1.2), start=1)]
    path.write_text(path.read_text("utf-8") + "stuck,0,,,50000\n" + "\n".join(rows) + "\n", encoding="utf-8")
    known = {"alpha_on": 3.0, "alpha_off": 3.0, "v_on_v": -0.4, "v_off_v": 0.5, "r_on_ohm": 12e3, "r_off_ohm": 3e5}
    report = fit_device(path, "vteam", fixed=known).report
    assert report["stuck_devices"] == ["stuck"]
    assert report["devices"] == 2

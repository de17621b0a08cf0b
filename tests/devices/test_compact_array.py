"""Compact models as the cells of an array: area, transistor, spread, faults; and the one interface of all models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ohmloom_emulator.devices import (
    VTEAM,
    CellModel,
    CompactArrayCell,
    LinearDrift,
    Messaris,
    StanfordPKU,
    Statistical,
    Yakopcic,
)  # fmt: skip

MODELS: list[Any] = [StanfordPKU(), StanfordPKU.hfox_bilayer(), VTEAM(), Messaris(), LinearDrift(), Yakopcic()]
HFOX = StanfordPKU.hfox_bilayer()
MICRO = 1e-6


@pytest.mark.parametrize("model", [*MODELS, Statistical()], ids=lambda model: type(model).__name__)
def test_all_models_have_one_interface(model: Any) -> None:
    assert isinstance(model, CellModel)
    state = 10e-6 if isinstance(model, Statistical) else np.mean(model.state_range)
    v = 0.01
    assert model.conductance(state, v) * v == pytest.approx(model.current(state, v))
    assert model.pulse(state, 0.0, 1e-6) == pytest.approx(state)
    assert model.conductance(model.pulse(state, 1.0, 1e-6, 300.0)) >= model.conductance(state)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_currents_follow_from_the_conductance_alone(model: Any) -> None:
    """An I-V curve is the same function of the voltage at every state, so that a conductance tells it all."""
    cell = CompactArrayCell(model, 40e-6, area=0.3)
    low, high = model.state_range
    for state in np.linspace(low, high, 7)[1:-1]:
        for volts in (-1.3, -0.2, 0.05, 0.7):
            g = 0.3 * model.conductance(state)
            assert cell.current(g, volts) == pytest.approx(0.3 * model.current(state, volts), rel=1e-9)


def test_area_multiplies_currents_and_the_compliance() -> None:
    """Two devices in parallel share the transistor's current: each sees half of its limit."""
    cell, g = CompactArrayCell(HFOX, 40e-6, area=2.0), 6e-6
    assert cell.range_siemens == pytest.approx(tuple(2 * bound for bound in HFOX.conductance_range))
    for gate_v in (1.0, 1.5, 3.0):
        limit_a = 15e-6 * (gate_v - 0.4) ** 2
        state = HFOX.pulse(HFOX.state_of(g / 2), 1.3, 1e-6, 320.0, compliance_a=limit_a / 2)
        assert cell.pulse(g, 1.3, 1e-6, 320.0, gate_v=gate_v) == pytest.approx(2 * HFOX.conductance(state), rel=1e-9)
    assert cell.pulse(g, 1.3, 1e-6, gate_v=0.4) == g  # a closed transistor
    # In RESET the transistor passes at most the gate's voltage less its threshold.
    passed = [cell.pulse(40e-6, -volts, 1e-6, gate_v=1.9) for volts in (1.5, 2.5)]
    assert passed[0] == passed[1] == pytest.approx(float(cell.pulse(40e-6, -1.5, 1e-6, gate_v=1.9)))


def test_conductances_reached_in_set_rise_with_the_gate() -> None:
    """Multilevel by compliance: the formed conductance is nearly proportional to the transistor's current."""
    cell = CompactArrayCell(HFOX, 40e-6)
    gates = np.array([1.2, 1.6, 2.0, 2.4])
    formed = np.array([float(cell.pulse(0.2e-6, 2.5, 1e-4, gate_v=gate_v)) for gate_v in gates])
    ratio = formed / (gates - 0.4) ** 2
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.1)


def test_population() -> None:
    cell = CompactArrayCell(
        HFOX, 40e-6, set_spread=0.04, reset_spread=0.08, max_spread=0.1, stuck_fraction=0.1, initial_siemens=5e-6
    )
    rows, columns = np.arange(200)[:, None], np.arange(200)
    devices = cell.device(3, 1, rows, columns)
    for values, sigma in ((devices.set_v, 0.04), (devices.reset_v, 0.08), (np.log(devices.max_scale), 0.1)):
        assert values.std() == pytest.approx(sigma, rel=0.02)
        assert abs(values.mean()) < 4 * sigma / 200
    assert abs(np.corrcoef(devices.set_v.ravel(), devices.reset_v.ravel())[0, 1]) < 0.02
    assert np.mean(devices.stuck > 0) == pytest.approx(0.1, rel=0.06)
    works = devices.stuck == 0
    assert np.all(devices.initial_siemens[works] == 5e-6)
    low, high = cell.limits_siemens(devices)
    np.testing.assert_allclose(devices.initial_siemens[devices.stuck == 1], low[devices.stuck == 1])
    np.testing.assert_allclose(devices.initial_siemens[devices.stuck == 2], high[devices.stuck == 2])
    some = cell.device(3, 1, np.array([[7]]), np.array([3, 150]))
    np.testing.assert_array_equal(some.set_v, devices.set_v[7:8, [3, 150]])
    ideal = cell.device(3, 1, rows, columns, stuck=0.0, ideal=True)
    assert not any(values.any() for values in (ideal.set_v, ideal.stuck, ideal.cycle_v))
    assert np.all(ideal.max_scale == 1)
    after = cell.pulse(devices.initial_siemens, 1.2, 1e-6, device=devices, gate_v=4.0)
    np.testing.assert_array_equal(after[~works], devices.initial_siemens[~works])
    assert np.all(after[works] > 5e-6)


def test_spread_and_cycle_noise_are_factors_on_the_voltage() -> None:
    cell = CompactArrayCell(HFOX, 40e-6, set_spread=0.05, cycle_noise=0.02)
    devices = cell.device(1, 0, 0, np.arange(50), stuck=0.0)
    normals = np.linspace(-2, 2, 50)
    scale = devices.max_scale
    for sign, offset in ((1.0, devices.set_v), (-1.0, devices.reset_v)):
        volts = sign * 1.05 * np.exp(-offset - 0.02 * normals)
        expected = scale * HFOX.conductance(HFOX.pulse(HFOX.state_of(20 * MICRO / scale), volts, 1e-6))
        got = cell.pulse(np.full(50, 20 * MICRO), sign * 1.05, 1e-6, device=devices, normals=normals)
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_grouping_does_not_matter() -> None:
    cell = CompactArrayCell(HFOX, 40e-6)
    devices = cell.device(1, 0, 0, np.arange(30))
    g, volts = np.linspace(1, 40, 30) * MICRO, np.tile([1.05, -1.2, 0.0], 10)
    together = cell.pulse(g, volts, 1e-6, device=devices, normals=0.5, gate_v=4.0)
    one_by_one = [
        float(cell.pulse(g[i], volts[i], 1e-6, device=devices[i], normals=0.5, gate_v=4.0)) for i in range(30)
    ]
    np.testing.assert_array_equal(together, one_by_one)
    np.testing.assert_array_equal(together[2::3], g[2::3])
    assert np.all(np.sign(together - g)[devices.stuck == 0] == np.sign(volts)[devices.stuck == 0])

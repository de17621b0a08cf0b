"""Yakopcic's model against its equations (IEEE EDL 32, 1436, 2011; SPICE form in IEEE TCAD 32, 1201, 2013)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import exp1

from ohmloom_emulator.devices import Yakopcic

from .figures import steps_off


def paper_slope(x: float, v: float) -> float:
    """eta f(x) g(v) as the published subcircuit writes them, with its parameters."""
    ap = an = 4000.0
    vp, vn, xp, xn, alpha_p, alpha_n = 0.16, 0.15, 0.3, 0.5, 1.0, 5.0
    g = ap * (np.exp(v) - np.exp(vp)) if v > vp else -an * (np.exp(-v) - np.exp(vn)) if v < -vn else 0.0
    if v >= 0:
        f = np.exp(-alpha_p * (x - xp)) * ((xp - x) / (1 - xp) + 1) if x >= xp else 1.0
    else:
        f = np.exp(alpha_n * (x + xn - 1)) * x / (1 - xn) if x <= 1 - xn else 1.0
    return float(f * g)


def test_nothing_moves_between_the_thresholds() -> None:
    states = np.linspace(0, 1, 5)
    for volts in (0.16, -0.15, 0.05):
        np.testing.assert_array_equal(Yakopcic().pulse(states, volts, 1e6), states)


@pytest.mark.parametrize("volts", [0.2, 0.5, -0.2, -0.5])
def test_pulses_against_an_independent_solver(volts: float) -> None:
    for start in (0.11, 0.6):
        times = np.array([1e-5, 1e-4, 1e-3, 3e-3])
        expected = solve_ivp(
            lambda t, y: [paper_slope(y[0], volts)],
            (0, 3e-3),
            [start],
            t_eval=times,
            rtol=1e-10,
            atol=1e-13,
            max_step=2e-5,
        ).y[0]
        np.testing.assert_allclose(Yakopcic().pulse(start, volts, times), expected, rtol=1e-6)


def test_slowing_down_beyond_the_knee_against_exponential_integrals() -> None:
    """From x_p on, time is the integral of (1 - xp) exp(alpha (x - xp)) / (1 - x), a difference of E1."""
    model, xp, alpha, volts = Yakopcic(), 0.3, 1.0, 0.5
    g = 4000 * (np.exp(volts) - np.exp(0.16))
    for x in (0.31, 0.5, 0.9, 0.9999):
        flight = (1 - xp) * np.exp(alpha * (1 - xp)) * (exp1(alpha * (1 - x)) - exp1(alpha * (1 - xp)))
        before = (xp - 0.11) / g
        assert model.pulse(0.11, volts, before + flight / g) == pytest.approx(x, rel=1e-7)


def test_switching_time_falls_over_decades() -> None:
    """Below the knee speed is A_p (exp v - exp v_p): 0.2 V to 9 V shortens switching by five decades."""
    volts = np.array([0.2, 1.0, 3.0, 9.0])
    seconds = 0.1 / (4000 * (np.exp(volts) - np.exp(0.16)))
    assert seconds[0] / seconds[-1] > 1e5
    np.testing.assert_allclose(Yakopcic().pulse(0.1, volts, seconds), 0.2, rtol=1e-9)


def test_current_is_the_published_sinh() -> None:
    model = Yakopcic(a1_a=0.17, a2_a=0.1)
    assert model.current(0.5, 0.4) == pytest.approx(0.17 * 0.5 * np.sinh(0.05 * 0.4), rel=1e-12)
    assert model.current(0.5, -0.4) == pytest.approx(-0.1 * 0.5 * np.sinh(0.05 * 0.4), rel=1e-12)
    assert model.current(0.0, 0.4) == 0.0


def test_amplitude_steps_give_levels() -> None:
    """Equal pulses of rising amplitude step the state up, then of falling amplitude down, without a gap."""
    x, levels = 0.05, []
    for volts in np.concatenate([np.linspace(0.2, 0.5, 8), -np.linspace(0.2, 0.5, 8)]):
        x = float(Yakopcic().pulse(x, volts, 1e-4))
        levels.append(x)
    assert np.all(np.diff(levels[:8]) > 0)
    assert np.all(np.diff(levels[7:]) < 0)


def test_loop_of_the_authors_subcircuit_in_ltspice() -> None:
    """Yakopcic_IV.png of github.com/knowm/memristor-models-4-all (2017): the authors' subcircuit of 2011 with the
    thresholds 0.65 and 0.56 V, run by others; two periods of 1 V, 10 Hz. A pixel is 3.7 mV and 75 uA."""
    phase = np.linspace(0, 2, 1001)
    volts = np.sin(2 * np.pi * phase)
    _, current = Yakopcic(v_p_v=0.65, v_n_v=0.56).waveform(0.11, phase / 10, volts)
    assert steps_off("Yakopcic", volts, current, 1 / 267.5, 1e-3 / 13.4) < 1


def test_pulses_through_a_resistor_in_xyce() -> None:
    """The TCAD 2013 subcircuit (mem_dev) in Sandia's Xyce (github.com/Xyce/Xyce_Regression, MIXED_SIGNAL/Python/
    runCircuitWithDACs): 20 pulses of 3 V and 30 us through 50 ohm from 0.11; printed states after 1, 2, 3 and 20. 1e-3 is
    for Xyce's steps, which grow to 2.6 us in the first pulse and 10 us in the last."""
    model, x, after = Yakopcic(), 0.11, []

    def across(state: float) -> float:
        volts = 3.0
        for _ in range(6):
            volts = 3.0 / (1 + 50 * float(model.conductance(state, volts)))
        return volts

    for _ in range(20):
        for _ in range(30):
            middle = float(model.pulse(x, across(x), 0.5e-6))
            x = float(model.pulse(x, across(middle), 1e-6))
        after.append(x)
    np.testing.assert_allclose([*after[:3], after[-1]], [0.7716, 0.8964, 0.9477, 1.0000], atol=1e-3)

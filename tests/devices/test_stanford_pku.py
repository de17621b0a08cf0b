"""The Stanford-PKU model against its equations and its authors' published results.

Sources: Jiang et al., IEEE TED 63, 1884 (2016); the authors' Verilog-A release 1.0.0 (nanoHUB, doi
10.4231/D37H1DN48) and its "Sample inputs and outputs" with HSPICE checklists.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ohmloom_emulator.devices import StanfordPKU


def paper_slope(gap_nm: float, v: float, ambient_k: float, limit_a: float = np.inf) -> float:
    """d gap/dt in nm/s of eqs. 1, 4, 5 and 6 with the release's defaults, and its field threshold."""
    amplitude = 1e-3 * np.exp(-gap_nm / 0.25)
    v = min(v, 0.25 * np.arcsinh(limit_a / amplitude))
    kt = 8.617333262e-5 * (ambient_k + abs(v * amplitude * np.sinh(v / 0.25)) * 2.1e3)
    gamma = 16 - 0.8 * gap_nm**3
    if gamma * abs(v) / 12e-9 < 1.4e9:
        return 0.0
    return float(-10e9 * np.exp(-0.6 / kt) * np.sinh(gamma * 0.25 / 12 * v / kt))


def switching_time(model: StanfordPKU, volts: np.ndarray, temperature_k: float = 300.0) -> np.ndarray:
    """Time to cross the middle of the range, from off for positive volts and from on for negative ones, to 1 %."""
    low, high = model.state_range
    seconds = np.logspace(-16, 6, 5000)[:, None]
    after = model.pulse(np.where(volts > 0, high, low), volts, seconds, temperature_k)
    crossed = np.where(volts > 0, after < (low + high) / 2, after > (low + high) / 2)
    assert crossed[-1].all()
    assert not crossed[0].any()
    return np.asarray(seconds[crossed.argmax(axis=0), 0])


def test_dc_reset_checklist() -> None:
    """Release 1.0.0, Table 1, DCSweep.sp: 0 to -2 V in 4 ms from gap 0.2 nm at 298 K."""
    times = np.linspace(0, 4e-3, 801)
    volts = -500 * times
    _, current = StanfordPKU().waveform(0.2, times, volts, 298.0)
    printed = {-0.50025: 0.00163, -1.00025: 0.01227, -1.50025: 2.24888e-4}
    for v, amperes in printed.items():
        index = round(-v / 500 / float(times[1]))
        assert -current[index] == pytest.approx(amperes, rel=4e-3)  # the nearest sample is 0.25 mV off


def test_pulse_set_checklist() -> None:
    """Release 1.0.0, Table 2, pulseSweep.sp: 1.8 V SET at 298 K: 0.784389 mA at 13.2 ns, 1.31103 mA at 18.2 ns and
    0.300922 A at 23.2 ns. The middle value lags the equations' solution, 2.12 mA, as stepping this run-away by the
    release's 1 ns would; it lies between that and the first instant's speed held for all 5 ns."""
    model = StanfordPKU()

    def gap_at(amperes: float) -> float:
        return float(-0.25 * np.log(amperes / (1e-3 * np.sinh(1.8 / 0.25))))

    start = gap_at(0.784389e-3)
    solved = float(model.pulse(start, 1.8, 5e-9, 298.0))
    held = start + paper_slope(start, 1.8, 298.0) * 5e-9
    assert solved < gap_at(1.31103e-3) < held
    assert model.current(model.pulse(start, 1.8, 10e-9, 298.0), 1.8) == pytest.approx(0.300922, rel=1e-5)


@pytest.mark.parametrize("volts", [1.45, 1.8, -1.1, -1.4])
def test_pulses_against_an_independent_solver(volts: float) -> None:
    start = 1.7 if volts > 0 else 0.2
    model = StanfordPKU()
    end = float(switching_time(model, np.array([volts]))[0])
    times = end * np.array([0.01, 0.3, 0.8])
    solution = solve_ivp(
        lambda t, y: [paper_slope(y[0], volts, 300.0)],
        (0, end),
        [start],
        t_eval=times,
        rtol=1e-11,
        atol=1e-13,
        method="LSODA",
    )
    np.testing.assert_allclose(model.pulse(start, volts, times), solution.y[0], rtol=1e-6)


def test_compliance_against_an_independent_solver() -> None:
    """The limiter takes the voltage, hence the speed, away as the filament grows: no run-away."""
    model, volts, limit = StanfordPKU(field_min_v_per_m=0.0), 1.8, 1e-4
    times = np.array([1e-9, 1e-8, 1e-7, 1e-5, 1e-3])

    def slope(t: float, y: np.ndarray) -> list[float]:
        v = min(volts, 0.25 * np.arcsinh(limit / (1e-3 * np.exp(-y[0] / 0.25))))
        kt = 8.617333262e-5 * (300 + v * min(limit, 1e-3 * np.exp(-y[0] / 0.25) * np.sinh(v / 0.25)) * 2.1e3)
        return [-10e9 * np.exp(-0.6 / kt) * np.sinh((16 - 0.8 * y[0] ** 3) * 0.25 / 12 * v / kt)]

    solution = solve_ivp(slope, (0, 1e-3), [1.5], t_eval=times, rtol=1e-10, atol=1e-12, method="LSODA")
    np.testing.assert_allclose(model.pulse(1.5, volts, times, compliance_a=limit), solution.y[0], rtol=1e-6)


def test_set_time_falls_exponentially_with_voltage_over_decades() -> None:
    """Eq. 1: d ln t / dv = -gamma a0 q / (tox k T), with gamma at the off gap, where nearly all the time goes."""
    volts = np.linspace(1.4, 2.6, 7)
    seconds = switching_time(StanfordPKU(), volts)
    assert np.all(np.diff(seconds) < 0)
    assert seconds[0] / seconds[-1] > 1e4
    gamma = 16 - 0.8 * 1.7**3
    slope = np.diff(np.log(seconds)) / np.diff(volts)
    np.testing.assert_allclose(slope[:3], -gamma * 0.25 / 12 / (8.617e-5 * 300), rtol=0.1)


def test_without_field_threshold_the_law_goes_on_at_low_voltage() -> None:
    model = StanfordPKU(field_min_v_per_m=0.0, rth_k_per_w=0.0)
    seconds = switching_time(model, np.array([0.4, 0.8, 1.2, 1.6]))
    slopes = np.diff(np.log10(seconds))
    assert seconds[0] / seconds[-1] > 1e5
    np.testing.assert_allclose(slopes, slopes[0], rtol=0.05)


def test_below_the_field_threshold_nothing_moves() -> None:
    """gamma |v| / tox < 1.4e9 V/m: reads never disturb, however long."""
    gaps = np.linspace(0.2, 1.7, 6)
    threshold = 1.4e9 * 12e-9 / (16 - 0.8 * gaps**3)
    model = StanfordPKU()
    np.testing.assert_array_equal(model.pulse(gaps, 0.999 * threshold, 1e8), gaps)
    assert np.all(model.pulse(gaps[1:], 1.001 * threshold[1:], 1.0) < gaps[1:])
    assert np.all(model.pulse(gaps[:-1], -1.001 * threshold[:-1], 1.0) > gaps[:-1])


def test_heat_quickens_switching_as_arrhenius_says() -> None:
    """Below the lowering field, ln t is linear in 1/kT with the activation energy less the field's share."""
    model = StanfordPKU(rth_k_per_w=0.0, beta_set=0.0, field_min_v_per_m=0.0)  # gamma constant: speed is constant too
    kelvin = np.array([250.0, 300.0, 350.0, 400.0])
    times = np.array([switching_time(model, np.array([1.0]), t)[0] for t in kelvin])
    assert np.all(np.diff(times) < 0)
    barrier_ev = 0.6 - 16 * 0.25 / 12 * 1.0
    slope = np.polyfit(1 / (8.617333262e-5 * kelvin), np.log(times), 1)[0]
    assert slope == pytest.approx(barrier_ev, rel=0.01)


def test_joule_heating_quickens_reset_and_is_eq_5() -> None:
    hot, cold = StanfordPKU(), StanfordPKU(rth_k_per_w=0.0)
    expected = 300 + 1.2 * 1e-3 * np.exp(-0.2 / 0.25) * np.sinh(1.2 / 0.25) * 2.1e3
    assert hot.temperature(np.array(0.2), np.array(-1.2), np.array(300.0)) == pytest.approx(expected, rel=1e-12)
    volts = np.array([-1.2])
    assert switching_time(hot, volts) < 0.8 * switching_time(cold, volts)


def test_compliance_sets_levels() -> None:
    """Section IV.A.2: a larger compliance current results in a smaller gap, hence a higher conductance, after SET."""
    limits = np.array([10e-6, 30e-6, 100e-6, 300e-6])
    model = StanfordPKU.hfox_bilayer()
    after = model.pulse(model.gap_max_nm, 1.5, 1e-6, compliance_a=limits)
    g = model.conductance(after)
    assert np.all(np.diff(g) > 0)
    assert np.all(after > model.gap_min_nm)
    assert np.all(g[1:] / g[:-1] > 1.5)


def test_reset_amplitude_sets_levels() -> None:
    """Section IV.A.3: a larger RESET voltage leads to larger gaps, more levels."""
    model = StanfordPKU.hfox_bilayer()
    after = model.pulse(model.gap_min_nm, [-0.8, -1.1, -1.4, -1.7], 1e-6)
    assert np.all(np.diff(after) > 0.05)


def test_hfox_bilayer_dc_figures() -> None:
    """Figs. 6 (a) and 8 with Table I (a), read off: SET near 1.2 V; sweeps to -1.5, -2 and -2.5 V end near 100 uA (115,
    95, 100). The ramp is not stated: 1 us/V gives these numbers, and SET moves by 0.1 V a decade of ramp."""
    model = StanfordPKU.hfox_bilayer()
    times = np.linspace(0, 2e-6, 401)
    volts = times / 1e-6
    _, current = model.waveform(model.gap_max_nm, times, volts, compliance_a=100e-6)
    assert volts[np.argmax(current > 99e-6)] == pytest.approx(1.2, abs=0.1)
    for peak, amperes in ((1.5, 115e-6), (2.0, 95e-6), (2.5, 100e-6)):
        times = np.linspace(0, peak * 1e-6, 401)
        _, current = model.waveform(model.gap_min_nm, times, -times / 1e-6)
        assert -current[-1] == pytest.approx(amperes, rel=0.25)

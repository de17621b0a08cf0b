"""Linear drift and its windows against the papers and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1

from ohmloom_emulator.devices import Biolek, Joglekar, LinearDrift, NoWindow, Prodromakis, Window

RISING, FALLING = np.array(True), np.array(False)


def at(window: Window, x: float, rising: np.ndarray = RISING) -> float:
    return float(window(np.asarray(x), rising))


@pytest.mark.parametrize("p", [1, 2, 10])
def test_joglekar_window_as_published(p: int) -> None:
    """Eur. J. Phys. 30, 661 (2009), eq. 11: 1 - (2x - 1)^2p; 0 at the ends, 1 in the middle, symmetric."""
    window = Joglekar(p)
    assert [at(window, x) for x in (0.0, 0.5, 1.0)] == [0.0, 1.0, 0.0]
    assert at(window, 0.25) == pytest.approx(1 - 0.5 ** (2 * p), rel=1e-15)
    assert at(window, 0.25) == at(window, 0.75) == at(window, 0.25, FALLING)


@pytest.mark.parametrize("p", [1, 2, 10])
def test_biolek_window_as_published(p: int) -> None:
    """Radioengineering 18, 210 (2009), eq. 10 and Fig. 6: 1 - (x - stp(-i))^2p; full speed away from either end."""
    window = Biolek(p)
    assert [at(window, x, RISING) for x in (0.0, 1.0)] == [1.0, 0.0]
    assert [at(window, x, FALLING) for x in (0.0, 1.0)] == [0.0, 1.0]
    assert at(window, 0.5, RISING) == at(window, 0.5, FALLING) == pytest.approx(1 - 0.25**p, rel=1e-15)


@pytest.mark.parametrize(("p", "j"), [(0.5, 1.0), (1.0, 1.0), (5.0, 2.0), (10.0, 0.5)])
def test_prodromakis_window_as_published(p: float, j: float) -> None:
    """IEEE TED 58, 3099 (2011): j (1 - [(x - 0.5)^2 + 0.75]^p); real p, maximum set by j, 0 at the ends."""
    window = Prodromakis(p, j)
    assert at(window, 0.0) == at(window, 1.0) == 0.0
    assert at(window, 0.5) == pytest.approx(j * (1 - 0.75**p), rel=1e-14)
    for x in (0.1, 0.3, 0.9):
        assert at(window, x) == pytest.approx(j * (1 - ((x - 0.5) ** 2 + 0.75) ** p), rel=1e-12)
    assert at(Prodromakis(1.0), 0.2) == pytest.approx(0.2 * 0.8, rel=1e-14)  # p = 1 is Strukov's w (D - w)


def test_windows_refuse_bad_parameters() -> None:
    for bad in (lambda: Joglekar(0), lambda: Biolek(-1), lambda: Joglekar(1.5), lambda: Prodromakis(0.0)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="must be"):
            bad()


def test_strukov_2008_scales() -> None:
    """Nature 453, 80: i0 = v0/Ron = 10 mA and t0 = D^2/(mobility v0) = 10 ms for v0 = 1 V (Fig. 2); off to on takes
    about D^2 Roff / (2 mobility v Ron) (page 82)."""
    m = LinearDrift()
    assert m.current(1.0, 1.0) == pytest.approx(10e-3, rel=1e-12)
    t0 = (m.thickness_nm * 1e-9) ** 2 / (m.mobility_m2_per_vs * 1.0)
    assert t0 == pytest.approx(10e-3, rel=1e-12)
    takes = t0 * m.r_off_ohm / (2 * m.r_on_ohm)
    exact = t0 * (m.r_off_ohm + m.r_on_ohm) / (2 * m.r_on_ohm)  # without the paper's Ron << Roff
    assert m.pulse(0.0, 1.0, exact) == pytest.approx(1.0, abs=1e-9)
    assert m.pulse(0.0, 1.0, 0.99 * takes) < 1.0
    assert exact == pytest.approx(takes, rel=0.01)


def test_without_window_charge_follows_flux() -> None:
    """Within the range the device is Chua's ideal memristor: phi = R0 q - (Roff - Ron) k q^2 / 2 for any waveform."""
    m, x0 = LinearDrift(), 0.2
    k = m.mobility_m2_per_vs * m.r_on_ohm / (m.thickness_nm * 1e-9) ** 2
    span = m.r_off_ohm - m.r_on_ohm
    r0 = m.r_off_ohm - span * x0
    flux = np.array([1e-6, 0.01, 0.1, 0.3])
    charge = (r0 - np.sqrt(r0**2 - 2 * span * k * flux)) / (span * k)
    for volts in (0.1, 1.0, 1e4):
        np.testing.assert_allclose(m.pulse(x0, volts, flux / volts), x0 + k * charge, rtol=1e-12)


def test_biolek_2009_figure_5a() -> None:
    """Radioengineering 18, 210, Fig. 5 (a): Ron 100, Roff 16k, Rinit 11k, Joglekar p = 10, 1 Hz. Read off the figure:
    flux ends at 0.35 Vs and charge at 50 uC, x runs from 0.31 to 0.8, the current peaks at 155 uA. (Its caption says
    1.2 V; 0.35 Vs at 1 Hz is 1.1 V, as its voltage axis shows.)"""
    m = LinearDrift(r_on_ohm=100, r_off_ohm=16e3, window=Joglekar(10))
    start = m.state_of(1 / 11e3)
    assert start == pytest.approx((16 - 11) / 15.9, rel=1e-9)
    times = np.linspace(0, 1, 501)
    states, current = m.waveform(start, times, 0.35 * np.pi * np.sin(2 * np.pi * times))
    assert states.max() == pytest.approx(0.8, abs=0.02)
    assert np.abs(current).max() == pytest.approx(155e-6, rel=0.05)
    assert np.trapezoid(current[:251], times[:251]) == pytest.approx(50e-6, rel=0.03)
    assert states[-1] == pytest.approx(start, abs=1e-4)  # the ideal memristor comes back with the flux


def test_joglekar_cells_stick_at_their_ends_and_bioleks_do_not() -> None:
    """The terminal-state problem that Biolek et al. 2009, section 5, raise and solve."""
    ends = np.array([0.0, 1.0])
    volts = np.array([1.0, -1.0])  # each away from its end
    np.testing.assert_array_equal(LinearDrift(window=Joglekar(2)).pulse(ends, volts, 100.0), ends)
    np.testing.assert_array_equal(LinearDrift(window=Prodromakis(2)).pulse(ends, volts, 100.0), ends)
    np.testing.assert_allclose(LinearDrift(window=Biolek(2)).pulse(ends, volts, 1e4), 1 - ends, atol=1e-9)


@pytest.mark.parametrize("p", [1, 2, 5])
def test_joglekar_pulse_against_its_integral(p: int) -> None:
    """Time from x0 to x is the integral of R(x)/(k v f(x)); about x = 1/2 it has a hypergeometric closed form."""
    m = LinearDrift(window=Joglekar(p))
    k = m.mobility_m2_per_vs * m.r_on_ohm / (m.thickness_nm * 1e-9) ** 2
    half, span = m.r_off_ohm - (m.r_off_ohm - m.r_on_ohm) / 2, m.r_off_ohm - m.r_on_ohm

    def primitive(x: float) -> float:
        """Integral of (half - span u) / (1 - (2u)^2p) over u = x - 1/2 from 0."""
        u, z = x - 0.5, (2 * x - 1) ** (2 * p)
        even = u * hyp2f1(1, 1 / (2 * p), 1 + 1 / (2 * p), z)
        odd = u * u / 2 * hyp2f1(1, 1 / p, 1 + 1 / p, z)
        return float(half * even - span * odd)

    x0 = 0.01
    for x in (0.02, 0.4, 0.7, 0.99, 0.999999):
        seconds = (primitive(x) - primitive(x0)) / (k * 1.1)
        assert m.pulse(x0, 1.1, seconds) == pytest.approx(x, rel=1e-7)


@pytest.mark.parametrize("window", [NoWindow(), Joglekar(3), Biolek(2), Prodromakis(0.7, 1.5)])
def test_pulses_against_an_independent_solver(window: Window) -> None:
    m = LinearDrift(window=window)
    formulas = {
        NoWindow: lambda x, up: 1.0,
        Joglekar: lambda x, up: 1 - (2 * x - 1) ** 6,
        Biolek: lambda x, up: 1 - (x - (0 if up else 1)) ** 4,
        Prodromakis: lambda x, up: 1.5 * (1 - ((x - 0.5) ** 2 + 0.75) ** 0.7),
    }
    f = formulas[type(window)]
    for volts in (1.0, -0.7):

        def slope(t: float, y: np.ndarray, v: float = volts) -> list[float]:
            x = y[0]
            window_at_x: float = f(x, v > 0)  # type: ignore[no-untyped-call]
            return [1e-14 * 100 / 1e-16 * v / (100 * x + 16e3 * (1 - x)) * window_at_x]

        times = [0.05, 0.1, 0.2]
        expected = solve_ivp(slope, (0, 0.2), [0.45], t_eval=times, rtol=1e-11, atol=1e-13, method="DOP853").y[0]
        np.testing.assert_allclose(m.pulse(0.45, volts, times), expected, rtol=1e-8)

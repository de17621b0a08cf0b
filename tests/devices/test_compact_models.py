"""What every compact model must do, whatever its physics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from ohmloom_emulator.devices import (
    VTEAM,
    Biolek,
    CellModel,
    Joglekar,
    LinearDrift,
    Messaris,
    Prodromakis,
    StanfordPKU,
    Yakopcic,
)
from ohmloom_emulator.devices.base import CompactCell


@dataclass(frozen=True)
class Case:
    """A model and a sine that sweeps a good part of its range: amplitude, and a period long enough to switch."""

    model: CompactCell
    volts: float
    period_s: float


CASES = {
    "vteam": Case(VTEAM(), 0.3, 1e-6),
    "vteam-exponential": Case(VTEAM(exponential=True, window=Biolek(2)), 0.3, 1e-6),
    "stanford-pku": Case(StanfordPKU(), 1.6, 1e-6),
    "stanford-pku-hfox": Case(StanfordPKU.hfox_bilayer(), 1.5, 1e-5),
    "messaris": Case(Messaris(), 0.8, 0.1),
    "drift": Case(LinearDrift(), 1.1, 1.0),
    "drift-joglekar": Case(LinearDrift(window=Joglekar(2)), 1.1, 1.0),
    "drift-biolek": Case(LinearDrift(window=Biolek(2)), 1.1, 1.0),
    "drift-prodromakis": Case(LinearDrift(window=Prodromakis(5)), 1.1, 1.0),
    "yakopcic": Case(Yakopcic(), 0.5, 0.01),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def spread_states(model: CompactCell, count: int = 21) -> np.ndarray:
    return np.linspace(*model.state_range, count)


def test_it_is_a_cell_model(case: Case) -> None:
    model: CellModel = case.model
    assert isinstance(model, CellModel)


def test_positive_volts_raise_conductance_and_negative_lower_it(case: Case) -> None:
    m = case.model
    states = spread_states(m)[1:-1]
    before = m.conductance(states)
    seconds = case.period_s * np.logspace(-6, 1, 15)[:, None]
    after_set = m.conductance(m.pulse(states, case.volts, seconds))
    after_reset = m.conductance(m.pulse(states, -case.volts, seconds))
    rounding = 1e-10 * m.conductance_range[1]
    assert np.all(np.diff(after_set, axis=0) >= -rounding)
    assert np.all(np.diff(after_reset, axis=0) <= rounding)
    assert np.all(after_set[-1] >= before)
    assert after_set[-1].mean() > before.mean()
    assert np.all(after_reset[-1] <= before)
    assert after_reset[-1].mean() < before.mean()


def test_nothing_moves_in_no_time_or_at_no_voltage(case: Case) -> None:
    states = spread_states(case.model)
    np.testing.assert_array_equal(case.model.pulse(states, case.volts, 0.0), states)
    np.testing.assert_array_equal(case.model.pulse(states, 0.0, 1e6), states)


def test_a_pulse_in_two_halves_is_the_same_pulse(case: Case) -> None:
    m, rng = case.model, np.random.default_rng(1)
    low, high = m.state_range
    states = rng.uniform(low, high, 300)
    volts = case.volts * rng.uniform(-1, 1, 300)
    first, second = case.period_s * 10 ** rng.uniform(-5, 0, (2, 300))
    for compliance in (None, float(np.median(np.abs(m.current(states, volts))))):
        whole = m.pulse(states, volts, first + second, compliance_a=compliance)
        split = m.pulse(m.pulse(states, volts, first, compliance_a=compliance), volts, second, compliance_a=compliance)
        np.testing.assert_allclose(split, whole, rtol=0, atol=1e-6 * (high - low))


@pytest.mark.parametrize("volts", [1e-12, 1e-3, 0.1, 5.0, 1e3, 1e9])
def test_any_input_leaves_the_state_in_its_range(case: Case, volts: float) -> None:
    m = case.model
    low, high = m.state_range
    states = np.concatenate([spread_states(m, 9), [low - 1, high + 1]])
    seconds = np.array([0.0, 1e-300, 1e-12, 1e-9, 1.0, 1e9])[:, None]
    for v in (volts, -volts):
        for compliance in (None, 1e-9, 1.0):
            after = m.pulse(states, v, seconds, compliance_a=compliance)
            assert np.all((after >= low) & (after <= high))


def test_the_current_limit_holds_and_a_high_one_changes_nothing(case: Case) -> None:
    m = case.model
    times = np.linspace(0, case.period_s, 41)
    volts = case.volts * np.sin(2 * np.pi * times / case.period_s)
    start = np.mean(m.state_range)
    _, free = m.waveform(start, times, volts)
    limit = 0.3 * np.abs(free).max()
    _, limited = m.waveform(start, times, volts, compliance_a=limit)
    assert np.abs(limited).max() == pytest.approx(limit, rel=1e-9)
    _, untouched = m.waveform(start, times, volts, compliance_a=10 * np.abs(free).max())
    np.testing.assert_allclose(untouched, free, rtol=1e-5, atol=1e-9 * np.abs(free).max())


def test_state_of_inverts_conductance_and_refuses_the_unreachable(case: Case) -> None:
    m = case.model
    states = spread_states(m)
    np.testing.assert_allclose(m.state_of(m.conductance(states)), states, rtol=1e-9, atol=1e-12)
    low, high = m.conductance_range
    with pytest.raises(ValueError, match="this cell has"):
        m.state_of([high * 1.01])
    if low > 0:
        with pytest.raises(ValueError, match="this cell has"):
            m.state_of(low * 0.99)


def test_arguments_broadcast_and_cells_do_not_see_each_other(case: Case) -> None:
    m = case.model
    states = spread_states(m, 4)
    volts = case.volts * np.array([-1.0, 0.3, 0.8])[:, None]
    seconds = case.period_s * np.array([0.001, 0.1])[:, None, None]
    together = m.pulse(states, volts, seconds, 300.0)
    assert together.shape == (2, 3, 4)
    alone = [[[m.pulse(x, v, t) for x in states] for v in volts[:, 0]] for t in seconds[:, 0, 0]]
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12)
    assert m.current(states, volts).shape == (3, 4)
    assert m.pulse(states[:, None], case.volts, case.period_s, [250.0, 300.0, 350.0]).shape == (4, 3)


def pinched_loop(case: Case, period_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Voltage and current of the second period of a sine, from the middle of the range."""
    phase = np.linspace(0, 2, 241)
    volts = case.volts * np.sin(2 * np.pi * phase)
    _, current = case.model.waveform(np.mean(case.model.state_range), phase * period_s, volts)
    return volts[120:], current[120:]


def lobe_area(volts: np.ndarray, current: np.ndarray) -> float:
    """Area of both lobes over that of the smallest box around the loop."""
    halves = (slice(0, 61), slice(60, 121))
    area = sum(abs(np.trapezoid(current[h], volts[h])) for h in halves)
    return float(area / (np.ptp(volts) * np.ptp(current)))


def test_hysteresis_is_pinched_and_shrinks_with_frequency(case: Case) -> None:
    """Chua's fingerprints: i = 0 wherever v = 0, two lobes, and a single-valued line at high frequency."""
    volts, current = pinched_loop(case, case.period_s)
    assert np.all(np.abs(current[np.abs(volts) < 1e-12]) < 1e-9 * np.abs(current).max())
    assert np.all(volts * current >= -1e-15)  # passive: never gives back energy
    slow = lobe_area(volts, current)
    fast = lobe_area(*pinched_loop(case, case.period_s / 1e6))
    assert slow > 0.02
    assert fast < 0.02 * slow


@pytest.mark.parametrize(
    "bad",
    [
        {"seconds": -1e-9},
        {"seconds": np.nan},
        {"seconds": np.inf},
        {"volts": np.nan},
        {"volts": [0.1, np.inf]},
        {"state": np.nan},
        {"temperature_k": 0.0},
        {"temperature_k": np.nan},
        {"compliance_a": 0.0},
        {"compliance_a": -1e-3},
    ],
)
def test_bad_input_is_refused(case: Case, bad: dict[str, object]) -> None:
    good: dict[str, object] = {"state": np.mean(case.model.state_range), "volts": 0.1, "seconds": 1e-6}
    with pytest.raises(ValueError, match=next(iter(bad))):
        case.model.pulse(**{**good, **bad})  # type: ignore[arg-type]


def test_waveforms_are_checked_and_match_pulses(case: Case) -> None:
    m = case.model
    start = spread_states(m, 5)
    states, current = m.waveform(start, [0.0, 0.2 * case.period_s], [0.4 * case.volts, 0.6 * case.volts])
    np.testing.assert_array_equal(states[0], start)
    np.testing.assert_allclose(states[1], m.pulse(start, case.volts / 2, 0.2 * case.period_s), rtol=1e-12)
    np.testing.assert_allclose(current[1], m.current(states[1], 0.6 * case.volts), rtol=1e-12)
    each, _ = m.waveform(start, [0.0, case.period_s], np.full((2, 5), case.volts))
    assert each.shape == (2, 5)
    with pytest.raises(ValueError, match="must not fall"):
        m.waveform(start, [1.0, 0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="same first length"):
        m.waveform(start, [0.0, 1.0], [0.0])
    with pytest.raises(ValueError, match="other than 0 V"):
        m.conductance(start, 0.0)


def test_bad_parameters_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="r_off_ohm 100"):
        LinearDrift(r_off_ohm=100.0)
    with pytest.raises(ValueError, match="tox_nm is -1"):
        StanfordPKU(tox_nm=-1)
    with pytest.raises(ValueError, match="negative, as in the paper"):
        VTEAM(k_on_m_per_s=10)
    with pytest.raises(ValueError, match="x_p is 1"):
        Yakopcic(x_p=1.0)
    with pytest.raises(ValueError, match="r_max_ohm"):
        Messaris(r_max_ohm=1.0)

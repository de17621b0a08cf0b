"""What a read sees and does: bent I-V curves, temperature, telegraph noise, disturb; whatever the batching."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.commands import Polarity
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.array.lines import Lines
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.devices import Reliability, Statistical, Telegraph, cells_of
from ohmloom_emulator.fabric import Fabric

Floats = NDArray[np.float64]
HFOX: dict[str, Any] = {"model": "stanford-pku-hfox", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}
LINEAR_DRIFT: dict[str, Any] = {
    "model": "linear-drift", "g_min_siemens": 11e-6, "g_max_siemens": 40e-6, "r_on_ohm": 2e4, "r_off_ohm": 1e5,
    "thickness_nm": 10, "initial_siemens": 2e-5, "max_spread": 0, "set_spread": 0, "reset_spread": 0,
}  # fmt: skip
STATISTICAL = {"model": "statistical", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}
S = 1_000_000_000


def random_state(fabric: Fabric, seed: int = 0) -> Floats:
    """Gives the first tile conductances of 1 to 40 uS and returns them."""
    tile = fabric.tiles[0]
    tile.conductance[:] = np.random.default_rng(seed).uniform(1e-6, 40e-6, tile.conductance.shape)
    tile.written[:] = tile.conductance
    tile.forget()
    return tile.conductance.copy()


def picard(
    g: Floats, volts: Floats, law: Any, r_row: float, r_column: float, r_driver: float, r_sense: float
) -> Floats:
    """Column currents by dense nodal analysis with chord conductances, repeated until they stand still."""
    rows, columns = g.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    cell_v = np.broadcast_to(volts[:, None], g.shape).copy()
    for _ in range(60):
        matrix, source = np.zeros((2 * g.size, 2 * g.size)), np.zeros(2 * g.size)

        def add(a: int, b: int | None, siemens: float, matrix: Floats = matrix) -> None:
            matrix[a, a] += siemens
            if b is not None:
                matrix[b, b] += siemens
                matrix[a, b] -= siemens
                matrix[b, a] -= siemens

        chord = np.where(cell_v == 0, g, law(g, cell_v) / np.where(cell_v == 0, 1, cell_v))
        for i in range(rows):
            add(index[i, 0], None, 1 / r_driver)
            source[index[i, 0]] = volts[i] / r_driver
            for j in range(columns):
                add(index[i, j], index[i, j] + g.size, chord[i, j])
                if j:
                    add(index[i, j], index[i, j - 1], 1 / r_row)
                if i:
                    add(index[i, j] + g.size, index[i - 1, j] + g.size, 1 / r_column)
        for j in range(columns):
            add(index[-1, j] + g.size, None, 1 / r_sense)
        v = np.linalg.solve(matrix, source)
        cell_v = (v[: g.size] - v[g.size :]).reshape(g.shape)
    return np.asarray(v[g.size :].reshape(g.shape)[-1] / r_sense)


@pytest.mark.parametrize("access", ["1T1R", "none"])
def test_bent_cells_in_resistive_wires(make_chip: Any, access: str) -> None:
    """HfOx: I = g x 0.2 V sinh(V / 0.35 V) / sinh(0.2 / 0.35). A window of rows, with word lines and without."""
    wires = {"row_ohm": 8.0, "column_ohm": 6.0, "driver_ohm": 50.0, "sense_ohm": 30.0}
    spec = load_chip(make_chip({**HFOX, "access": access}, **wires))
    fabric = Fabric(spec)
    tile, g = fabric.tiles[0], random_state(fabric)
    assert not tile.straight
    row, volts = 2, np.array([[0.2, -0.1, 0.05, 0.19], [0.2, -0.1, 0.05, 0.19], [-0.2, 0.0, 0.1, 0.01]])

    def law(g: Floats, v: Floats) -> Floats:
        return np.asarray(g * 0.2 * np.sinh(v / 0.35) / np.sinh(0.2 / 0.35))

    got, variance = tile.currents(volts, row)
    for drive, current in zip(volts, got, strict=True):
        if access == "none":
            driven = np.zeros(8)
            driven[row : row + 4] = drive
            expected = picard(g, driven, law, *wires.values())
        else:
            below = wires["sense_ohm"] + 2 * wires["column_ohm"]
            expected = picard(g[row : row + 4], drive, law, *[*wires.values()][:3], below)
        np.testing.assert_allclose(current, expected, rtol=1e-8)
    np.testing.assert_array_equal(got[0], got[1])
    noise = cells_of(spec)[0].read_noise_siemens(g[row : row + 4])
    np.testing.assert_allclose(variance, volts**2 @ noise**2)
    assert Fabric(spec, ideal=True).tiles[0].straight


def test_a_row_of_bent_cells_with_current_limits() -> None:
    """One cell behind known resistances by root finding, below and above its transistor's limit."""
    lines = Lines(rows=4, row_ohm=0.0, column_ohm=10.0, driver_ohm=100.0, sense_ohm=70.0, passive=False)
    g = np.array([[0.0, 5e-6], [0.0, 30e-6], [0.0, 2e-3]])
    limit_a = 1e-3

    def law(v: Floats) -> Floats:
        return np.clip(g * 0.05 * np.sinh(v / 0.05), -limit_a, limit_a)

    volts = np.array([0.2, 0.25, 0.4])
    cell_v, current = lines.row_point(law, volts, np.zeros((3, 2)), 1)
    for index, source in enumerate(volts):
        series = 100.0 + 70.0 + 2 * 10.0

        def excess(v: float, siemens: float = g[index, 1], source: float = source, series: float = series) -> float:
            return float(v + series * min(siemens * 0.05 * np.sinh(v / 0.05), limit_a) - source)

        expected = brentq(excess, 0, source, xtol=1e-15)
        assert cell_v[index, 1] == pytest.approx(expected, rel=1e-9)
        assert current[index, 1] == pytest.approx((source - expected) / series, rel=1e-7)
    assert current[2, 1] == limit_a
    assert np.all(current[:, 0] == 0)


def test_pulses_computed_at_once_are_pulses_one_by_one(make_chip: Any) -> None:
    """Groups of one row, bent cells and a transistor's limit: the same conductances to the last bit."""
    spec = load_chip(make_chip(HFOX, row_ohm=3.0))
    groups = np.arange(16) % 4 == np.arange(4)[:, None]
    together, apart = Fabric(spec, seed=2), Fabric(spec, seed=2)
    random_state(together)
    random_state(apart)
    for polarity, volts in ((Polarity.SET, (0.9, 0.95, 1.0, 1.1)), (Polarity.RESET, (1.0, 1.2, 1.5, 2.0))):
        rails = np.array([spec.rail_code(v) for v in volts])
        together.pulse(0, 3, groups, polarity, rails, 2500, 1000)
        for index in range(4):
            apart.pulse(0, 3, groups[index : index + 1], polarity, rails[index : index + 1], 2500, 1000)
    assert not np.array_equal(together.tiles[0].conductance[3], random_state(Fabric(spec))[3])
    for key, value in together.state().items():
        np.testing.assert_array_equal(value, apart.state()[key], err_msg=key)


def test_temperature_of_the_chip(make_chip: Any) -> None:
    """Reads: +0.05 %/K. Relaxation: time runs faster by Arrhenius' factor. SET of the compact cell goes further."""
    cold, warm = (Fabric(load_chip(make_chip(STATISTICAL, temperature_k=kelvin))) for kelvin in (300.0, 340.0))
    assert random_state(cold) == pytest.approx(random_state(warm))
    volts = np.full((1, 8), 0.1)
    ratio = warm.tiles[0].currents(volts, 0)[0] / cold.tiles[0].currents(volts, 0)[0]
    np.testing.assert_allclose(ratio, 1.0 + 40 * 5e-4, rtol=2e-4)  # IR drop takes a little

    model, z = Statistical(), np.linspace(-2, 2, 9)
    factor = np.exp(1.0 / 8.617333262e-5 * (1 / 300 - 1 / 340))
    np.testing.assert_allclose(
        model.relaxed(20e-6, 100.0, z, temperature_k=340.0), model.relaxed(20e-6, 100.0 * factor, z), rtol=1e-12
    )
    np.testing.assert_array_equal(model.relaxed(20e-6, 1e4, z, temperature_k=300.0), model.relaxed(20e-6, 1e4, z))

    cell = cells_of(load_chip(make_chip(HFOX)))[0]
    gap = 0.15 * np.log(0.2e-3 * np.sinh(0.2 / 0.35) / 0.2 / 5e-6)
    barrier_ev = 1.24 - (16.8 - 1.1 * gap) * 0.25 / 6.7 * 0.7  # Jiang et al. 2016, eq. 4, at 0.7 V
    moved = [float(cell.pulse(5e-6, 0.7, 1e-6, kelvin)) - 5e-6 for kelvin in (300.0, 350.0)]
    expected = np.exp(barrier_ev / 8.617333262e-5 * (1 / 300 - 1 / 350))
    assert moved[1] / moved[0] == pytest.approx(expected, rel=0.03)
    assert expected > 50


def test_telegraph_noise_has_two_levels_and_its_correlation_time() -> None:
    parameters = Reliability(telegraph_share=1.0, telegraph_s=(8.0, 8.0))
    telegraph = Telegraph(parameters, 3, 0, (200, 200))
    levels = np.stack([telegraph.levels(slot) for slot in range(1000, 1024)])
    assert set(np.unique(levels)) == {-1.0, 1.0}
    correlation = [np.mean(levels[0] * levels[lag]) for lag in range(24)]
    np.testing.assert_allclose(correlation, np.maximum(1 - np.arange(24) / 8, 0), atol=4 / 200)
    some = Telegraph(Reliability(telegraph_share=0.1), 3, 0, (200, 200)).levels(5)
    assert np.mean(some != 0) == pytest.approx(0.1, abs=4 * 0.3 / 200)
    assert abs(some.sum()) < 4 * np.sqrt(0.1 * 200 * 200)


def test_many_fluctuators_have_a_1_over_f_spectrum() -> None:
    telegraph = Telegraph(Reliability(telegraph_share=1.0, telegraph_s=(2.0, 2e4)), 1, 0, (40, 40))
    levels = np.stack([telegraph.levels(slot).ravel() for slot in range(4096)])
    power = (np.abs(np.fft.rfft(levels, axis=0)) ** 2).mean(axis=1)
    frequency = np.arange(len(power))
    band = (frequency >= 4) & (frequency <= 512)  # 1/1000 Hz to 1/8 Hz, within the range of correlation times
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1, w=1 / np.sqrt(frequency[band]))[0]
    assert slope == pytest.approx(-1.0, abs=0.15)


def test_the_swing_is_relatively_larger_in_thin_filaments(make_chip: Any) -> None:
    """Levels in the reads of one tile, noise and wires left out: the relative distance is 0.2 / (1 + g / 5 uS)."""
    spec = load_chip(make_chip({**STATISTICAL, "telegraph_share": 1.0}))
    fabric = Fabric(spec, effects={Effect.READ_NOISE})
    tile, g = fabric.tiles[0], random_state(fabric)
    seen = []
    for _ in range(40):
        fabric.advance(1000 * S)
        tile.update(fabric.now_ns)
        seen.append([tile.currents(np.array([[0.1]]), row)[0][0] / 0.1 for row in range(8)])
    low, high = np.min(seen, axis=0), np.max(seen, axis=0)
    moved = high > low
    assert moved.mean() > 0.9
    np.testing.assert_allclose(((high - low) / g)[moved], (0.2 / (1 + g / 5e-6))[moved], rtol=1e-9)
    np.testing.assert_array_equal(tile.conductance, g)
    assert Fabric(spec, effects=ALL_EFFECTS - {Effect.READ_NOISE}).tiles[0].next_slot_ns > 1000 * S


def run(spec: ChipSpec, codes: NDArray[np.int64], cuts: list[int]) -> tuple[NDArray[np.int64], dict[str, NDArray[Any]]]:
    """Vectors in frames cut at `cuts`, from just before a second begins, the chip saved and restored between them."""
    fabric = Fabric(spec, seed=4)
    random_state(fabric)
    fabric.advance(2 * S - 2_000_000)
    answers = []
    for part in np.split(codes, cuts):
        answers.append(Controller(fabric)._sequencer.multiply(0, 0, part))
        copy = Fabric(spec, seed=4)
        copy.restore(fabric.state())
        fabric = copy
    fabric.tiles[0].update(fabric.now_ns + S)
    return np.concatenate(answers), fabric.state()


@pytest.mark.parametrize("cell", [{**HFOX, "telegraph_share": 0.5}, {**LINEAR_DRIFT, "telegraph_share": 0.5}])
def test_cutting_a_batch_changes_nothing(make_chip: Any, cell: dict[str, Any]) -> None:
    """2 ms before a slot begins, in which reads' disturb is applied and fluctuators switch: 200 vectors take 4.7 ms."""
    spec = load_chip(make_chip(cell))
    codes = np.random.default_rng(1).integers(-327, 328, (200, 8))
    whole, end = run(spec, codes, [])
    for cuts in ([100], [1, 2, 77, 120, 199]):
        parts, state = run(spec, codes, cuts)
        np.testing.assert_array_equal(parts, whole)
        assert state.keys() == end.keys()
        for key, value in state.items():
            np.testing.assert_array_equal(value, end[key], err_msg=key)
    assert not np.array_equal(end["tile0_conductance"], random_state(Fabric(spec)))  # reads have moved cells


@pytest.mark.parametrize("code", [327, -327, 100])
def test_reads_disturb_a_cell_without_threshold(make_chip: Any, code: int) -> None:
    """Linear drift by its equation, dx/dt = mobility Ron / D^2 I, over the time that the reads' voltage was there."""
    spec = load_chip(make_chip(LINEAR_DRIFT))
    fabric = Fabric(spec, stuck=0.0, effects={Effect.RELAXATION})
    tile, drives = fabric.tiles[0], 200
    fabric.select(0, 0, 8, 0)
    for _ in range(4):
        fabric.drive(np.full((drives // 4, 8), code))
        fabric.sample(np.arange(16))
    seconds = 1e-9 * fabric.now_ns
    assert seconds == pytest.approx(drives * (7.3e-6 + 16e-6))
    np.testing.assert_array_equal(tile.conductance, 2e-5)  # not before the next second
    fabric.advance(S)
    tile.update(fabric.now_ns)
    # Read rows above 0 V pull to RESET. Small voltages drive as I does, in proportion, at the state of half the range.
    per_coulomb, volts = 1e-14 * 2e4 / 1e-16, -code * spec.row_dac.lsb_v
    x0 = (1e5 - 1 / 2e-5) / 8e4
    x = solve_ivp(lambda t, x: per_coulomb * volts / (1e5 - 8e4 * x), (0, seconds), [x0], rtol=1e-10).y[0, -1]
    moved, expected = tile.conductance - 2e-5, 1 / (1e5 - 8e4 * x) - 2e-5
    assert abs(expected) > 1e-8
    np.testing.assert_allclose(moved, expected, rtol=0.01)


def test_cells_with_a_threshold_are_not_disturbed(make_chip: Any) -> None:
    """Below VTEAM's thresholds nothing moves. The HfOx cell: 0.6 % in a second of reading at 0.2 V, by its equation."""
    vteam = {"model": "vteam", "r_on_ohm": 2e4, "r_off_ohm": 2e6, "v_on_v": -0.8, "v_off_v": 0.8,
             "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}  # fmt: skip
    assert not cells_of(load_chip(make_chip(vteam)))[0].read_stress(np.array([0.2, -0.2])).any()
    cell = cells_of(load_chip(make_chip(HFOX)))[0]
    after = float(cell.pulse(20e-6, 0.2, 1.0))
    gap = 0.15 * np.log(0.2e-3 * np.sinh(0.2 / 0.35) / 0.2 / 20e-6)
    kt = 8.617333262e-5 * 300
    rate = 5e15 * np.exp(-1.24 / kt) * np.sinh((16.8 - 1.1 * gap) * 0.25 / 6.7 * 0.2 / kt)  # nm/s
    assert np.log(after / 20e-6) == pytest.approx(rate / 0.15, rel=0.02)
    assert 1e-3 < after / 20e-6 - 1 < 1e-2
    assert cell.read_stress(np.array([0.2, -0.2, 0.0])) == pytest.approx([1.0, 1.0, 0.0])

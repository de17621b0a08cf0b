"""From row codes to column codes: against Ohm, Kirchhoff and the data sheets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloom.spec import load_chip
from ohmloom.spec.commands import MVM, Cause
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.fabric import Fabric

LSB_V = 2.5 / 4096  # AD5628-1 and ADS7953 alike
READ_CLAMP = int(0.2 / LSB_V)
TIA_OHM = (6800.0, 47000.0)


def raw_codes(current_a, tia_ohm):
    """(raw signed codes, which of them are at the converter's end) of an inverting TIA at Vmid and a 12-bit converter."""
    volts = 1.25 - np.asarray(current_a) * tia_ohm
    code = np.clip(np.rint(volts / LSB_V), 0, 4095)
    return np.minimum(2048 - code, 2047), (code == 0) | (code == 4095)


def nodal_currents(g, first_row, rows, volts, wires):
    """Column currents with the word lines of some rows on, by nodal analysis with a dense matrix."""
    total_rows, columns = g.shape
    row_node = np.arange(rows * columns).reshape(rows, columns)
    column_node = rows * columns + np.arange(total_rows * columns).reshape(total_rows, columns)
    count = rows * columns + total_rows * columns
    matrix, right = np.zeros((count, count)), np.zeros((count, len(volts)))

    def connect(a, b, siemens):
        for p, q, y in np.broadcast(a, b, siemens):
            matrix[p, p] += y
            matrix[q, q] += y
            matrix[p, q] -= y
            matrix[q, p] -= y

    connect(row_node[:, :-1], row_node[:, 1:], 1 / wires.row_ohm)
    connect(column_node[:-1], column_node[1:], 1 / wires.column_ohm)
    connect(row_node, column_node[first_row : first_row + rows], g[first_row : first_row + rows])
    for row, node in enumerate(row_node[:, 0]):
        matrix[node, node] += 1 / wires.driver_ohm
        right[node] += volts[:, row] / wires.driver_ohm
    for node in column_node[-1]:
        matrix[node, node] += 1 / wires.sense_ohm
    return np.linalg.solve(matrix, right)[column_node[-1]].T / wires.sense_ohm


def random_codes(n, rows, seed=2):
    return np.random.default_rng(seed).integers(-READ_CLAMP, READ_CLAMP, (n, rows), endpoint=True)


@pytest.mark.parametrize("tia_range", [0, 1])
@pytest.mark.parametrize("tile", [0, 1])
def test_ideal_codes_are_ohms_and_kirchhoffs(bench, with_cells, tile, tia_range):
    fabric = with_cells(Fabric(bench, ideal=True))
    g = fabric.state()[f"tile{tile}_conductance"]
    codes = random_codes(50, 8)
    fabric.select(tile, 0, 8, tia_range)
    fabric.drive(codes)
    raw, _ = fabric.sample(np.arange(16))
    wanted, _ = raw_codes((codes * LSB_V) @ g, TIA_OHM[tia_range])
    np.testing.assert_array_equal(raw, wanted)
    assert np.ptp(raw) > 100


@pytest.mark.parametrize(("row", "rows"), [(0, 8), (2, 3), (0, 1), (5, 1), (7, 1), (6, 2)])
def test_wires_and_windows_of_rows_agree_with_nodal_analysis(bench, changed, with_cells, only, row, rows):
    spec = changed(bench, wires={"row_ohm": 11.0, "column_ohm": 7.0, "driver_ohm": 90.0, "sense_ohm": 40.0})
    fabric = with_cells(Fabric(spec, effects=only("wires")))
    g = fabric.state()["tile1_conductance"]
    codes = random_codes(40, rows)
    fabric.select(1, row, rows, 1)
    fabric.drive(codes)
    columns = np.array([0, 3, 4, 15])
    raw, _ = fabric.sample(columns)
    wanted, _ = raw_codes(nodal_currents(g, row, rows, codes * LSB_V, spec.wires), TIA_OHM[1])
    np.testing.assert_array_equal(raw, wanted[:, columns])
    without, _ = raw_codes((codes * LSB_V) @ g[row : row + rows], TIA_OHM[1])
    assert (without[:, columns] != raw).any()  # the wires matter here


def test_reference_row_is_one_precision_resistor_a_column(bench):
    fabric = Fabric(bench, ideal=True)
    for code in (READ_CLAMP, -READ_CLAMP, 0):
        fabric.select(0, fabric.reference_row, 1, 1)
        fabric.drive(np.array([[code]]))
        raw, _ = fabric.sample(np.arange(16))
        np.testing.assert_array_equal(raw[0], raw_codes(np.full(16, code * LSB_V / 33000.0), TIA_OHM[1])[0])


def test_samples_at_a_converters_end_are_counted_and_stay_within_12_bits(bench, with_cells):
    fabric = with_cells(Fabric(bench, ideal=True))
    g = fabric.state()["tile0_conductance"]
    codes = np.vstack([random_codes(20, 8), np.full((1, 8), READ_CLAMP), np.full((1, 8), -READ_CLAMP)])
    fabric.select(0, 0, 8, 1)
    fabric.drive(codes)
    raw, saturated = fabric.sample(np.arange(16))
    wanted, ends = raw_codes((codes * LSB_V) @ g, TIA_OHM[1])
    np.testing.assert_array_equal(raw, wanted)
    np.testing.assert_array_equal(saturated, ends)
    assert ends.sum() > 16
    assert (raw.min(), raw.max()) == (-2047, 2047)


@pytest.mark.parametrize(
    ("chip", "columns", "slots"),
    [
        ("bench-8x16", range(16), 16),
        ("bench-8x16", [3, 9], 2),
        ("lab-128x128x4", range(128), 16),
        ("lab-128x128x4", range(20), 3),
    ],
)
def test_time_is_the_sum_of_data_sheet_durations(chip, columns, slots):
    """AD5628 settles in 7 us, the TIA in 0.3 us, the ADS7953 takes 1 us a sample; n ADCs convert n neighbouring columns at once."""
    fabric = Fabric(load_chip(chip))
    rows = fabric.spec.rows
    fabric.select(0, 0, rows, 0)
    fabric.drive(np.zeros((5, rows), dtype=int))
    fabric.sample(np.array(columns))
    assert fabric.time_ns[Cause.ROW_DAC] == 5 * 7_300
    assert fabric.time_ns[Cause.ADC] == 5 * slots * 1_000
    fabric.advance(123_456_789)
    assert fabric.now_ns == 5 * (7_300 + slots * 1_000) + 123_456_789 == sum(fabric.time_ns.values())


def test_energy_is_volts_times_amperes_times_seconds(bench, with_cells):
    fabric = with_cells(Fabric(bench, ideal=True))
    g = fabric.state()["tile0_conductance"]
    codes = random_codes(30, 8)
    fabric.select(0, 0, 8, 0)
    fabric.drive(codes)
    fabric.sample(np.arange(16))
    each_s, convert_s = 23.3e-6, 16e-6
    joules = {cause: 1e-15 * value for cause, value in fabric.energy_fj.items()}
    volts = codes * LSB_V
    assert joules[Cause.ARRAY_READ] == pytest.approx((volts**2 @ g.sum(axis=1)).sum() * each_s, rel=2e-3)
    assert joules[Cause.ROW_DAC] == pytest.approx(30 * each_s * 6.5e-3, rel=1e-3)
    assert joules[Cause.TIA] == pytest.approx(30 * each_s * 16 * 1e-3, rel=1e-3)
    assert joules[Cause.ADC] == pytest.approx(30 * convert_s * 14.5e-3, rel=1e-3)
    assert joules[Cause.WRITE] == joules[Cause.IDLE] == 0


def test_idle_time_takes_no_energy(bench):
    fabric = Fabric(bench)
    fabric.advance(10**15)
    assert sum(fabric.energy_fj.values()) == 0
    assert fabric.now_ns == fabric.time_ns[Cause.IDLE] == 10**15


# Cutting batches


def written(bench, asked, seed):
    """A controller whose tiles were just written, so that epochs are ahead."""
    controller = asked(Fabric(bench, seed=seed))
    fabric = controller.fabric
    for tile in range(2):
        for row in range(8):
            fabric.pulse(tile, row, np.ones((1, 16), dtype=bool), 0, np.array([3500]), 1229, 10_000)
    return controller


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 20), max_size=5),
    ahead_us=st.one_of(st.none(), st.floats(0.0, 20 * 23.3)),
    doublings=st.integers(0, 12),
    seed=st.integers(0, 3),
)
def test_cutting_a_batch_anywhere_changes_nothing(asked, same, cuts, ahead_us, doublings, seed):
    """Also when an epoch falls into the batch, `ahead_us` after its start."""
    spec = load_chip("bench-8x16")
    codes = random_codes(20, 8, seed)  # as many as one frame answers
    results = []
    for edges in ([0, 20], [0, *sorted(cuts), 20]):
        controller = written(spec, asked, seed)
        fabric = controller.fabric
        if ahead_us is not None:
            epoch_ns = fabric.tiles[1].last_write_ns + (1_000_000 << doublings)
            fabric.advance(max(epoch_ns - round(1000 * ahead_us) - fabric.now_ns, 0))
        answers = [
            controller(MVM, tile=1, range=0, count=end - start, codes=codes[start:end].ravel())["codes"]
            for start, end in itertools.pairwise(edges)
            if end > start
        ]
        results.append((np.concatenate(answers), controller.everything()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    same(results[0][1], results[1][1])


def test_one_vector_and_a_batch_give_the_same_codes_on_the_large_chip(lab, with_cells, same):
    codes = random_codes(40, 128)
    fabrics = [with_cells(Fabric(lab, seed=5)) for _ in range(2)]
    for fabric in fabrics:
        fabric.select(2, 0, 128, 0)
    fabrics[0].drive(codes)
    batch, _ = fabrics[0].sample(np.arange(128))
    singles = []
    for vector in codes:
        fabrics[1].drive(vector[None])
        singles.append(fabrics[1].sample(np.arange(128))[0][0])
    np.testing.assert_array_equal(batch, singles)
    same(fabrics[0].state(), fabrics[1].state())


# Errors of the front end


def reference_samples(fabric, tile=0, n=4000, code=0, tia_range=1):
    fabric.select(tile, fabric.reference_row, 1, tia_range)
    fabric.drive(np.full((n, 1), code))
    return fabric.sample(np.arange(fabric.spec.columns))[0]


def test_noise_of_amplifier_and_converter_is_as_specified(bench, only):
    """0.5 LSB of the ADC, 0.2 mV of the TIA, and 1/12 LSB**2 of quantisation."""
    raw = reference_samples(Fabric(bench, effects=only("adc", "tia")))
    wanted = np.sqrt(0.5**2 + (0.2e-3 / LSB_V) ** 2 + 1 / 12)
    assert raw.std(axis=0).mean() == pytest.approx(wanted, rel=0.02)
    lag = [np.corrcoef(raw[:-1, column], raw[1:, column])[0, 1] for column in range(16)]
    assert np.abs(lag).max() < 5 / np.sqrt(len(raw))
    across = np.corrcoef(raw.T)[np.triu_indices(16, 1)]
    assert np.abs(across).max() < 5 / np.sqrt(len(raw))


def test_offsets_and_gains_of_columns_have_the_specified_spread(lab, only):
    offsets, gains = [], []
    for tile in range(4):
        fabric = Fabric(lab, seed=3, effects=only("tia"))
        zero, up = (reference_samples(fabric, tile, 200, code).mean(axis=0) for code in (0, READ_CLAMP))
        offsets.append(zero)
        gains.append((up - zero) / (READ_CLAMP * LSB_V / 33000.0 * TIA_OHM[1] / LSB_V))
    assert np.std(offsets) == pytest.approx(5.0, rel=0.12)  # 512 columns: 3 % standard error
    assert np.std(gains) == pytest.approx(0.02, rel=0.12)
    assert abs(np.mean(offsets)) < 1.0
    assert abs(np.mean(gains) - 1.0) < 0.004


def test_read_noise_of_cells_is_as_specified(bench, with_cells, only):
    """1 % of 40 uS at 40 uS; absolute noise as g**0.47 below."""
    g = np.full((8, 16), 20e-6)
    g[:, 8:] = 40e-6
    fabric = with_cells(Fabric(bench, effects=only("read_noise")), g)
    fabric.select(0, 3, 1, 1)
    fabric.drive(np.full((6000, 1), READ_CLAMP))
    codes = fabric.sample(np.arange(16))[0] * LSB_V / TIA_OHM[1] / (READ_CLAMP * LSB_V)  # siemens
    step = LSB_V / TIA_OHM[1] / (READ_CLAMP * LSB_V)
    for columns, siemens in ((slice(0, 8), 20e-6), (slice(8, 16), 40e-6)):
        sigma = 0.4e-6 * (siemens / 40e-6) ** 0.47
        assert codes[:, columns].mean() == pytest.approx(siemens, rel=2e-3)
        assert codes[:, columns].std(axis=0).mean() == pytest.approx(np.hypot(sigma, step / np.sqrt(12)), rel=0.03)


def test_row_dacs_have_offset_and_gain(bench, with_cells, only):
    """Of 200 chips, 8 rows each, seen through 1 mS cells, one a column."""
    g = np.zeros((8, 16))
    g[np.arange(8), np.arange(8)] = 1e-3
    offsets, gains = [], []
    for seed in range(200):
        fabric = with_cells(Fabric(bench, seed=seed, effects=only("dac")), g)
        fabric.select(0, 0, 8, 0)
        fabric.drive(np.array([[0] * 8, [300] * 8]))
        current = fabric.sample(np.arange(8))[0] / (1e-3 * TIA_OHM[0])  # row codes, steps of 0.15
        offsets.append(current[0])
        gains.append((current[1] - current[0]) / 300)
    assert np.std(offsets) == pytest.approx(0.8, rel=0.1)
    assert np.std(gains) == pytest.approx(0.001, rel=0.15)


def test_every_effect_can_be_left_out_and_ideal_leaves_out_all(bench, with_cells):
    codes = random_codes(30, 8)

    def outputs(**options):
        fabric = with_cells(Fabric(bench, seed=4, **options))
        fabric.select(0, 0, 8, 0)
        fabric.drive(codes)
        return fabric.sample(np.arange(16))[0]

    ideal = outputs(ideal=True)
    np.testing.assert_array_equal(ideal, outputs(effects=frozenset()))
    assert (outputs() != ideal).mean() > 0.9
    for effect in ALL_EFFECTS - {
        Effect.SPREAD,
        Effect.STUCK,
        Effect.RELAXATION,
    }:  # those change the cells, which are given here
        assert (outputs(effects=frozenset({effect})) != ideal).any(), effect


def test_seed_makes_the_chip(bench):
    def outputs(seed):
        fabric = Fabric(bench, seed=seed)
        return reference_samples(fabric, n=3), fabric.state()["tile1_conductance"]

    first, again, other = outputs(1), outputs(1), outputs(2)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).mean() > 0.5
    assert (first[1] != other[1]).mean() > 0.99

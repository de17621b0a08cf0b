"""What pulses and time do to cells, and what a chip's seed and state hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloom.spec import load_chip
from ohmloom.spec.commands import Cause, Polarity
from ohmloom_emulator.fabric import Fabric

MS = 1_000_000
ROW = np.ones((1, 16), dtype=bool)


def formed(spec, seed=0, **options):
    """A fabric whose cells have been formed, 16 a pulse."""
    fabric = Fabric(spec, seed=seed, **options)
    for tile in range(spec.tiles):
        for row in range(spec.rows):
            assert fabric.pulse(tile, row, ROW, Polarity.SET, np.array([3686]), 1229, 1_000_000) == 1
    return fabric


def looked_at(fabric, tile=0):
    """Conductances of a tile right after it has been read."""
    fabric.select(tile, 0, fabric.spec.rows, 0)
    fabric.drive(np.zeros((1, fabric.spec.rows), dtype=int))
    return fabric.state()[f"tile{tile}_conductance"]


@settings(max_examples=30, deadline=None)
@given(
    columns=st.permutations(range(16)),
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    polarity=st.sampled_from(list(Polarity)),
    rails=st.lists(st.integers(0, 3276), min_size=5, max_size=5),
    width_ns=st.sampled_from([1, 1000, 10_000]),
    later_ns=st.sampled_from([0, 900_000, 3_000_000]),
)
def test_pulses_at_once_and_one_by_one_leave_the_same_state(same, columns, sizes, polarity, rails, width_ns, later_ns):
    spec = load_chip("bench-8x16")
    groups = np.zeros((len(sizes), 16), dtype=bool)
    taken = iter(columns)
    for group, size in zip(groups, sizes, strict=True):
        group[[column for column, _ in zip(taken, range(size), strict=False)]] = True
    levels = np.array(rails[: len(sizes)])
    together, single = formed(spec), formed(spec)
    for fabric in (together, single):
        fabric.advance(later_ns)
    done = together.pulse(0, 3, groups, polarity, levels, 4095, width_ns)
    count = 0
    for group, level in zip(groups, levels, strict=True):
        if not single.pulse(0, 3, group[None], polarity, np.array([level]), 4095, width_ns):
            break
        count += 1
    assert done == count
    same(together.state(), single.state())


def test_pulses_after_the_one_that_trips_never_happen(bench, changed, same):
    spec = changed(bench, limits={"over_current_a": 40e-6})
    groups = np.zeros((4, 16), dtype=bool)
    groups[0, 0], groups[1, 1], groups[2, 2:12], groups[3, 12] = True, True, True, True
    levels = np.array([1500, 1500, 3000, 3276])
    fabric, first_three = (Fabric(spec, seed=2, effects=frozenset()) for _ in range(2))
    for each in (fabric, first_three):
        arrays = each.state()
        arrays["tile0_conductance"] = arrays["tile0_written"] = np.full((8, 16), 10e-6)
        each.restore(arrays)
    assert fabric.pulse(0, 0, groups, Polarity.RESET, levels, 4095, 1000) == 2
    for index in range(3):
        first_three.pulse(0, 0, groups[index : index + 1], Polarity.RESET, levels[index : index + 1], 4095, 1000)
    same(fabric.state(), first_three.state())
    assert fabric.state()["tile0_pulses"][0, 12] == 0


def test_pulses_take_settling_and_width_and_the_energy_of_rail_and_cells(bench, with_cells):
    fabric = with_cells(Fabric(bench, ideal=True))
    g = fabric.state()["tile0_conductance"][2]
    groups = np.zeros((2, 16), dtype=bool)
    groups[0, :8], groups[1, 8:] = True, True
    levels = np.array([1000, 1400])
    assert fabric.pulse(0, 2, groups, Polarity.SET, levels, 4095, 2_000) == 2
    assert fabric.now_ns == fabric.time_ns[Cause.WRITE] == 2 * (7_000 + 2_000)  # AD5628 settles in 7 us
    volts = levels * 5.0 / 4096
    cells_j = (volts[0] ** 2 * g[:8].sum() + volts[1] ** 2 * g[8:].sum()) * 2e-6
    assert 1e-15 * fabric.energy_fj[Cause.WRITE] == pytest.approx(cells_j + 6.5e-3 * fabric.now_ns * 1e-9, rel=2e-3)


def test_only_pulsed_cells_of_the_row_move(bench):
    fabric = formed(bench)  # tile 1 a moment ago
    before = fabric.state()["tile1_conductance"]
    group = np.zeros((1, 16), dtype=bool)
    group[0, [1, 5, 6]] = True
    fabric.pulse(1, 4, group, Polarity.RESET, np.array([2000]), 4095, 1000)
    moved = fabric.state()["tile1_conductance"] != before
    wanted = np.zeros((8, 16), dtype=bool)
    wanted[4, [1, 5, 6]] = fabric.tiles[1].devices.stuck[4, [1, 5, 6]] == 0
    np.testing.assert_array_equal(moved, wanted)


@pytest.mark.parametrize("k", [0, 1, 2, 5, 10, 20])
@pytest.mark.parametrize("early_ns", [0, 1])
def test_conductances_change_at_doublings_of_the_time_since_the_tiles_last_write(bench, k, early_ns):
    """At 1 ms * 2**k after the last pulse on the tile, and at no time between."""
    fabric = formed(bench, stuck=0.0)
    last_write_ns = 8 * (1_000_000 + 1_000_000)  # tile 0 was formed first; half of the time is rest
    fabric.advance(last_write_ns + (64 * MS << k) - fabric.now_ns)
    previous = looked_at(fabric)
    fabric.advance(last_write_ns + (128 * MS << k) - early_ns - fabric.now_ns)
    changed = looked_at(fabric) != previous
    assert changed.mean() > 0.9 if early_ns == 0 else not changed.any()


@settings(max_examples=25, deadline=None)
@given(looks_s=st.lists(st.floats(0, 9e3), max_size=8), more_looks_s=st.lists(st.floats(0, 9e4), max_size=8))
def test_conductances_do_not_depend_on_when_they_are_looked_at(looks_s, more_looks_s):
    """Looks before and after one row is written again, at 10,000 s; the end comes at 100,000 s."""
    results = []
    for first, second in ((looks_s, more_looks_s), ([], [])):
        fabric = formed(load_chip("bench-8x16"))
        for look_s in sorted(first):
            fabric.advance(max(round(look_s * 1e9) - fabric.now_ns, 0))
            looked_at(fabric)
        fabric.advance(10_000 * 10**9 - fabric.now_ns)
        fabric.pulse(0, 1, ROW, Polarity.RESET, np.array([1900]), 4095, 1000)
        for look_s in sorted(second):
            fabric.advance(max(round((look_s + 1e4) * 1e9) - fabric.now_ns, 0))
            looked_at(fabric)
        fabric.advance(100_000 * 10**9 + 10**9 - fabric.now_ns)
        results.append(looked_at(fabric))
    np.testing.assert_array_equal(*results)


def test_virgin_and_ideal_cells_do_not_relax(bench):
    virgin = Fabric(bench)
    ideal = formed(bench, ideal=True)
    for fabric in (virgin, ideal):
        before = looked_at(fabric)
        fabric.advance(10**15)
        np.testing.assert_array_equal(looked_at(fabric), before)


def test_batch_of_many_epochs_is_a_jump_to_the_last(bench):
    """A day in one advance or in 1000 gives the same conductances."""
    at_once, slowly = formed(bench), formed(bench)
    at_once.advance(86_400 * 10**9)
    for _ in range(1000):
        slowly.advance(86_400 * 10**6)
    np.testing.assert_array_equal(looked_at(at_once), looked_at(slowly))


@pytest.mark.parametrize(("stuck", "share"), [(None, 0.003), (0.0, 0.0), (0.1, 0.1), (1.0, 1.0)])
def test_share_of_stuck_cells(lab, stuck, share):
    fabric = Fabric(lab, seed=1, stuck=stuck)
    found = np.mean([tile.devices.stuck != 0 for tile in fabric.tiles])
    assert abs(found - share) <= 5 * np.sqrt(share * (1 - share) / (4 * 128 * 128))


def test_stuck_cells_do_not_move(bench):
    fabric = Fabric(bench, seed=1, stuck=0.5)
    before = fabric.state()["tile0_conductance"]
    for row in range(8):
        fabric.pulse(0, row, ROW, Polarity.SET, np.array([3686]), 1229, 1_000_000)
    moved = fabric.state()["tile0_conductance"] != before
    np.testing.assert_array_equal(moved & (fabric.tiles[0].devices.stuck != 0), False)
    assert moved[fabric.tiles[0].devices.stuck == 0].mean() > 0.9


def test_restore_takes_everything_back(bench, same):
    fabric = formed(bench, seed=3)
    fabric.advance(7 * MS)
    looked_at(fabric)
    arrays = fabric.state()
    copy = Fabric(bench, seed=3)
    copy.restore(arrays)
    same(copy.state(), arrays)
    for each in (fabric, copy):
        each.advance(50 * MS)
        each.pulse(0, 1, ROW, Polarity.RESET, np.array([1900]), 4095, 1000)
        each.advance(50 * MS)
        each.select(0, 0, 8, 0)
        each.drive(np.full((2, 8), 200))
        each.answer = each.sample(np.arange(16))[0]
    np.testing.assert_array_equal(fabric.answer, copy.answer)
    same(fabric.state(), copy.state())


@pytest.mark.parametrize("damage", ["missing", "shape", "dtype"])
def test_a_state_that_does_not_fit_changes_nothing(bench, damage, same):
    arrays = formed(bench).state()
    if damage == "missing":
        del arrays["tile1_writes"]
    elif damage == "shape":
        arrays["tile1_writes"] = arrays["tile1_writes"][:4]
    else:
        arrays["energy_fj"] = arrays["energy_fj"].astype(float)
    fabric = Fabric(bench)
    before = {key: value.copy() for key, value in fabric.state().items()}
    with pytest.raises(ValueError, match="array"):
        fabric.restore(arrays)
    same(fabric.state(), before)

"""The write-verify engine gives the emulator's answers, byte for byte, and leaves the same chip behind."""

import numpy as np
import pytest

from ohmloom.spec import load_chip, load_policy
from ohmloom.spec.commands import FORM, PROGRAM, PULSE, READ, CellStatus, Polarity
from ohmloom.spec.policy import NO_EDGE, POLICY_DTYPE, policy_names

from .write_verify_bench import Bench, targets

BENCH, LAB = "bench-8x16", "lab-128x128x4"


def limited(spec, **limits):
    return spec.model_copy(update={"limits": spec.limits.model_copy(update=limits)})


def random_policy(spec, rng):
    """Any table that the controller accepts: amplitudes around those that move cells, and now and then extreme."""
    limits = spec.limits
    record = np.zeros((), POLICY_DTYPE)
    record["max_pulses"] = rng.integers(0, 9)
    record["max_reversals"], record["max_top_pulses"] = rng.integers(0, 4, 2)
    record["backoff"] = rng.choice([0, 10, 100, 65535])
    record["grid"] = rng.choice([0, 3, 6, 11, 12, 16, 65535])
    for name, top in (("error_edges", 700), ("conductance_edges", 600)):
        edges = np.sort(rng.integers(0, top, record[name].size))
        edges[rng.integers(1, edges.size + 1) :] = NO_EDGE
        record[name] = edges
    for name, clamp_v, cap_ns in (
        ("set", limits.set_v, limits.pulse_ns),
        ("reset", limits.reset_v, limits.pulse_ns),
        ("form", limits.form_v, limits.form_pulse_ns),
    ):
        table = record[name]
        table["top"] = rng.choice([0, rng.integers(1000, 2500), spec.rail_code(clamp_v)], p=[0.1, 0.4, 0.5])
        table["gate"] = rng.integers(2000, spec.rail_code(limits.gate_v) + 1)
        table["pulse_ns"] = rng.choice([1, rng.integers(1, cap_ns + 1), cap_ns])
        for field, low, high in (("first", 700, 1700), ("level", -300, 400), ("step", -20, 200)):
            values = rng.integers(low, high, table[field].size)
            extreme = rng.random(values.size) < 0.05
            values[extreme] = rng.choice([-32768, 32767], extreme.sum())
            table[field] = values
    return record.tobytes()


def program(spec, rng, tile, row, **options):
    return PROGRAM, {"tile": tile, "row": row, "cells": targets(spec, rng, **options)}


def form(spec, tile, row, mask=None):
    mask = np.ones(spec.columns, np.uint8) if mask is None else mask
    return FORM, {"tile": tile, "row": row, "mask": mask}


def statuses(answers):
    return {CellStatus(int(status)) for answer in answers for status in answer["cells"]["status"]}


@pytest.mark.parametrize("stall", [pytest.param(0.0, marks=pytest.mark.slow), 0.4])
def test_a_row_is_formed_and_programmed(stall):
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=3, stall=stall)
    bench.corrections(500)
    rng = np.random.default_rng(3)
    mask = np.array([0, 1, 255, 128] * 4, np.uint8)
    answers = bench.run(form(spec, 1, 5, mask), form(spec, 1, 5), program(spec, rng, 1, 5))
    assert statuses(answers[:2]) == {CellStatus.CONVERGED, CellStatus.SKIPPED}
    assert statuses(answers[2:]) >= {CellStatus.CONVERGED, CellStatus.SKIPPED}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_tile_of_random_targets(seed):
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=seed)
    rng = np.random.default_rng(seed)
    rows = range(spec.rows)
    bench.run(*(form(spec, 0, row) for row in rows), timeout_cycles=10**6)
    bench.run(*(program(spec, rng, 0, row, tolerance=(9, 20)) for row in rows), timeout_cycles=10**6)


@pytest.mark.slow
def test_stuck_cells_end_as_stuck():
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=5, stuck=0.2)
    bench.form_cells(0, 2)
    answers = bench.run(program(spec, np.random.default_rng(5), 0, 2, skip=0))
    assert CellStatus.STUCK in statuses(answers)


SLOW_POLICIES = {"default", "fppv", "hfox", "radar"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW_POLICIES else name for name in policy_names()]
)
def test_bundled_policies(name):
    spec = load_chip("bench-8x16-hfox" if name == "hfox" else BENCH)
    bench = Bench(spec, seed=7)
    bench.policy(load_policy(name).pack(spec))
    bench.form_cells(0, 1)
    bench.run(program(spec, np.random.default_rng(7), 0, 1, tolerance=(16, 24), skip=0.4))


@pytest.mark.parametrize("seed", [3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3))])
def test_random_policies(seed):
    spec = load_chip(BENCH)
    rng = np.random.default_rng(seed)
    bench = Bench(spec, seed=seed, stall=0.2)
    bench.form_cells(0, 0)
    for _ in range(2):
        bench.policy(random_policy(spec, rng))
        bench.run(program(spec, rng, 0, 0, tolerance=(1, 40)), form(spec, 0, 1))


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_a_pulse_too_strong_ends_the_row(seed):
    spec = limited(load_chip(BENCH), over_current_a=0.00013)
    bench = Bench(spec, seed=seed)
    bench.form_cells(0, 0)
    (answer,) = bench.run(program(spec, np.random.default_rng(seed), 0, 0, skip=0.1))
    assert CellStatus.TRIPPED in statuses([answer])


@pytest.mark.parametrize("cycles", [100, 400, 900, 1500])
def test_a_trip_at_any_time_ends_the_row(cycles):
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=1)
    bench.form_cells(0, 0)
    command, values = program(spec, np.random.default_rng(1), 0, 0, skip=0)
    answer, tripped = bench.run_latched(command, values, cycles)
    assert tripped
    assert CellStatus.TRIPPED in statuses([answer])
    bench.run_latched(READ, {"tile": 0, "row": 0, "rows": 2, "samples": 3}, 0)


@pytest.mark.slow
def test_rows_of_any_length():
    spec = load_chip(BENCH)
    for columns, adcs in ((10, 1), (22, 2)):
        afe = spec.afe.model_copy(update={"column_adcs": adcs})
        odd = spec.model_copy(update={"columns": columns, "rows": 5, "afe": afe})
        bench = Bench(odd, seed=columns)
        rng = np.random.default_rng(columns)
        bench.run(
            form(odd, 0, 4),
            program(odd, rng, 0, 4, tolerance=(20, 30), skip=0.5),
            (READ, {"tile": 0, "row": 3, "rows": 2, "samples": 2}),
        )


@pytest.mark.parametrize("cells_per_pulse", [1, 3])
def test_cells_of_one_amplitude_share_pulses_within_the_limit(cells_per_pulse):
    spec = limited(load_chip(BENCH), cells_per_pulse=cells_per_pulse)
    bench = Bench(spec, seed=4)
    bench.run(form(spec, 0, 0), program(spec, np.random.default_rng(4), 0, 0, tolerance=(16, 24)))


def test_cells_with_tolerance_0_are_left_alone():
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=1)
    cells = np.stack([np.arange(-8, 8) * 256, np.zeros(16, int)], axis=1).ravel()
    (answer,) = bench.run((PROGRAM, {"tile": 0, "row": 0, "cells": cells}))
    assert statuses([answer]) == {CellStatus.SKIPPED}
    assert (bench.afe.drives, bench.afe.pulses) == (1, 0)


@pytest.mark.parametrize("spread", [0, 32768])
def test_read_averages_samples(spread):
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=9, stall=0.1)
    bench.form_cells(1, 2)
    if spread:
        bench.corrections(spread)
    requests = [(1, 2, 1, 1), (0, 6, 2, 2), (1, 1, 3, 3), (1, 7, 1, 7), (0, 3, 1, 17)]
    bench.run(
        *((READ, dict(zip(("tile", "row", "rows", "samples"), values, strict=True))) for values in requests),
        timeout_cycles=200_000,
    )


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 7, 16, 31, 63, 64])
@pytest.mark.slow
def test_read_averages_of_many_samples(samples):
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=samples, settle=2, gap=2)
    bench.corrections(32768)
    bench.run((READ, {"tile": 0, "row": samples % 8, "rows": 1, "samples": samples}))


def pulse(column, polarity, rail, gate, width_ns):
    return PULSE, {
        "tile": 1, "row": 6, "column": column, "polarity": polarity, "rail": rail, "gate": gate, "width_ns": width_ns,
    }  # fmt: skip


def test_single_pulses():
    spec = load_chip(BENCH)
    bench = Bench(spec, seed=6, stall=0.1)
    bench.corrections(1000)
    bench.form_cells(1, 6)
    bench.run(
        pulse(0, Polarity.RESET, 1800, 4095, 1000),
        pulse(0, Polarity.SET, 1500, 3000, 10_000),
        pulse(15, Polarity.RESET, 2000, 4095, 77),
        pulse(7, Polarity.SET, 0, 0, 1),
    )


def test_single_pulse_that_trips():
    spec = limited(load_chip(BENCH), over_current_a=0.00005)
    bench = Bench(spec, seed=6)
    bench.form_cells(1, 6)
    (answer,) = bench.run(pulse(3, Polarity.RESET, 2500, 4095, 1000))
    assert answer["code"] == -32768


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most_us"), [(BENCH, 60.0), (LAB, 120.0)])
def test_a_round_is_decided_in_time(name, most_us):
    """From the last sample of a row whose cells all run to the offer of its first pulse, at the rate of the converters."""
    spec = load_chip(name)
    cycle_us = 1e6 / spec.controller.clock_hz
    slot = int(spec.column_adc.conversion_ns * 1e-3 / cycle_us) - spec.afe.column_adcs
    bench = Bench(spec, seed=1, slot=slot)
    bench.form_cells(0, 0)
    record = np.frombuffer(load_policy("default").pack(spec), POLICY_DTYPE).copy()
    record["max_pulses"] = 3
    bench.policy(record.tobytes())
    bench.run(program(spec, np.random.default_rng(1), 0, 0, tolerance=(1, 2), skip=0), timeout_cycles=200_000)
    assert max(bench.afe.thinking) * cycle_us < most_us

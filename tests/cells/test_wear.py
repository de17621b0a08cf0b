"""Endurance: a window that closes with the cycles, and cells that end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ohmloom.spec import load_chip
from ohmloom.spec.commands import Polarity
from ohmloom.spec.effects import ALL_EFFECTS, Effect
from ohmloom_emulator.devices import Reliability
from ohmloom_emulator.fabric import Fabric

CYCLES = 400


def test_endurance_is_lognormal() -> None:
    parameters = Reliability(endurance_cycles=1e6, endurance_spread=0.5)
    cycles = parameters.endurance(1, 0, *np.indices((200, 200)))
    assert np.log(cycles).mean() == pytest.approx(np.log(1e6), abs=4 * 0.5 / 200)
    assert np.log(cycles).std() == pytest.approx(0.5, rel=0.02)


def cycle(fabric: Fabric, cycles: int) -> np.ndarray[Any, Any]:
    """Full SET and RESET in turn on one row; conductances (cycles, 2, columns) after each pulse."""
    columns, tile = np.ones((1, 16), dtype=bool), fabric.tiles[0]
    fabric.pulse(0, 0, columns, Polarity.SET, np.array([3500]), 1800, 1_000_000)  # forming
    seen = []
    for _ in range(cycles):
        for polarity, volts in ((Polarity.RESET, 2.6), (Polarity.SET, 2.0)):
            fabric.pulse(0, 0, columns, polarity, np.array([fabric.spec.rail_code(volts)]), 4095, 1000)
            seen.append(tile.conductance[0].copy())
    return np.reshape(seen, (cycles, 2, 16))


def test_the_window_closes_and_the_cell_ends(make_chip: Any) -> None:
    cell = {"model": "statistical", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6, "set_slope_siemens_per_v": 1e-4,
            "endurance_cycles": CYCLES, "endurance_spread": 0}  # fmt: skip
    spec = load_chip(make_chip(cell, over_current_a=1.0))
    fabric = Fabric(spec, seed=2, stuck=0.0)
    seen = cycle(fabric, CYCLES + 20)
    low, high = seen[:, 0], seen[:, 1]
    devices = fabric.tiles[0].devices[0]
    top, bottom = 70e-6 * devices.max_scale, devices.min_siemens

    fresh = Fabric(spec, seed=2, stuck=0.0, effects=ALL_EFFECTS - {Effect.STUCK})
    new = cycle(fresh, CYCLES // 10 - 2)
    np.testing.assert_array_equal(seen[: len(new)], new)  # up to a tenth of its cycles a cell is as new
    window = np.log(high / low) / np.log(top / bottom)
    at_half = round(CYCLES * 10**-0.5)  # half way through the last decade
    np.testing.assert_allclose(window[at_half], 0.5, atol=0.02)
    np.testing.assert_allclose(np.sqrt(high * low)[at_half], np.sqrt(top * bottom), rtol=0.05)
    assert np.all(np.diff(window[CYCLES // 10 + 2 :], axis=0) <= 1e-9)
    np.testing.assert_array_equal(seen[-1], seen[-2])
    assert fabric.tiles[0].turns[0].max() <= 2 * CYCLES + 2


def test_pulses_that_do_not_move_a_cell_do_not_wear_it(make_chip: Any) -> None:
    cell = {"model": "statistical", "g_min_siemens": 1e-6, "g_max_siemens": 40e-6}
    fabric = Fabric(load_chip(make_chip(cell)), stuck=0.0)
    columns = np.ones((1, 16), dtype=bool)
    for polarity, volts, turns in (
        (Polarity.SET, 0.5, 0), (Polarity.SET, 4.4, 1), (Polarity.SET, 1.9, 1), (Polarity.RESET, 0.5, 1),
        (Polarity.RESET, 2.0, 2), (Polarity.RESET, 2.2, 2), (Polarity.SET, 2.0, 3),
    ):  # fmt: skip
        gate, width_ns = (1800, 1_000_000) if volts > 4 else (4095, 1000)  # forming, or not
        fabric.pulse(0, 0, columns, polarity, np.array([fabric.spec.rail_code(volts)]), gate, width_ns)
        assert np.median(fabric.tiles[0].turns[0]) == turns
    assert not fabric.tiles[0].turns[1:].any()

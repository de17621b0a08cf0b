"""Whole sessions of the host library, recorded on the emulator and repeated on the compiled gateware: same answers, same chip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ohmloom
from ohmloom.replay.against import compare

URL = "bench-8x16?seed=6&stuck=0.03"


def _same_states(one: Path, other: Path) -> None:
    with np.load(one) as wanted, np.load(other) as found:
        names = [
            name for name in wanted.files if name.startswith(("tile", "samples", "passes", "time", "energy", "memory"))
        ]
        assert len(names) > 10
        for name in names:
            np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


@pytest.mark.slow
def test_a_network_from_virgin_cells_to_its_outputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = (
        ohmloom.Layer(rng.normal(0, 0.5, (6, 6)), rng.normal(0, 0.2, 6), "relu"),
        ohmloom.Layer(rng.normal(0, 0.5, (6, 3)), rng.normal(0, 0.2, 3), "none"),
    )
    X = rng.uniform(-1, 1, (40, 6))
    file = tmp_path / "session.jsonl"
    with ohmloom.record(f"emu://{URL}&state={tmp_path / 'emu.npz'}", file) as chip:
        chip.program(ohmloom.compile(ohmloom.Model(layers, "regression"), chip.spec, X))
        chip.infer(X)
        chip.pulse(0, 7, 15, 2.0)
        chip.wait(0.5)
        chip.infer(X)
        chip.stop()
        chip.clear_trip()
        chip.read_conductance(1, samples=3)
        chip.events()
        _ = chip.meters
    assert compare(file, f"rtl://{URL}&state={tmp_path / 'rtl.npz'}") is None
    _same_states(tmp_path / "emu.npz", tmp_path / "rtl.npz")

"""The safety rules hold whatever comes at the safety block's inputs: proofs by k-induction, without bound."""

from __future__ import annotations

import pytest

from ohmloom.spec import load_chip
from ohmloom_hdl.safety import Safety

from .invariants import INVARIANTS
from .proof import Proof
from .properties import RULES, over_current
from .sby import prove

CHIPS = ("bench-8x16", pytest.param("lab-128x128x4", marks=pytest.mark.slow))


@pytest.mark.parametrize("chip", CHIPS)
def test_the_rules_hold(chip: str, tmp_path) -> None:
    log = prove(Proof(load_chip(chip), *RULES, *INVARIANTS).rtlil(), tmp_path)
    assert "DONE (PASS" in log, log


@pytest.mark.parametrize("chip", CHIPS)
def test_over_current_trips(chip: str, tmp_path) -> None:
    log = prove(Proof(load_chip(chip), over_current).rtlil(), tmp_path, depth=4)
    assert "DONE (PASS" in log, log


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong",
    [
        {"read_v": 0.201},
        {"set_v": 4.01},
        {"form_v": 4.51},
        {"gate_v": 4.9},
        {"pulse_ns": 10_056},
        {"form_pulse_ns": 1_000_056},
        {"duty": 0.501},
    ],
)
def test_a_block_with_another_limit_is_found_out(wrong: dict[str, float], tmp_path) -> None:
    """The rules do not come from the block: one that was built for other limits does not pass."""
    spec = load_chip("bench-8x16")
    other = spec.model_copy(update={"limits": spec.limits.model_copy(update=wrong)})
    log = prove(Proof(spec, *RULES, *INVARIANTS, dut=Safety(other)).rtlil(), tmp_path)
    assert "DONE (PASS" not in log
    assert "Assert failed" in log, log

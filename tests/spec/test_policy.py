"""Write-verify policies: what is wrong is named, and POLICY memory holds the data sheet's codes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ohmloom.errors import SpecError
from ohmloom.spec import Policy, chip_names, load_chip, load_policy, policy_names
from ohmloom.spec.policy import CONDUCTANCE_BUCKETS, ERROR_BUCKETS, NO_EDGE, POLICY_DTYPE

NEURRAM = (files("ohmloom.spec") / "policies" / "neurram.toml").read_text("utf-8")


def changed(folder: Path, old: str, new: str) -> Path:
    """NeuRRAM's policy with the first `old` replaced."""
    assert old in NEURRAM
    path = folder / "policy.toml"
    path.write_text(NEURRAM.replace(old, new, 1), "utf-8")
    return path


def packed(policy: Policy, chip: str = "bench-8x16") -> np.void:
    data = policy.pack(load_chip(chip))
    assert len(data) == POLICY_DTYPE.itemsize
    record: np.void = np.frombuffer(data, dtype=POLICY_DTYPE)[0]
    return record


@pytest.mark.parametrize("chip", chip_names())
def test_neurram_in_rail_codes(chip: str) -> None:
    """Codes of the AD5628-2, 5 V / 4096, rounded down: volts x 819.2."""
    record = packed(load_policy("neurram"), chip)
    counts = [int(record[key]) for key in ("max_pulses", "max_reversals", "max_top_pulses", "backoff")]
    assert counts == [1000, 50, 30, 0]
    expected = {
        "set": (983, 81, 3276, 2457, 1000),
        "reset": (983, 81, 3276, 4095, 1000),
        "form": (3440, 40, 3686, 1228, 1_000_000),
    }
    for key, (first, step, top, gate, pulse_ns) in expected.items():
        table = record[key]
        assert table["first"].tolist() == [first] * ERROR_BUCKETS
        assert table["step"].tolist() == [step] * ERROR_BUCKETS
        assert table["level"].tolist() == [0] * CONDUCTANCE_BUCKETS
        assert (int(table["top"]), int(table["gate"]), int(table["pulse_ns"])) == (top, gate, pulse_ns)
    assert record["error_edges"].tolist() == [NO_EDGE] * (ERROR_BUCKETS - 1)
    assert record["conductance_edges"].tolist() == [NO_EDGE] * (CONDUCTANCE_BUCKETS - 1)


@pytest.mark.parametrize("chip", chip_names())
@pytest.mark.parametrize("name", policy_names())
def test_bundled_policies_stay_within_the_clamps(name: str, chip: str) -> None:
    spec, record = load_chip(chip), packed(load_policy(name), chip)
    for key, clamp_v in (("set", spec.limits.set_v), ("reset", spec.limits.reset_v), ("form", spec.limits.form_v)):
        assert 0 < record[key]["top"] <= spec.rail_code(clamp_v)
        assert 0 < record[key]["gate"] <= spec.rail_code(spec.limits.gate_v)
        for table in ("first", "level", "step"):
            assert np.all((record[key][table] >= 0) & (record[key][table] <= 4095))


def test_edges_are_verify_codes(tmp_path: Path) -> None:
    """47 kohm and 327 codes of the row: 15.369 codes a uS."""
    edges = "conductance_edges_siemens = [5e-6, 10e-6]\nerror_edges_siemens = [1e-6]\nmax_pulses"
    record = packed(load_policy(changed(tmp_path, "max_pulses", edges)))
    assert record["conductance_edges"].tolist() == [77, 154] + [NO_EDGE] * (CONDUCTANCE_BUCKETS - 3)
    assert record["error_edges"].tolist() == [15] + [NO_EDGE] * (ERROR_BUCKETS - 2)


def test_the_last_value_of_a_short_table_stands_for_the_rest(tmp_path: Path) -> None:
    record = packed(load_policy(changed(tmp_path, "first_v = 1.2", "first_v = [1.0, 1.25]")))
    assert record["set"]["first"].tolist() == [819] + [1024] * (ERROR_BUCKETS - 1)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("top_v = 4.0", "top_v = 4.001", "set"),
        ("gate_v = 3.0", "gate_v = 5.1", "set"),
        ("pulse_ns = 1000", "pulse_ns = 10_001", "set"),
        ("top_v = 4.5", "top_v = 4.6", "form"),
        ("pulse_ns = 1_000_000", "pulse_ns = 1_000_001", "form"),
    ],
)
def test_beyond_the_chip_s_limits(tmp_path: Path, old: str, new: str, named: str) -> None:
    policy = load_policy(changed(tmp_path, old, new))
    with pytest.raises(SpecError, match=f"neurram: {named} "):
        policy.pack(load_chip("bench-8x16"))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("max_pulses = 1000", "", "max_pulses"),
        ("max_pulses = 1000", "max_pulses = 0", "max_pulses"),
        ("max_pulses = 1000", "max_pulses = 65536", "max_pulses"),
        ("max_reversals = 50", "max_reversals = -1", "max_reversals"),
        ("max_top_pulses = 30", "max_top_pulses = 256", "max_top_pulses"),
        ("max_top_pulses = 30", "speed = 30", "speed"),
        ("first_v = 1.2", "first_v = -1.2", "set.first_v"),
        ("first_v = 1.2", "first_v = nan", "set.first_v"),
        ("first_v = 1.2", "first_v = []", "set.first_v"),
        ("first_v = 1.2", f"first_v = {[1.2] * (ERROR_BUCKETS + 1)}", "set.first_v"),
        ("step_v = 0.1", "step_v = inf", "set.step_v"),
        ("pulse_ns = 1000", "pulse_ns = 0", "set.pulse_ns"),
        ("top_v = 4.5", "top_v = nan", "form.top_v"),
        ("[form]", "[fire]", "form"),
        ("[set]", "[set", "line"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(SpecError, match=named) as caught:
        load_policy(changed(tmp_path, old, new))
    assert "policy.toml" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_unknown_policies_list_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"unknown policy 'none'; known: .*neurram"):
        load_policy("none")

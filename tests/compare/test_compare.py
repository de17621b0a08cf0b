"""What `ohmloom compare` states: the citations, the sums, and the chip's own meters."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ohmloom
from ohmloom.cli import app
from ohmloom.compare import FIGURES, compare
from ohmloom.compare.machines import mac_array, microcontroller
from ohmloom.errors import ArgumentError
from ohmloom.model import Layer, Model


def model_of(*widths, seed=0):
    rng = np.random.default_rng(seed)
    return Model(
        tuple(
            Layer(rng.normal(size=(n, m)), np.zeros(m), "none" if index == len(widths) - 2 else "relu")
            for index, (n, m) in enumerate(itertools.pairwise(widths))
        ),
        "regression",
    )


@pytest.fixture(scope="module")
def comparison():
    X = np.random.default_rng(1).random((40, 8))
    with ohmloom.connect("emu://bench-8x16", seed=1) as chip:
        network = ohmloom.compile(model_of(8, 6, 3), chip.spec, X)
        return compare(network, X, chip, title="test"), network, X


@pytest.mark.parametrize(("key", "figure"), FIGURES.items())
def test_every_figure_is_cited(key, figure):
    assert re.search(r"\b(19|20)\d\d\b|data sheet", figure.source), key
    assert figure.status in ("checked", "second-hand")
    assert figure.value > 0


def test_every_figure_is_used():
    sizes = [(8, 8), (100, 200), (200, 500)]  # one for each SRAM
    used = {"bridge_watts", *microcontroller(model_of(2, 2)).figures}
    for size in sizes:
        used |= {*mac_array(model_of(*size)).figures}
    assert used == set(FIGURES)


def test_microcontroller_by_hand():
    result = microcontroller(model_of(64, 32, 10))
    assert result.joules == pytest.approx((64 * 32 + 32 * 10) * 1.73 * 300e-12)
    assert result.latency_s == pytest.approx(2368 * 1.73 / 80e6)
    assert result.per_s == pytest.approx(1 / result.latency_s)


def test_mac_array_by_hand():
    result = mac_array(model_of(64, 32, 10))
    # 2368 bytes of weights fit 8 KB; 64 + 32 inputs are read once, as all outputs fit the 64 multipliers.
    assert result.joules == pytest.approx(2368 * (0.2e-12 + 0.1e-12 + 1.25e-12) + 96 * 1.25e-12)
    assert result.latency_s == pytest.approx(96 / 100e6)
    wide = mac_array(model_of(100, 200))  # 20 kB; four passes over the outputs
    assert wide.joules == pytest.approx(20_000 * (0.3e-12 + 2.5e-12) + 400 * 1.25e-12)


def test_the_chips_energy_is_what_its_meters_say(comparison):
    result, network, X = comparison
    with ohmloom.connect("emu://bench-8x16", seed=1) as chip:
        chip.program(network)
        chip.advance(1.0)
        joules, seconds, sent = chip.energy_j, chip.fabric_time_s, chip.link_bytes
        sent = chip.link_bytes
        chip.infer(X)
        sent = chip.link_bytes - sent
        joules, seconds = chip.energy_j - joules, chip.fabric_time_s - seconds
        baud = chip.info()["baud"]
    energy = dict(result.chip.energy_j)
    assert energy.pop("link") == pytest.approx(0.075 * sent * 10 / baud / len(X))
    assert sum(energy.values()) == pytest.approx(joules / len(X))
    assert result.chip.per_s == pytest.approx(len(X) / max(seconds, sent * 10 / baud))
    assert result.chip.latency_s > seconds / len(X)
    assert result.macs == 8 * 6 + 6 * 3


def test_losses_are_said(comparison):
    result, _, _ = comparison
    text = " ".join(result.verdicts())
    for other in result.others:
        factor = result.chip.joules / other.joules
        assert factor > 1  # a bench chip with discrete converters loses against both
        assert f"against the {other.name}: energy {factor:.3g} times worse" in text
    assert re.search(r"the converters and amplifiers take \d+\.\d%, the link \d+\.\d%, the cells \d+\.\d\d%", text)


def test_json_has_each_number_with_its_source(comparison):
    content = json.loads(json.dumps(comparison[0].to_json()))
    assert [machine["name"] for machine in content["machines"]] == ["chip (bench-8x16)", "Cortex-M", "MAC array"]
    for machine in content["machines"]:
        assert machine["energy_j"] == pytest.approx(sum(machine["energy_by_cause_j"].values()))
        assert machine["j_per_mac"] == pytest.approx(machine["energy_j"] / content["macs"])
        for key in machine["figures"]:
            assert content["figures"][key]["source"]


def test_no_samples_are_refused(comparison):
    _, network, _ = comparison
    with ohmloom.connect("emu://bench-8x16") as chip, pytest.raises(ArgumentError, match="no samples"):
        compare(network, np.empty((0, 8)), chip)


def test_command(comparison, tmp_path):
    _, network, X = comparison
    network.save(tmp_path / "n.npz")
    np.save(tmp_path / "x.npy", X)
    ran = CliRunner().invoke(
        app, ["compare", str(tmp_path / "n.npz"), "--data", str(tmp_path / "x.npy"), "--vectors", "5", "--json", str(tmp_path / "c.json")]
    )
    assert ran.exit_code == 0, ran.output
    for word in ("Cortex-M", "MAC array", "times worse", "Published figures", "Horowitz", "second-hand"):
        assert word in ran.output
    content = json.loads((tmp_path / "c.json").read_text())
    assert content["vectors"] == 5
    assert content["title"] == "n.npz on bench-8x16"


@pytest.mark.parametrize(("arguments", "message"), [
    (["absent"], "neither a demo"), (["digits", "--data", "x.npy"], "--data belongs to"), (["NETWORK"], "needs --data"),
])  # fmt: skip
def test_wrong_use_is_named(arguments, message, comparison, tmp_path):
    comparison[1].save(tmp_path / "n.npz")
    (tmp_path / "x.npy").write_bytes(b"")
    named = [{"NETWORK": str(tmp_path / "n.npz"), "x.npy": str(tmp_path / "x.npy")}.get(a, a) for a in arguments]
    ran = CliRunner().invoke(app, ["compare", *named])
    assert ran.exit_code != 0
    assert message in ran.output + str(ran.exception)


def test_the_page_lists_every_figure():
    page = (Path(__file__).parents[2] / "docs" / "compare.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE))
    assert listed == set(FIGURES)

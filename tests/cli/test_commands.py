"""What each command does to a chip and writes, against the library's own calls and closed forms."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.spec.core import FIRMWARE_MAGIC, FIRMWARE_VERSION, IMAGE_HEADER_DTYPE
from ohmloom.spec.policy import FORMED_SIEMENS

Run = Callable[..., Any]
IDEAL = "emu://bench-8x16?ideal=1&state=chip.npz"  # exact, and kept from command to command
NOISY = "emu://bench-8x16?seed=3&state=chip.npz"
SPEC = ohmloom.load_chip("bench-8x16")


@pytest.fixture
def targets() -> np.ndarray:
    values = np.random.default_rng(1).uniform(2e-6, 38e-6, (SPEC.rows, SPEC.columns))
    values[2, 3:7] = np.nan
    return values


def test_program_and_read_from_files(run: Run, targets: np.ndarray) -> None:
    lines = [",".join("" if np.isnan(value) else repr(float(value)) for value in row) for row in targets]
    Path("targets.csv").write_text("\n".join(lines) + "\n")
    result = run("program", "targets.csv", "-e", IDEAL, "--tile", 1, "--report-json", "report.json", "--json")
    assert (result.code, result.err) == (0, "")
    totals, written = json.loads(result.out), json.loads(Path("report.json").read_text())
    assert totals["cells_selected"] == np.isfinite(targets).sum() == totals["cells_formed_first"]
    assert totals["converged_fraction"] == 1.0
    assert totals == {key: value for key, value in written.items() if key != "cells"}
    assert (np.array(written["cells"]["selected"]) == np.isfinite(targets)).all()
    assert np.sum(written["cells"]["pulses"]) == pytest.approx(totals["pulses_per_cell"] * totals["cells_selected"])

    assert run("read", "-e", IDEAL, "--tile", 1, "-o", "read.csv").code == 0
    assert run("read", "-e", IDEAL, "--tile", 1, "-o", "read.npy").code == 0
    read = np.load("read.npy")
    np.testing.assert_array_equal(np.loadtxt("read.csv", delimiter=","), read)
    chosen = np.isfinite(targets)
    assert np.abs(read - targets)[chosen].max() <= 1e-6 + SPEC.siemens_per_code(SPEC.verify_range)
    assert (read[~chosen] < FORMED_SIEMENS).all()


def test_form_only_the_mask(run: Run) -> None:
    mask = np.zeros((SPEC.rows, SPEC.columns))
    mask[1, 2] = mask[5, 9] = 1
    np.save("mask.npy", mask)
    result = run("form", "-e", IDEAL, "--mask", "mask.npy", "--json")
    assert json.loads(result.out)["cells_converged"] == 2
    read = json.loads(run("read", "-e", IDEAL, "--json").out)["conductance_siemens"]
    np.testing.assert_array_equal(np.array(read) >= FORMED_SIEMENS, mask == 1)


def test_tables_for_people(run: Run, targets: np.ndarray) -> None:
    np.save("targets.npy", targets)
    assert "cells converged" in run("program", "targets.npy", "-e", IDEAL).out
    table = run("read", "-e", IDEAL).out
    with ohmloom.connect(IDEAL) as chip:
        assert f"{1e6 * chip.read_conductance(0)[4, 11]:.2f}" in table


def test_mvm_is_the_product_of_codes_and_conductances(run: Run, targets: np.ndarray) -> None:
    targets[np.isnan(targets)] = 5e-6
    np.save("targets.npy", targets)
    run("program", "targets.npy", "-e", IDEAL)
    codes = np.random.default_rng(2).integers(-300, 301, (5, SPEC.rows))
    Path("codes.csv").write_text("\n".join(",".join(map(str, row)) for row in codes))
    result = run("mvm", "codes.csv", "-e", IDEAL)
    columns = np.array([[int(field) for field in line] for line in csv.reader(result.out.splitlines())])
    with ohmloom.connect(IDEAL) as chip:
        conductance = chip.read_conductance(0)
    expected = codes @ conductance * SPEC.row_dac.lsb_v * SPEC.afe.tia_ohm[0] / SPEC.column_adc.lsb_v
    # Wires take less than 2 % here, conversion half a code, and reading the conductances as much for each row.
    assert np.abs(columns - expected).max() < 1.5 + 0.02 * np.abs(expected).max()
    assert np.abs(columns).max() > 20

    run("mvm", "codes.csv", "-e", IDEAL, "-o", "columns.npy")
    np.testing.assert_array_equal(np.load("columns.npy"), columns)


def test_pulses_move_a_cell(run: Run) -> None:
    run("form", "-e", IDEAL)
    cell = ("-e", IDEAL, "-t", 0, "-r", 3, "-c", 4, "--json")
    low = json.loads(run("pulse", "--volts", -2.5, "-n", 3, *cell).out)["conductance_siemens"]
    high = json.loads(run("pulse", "--volts", 2.5, "--width", 2e-6, *cell).out)["conductance_siemens"]
    assert len(low) == 3
    assert len(high) == 1
    assert high[0] > low[-1] + 2e-6


def test_iv_is_ohmic_on_an_ideal_cell(run: Run) -> None:
    run("form", "-e", IDEAL)
    assert run("iv", "-e", IDEAL, "-r", 2, "-c", 7, "--to", 0.15, "-n", 16, "-o", "iv.csv").code == 0
    rows = list(csv.reader(Path("iv.csv").read_text().splitlines()))
    assert rows[0] == ["volts", "amperes"]
    volts, amperes = np.array(rows[1:], dtype=float).T
    assert volts[0] == -SPEC.read_clamp * SPEC.row_dac.lsb_v
    assert volts[-1] == 0.15
    assert np.allclose(np.diff(volts), np.diff(volts)[0])
    with ohmloom.connect(IDEAL) as chip:
        conductance = chip.read_conductance(0)[2, 7]
    assert np.polyfit(volts, amperes, 1)[0] == pytest.approx(conductance, rel=0.02)


def test_retention_waits_on_the_fabric_and_writes_what_it_shows(run: Run, targets: np.ndarray) -> None:
    np.save("targets.npy", targets)
    run("program", "targets.npy", "-e", NOISY)
    with ohmloom.connect(NOISY) as chip:
        before_s = chip.fabric_time_s
    result = run("retention", "-e", NOISY, "--until", 1000, "--per-decade", 2, "-o", "moved.csv", "--json")
    with ohmloom.connect(NOISY) as chip:
        assert chip.fabric_time_s - before_s == pytest.approx(1000, abs=1)
    shown = json.loads(result.out)
    assert [entry["seconds"] for entry in shown] == pytest.approx([10 ** (k / 2) for k in range(7)], rel=1e-3)
    written = list(csv.DictReader(Path("moved.csv").read_text().splitlines()))
    assert [{key: float(value) for key, value in entry.items()} for entry in written] == shown
    assert shown[-1]["std_siemens"] > shown[0]["std_siemens"] > 0
    assert all(entry["largest_siemens"] >= entry["std_siemens"] for entry in shown)


def test_time_passes_only_by_advance(run: Run) -> None:
    first = json.loads(run("advance", 1.5, "-e", IDEAL, "--json").out)
    second = json.loads(run("advance", 2.5, "-e", IDEAL, "--json").out)
    assert second["fabric_time_s"] - first["fabric_time_s"] == pytest.approx(2.5, abs=1e-6)
    assert second["energy_j"] >= first["energy_j"]


def test_upkeep(run: Run) -> None:
    info = json.loads(run("info", "-e", NOISY, "--json").out)
    assert (info["chip"], info["tiles"], info["emulated"], info["baud"]) == ("bench-8x16", 2, True, SPEC.link.baud_max)
    assert json.loads(run("--baud", 460_800, "info", "-e", NOISY, "--json").out)["baud"] == 460_800
    assert [entry["tile"] for entry in json.loads(run("calibrate", "-e", NOISY, "--json").out)] == [0, 1]
    assert [entry["tile"] for entry in json.loads(run("calibrate", "-e", NOISY, "-t", 1, "--json").out)] == [1]
    assert run("check", "-e", NOISY).out == "everything is well\n"
    assert run("check", "-e", NOISY, "--json").out == "[]\n"


def test_check_names_what_is_broken(run: Run) -> None:
    broken = "emu://bench-8x16?faults=adc:0:5,reference:1:9"
    result = run("check", "-e", broken)
    assert (result.code, result.err) == (1, "ohmloom: the self-test found 2 faults\n")
    assert "tile 0, column 5" in result.out
    found = json.loads(run("check", "-e", broken, "--json").out)
    assert [(entry["kind"], entry["tile"], entry["column"], entry["row"]) for entry in found] == [
        ("ADC_CHANNEL", 0, 5, None), ("REFERENCE", 1, 9, None),
    ]  # fmt: skip


def test_journalled_run_resume_and_refresh(run: Run) -> None:
    np.save("targets.npy", np.full((8, 16), 20e-6))
    kept = "emu://bench-8x16?state=journal.npz&stuck=0"
    assert "nothing to resume" in run("resume", "-e", kept).err
    assert "journal" in run("refresh", "-e", kept).err
    assert json.loads(run("program", "targets.npy", "-e", kept, "--journal", "--json").out)["converged_fraction"] == 1.0
    assert json.loads(run("resume", "-e", kept, "--json").out)["cells_selected"] == 0
    run("advance", 1e7, "-e", kept)
    refreshed = json.loads(run("refresh", "-e", kept, "-t", 0, "--json").out)
    assert 0 < refreshed["cells_selected"] < 128
    assert refreshed["converged_fraction"] == 1.0
    assert run("refresh", "-e", kept, "-t", 1).code == 1


def test_update_firmware(run: Run) -> None:
    code = bytes(1000)
    header = (FIRMWARE_MAGIC, FIRMWARE_VERSION + 1, len(code) + IMAGE_HEADER_DTYPE.itemsize, zlib.crc32(code), 0)
    image = np.array(header, dtype=IMAGE_HEADER_DTYPE).tobytes() + code
    Path("firmware.bin").write_bytes(image)
    Path("cut.bin").write_bytes(image[:-1])
    Path("other.bin").write_bytes(code)
    assert run("update-firmware", "firmware.bin", "-e", NOISY).out == "firmware 0.1.1 runs\n"
    assert run("update-firmware", "firmware.bin", "-e", NOISY, "--ram").code == 0
    assert "damaged" in run("update-firmware", "cut.bin", "-e", NOISY).err
    assert "no firmware image" in run("update-firmware", "other.bin", "-e", NOISY).err
    assert run("update-firmware", "none.bin", "-e", NOISY).code == 1


def test_a_network_from_file_to_outputs(run: Run) -> None:
    rng = np.random.default_rng(4)
    X = rng.uniform(0, 1, (20, 6))
    model = ohmloom.Model(
        (ohmloom.Layer(rng.normal(0, 0.5, (6, 3)), np.zeros(3), "none"),),
        "classification",
        np.array(["a", "b", "c"]),
    )
    ohmloom.compile(model, SPEC, X).save("network.npz")
    np.save("x.npy", X)

    result = run("load", "network.npz", "-e", IDEAL, "--json")
    assert json.loads(result.out)["converged_fraction"] == 1.0
    assert run("infer", "x.npy", "-e", IDEAL, "-o", "y.npy").code == 0
    outputs, expected = np.load("y.npy"), X @ model.layers[0].weights
    assert outputs.shape == expected.shape
    assert np.corrcoef(outputs.ravel(), expected.ravel())[0, 1] > 0.99
    classes = run("infer", "x.npy", "-e", IDEAL, "--classes").out.split()
    assert classes == ["abc"[index] for index in outputs.argmax(axis=1)]

    run("load", "network.npz", "--no-cells", "-e", IDEAL)
    run("infer", "x.npy", "-e", IDEAL, "-o", "again.npy")
    np.testing.assert_array_equal(np.load("again.npy"), outputs)


def test_catalogue(run: Run) -> None:
    urls = [entry["url"] for entry in json.loads(run("endpoints", "--json").out)]
    assert {"emu://bench-8x16", "emu://lab-128x128x4"} <= set(urls)
    assert json.loads(run("chips", "bench-8x16", "--json").out) == SPEC.model_dump(mode="json")
    assert {entry["name"] for entry in json.loads(run("chips", "--json").out)} >= {"bench-8x16", "lab-128x128x4"}
    assert "afe.vmid_v" in run("chips", "bench-8x16").out
    assert run("version").out == run("--version").out == f"ohmloom {version('ohmloom')}\n"


def test_environment_names_the_endpoint(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OHMLOOM_ENDPOINT", "emu://bench-8x16")
    assert json.loads(run("info", "--json").out)["chip"] == "bench-8x16"


def test_a_chip_of_its_own(run: Run) -> None:
    bundled = Path(ohmloom.__file__).parent / "spec" / "chips" / "bench-8x16.toml"
    Path("mine.toml").write_text(bundled.read_text().replace('name = "bench-8x16"', 'name = "mine"'))
    assert json.loads(run("info", "-e", "emu://mine.toml", "--json").out)["chip"] == "mine"
    refused = run("--spec", "bench-8x16", "info", "-e", "emu://mine.toml")
    assert refused.code == 1
    assert "'mine'" in refused.err


def test_help_loads_no_heavy_library() -> None:
    heavy = ("scipy", "sklearn", "matplotlib", "ohmloom_emulator")
    code = f"import sys, ohmloom.cli; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True).stdout == "[]\n"


def test_any_command_can_be_recorded_and_replayed(run) -> None:
    url = "emu://bench-8x16?seed=3"
    live = run("--record", "read.jsonl", "read", "-e", url, "-t", 1)
    assert live.code == 0
    assert run("read", "-e", "replay://read.jsonl", "-t", 1) == live
    departed = run("read", "-e", "replay://read.jsonl", "-t", 0)
    assert departed.code == 1
    assert "line" in departed.err
    assert departed.err.count("\n") == 1
    same = run("replay", "read.jsonl", "-e", url)
    assert (same.code, same.err) == (0, "")
    other = run("replay", "read.jsonl", "-e", "emu://bench-8x16?seed=4")
    assert other.code == 1
    assert "differs from read.jsonl: line" in other.err

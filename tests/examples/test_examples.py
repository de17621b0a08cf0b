"""The scripts of examples/, run as a reader runs them; what they print is held to numbers from elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cobs import cobs

import ohmloom
from ohmloom.spec.commands import MVM

FOLDER = Path(__file__).parents[2] / "examples"
OHMLOOM = (sys.executable, "-c", "from ohmloom.cli import main; main()")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("OHMLOOM_")}


def run(folder: Path, *command: object) -> str:
    """What a command prints in a folder; it has to end well, without a word of warning."""
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=250
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def example(folder: Path, name: str, *arguments: object) -> str:
    return run(folder, sys.executable, FOLDER / name, *arguments)


def number(pattern: str, text: str) -> float:
    """The one number that the pattern's group finds."""
    (found,) = re.findall(pattern, text, re.MULTILINE)
    return float(found)


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[str]:
    """The address of a running `ohmloom serve`."""
    server = subprocess.Popen(
        [*OHMLOOM, "serve", *map(str, arguments)], cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().split()[-1]
    finally:
        server.kill()
        server.communicate()


def test_classify(tmp_path: Path) -> None:
    shown = example(tmp_path, "classify.py")
    software = number(r"^software accuracy +([\d.]+)$", shown)
    assert 0.94 <= software <= 1
    assert number(r"^chip accuracy +([\d.]+)$", shown) >= software - 0.02
    assert number(r"([\d.]+)% of them within 1 uS", shown) >= 99
    assert 1 < number(r"^pulses per cell +([\d.]+)$", shown) < 4
    assert 1 < number(r"^energy +([\d.]+) uJ", shown) < 100
    spec = ohmloom.load_chip("lab-128x128x4")
    assert number(r"^time +([\d.]+) us", shown) >= 1e-3 * 2 * spec.settle_ns  # two layers


def test_one_cell(tmp_path: Path) -> None:
    file = tmp_path / "lab.csv"
    shown = example(tmp_path, "one_cell.py", "emu://bench-8x16?seed=2&stuck=0", file)
    assert "formed: 16 of 16 cells" in shown
    ends = {
        (kind, float(width)): (float(first), float(last))
        for kind, width, first, last in re.findall(
            r"^(SET|RESET) ([\d.]+) us +(\S+) uS -> +(\S+) uS$", shown, re.MULTILINE
        )
    }
    assert len(ends) == 6
    for (kind, _), (first, last) in ends.items():
        assert last < 3 < first if kind == "RESET" else first < 10 < 50 < last, kind
    assert number(r"^I-V: ([\d.]+) uS", shown) == pytest.approx(ends["SET", 5.0][1], rel=0.05)
    assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    chip = tmp_path / "mine.toml"
    run(tmp_path, *OHMLOOM, "fit-device", file, "--chip", "bench-8x16", "--output", chip, "--json", "fit.json")
    fitted = json.loads((tmp_path / "fit.json").read_text("utf-8"))["parameters"]
    cell = ohmloom.load_chip(chip).cell
    assert cell.model == "statistical"
    # The reference cell's own values; a single device stands off by its spread of 0.1 V.
    for name, true in (("set_threshold_v", 1.1), ("reset_threshold_v", 2.0)):
        assert fitted[name]["value"] == pytest.approx(true, abs=0.3)
    assert fitted["set_slope_siemens_per_v"]["value"] == pytest.approx(50e-6, rel=0.1)
    assert fitted["time_decade_v"]["value"] == pytest.approx(0.2, rel=0.2)


def test_own_chip(tmp_path: Path) -> None:
    shown = example(tmp_path, "own_chip.py")
    assert "own_chip: 1 tile(s) of 24 x 32 stanford-pku-hfox cells" in shown
    assert number(r"([\d.]+)% converged", shown) > 98
    rng = np.random.default_rng(0)
    matrix, vectors = rng.uniform(-1, 1, (24, 16)), rng.uniform(-1, 1, (200, 24))
    wanted = (vectors @ matrix)[0, :6]
    rows = {
        name: np.array(values.split(), float) for name, values in re.findall(r"^(\w+): +\[(.*)\]", shown, re.MULTILINE)
    }
    np.testing.assert_allclose(rows["numpy"], wanted, atol=0.006)
    np.testing.assert_allclose(rows["chip"], wanted, atol=0.35)
    assert 0.5 < number(r"^error: ([\d.]+)%", shown) < 6


def test_own_policy(tmp_path: Path) -> None:
    shown = example(tmp_path, "own_policy.py", "emu://bench-8x16?seed=5&stuck=0")
    rows = {
        name: [float(value.rstrip("%")) for value in values.split()]
        for name, values in re.findall(r"^(own_policy|default|neurram) +(.*)$", shown, re.MULTILINE)
    }
    assert all(converged > 98 for _, converged, _, _ in rows.values())
    pulses = {name: row[0] for name, row in rows.items()}
    assert 1 < pulses["default"] < pulses["own_policy"] < pulses["neurram"]  # ramps cost pulses
    assert pulses["neurram"] == pytest.approx(8.5, abs=1.5)  # what Wan et al. needed
    assert rows["neurram"][3] > rows["default"][3] > 0


def test_retention(tmp_path: Path) -> None:
    shown = example(tmp_path, "retention.py", "emu://bench-8x16?seed=6", 10)
    table = re.findall(r"^(\S+).* +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)%$", shown, re.MULTILINE)
    assert [kind for kind, *_ in table] == ["just", "first", "refreshed", "second", "refreshed"]
    spread, quantile, worst, outside = np.array([values for _, *values in table], float).T
    days, refreshed = [1, 3], [2, 4]
    assert (spread[days] > 2 * spread[[0, 2]]).all()
    assert (worst[days] > 5).all()
    assert (spread[refreshed] < 1.5).all()
    assert (quantile[refreshed] < 2 + 1.5).all()  # the tolerance, and what reads and the first seconds add
    assert (outside[refreshed] < 12).all()
    assert outside[3] < outside[1]  # what has stayed is older, and forgets less
    assert re.findall(r"(\d+)% of the refreshed", shown) == ["100", "100"]


def test_raw_protocol(tmp_path: Path) -> None:
    with served(tmp_path, "--chip", "bench-8x16", "--seed", 7, "--stuck", 0, "--tcp", 0) as address:
        shown = example(tmp_path, "raw_protocol.py", address)
        with ohmloom.connect(address) as chip:  # ohmloom's own driver, on the same board
            spec, siemens = chip.spec, chip.read_conductance(0, samples=16)
    assert f"INFO: bench-8x16, 2 tiles of 8 x 16, controller 0x000100, spec {spec.digest:#010x}" in shown
    assert f"payloads of {spec.link.payload_bytes} bytes, up to {spec.link.baud_max} baud" in shown
    assert "0 columns out of bounds" in shown
    assert "FORM: 16 of 16 cells of row 3 are formed" in shown
    assert (siemens[3] > 5e-6).all()
    assert (np.delete(siemens, 3, axis=0) < 0.5e-6).all()
    codes = np.array(shown.splitlines()[-1].split(), float)
    np.testing.assert_allclose(codes, siemens[3] / spec.siemens_per_code(0), atol=4, rtol=3 * spec.afe.tia_gain_sigma)


@pytest.fixture(scope="module")
def raw() -> Any:
    """The module of raw_protocol.py."""
    spec = importlib.util.spec_from_file_location("raw_protocol", FOLDER / "raw_protocol.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("zeros", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("size", [*range(5), 253, 254, 255, 256, 508, 509, 700])
def test_raw_protocol_stuffs_as_the_library_does(raw: Any, size: int, zeros: float) -> None:
    rng = np.random.default_rng(size)
    data = np.where(rng.random(size) < zeros, 0, rng.integers(1, 256, size)).astype(np.uint8).tobytes()
    assert 0 not in raw.stuffed(data)
    assert cobs.decode(raw.stuffed(data)) == data
    assert raw.unstuffed(cobs.encode(data)) == data


@pytest.mark.parametrize("size", [1, 2, 7, 16])
def test_raw_protocol_packs_as_the_library_does(raw: Any, size: int) -> None:
    codes = np.random.default_rng(size).integers(-2048, 2048, size)
    payload = MVM.request.pack(tile=0, range=0, count=1, codes=codes)[4:]
    assert raw.packed(codes.tolist()) == payload
    assert raw.unpacked(payload) == codes.tolist()


def test_raw_protocol_says_when_nothing_is_there(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "raw_protocol.py"), "socket://127.0.0.1:1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("socket://127.0.0.1:1 cannot be opened")
    assert "Traceback" not in done.stderr


@pytest.mark.slow  # compiles the gateware with all its wires
def test_gateware(tmp_path: Path) -> None:
    shown = example(tmp_path, "gateware.py", "out.vcd")
    assert "the same products, the same fabric time, the same bytes in all answers" in shown
    emulated, real = (re.findall(rf"^{name}: (.*)$", shown, re.MULTILINE) for name in ("emu", "rtl"))
    assert emulated == real
    assert len(real) == 1
    (products,) = re.findall(r"^products \[(.*)\]$", shown, re.MULTILINE)
    spec = ohmloom.load_chip("bench-8x16")
    # Without the columns' correction: their offsets of some 5 codes stay in.
    expected = np.linspace(2e-6, 38e-6, 16) / spec.siemens_per_code(0)
    np.testing.assert_allclose(np.array(products.split(","), float), expected, atol=20)
    assert (tmp_path / "out.vcd").stat().st_size > 100_000


def test_the_page_has_every_example_and_its_links_lead_somewhere() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([^)#]+)\)", page))
    assert {file.name for file in FOLDER.iterdir() if file.suffix in (".py", ".toml")} == {
        link for link in linked if "/" not in link
    }
    assert [link for link in linked if not (FOLDER / link).exists()] == []
    for file in FOLDER.glob("*.py"):
        assert f"python examples/{file.name}" in file.read_text("utf-8").split('"""')[1]

"""Failures: one clear line on stderr and exit code 1, wrong usage 2, nothing changed, nothing half done."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmloom

Run = Callable[..., Any]
CHIP = "emu://bench-8x16?state=chip.npz"
COMMAND = (sys.executable, "-c", "from ohmloom.cli import main; main()")


@pytest.fixture(autouse=True)
def files(folder: Path) -> None:
    """Files that are wrong in one way each, and a chip that is formed."""
    np.save("targets.npy", np.full((8, 16), 2e-5))
    np.save("shape.npy", np.full((3, 3), 2e-5))
    np.save("nan.npy", np.full((2, 8), np.nan))
    np.save("far.npy", np.full((8, 16), 1.0))
    np.save("words.npy", np.array([["a"] * 16] * 8))
    np.save("objects.npy", np.array([[None] * 16] * 8), allow_pickle=True)
    Path("cut.npy").write_bytes(Path("targets.npy").read_bytes()[:-7])
    Path("text.csv").write_text("1e-6,high\n2e-6,low\n")
    Path("ragged.csv").write_text("1,2\n3\n")
    Path("empty.csv").touch()
    Path("damaged.npz").write_bytes(b"this is no state")
    with ohmloom.connect(CHIP) as chip:
        chip.form(0)
    model = ohmloom.Model((ohmloom.Layer(np.eye(4, 2), np.zeros(2), "none"),), "regression")
    ohmloom.compile(model, ohmloom.load_chip("lab-128x128x4"), np.eye(4)).save("lab.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("info -e emu://nope", "unknown chip 'nope'; known: bench-8x16, "),
        ("chips nope", "unknown chip 'nope'"),
        ("serve --chip nope", "unknown chip 'nope'"),
        ("info -e emu://bench-8x16?colour=red", "unknown option 'colour'"),
        ("serve --chip bench-8x16 --ber 0.9", "ber: 0.9 is not a bit error rate"),
        ("info -e emu://bench-8x16?state=damaged.npz", "damaged"),
        ("info -e /dev/ttyUSB99", "cannot open '/dev/ttyUSB99'"),
        ("info -e nothing://here", "cannot open 'nothing://here'"),
        ("read -e {chip} --tile 2", "tile: an integer within 0..1 wanted, given 2"),
        ("program nowhere.npy -e {chip}", "nowhere.npy"),
        ("program shape.npy -e {chip}", "shape (8, 16) wanted, given (3, 3)"),
        ("program far.npy -e {chip}", "target_siemens"),
        ("program words.npy -e {chip}", "words.npy: numbers wanted"),
        ("program objects.npy -e {chip}", "objects.npy: not an array of numbers"),
        ("program cut.npy -e {chip}", "cut.npy: not an array of numbers"),
        ("program text.csv -e {chip}", "text.csv: not an array of numbers"),
        ("program ragged.csv -e {chip}", "ragged.csv: not an array of numbers"),
        ("program empty.csv -e {chip}", "empty.csv"),
        ("program targets.npy -e {chip} --tolerance 0", "tolerance_siemens: 0.0"),
        ("program targets.npy -e {chip} --policy nope", "unknown policy 'nope'"),
        ("form -e {chip} --mask shape.npy", "mask: shape (8, 16) wanted"),
        ("mvm nan.npy -e {chip}", "NaN"),
        ("mvm targets.npy -e {chip}", "codes: shape (8,) or (n, 8) wanted"),
        ("infer nan.npy -e {chip}", "no network is on this bench-8x16"),
        ("load lab.npz -e {chip}", "compiled for 'lab-128x128x4'"),
        ("load targets.npy -e {chip}", "not a compiled network"),
        ("iv -e {chip} --to 3", "volts: a list of finite values within"),
        ("pulse -e {chip} --volts nan", "volts: nan is not finite"),
        ("pulse -e {chip} --volts 40", "beyond the rails"),
        ("retention -e {chip} --tile 1", "no cell of tile 1 is formed"),
        ("advance inf -e {chip}", "seconds: inf"),
    ],
)
def test_a_failure_is_one_line_and_changes_no_cell(run: Run, arguments: str, message: str) -> None:
    before = _cells()
    result = run(*arguments.replace("{chip}", CHIP).split())
    assert result.code == 1
    assert message in result.err
    assert result.err.startswith("ohmloom: ")
    assert result.err.count("\n") == 1
    assert result.out == ""
    for name, array in _cells().items():
        np.testing.assert_array_equal(array, before[name])


def _cells() -> dict[str, np.ndarray]:
    """What the state file holds of the tiles' cells."""
    with np.load("chip.npz") as state:
        return {name: state[name] for name in state.files if name.startswith("tile")}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nonsense", "nonsense"),
        ("read --tile -1", "--tile"),
        ("read --tile two", "--tile"),
        ("read --colour", "--colour"),
        ("pulse", "--volts"),
        ("program", "FILE"),
        ("program targets.txt", ".npy or .csv"),
        ("read -o read.txt", ".npy or .csv"),
        ("read -o nowhere/read.npy", "no folder nowhere"),
        ("retention --from 10 --until 1", "before"),
        ("serve --pty --tcp 0", "not both"),
        ("serve --endpoint loop:// --chip bench-8x16", "--chip"),
        ("serve --endpoint loop:// --ber 0.1", "--chip"),
        ("serve --tcp 70000", "--tcp"),
    ],
)
def test_wrong_usage(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OHMLOOM_ENDPOINT", CHIP)
    result = run(*arguments.split())
    assert result.code == 2
    assert message in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def test_a_calibration_out_of_bounds_fails(run: Run) -> None:
    """Columns whose gains are spread so far cannot be corrected."""
    bundled = (Path(ohmloom.__file__).parent / "spec" / "chips" / "bench-8x16.toml").read_text()
    lines = ["tia_gain_sigma = 5.0" if line.startswith("tia_gain_sigma") else line for line in bundled.splitlines()]
    Path("bad.toml").write_text("\n".join(lines))
    result = run("calibrate", "-e", "emu://bad.toml?seed=1")
    assert result.code == 1
    assert "columns are out of bounds" in result.err
    assert "failed columns" in result.out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_job_without_a_traceback(number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            (*COMMAND, "info", "-e", url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)  # it is in the middle of its HELLOs
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    assert process.returncode not in (0, 2)
    assert out == ""
    assert "Traceback" not in err

"""`ohmloom demo digits` as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ohmloom.cli import main


def ohmloom(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ohmloom", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_table_json_and_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, report = tmp_path / "numbers.json", tmp_path / "report.html"
    options = ["--chip", "bench-8x16", "--seed", "2", "--json", str(numbers), "--report", str(report)]
    assert ohmloom(monkeypatch, "demo", "digits", *options) == 0
    written = json.loads(numbers.read_text("utf-8"))
    assert (written["seed"], written["endpoint"]) == (2, "emu://bench-8x16?seed=2")
    shown = capsys.readouterr()
    assert f"{written['chip_accuracy']:.2%}" in shown.out
    assert "64-32-10 does not fit bench-8x16" in shown.out
    assert "programming" in shown.err
    assert "--endpoint &#39;emu://bench-8x16?seed=2&#39; --seed 2" in report.read_text("utf-8")


def test_an_endpoint_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A chip that keeps its state is formed once: the second run finds most cells formed."""
    url, numbers = f"emu://bench-8x16?state={tmp_path / 'chip.npz'}", tmp_path / "numbers.json"
    formed = []
    for _ in range(2):
        assert ohmloom(monkeypatch, "demo", "digits", "--endpoint", url, "--json", str(numbers)) == 0
        written = json.loads(numbers.read_text("utf-8"))
        assert written["endpoint"] == url
        formed.append(written["formed_cells"])
    # Some of the lowest conductances look like cells that were never formed.
    assert formed[1] < formed[0] / 2


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--chip", "nonsense"], 1, "unknown chip 'nonsense'"),
        (["--endpoint", "/dev/no-such-port"], 1, "/dev/no-such-port"),
        (["--chip", "bench-8x16", "--endpoint", "emu://bench-8x16"], 2, "exclude each other"),
        (["--json", "no/such/folder/x.json"], 2, "there is no folder"),
        (["--seed", "-1"], 2, "--seed"),
    ],
)
def test_failures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str], code: int, message: str
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert ohmloom(monkeypatch, "demo", "digits", *options) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["speech", "--task", "digits"], 1, "give the folder that holds fsdd/recordings with --data DIR"),
        (["images", "--task", "mnist", "--data", "EMPTY"], 1, "mnist is missing: --data DIR wants mnist in DIR"),
        (["ecg", "--data", "EMPTY"], 1, "ECG5000_TRAIN.txt is missing"),
        (["ecg", "--task", "stream", "--data", "EMPTY"], 1, "ecg is missing"),
        (["speech", "--data", "no-such-folder"], 2, "no-such-folder"),
        (["robot", "--task", "golf"], 2, "one of cartpole, pendulum, acrobot, lunarlander wanted, given 'golf'"),
        (["wearable", "--mode", "digital"], 2, "digital"),
    ],
)
def test_what_a_demo_misses_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    given = [str(tmp_path) if word == "EMPTY" else word for word in options]
    assert ohmloom(monkeypatch, "demo", *given) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""


def test_a_report_names_task_folder_and_mode_in_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    numbers, report = tmp_path / "numbers.json", tmp_path / "report.html"
    options = ["--task", "cartpole", "--mode", "analog", "--chip", "bench-8x16", "--data", str(tmp_path)]
    assert ohmloom(monkeypatch, "demo", "robot", *options, "--json", str(numbers), "--report", str(report)) == 0
    written = json.loads(numbers.read_text("utf-8"))
    assert written["layers"] == [4, 8, 2]
    assert {"software_return", "chip_return", "ideal_return"} <= set(written)
    page = report.read_text("utf-8")
    assert f"--task cartpole --data {tmp_path} --mode analog" in page
    assert "returns" in page

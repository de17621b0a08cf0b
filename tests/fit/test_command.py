"""`ohmloom fit-device` as a user runs it, on few parameters so that it is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import ohmloom
from ohmloom.cli import main
from ohmloom.cli import tools as cli_tools

KNOWN = ("alpha_on=3", "alpha_off=3", "v_on_v=-0.4", "v_off_v=0.5", "r_on_ohm=12e3", "r_off_ohm=3e5")


def ohmloom_command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ohmloom", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_from_measurements_to_a_chip_that_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], vteam: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    csv = vteam.measure(2, 6, rounds=2).write(tmp_path / "lab.csv")
    fixes = [word for name in KNOWN for word in ("--fix", name)]
    files = ("--output", "mine.toml", "--json", "fit.json", "--plot", "fit.svg")
    assert (
        ohmloom_command(monkeypatch, "fit-device", csv, "--model", "vteam", "--chip", "bench-8x16", *fixes, *files) == 0
    )
    shown = capsys.readouterr().out
    report = json.loads(Path("fit.json").read_text("utf-8"))
    held = report["held_out"]
    assert "vteam cells fitted to 64 pulses on 2 devices" in shown
    assert f"{1e6 * held['next_pulse_rms_siemens']:.4g}" in shown
    assert f"{held['within_95_percent_interval']:.1%} of the held-out measurements" in shown
    assert "needs 5 devices or more" in shown
    for name, entry in report["parameters"].items():
        assert name in shown
        assert f"{entry['standard_error']:.6g}" in shown
    assert Path("fit.svg").read_text("utf-8").startswith("<?xml")

    with ohmloom.connect("emu://mine.toml?seed=1") as chip:
        assert chip.spec.name == "mine"
        low = [chip.pulse(0, 0, 0, -1.0, gate_v=5.0, width_s=5e-6) for _ in range(4)][-1]
        high = [chip.pulse(0, 0, 0, 1.2, gate_v=5.0, width_s=5e-6) for _ in range(4)][-1]
        assert low < 0.2 * high


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["DATA"], 2, "--output"),
        (["DATA", "-o", "no/folder/x.toml"], 2, "there is no folder"),
        (["DATA", "-o", "x.toml", "--plot", "x.txt"], 2, ".svg, .png, .pdf"),
        (["DATA", "-o", "x.toml", "--fix", "alpha_on"], 2, "NAME=NUMBER wanted"),
        (["DATA", "-o", "x.toml", "--model", "hp"], 1, "'hp' is none of statistical, "),
        (["DATA", "-o", "x.toml", "--chip", "absent"], 1, "unknown chip 'absent'"),
        (["absent.csv", "-o", "x.toml"], 1, "absent.csv"),
        (["BAD", "-o", "x.toml"], 1, "line 2, column resistance_ohm: a positive number of ohm wanted, given 'ten'"),
        (["SET_ONLY", "-o", "x.toml"], 1, "does not determine reset_threshold_v (needs RESET pulses"),
    ],
)
def test_failures_write_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], vteam: Any,
    arguments: list[str], code: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    names = {name: tmp_path / f"{name.lower()}.csv" for name in ("DATA", "BAD", "SET_ONLY")}
    lines = vteam.measure(2, 6, rounds=1, reads=1).write(names["DATA"]).read_text("utf-8").splitlines()
    names["SET_ONLY"].write_text("\n".join(line for line in lines if ",-" not in line), "utf-8")
    names["BAD"].write_text(f"{lines[0]}\na,0,,,ten\n", "utf-8")
    assert ohmloom_command(monkeypatch, "fit-device", *(names.get(word, word) for word in arguments)) == code
    captured = capsys.readouterr()
    assert message in " ".join(captured.err.split())
    assert captured.out == ""
    assert not list(tmp_path.glob("*.toml"))


def test_without_the_emulator_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_tools, "TOOL_GROUP", "ohmloom.absent")
    assert ohmloom_command(monkeypatch, "fit-device", tmp_path / "x.csv", "-o", tmp_path / "x.toml") == 1
    assert "fit-device needs ohmloom's emulator" in capsys.readouterr().err

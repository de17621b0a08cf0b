"""`ohmloom selftest`: results on stdout, a report, and an exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ohmloom.conformance import CHECKS


def _selftest(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from ohmloom.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_selftest_reports_each_check_and_keeps_cells_if_wanted(tmp_path: Path) -> None:
    page, recording = tmp_path / "report.md", tmp_path / "session.jsonl"
    done = _selftest(
        "--record", str(recording), "selftest", "-e", "emu://bench-8x16?seed=2", "--keep-cells", "--report", str(page), "--json",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    assert [result["name"] for result in results] == [check.name for check in CHECKS]
    for check, result in zip(CHECKS, results, strict=True):
        assert result["outcome"] == ("skipped" if check.writes else "passed"), result["text"]
    text = page.read_text("utf-8")
    assert all(check.title in text for check in CHECKS)
    assert "| chip | bench-8x16 |" in text
    # What passed on the line is a fixture: the same run without the chip.
    again = _selftest("selftest", "-e", f"replay://{recording}", "--keep-cells", "--json")
    assert [result["outcome"] for result in json.loads(again.stdout)] == [result["outcome"] for result in results]


def test_selftest_fails_on_a_chip_that_is_not_well() -> None:
    done = _selftest("selftest", "-e", "emu://bench-8x16?stuck=0.5")
    assert done.returncode == 1
    assert "checks failed: cells.programming" in done.stderr
    assert done.stderr.count("\n") == 1

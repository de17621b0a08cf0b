"""`ohmloom explain` as a user runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from ohmloom.cli import main
from ohmloom.explain import demo_subject

CAUSES = {"mapping", "programming", "stuck", "relaxation", "read_noise", "ir_drop", "dac", "tia", "adc"}
BENCH = ("--chip", "bench-8x16", "--seeds", "1")


class Files(NamedTuple):
    network: Path
    data: Path
    labels: Path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The digits' network, inputs and labels in files."""
    folder = tmp_path_factory.mktemp("saved")
    files = Files(folder / "network.npz", folder / "X.npy", folder / "y.csv")
    subject = demo_subject("digits", "bench-8x16", seed=0)
    assert subject.labels is not None
    subject.network.save(files.network)
    np.save(files.data, subject.X)
    np.savetxt(files.labels, subject.labels, fmt="%d")
    return files


def ohmloom(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ohmloom", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_demo_and_its_saved_network_agree(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], saved: Files
) -> None:
    one, other, plot = tmp_path / "demo.json", tmp_path / "saved.json", tmp_path / "plot.svg"
    assert ohmloom(monkeypatch, "explain", "digits", *BENCH, "--json", one, "--plot", plot) == 0
    shown = capsys.readouterr().out
    demo = json.loads(one.read_text("utf-8"))
    assert set(demo["causes"]) == CAUSES
    for row in (*demo["causes"].values(), demo["sum"], demo["all"]):
        assert {"loss_points", "standard_error", "output_error"} <= set(row)
        assert row["standard_error"] is None  # of one chip
        assert f"{row['output_error']:.2%}" in shown
    assert 0.8 < demo["software_accuracy"] < 1
    assert demo["all"]["output_error"] > demo["causes"]["mapping"]["output_error"] > 0
    assert plot.read_text("utf-8").startswith("<?xml")

    options = ["--data", saved.data, "--labels", saved.labels, "--seeds", "1", "--json", other]
    assert ohmloom(monkeypatch, "explain", saved.network, *options) == 0
    again = json.loads(other.read_text("utf-8"))
    assert (again.pop("subject"), demo.pop("subject")) == ("network.npz", "Handwritten digits")
    assert again == demo


def test_texts_are_labels_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], saved: Files
) -> None:
    labels = tmp_path / "labels.npy"
    np.save(labels, np.array(["zero"] * len(np.load(saved.data))))
    assert ohmloom(monkeypatch, "explain", saved.network, "--data", saved.data, "--labels", labels) == 1
    assert "labels: zero is not a class of the network; its classes: 0, 1, 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nonsense"], 1, "'nonsense' is neither a demo (digits"),
        (["digits", "--chip", "nonsense"], 1, "unknown chip 'nonsense'"),
        (["digits", "--copies", "3"], 2, "--copies"),
        (["digits", "--seeds", "0"], 2, "--seeds"),
        (["digits", "--age", "-1"], 2, "--age"),
        (["digits", "--age", "nan"], 2, "--age"),
        (["digits", "--data", "DATA"], 2, "brings its own"),
        (["digits", "--plot", "losses.txt"], 2, ".svg, .png, .pdf"),
        (["digits", "--json", "no/such/folder/x.json"], 2, "there is no folder"),
        (["DATA"], 2, "needs --data"),
        (["DATA", "--data", "DATA"], 1, "not a compiled network"),
        (["NETWORK", "--data", "DATA", "--copies", "1"], 2, "--copies belongs to a demo"),
        (["NETWORK", "--data", "absent.npy"], 1, "absent.npy"),
        (["NETWORK", "--data", "LABELS"], 1, "X: shape (samples, 8) wanted"),
        (["NETWORK", "--data", "DATA", "--labels", "DATA"], 1, "labels: shape"),
        (["NETWORK", "--data", "DATA", "--chip", "lab-128x128x4"], 1, "compiled for 'bench-8x16'"),
    ],
)
def test_failures(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    saved: Files,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"NETWORK": saved.network, "DATA": saved.data, "LABELS": saved.labels}
    assert ohmloom(monkeypatch, "explain", *(names.get(word, word) for word in arguments)) == code
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""

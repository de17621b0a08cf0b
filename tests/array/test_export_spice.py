"""`export_spice` and `ohmloom export-spice`: ngspice computes from the netlist what the emulator's tile does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.cli import main
from ohmloom.errors import ArgumentError, SpecError, StateError
from ohmloom.spec import load_chip
from ohmloom.spec.commands import Polarity
from ohmloom_emulator.array.tile import Tile
from ohmloom_emulator.board import Board
from ohmloom_emulator.devices import cells_of
from ohmloom_emulator.spice import export_spice

NgSpice = Callable[[str], np.ndarray]
CHIPS = {
    "linear": ("lab-128x128x4", {}),
    "sinh": ("bench-8x16-hfox", {}),  # I-V curves of the HfOx bilayer
    "linear passive": ("lab-128x128x4", {"access": "none"}),
    "sinh passive": ("bench-8x16-hfox", {"access": "none"}),
    "messaris passive": ("bench-8x16", {"access": "none", "model": "messaris", "area": 0.53,
                                        "g_min_siemens": 24e-6, "g_max_siemens": 35e-6}),
}  # fmt: skip


def square_chip(folder: Path, size: int, base: str, cell: dict[str, Any]) -> Path:
    """A bundled chip with one tile of size x size and other cells, in resistive wires."""
    text = (files("ohmloom.spec") / "chips" / f"{base}.toml").read_text("utf-8")
    values = {"tiles": 1, "rows": size, "columns": size, "row_dacs": size // 8, "column_adcs": size // 16,
              "row_ohm": 2.0, "column_ohm": 3.0, "model": None, "g_min_siemens": None, "g_max_siemens": None} | cell  # fmt: skip
    lines = []
    for line in text.splitlines():
        key = line.split("=")[0].strip()
        value = values.get(key)
        lines.append(line if value is None else f"{key} = {repr(value).replace(chr(39), chr(34))}")
        if line.startswith("[cell]"):
            lines += [f"{k} = {repr(v).replace(chr(39), chr(34))}" for k, v in cell.items() if f"\n{k} =" not in text]
    path = folder / "square.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def tile_of(path: Path, g: np.ndarray) -> Tile:
    """The emulator's tile with these conductances."""
    board = Board(str(path), effects=["wires"])
    tile = board.fabric.tiles[0]
    tile.conductance[:] = g
    tile.forget()
    return tile


@pytest.mark.parametrize("size", [16, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", CHIPS)
def test_ngspice_agrees_with_the_tile(tmp_path: Path, ngspice: NgSpice, kind: str, size: int) -> None:
    chip = square_chip(tmp_path, size, *CHIPS[kind])
    spec = load_chip(chip)
    rng = np.random.default_rng(size)
    g = rng.uniform(spec.cell.g_min_siemens, spec.cell.g_max_siemens, (size, size))
    volts = rng.uniform(-0.2, 0.2, size)
    tile = tile_of(chip, g)
    assert tile.straight == kind.startswith("linear")
    expected = tile.currents(volts[None, :], 0)[0][0]
    simulated = ngspice(export_spice(g, str(chip), volts=volts))
    np.testing.assert_allclose(simulated, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["linear", "sinh", "linear passive", "sinh passive"])
def test_a_window_of_rows(tmp_path: Path, ngspice: NgSpice, kind: str) -> None:
    """1T1R: the other rows are off. Passive: they are held at 0 V and take part."""
    chip = square_chip(tmp_path, 16, *CHIPS[kind])
    g = np.random.default_rng(1).uniform(2e-6, 40e-6, (16, 16))
    volts = np.array([0.15, -0.1, 0.2])
    expected = tile_of(chip, g).currents(volts[None, :], 5)[0][0]
    simulated = ngspice(export_spice(g, str(chip), row=5, volts=volts))
    np.testing.assert_allclose(simulated, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("pulse_v", [1.2, -1.2])
def test_a_write_pulse_on_a_passive_array(tmp_path: Path, ngspice: NgSpice, pulse_v: float) -> None:
    """The current into the selected line, which `Tile.pulse` returns: the columns' sum, less what other rows take."""
    chip = square_chip(tmp_path, 16, *CHIPS["sinh passive"])
    spec = load_chip(chip)
    g = np.random.default_rng(1).uniform(2e-6, 40e-6, (16, 16))
    text = export_spice(g, str(chip), row=3, pulse_v=pulse_v, columns=[6, 9])
    drives = [line.split() for line in text.splitlines() if line.startswith("Vdrive")]
    printed = "\n".join(f"print i(vdrive{row})" for row in range(16))
    currents = ngspice_all(ngspice, text.replace("quit", printed + "\nquit"), "vdrive")
    assert float(drives[3][-1]) == (0.0 if pulse_v > 0 else 1.2)
    tile = tile_of(chip, g)
    groups = np.isin(np.arange(16), [6, 9])[None, :]
    polarity = Polarity.SET if pulse_v > 0 else Polarity.RESET
    total = tile.pulse(3, groups, polarity, np.array([abs(pulse_v)]), 0.0, 100, np.array([0]))
    assert abs(currents[3]) == pytest.approx(total[0], rel=1e-6)
    model, _ = cells_of(spec)
    assert total[0] > 1.5 * float(np.abs(model.current(g[3, [6, 9]], pulse_v)).sum()) / 2  # the half-selected add to it


def ngspice_all(run: NgSpice, text: str, source: str) -> list[float]:
    """Currents of sources, by making ngspice print them as if they were senses."""
    lines = [line for line in text.splitlines() if not line.startswith("print i(vsense")]
    renamed = (
        "\n".join(lines).replace("Vsense", "Vother").replace(source.capitalize(), "Vsense").replace(source, "vsense")
    )
    return [float(x) for x in run(renamed)]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A bench chip that has been formed and programmed, saved."""
    path = tmp_path / "chip.state"
    with ohmloom.connect(f"emu://bench-8x16?seed=4&state={path}") as chip:
        chip.program_conductance(1, np.full((8, 16), 20e-6))
    return path


def test_a_saved_chip(state: Path, tmp_path: Path, ngspice: NgSpice) -> None:
    before = state.read_bytes()
    volts = np.linspace(-0.2, 0.2, 8)
    simulated = ngspice(export_spice(state, tile=1, volts=volts))
    tile = Board("bench-8x16", state=state).fabric.tiles[1]
    np.testing.assert_allclose(simulated, tile.currents(volts[None, :], 0)[0][0], rtol=1e-6, atol=1e-12)
    assert np.abs(simulated).max() > 1e-8
    assert state.read_bytes() == before


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["ohmloom", "export-spice", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, state, "--tile", "1", "--volts", "0.1", "-o", "tile.cir") == 0
    assert Path("tile.cir").read_text("utf-8") == export_spice(state, tile=1, volts=0.1)
    array, drive = tmp_path / "g.csv", tmp_path / "v.csv"
    np.savetxt(array, np.full((8, 16), 2e-5), delimiter=",")
    np.savetxt(drive, [0.1, 0.2])
    assert command(monkeypatch, array, "--chip", "bench-8x16", "--row", "3", "--drive", drive) == 0
    assert capsys.readouterr().out == export_spice(np.full((8, 16), 2e-5), "bench-8x16", row=3, volts=[0.1, 0.2])
    passive = ("--chip", "bench-8x16-passive")
    assert command(monkeypatch, array, *passive, "--pulse", "1", "-r", "2", "-c", "4", "-c", "5") == 0
    expected = export_spice(np.full((8, 16), 2e-5), "bench-8x16-passive", row=2, pulse_v=1.0, columns=[4, 5])
    assert capsys.readouterr().out == expected
    for bad, code, text in (
        ((array,), 1, "conductances alone do not tell their chip"),
        ((tmp_path / "absent.state",), 1, "there is no such file"),
        (
            (array, "--chip", "bench-8x16", "--volts", "1", "--pulse", "1", "-c", "1"),
            2,
            "one of --volts, --drive and --pulse",
        ),
        ((array, "--chip", "bench-8x16", "--pulse", "1"), 2, "--pulse and --column go together"),
    ):
        assert command(monkeypatch, *bad) == code
        assert text in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ArgumentError, "shape \\(8, 16\\), wanted; given shape \\(2, 2\\)", {"source": np.zeros((2, 2))}),
        (ArgumentError, "finite siemens", {"source": np.full((8, 16), -1e-6)}),
        (ArgumentError, "row: 8 is not within 0..7", {"row": 8}),
        (ArgumentError, "volts: 1 to 3 finite numbers", {"row": 5, "volts": np.zeros(4)}),
        (ArgumentError, "volts: 1 to 8", {"volts": np.array([np.nan])}),
        (ArgumentError, "bench-8x16 has a transistor in each cell", {"pulse_v": 1.0}),
        (ArgumentError, "columns: \\[16\\]", {"chip": "bench-8x16-passive", "pulse_v": 1.0, "columns": [16]}),
        (ArgumentError, "pulse_v: 0.0", {"chip": "bench-8x16-passive", "pulse_v": 0.0}),
        (SpecError, "unknown chip 'absent'", {"chip": "absent"}),
    ],
)
def test_bad_arguments(error: type[Exception], message: str, arguments: dict[str, Any]) -> None:
    good: dict[str, Any] = {"source": np.full((8, 16), 1e-5), "chip": "bench-8x16"}
    with pytest.raises(error, match=message):
        export_spice(**good | arguments)


def test_states_of_other_chips_are_refused(state: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="belongs to another chip"):
        export_spice(state, "lab-128x128x4")
    with pytest.raises(ArgumentError, match="tile: 2 is not within"):
        export_spice(state, tile=2)
    (tmp_path / "x.state").write_bytes(b"nothing")
    with pytest.raises(StateError, match="damaged"):
        export_spice(tmp_path / "x.state")

"""Waves of the gateware on request: the window that was asked for, all wires by their names, and the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from vcd.reader import TokenKind, tokenize

import ohmloom
from ohmloom.errors import ArgumentError

URL = "rtl://bench-8x16?seed=3"
CLOCK_HZ = 18_000_000
CODES = np.arange(8)[None, :] * 40


def _waves(file: Path) -> tuple[set[str], list[int], dict[str, list[tuple[int, object]]]]:
    """Names with their scopes, all times in ps, and the changes of each wire by its name."""
    names: dict[str, list[str]] = {}
    scope: list[str] = []
    times: list[int] = []
    changes: dict[str, list[tuple[int, object]]] = {}
    with file.open("rb") as stream:
        for token in tokenize(stream):
            if token.kind is TokenKind.TIMESCALE:
                assert (token.timescale.magnitude.value, token.timescale.unit.value) == (1, "ps")
            elif token.kind is TokenKind.SCOPE:
                scope.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scope.pop()
            elif token.kind is TokenKind.VAR:
                names.setdefault(token.var.id_code, []).append(".".join([*scope, token.var.reference]))
            elif token.kind is TokenKind.CHANGE_TIME:
                times.append(token.time_change)
            elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR else token.vector_change
                for name in names[change.id_code]:
                    changes.setdefault(name, []).append((times[-1], change.value))
    return {name for each in names.values() for name in each}, times, changes


@pytest.mark.slow  # compiles the gateware with all its wires
def test_a_window_from_a_command_on(tmp_path: Path) -> None:
    file = tmp_path / "mvm.vcd"
    with ohmloom.connect(URL, waves=file, trigger="MVM", from_us=5, to_us=285) as chip:
        _ = chip.info()
        given = chip.mvm(0, CODES)
    with ohmloom.connect(URL) as chip:
        _ = chip.info()
        np.testing.assert_array_equal(given, chip.mvm(0, CODES))
    names, times, changes = _waves(file)
    assert {"rx", "tx", "clk", "executing", "link.uart_rx.data"} <= names
    assert any(name.startswith("sequencer.") for name in names)
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(280e6, abs=1e6)
    rises = [time for time, value in changes["clk"] if value == "1"]
    assert len(rises) == pytest.approx(280e-6 * CLOCK_HZ, abs=2)
    np.testing.assert_allclose(np.diff(rises), 1e12 / CLOCK_HZ, atol=2)
    assert [value for _, value in changes["executing"]] == ["0", "1", "0"]
    assert sum(value == "0" for _, value in changes["rx"]) > 20  # start bits, at least


@pytest.mark.slow
def test_a_window_from_the_start_on(tmp_path: Path) -> None:
    file = tmp_path / "hello.vcd"
    with ohmloom.connect(f"{URL}&waves={file}&to_us=50") as chip:
        _ = chip.info()
    times = _waves(file)[1]
    assert times[-1] - times[0] == pytest.approx(50e6, abs=1e6)


@pytest.mark.parametrize(
    "options",
    ["from_us=1", "waves=", "waves=x&from_us=5&to_us=4", "waves=x&trigger=MWM", "waves=/none/x", "waves=x&to_us=y"],
)
def test_windows_that_make_no_sense(options: str) -> None:
    with pytest.raises(ArgumentError):
        ohmloom.connect(f"{URL}&{options}")

"""The emitted Verilog of the whole controller under Icarus, from the serial line to the parts' pins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conversation import FIRST_BAUD, OVER_CURRENT_A

from ohmloom.spec import chip, load_chip
from ohmloom_hdl.plain import PlainTop

BUNDLED = Path(chip.__file__).parent / "chips" / "bench-8x16.toml"


@pytest.mark.slow  # a minute under an event-driven simulator
def test_top(simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip whose comparator trips at less current, so that a trip is one pulse away."""
    careful = tmp_path / "careful.toml"
    text = re.sub(r"(?m)^over_current_a = .*", f"over_current_a = {OVER_CURRENT_A}", BUNDLED.read_text("utf-8"))
    careful.write_text(text, "utf-8")
    for module in ("dispatcher", "rules"):
        monkeypatch.setattr(f"ohmloom_hdl.link.{module}.DEFAULT_BAUD", FIRST_BAUD)
    run = simulation("top", lambda: PlainTop(load_chip(str(careful))))
    run("top_tests", OHMLOOM_CHIP=str(careful))

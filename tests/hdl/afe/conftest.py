"""The chips that the front end is tested for."""

from __future__ import annotations

import pytest

from ohmloom.spec import ChipSpec, load_chip


@pytest.fixture(params=["bench-8x16", "lab-128x128x4"])
def spec(request: pytest.FixtureRequest) -> ChipSpec:
    return load_chip(request.param)

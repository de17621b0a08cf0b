"""`pytest tests/conformance --endpoint URL` runs the suite of `ohmloom.conformance` on that endpoint, else on emulated chips and the twin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ohmloom.conformance import Device

ENDPOINTS = ("emu://bench-8x16", "emu://lab-128x128x4", "rtl://bench-8x16")
SLOW = ("emu://lab-128x128x4", "rtl://bench-8x16")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--endpoint", action="append", metavar="URL", help="endpoint to run the conformance suite on; may be repeated"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "device" in metafunc.fixturenames:
        given = metafunc.config.getoption("--endpoint", default=None)
        urls = given or [pytest.param(url, marks=[pytest.mark.slow] if url in SLOW else []) for url in ENDPOINTS]
        metafunc.parametrize("device", urls, indirect=True, scope="module")


@pytest.fixture(scope="module")
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    opened = Device(request.param)
    yield opened
    opened.close()

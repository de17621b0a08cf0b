"""Every check of the suite that ships with the library, on each endpoint; and that the suite finds what is wrong."""

from __future__ import annotations

import pytest

from ohmloom.conformance import CHECKS, Check, Device, Outcome


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_conformance(check: Check, device: Device) -> None:
    result = check.run(device)
    if result.outcome is Outcome.SKIPPED:
        pytest.skip(result.text)
    assert result.outcome is Outcome.PASSED, result.text

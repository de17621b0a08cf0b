"""The table of faults fits the tree; `python -m tests.mutation.run` puts them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from .faults import FAULTS, HDL, TESTS, Fault

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_what_is_there(fault: Fault) -> None:
    text = (ROOT / HDL / fault.file).read_text()
    assert text.count(fault.old) == 1, fault.old
    assert fault.new != fault.old
    file, test = fault.test.split("::")
    assert f"def {test.split('[')[0]}(" in (ROOT / TESTS / file).read_text()


def test_names_of_faults_differ() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)

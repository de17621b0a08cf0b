"""The report of a run, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ohmloom.conformance.check import Outcome, Result


def markdown(url: str, info: dict[str, Any], results: Sequence[Result]) -> str:
    """A page: what was tested, how each check ended, and what `chip.info` said."""
    counts = Counter(result.outcome for result in results)
    summary = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
    lines = [
        f"# Conformance of {info['chip']}",
        "",
        f"`{url}`, {datetime.now(UTC).isoformat(timespec='seconds')}: {summary}.",
        "",
        "| check | outcome | s | |",
        "|---|---|---|---|",
        *(
            f"| {_cell(result.title)} | {result.outcome.value} | {result.seconds:.2f} | {_cell(result.text)} |"
            for result in results
        ),
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {_cell(str(value))} |" for key, value in info.items() if not isinstance(value, dict)),
        *(
            f"| {section}.{key} | {value} |"
            for section, values in info.items()
            if isinstance(values, dict)
            for key, value in values.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

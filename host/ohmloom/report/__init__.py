"""The HTML report of a demo: one file, pictures inside, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ohmloom.demos.results import Results, si
from ohmloom.errors import Error

try:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from ohmloom.report import pictures as draw
except ImportError as missing:
    raise Error(f"a report needs jinja2 and matplotlib ({missing}): pip install 'ohmloom[plots]'") from None

__all__ = ["render", "write_report"]


def render(results: Results, samples: Sequence[draw.Picture] = ()) -> str:
    """The report as HTML. samples: the demo's own pictures."""
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    chip, report = results.spec, results.programming
    used = [tile for tile in range(chip.tiles) if report.selected[tile].any()]
    spent = [] if results.meters is None else [("Energy", 0, "J"), ("Fabric time", 1, "s")]
    return environment.get_template("template.html.j2").render(
        results=results,
        samples=samples,
        maps=[draw.conductance_maps(results, tile) for tile in used],
        histograms=[draw.error_histogram(results), draw.pulse_histogram(results)],
        confusion=draw.confusion_matrix(results) if results.metric == "accuracy" else None,
        spent=[draw.where_it_went(results, title, index, unit) for title, index, unit in spent],
        notes=results.network.notes,
        wall=[(phase, si(seconds, "s")) for phase, seconds in results.wall_s.items()],
        link=[(name.replace("_", " "), f"{count:,}") for name, count in results.link.items()],
    )


def write_report(results: Results, path: Path, samples: Sequence[draw.Picture] = ()) -> None:
    """Writes the report to a file. Raises OSError when that fails."""
    path.write_text(render(results, samples), "utf-8")

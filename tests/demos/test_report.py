"""The report: one file, with the run's numbers and pictures in it and nothing to load from elsewhere."""

from __future__ import annotations

import base64
import importlib
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from ohmloom import Error
from ohmloom.demos.digits import Digits
from ohmloom.demos.results import Results
from ohmloom.report import render

Run = tuple[Results, dict[str, list[tuple[int, int]]]]
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Texts and attributes of a page; its tags must nest."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())

    @property
    def pictures(self) -> list[ElementTree.Element]:
        found = []
        for tag, name, value in self.attributes:
            if (tag, name) == ("img", "src"):
                head, content = value.split(",", 1)
                assert head == "data:image/svg+xml;base64"
                found.append(ElementTree.fromstring(base64.b64decode(content)))
        return found


@pytest.fixture(scope="module")
def html(bench: Run) -> str:
    return render(bench[0], Digits().pictures(bench[0]))


def test_every_row_of_the_table_and_every_note_is_there(bench: Run, html: str) -> None:
    results, page = bench[0], Page(html)
    for quantity, value in results.rows():
        position = page.texts.index(quantity)
        assert page.texts[position + 1] == value
    text = "\n".join(page.texts)
    assert results.network.explain() in text
    assert results.command in page.texts
    assert results.data.note in text
    assert f"{results.link['bytes_sent']:,}" in page.texts


def test_pictures_are_inside_and_nothing_else_is_loaded(html: str) -> None:
    page = Page(html)
    # Confusion matrix, samples, two tiles, two histograms, energy, time.
    pictures = page.pictures
    assert len(pictures) == 8
    for picture in pictures:
        assert picture.tag == f"{SVG}svg"
        assert picture.findall(f".//{SVG}path")
        references = [value for part in picture.iter() for name, value in part.attrib.items() if name.endswith("href")]
        assert all(reference.startswith(("#", "data:")) for reference in references)
    loading = [value for _, name, value in page.attributes if name in ("src", "href", "srcset", "data", "action")]
    assert all(value.startswith("data:") for value in loading)
    assert not re.search(r"https?:|@import|url\(|<script|<link|<iframe", html)
    assert all(value for _, name, value in page.attributes if name == "alt")


def test_same_results_give_the_same_report(bench: Run, html: str) -> None:
    assert render(bench[0], Digits().pictures(bench[0])) == html


def test_texts_are_escaped(bench: Run) -> None:
    page = render(replace(bench[0], command="<script>alert(1)</script>"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_board_has_no_energy_pictures(bench: Run) -> None:
    board = render(replace(bench[0], meters=None))
    assert "Where energy and time went" not in board
    assert len(Page(board).pictures) == 5


def test_a_run_without_mistakes_shows_right_samples_only(bench: Run) -> None:
    results = bench[0]
    perfect = replace(results, chip=results.data.y_test)
    (samples,) = Digits().pictures(perfect)
    (mixed,) = Digits().pictures(results)
    heights = [
        float(ElementTree.fromstring(picture.svg).attrib["height"].removesuffix("pt")) for picture in (samples, mixed)
    ]
    assert 2 * heights[0] == pytest.approx(heights[1])


def test_meters_of_a_phase_add_up_to_what_the_bars_show(bench: Run) -> None:
    results = bench[0]
    assert results.meters is not None
    energy_j, time_s = results.spent(*results.meters)
    rows = [row for phase in results.meters.values() for row in phase.values()]
    assert energy_j == pytest.approx(np.sum(rows, axis=0)[0])
    assert time_s == pytest.approx(np.sum(rows, axis=0)[1])


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named_with_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for module in ("ohmloom.report", "ohmloom.report.pictures"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(Error, match=rf"{library}.*pip install 'ohmloom\[plots\]'"):
        importlib.import_module("ohmloom.report")

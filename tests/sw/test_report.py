"""The report: what it accepts, and that the page stands alone."""

from __future__ import annotations

import json
import struct
import zlib
from html.parser import HTMLParser

import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.report import check, render
from nhot.report.pictures import png
from nhot.report.table import number

REPORT = {
    "version": 1,
    "title": "Digits & <friends>",
    "network": {"name": "digits", "format": "2hot", "macs": 1000, "weight_bits": 7},
    "run": {"target": "a board", "cycles": 1234, "clock_hz": 25e6},
    "identical": {"count": 359, "total": 360},
    "accuracy": [{"stage": "float", "correct": 9, "total": 10}],
    "builds": [{"board": "A", "luts": 100, "luts_available": 400, "fmax_mhz": 31.25}],
    "layers": [
        {"name": "conv", "cycles_predicted": 10, "cycles_measured": 12},
        {"name": "fc", "cycles_predicted": 5},
    ],
    "levels": [{"layer": "conv", "levels": [-1, 0, 1], "counts": [3, 5, 4]}],
    "misclassified": [{"label": 3, "answer": 8, "pixels": [[0, 16], [8, 4]], "white": 16}],
    "environment": {"python": "3.11"},
}


class Page(HTMLParser):
    """Collects the tags and what they point to; unbalanced tags are an error."""

    VOID = ("meta", "img", "br", "path", "use")

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.links = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page():
    pytest.importorskip("matplotlib")
    return render(REPORT)


def test_page_stands_alone(page):
    for link in Page(page).links:
        assert link.startswith(("#", "data:"))
    assert "<script" not in page
    assert "@import" not in page


def test_page_is_reproducible(page):
    assert render(json.loads(json.dumps(REPORT))) == page


def test_page_shows_every_part(page):
    for text in ("Digits &amp; &lt;friends&gt;", "359 of 360", "1\u202f234", "100 (25%)", "31.25",
                 "3 read as <b>8</b>", "90.00%", "Weights on their levels"):
        assert text in page
    assert "<friends>" not in page
    assert page.count("<svg") == 2


def test_charts_take_the_colours_of_the_page(page):
    assert "var(--accent)" in page
    assert "#030303" not in page
    assert "DejaVu Sans'" not in page


def test_parts_may_be_left_out():
    text = render({"version": 1, "title": "Little"})
    Page(text)
    assert "<section>" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version must be 1, not 2"),
        ({"title": 3}, "title must be text, not 3"),
        ({"titel": "x"}, "not 'titel'"),
        ({"run": {"target": "a"}}, "run must have the field 'cycles'"),
        ({"run": {"target": "a", "cycles": True}}, "cycles must be an integer"),
        ({"layers": [{"name": "a", "cycles": 3}]}, r"layers\[0\] must have the fields"),
        ({"layers": {}}, "layers must be a list"),
        ({"levels": [{"layer": "a", "levels": [0], "counts": []}]}, "as many counts as levels"),
        ({"levels": [{"layer": "a", "levels": ["0"], "counts": [1]}]}, "must hold numbers"),
        ({"misclassified": [{"label": 1, "answer": 2, "pixels": [[1], [1, 2]]}]}, "same length"),
        ({"misclassified": [{"label": 1, "answer": 2, "pixels": []}]}, "same length"),
    ],
)
def test_a_wrong_report_is_refused(change, message):
    with pytest.raises(NhotError, match=message):
        check(REPORT | change)


def test_a_report_is_an_object():
    with pytest.raises(NhotError, match="must be a JSON object, not list"):
        check([])


def test_png_holds_the_pixels():
    data = png([[0, 8, 16], [16, 40, -3]], 16)
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    body = data[data.index(b"IDAT") + 4:-16]
    assert zlib.decompress(body) == bytes([0, 0, 128, 255, 0, 255, 255, 0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1\u202f234\u202f567"), (1.644, "1.64"), (123.45, "123.5"),
     (4321.6, "4\u202f322"), (25.0, "25")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


def test_command_writes_the_page(tmp_path, capsys):
    source = tmp_path / "report.json"
    source.write_text(json.dumps(REPORT))
    assert main(["report", str(source)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(REPORT)


def test_command_refuses_what_is_no_report(tmp_path, capsys):
    source = tmp_path / "report.json"
    source.write_text("{")
    assert main(["report", str(source)]) == 2
    assert "must be JSON" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()

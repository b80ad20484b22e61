"""The page of a report: whole and safe, whatever its entries say."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from html.parser import HTMLParser

import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.report import Entry, Report, read_report, render, write_report
from nhot.report.answers import MATRIX, answers_of, confusion
from nhot.report.figures import Figures
from nhot.report.schema import Answers, Epoch, Score, Wrong
from nhot.testing.reports import entry

ENTRY = entry()
OTHER = entry("digits-signed-binary", "signed-binary", cycles=6962,
              accuracies=(0.98, 0.1052, 0.9566), wrong=26, seed=1)
PAGE = render(Report(entries=(ENTRY,)))
BOTH = render(Report(entries=(ENTRY, OTHER)))


class Page(HTMLParser):
    """Collects links, text and figures; unbalanced tags and scripts are errors."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.text, self.figures = [], [], "", []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert tag != "script"
        self._note(tag, attributes)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self._note(tag, attributes)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def _note(self, tag, attributes):
        for name, value in attributes:
            assert not name.startswith("on")
            if name in {"src", "href"}:
                self.links.append(value)
            if (tag, name) == ("data", "value"):
                self.figures.append(float(value))


@pytest.mark.parametrize("text", [PAGE, BOTH], ids=["one", "both"])
def test_page_stands_alone(text):
    for link in Page(text).links:
        assert link.startswith(("#entry", "data:image/png;base64,"))
    assert "@import" not in text
    assert "url(" not in text
    assert "http" not in text


def test_page_is_reproducible(tmp_path):
    write_report(tmp_path / "r.json", [ENTRY, OTHER])
    assert render(read_report(tmp_path / "r.json")) == BOTH


def test_every_part_is_on_the_page():
    page = Page(PAGE)
    run = ENTRY.runs[0]
    for figure in (run.cycles, run.identical, ENTRY.build.fmax_mhz, 12e6 / run.cycles,
                   ENTRY.network.layers[1].macs, run.answers.correct / run.answers.total,
                   *(score.value for score in ENTRY.quantized.scores),
                   *(count for _, _, count in run.answers.pairs),
                   *(one.cycles for one in run.layers),
                   *(one.words for one in ENTRY.image.memories)):
        assert figure in page.figures
    for text in ("Confusion matrix", "Wrong answers", "Weights on their levels", "Bitstream",
                 "reference == Verilog", "2030-12-31 23:59 UTC", "nhot quantize", "optimizer"):
        assert text in page.text


LISTS = ("runs", "evaluated", "compared")


@pytest.mark.parametrize("name", list(asdict(ENTRY)))
def test_parts_may_be_left_out(name):
    Page(render(Report(entries=(replace(ENTRY, **{name: () if name in LISTS else None}),))))
    alone = Entry(**{name: getattr(ENTRY, name)})
    assert len(Page(render(Report(entries=(alone,)))).text) > 40


def test_a_report_of_nothing_is_a_page():
    for report in (Report(), Report(entries=(Entry(),)), Report(entries=(Entry(), Entry()))):
        Page(render(report))


def test_side_by_side():
    page = Page(BOTH)
    assert "2 networks side by side" in page.text
    for one in (ENTRY, OTHER):
        assert one.name in page.text
        assert one.runs[0].cycles in page.figures
    assert page.links[:2] == ["#entry0", "#entry1"]
    assert 'id="entry1"' in BOTH


def test_equal_names_are_told_apart():
    ulx3s = replace(ENTRY, image=replace(ENTRY.image, board="ulx3s-85f", configuration="2hot"))
    text = Page(render(Report(entries=(ENTRY, ulx3s, ENTRY)))).text
    assert "digits-2hot on icebreaker 2hot" in text
    assert "digits-2hot on ulx3s-85f 2hot" in text
    assert "digits-2hot on icebreaker 2hot (2)" in text


def leaves(values, path=()):
    """Paths to all values that hold no others, and to one of each list."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield from leaves(value, (*path, name))
    elif isinstance(values, list) and values:
        yield from leaves(values[-1], (*path, len(values) - 1))
    else:
        yield path


EXTREMES = (0, -1, 1, 2**63 - 1, 1e-300, 1e300, 0.5, "", "\x1b[31m<script>\u202e'\"&", [], {}, None)


def test_extreme_values_make_a_page_or_are_refused(tmp_path):
    plain = json.dumps(asdict(Report(entries=(ENTRY,))))
    path = tmp_path / "r.json"
    pages = 0
    for turn, place in enumerate(leaves(json.loads(plain))):
        for extreme in EXTREMES[turn % 4::4]:
            values = json.loads(plain)
            inner = values
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = extreme
            path.write_text(json.dumps(values), encoding="utf-8")
            try:
                report = read_report(path)
            except NhotError:
                continue
            text = render(report)
            pages += 1
            assert "\x1b" not in text
            assert "<script" not in text
            Page(text)
    assert pages > 40


def test_the_matrix_has_all_counts():
    answers = Answers(classes=3, pairs=((0, 0, 4), (0, 2, 1), (1, 1, 5)), names=("a", "b", "<c>"))
    page = Page(confusion(answers))
    assert page.figures == [4, 1, 0.8, 5, 1.0]
    assert "<c>" in page.text


def test_many_classes_are_a_list_of_confusions():
    answers = Answers(classes=MATRIX + 1, pairs=((0, 0, 9), (0, 5, 2), (3, 20, 7)))
    page = Page(confusion(answers))
    assert page.figures == [7, 2]
    right = Page(confusion(Answers(classes=MATRIX + 1, pairs=((0, 0, 9),))))
    assert right.text == "None is confused."


def test_figures_prefer_what_was_measured():
    found = Figures.of(ENTRY)
    assert found.cycles == ENTRY.runs[0].cycles
    assert found.score.stage == "virtual board"
    assert [one.stage for one in found.scores] == [
        "float", "rounded", "finetuned", "network, photographs", "virtual board"]
    bare = Figures.of(replace(ENTRY, runs=(), quantized=None, evaluated=()))
    assert bare.score == ENTRY.training.score
    assert bare.cycles == ENTRY.image.cycles


def test_answers_of_nothing():
    import numpy as np

    nothing = answers_of(np.array([], int), np.array([], int), 2)
    run = replace(ENTRY.runs[0], answers=nothing)
    Page(render(Report(entries=(replace(ENTRY, runs=(run,)),))))


def test_command_writes_the_page(tmp_path, capsys):
    write_report(tmp_path / "report.json", [ENTRY])
    assert main(["report", str(tmp_path / "report.json")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == PAGE


def test_command_puts_reports_side_by_side(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.json", "b.json", "page.html")]
    write_report(paths[0], [ENTRY])
    write_report(paths[1], [OTHER])
    assert main(["report", *paths[:2], "-o", paths[2], "--title", "Two <formats>"]) == 0
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text == render(Report(entries=(ENTRY, OTHER)), "Two <formats>")
    assert "<title>Two &lt;formats&gt;</title>" in text


def test_command_joins_reports_of_one_network(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.json", "b.json")]
    write_report(paths[0], [replace(ENTRY, runs=())])
    write_report(paths[1], [Entry(image=ENTRY.image, runs=ENTRY.runs)])
    assert main(["report", *paths]) == 0
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == PAGE


def test_command_does_not_write_over_its_report(tmp_path, capsys):
    path = str(tmp_path / "r.json")
    write_report(path, [ENTRY])
    assert main(["report", path, "-o", path]) == 2
    assert "must be another file" in capsys.readouterr().err
    assert read_report(path).entries == (ENTRY,)


def measured(metric, values, samples=None):
    scores = tuple(Score(stage=f"stage {index}", value=value, samples=samples)
                   for index, value in enumerate(values))
    return replace(ENTRY.quantized, metric=metric, scores=scores, answers=None)


def test_a_loss_is_a_number_and_no_share():
    """On an axis of its own, without the confidence of a share."""
    page = Page(render(Report(entries=(Entry(quantized=measured("loss", [0.5, 2.25], 8)),))))
    assert {0.5, 2.25} <= set(page.figures)
    assert "2.25" in page.text
    assert "225" not in page.text
    assert "Wilson" not in page.text


@pytest.mark.parametrize(("samples", "told"), [(599, True), (None, False)])
def test_confidence_needs_the_number_of_samples(samples, told):
    entry = Entry(quantized=measured("accuracy", [0.5, 0.75], samples))
    assert ("Wilson" in Page(render(Report(entries=(entry,)))).text) == told


def test_scores_of_one_metric_stand_side_by_side():
    """A metric that one entry alone has is in the table, and there is nothing beside it."""
    loss, accuracy = Entry(quantized=measured("loss", [2.5])), Entry(
        quantized=measured("accuracy", [0.75]))
    both = "Of the last stage of each."
    assert both not in Page(render(Report(entries=(loss, accuracy)))).text
    assert Page(render(Report(entries=(loss, accuracy, loss)))).text.count(both) == 1


@pytest.mark.parametrize(("epochs", "curves"), [
    ([(2.0, 0.5), (1.0, 0.75)], 2), ([(2.0, None), (1.0, 0.75)], 1), ([(2.0, None)], 1),
])
def test_a_metric_has_a_curve_from_two_epochs_on(epochs, curves):
    training = replace(ENTRY.training, epochs=tuple(
        Epoch(epoch=index + 1, loss=loss, metric=metric)
        for index, (loss, metric) in enumerate(epochs)
    ))
    text = render(Report(entries=(Entry(training=training),)))
    assert text.count("<span>by epoch</span>") == curves


def test_a_wrong_answer_without_a_picture_has_none():
    answers = Answers(classes=2, pairs=((0, 1, 1),), wrong=(Wrong(index=0, label=0, answer=1),))
    run = replace(ENTRY.runs[0], answers=answers)
    assert "<img" not in render(Report(entries=(Entry(runs=(run,)),)))

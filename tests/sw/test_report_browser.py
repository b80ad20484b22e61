"""The page in a browser, headless: nothing runs over its edge, every figure is there.

All pages are loaded in one go, in frames as wide as telephones and screens are, and measured there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape, unescape
from pathlib import Path

import pytest

from nhot.compiler import EngineConfig
from nhot.compiler.estimates import Estimate
from nhot.experiments.studies.own.candidates import Engine, Place
from nhot.experiments.studies.own.figures import Line, with_fronts
from nhot.experiments.studies.own.page import page
from nhot.machine import BROWSERS
from nhot.report import Entry, Report, render
from nhot.report.schema import Answers, Layer, Levels, Network, Timed
from nhot.testing.reports import entry
from nhot.trials import Fitted, Scored

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--hide-scrollbars",
    "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom",
)
WIDTHS = (320, 390, 800, 1280)

MEASURE = """
window.onload = () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, width = frame.clientWidth;
    const outside = [...page.body.querySelectorAll("*")].filter(
      one => one.getBoundingClientRect().right > width + 0.5 && one.getClientRects().length);
    const scrolls = [...page.querySelectorAll("*")].filter(
      one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth
        && ["auto", "scroll"].includes(getComputedStyle(one).overflowX));
    const clipped = [...page.querySelectorAll("td, th, dd, dt, .value, .name, .tile b, p")].filter(
      one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth
        && !one.closest("thead") && one.tagName != "TH");
    const name = one => one.tagName + "." + one.className + " " + one.textContent.slice(0, 40);
    found[frame.title] = {
      scroll: page.scrollingElement.scrollWidth, outside: outside.map(name),
      scrolls: scrolls.map(name), clipped: clipped.map(name),
      figures: [...page.querySelectorAll("data")].filter(one => one.getClientRects().length)
        .map(one => [Number(one.value), one.textContent]),
      loaded: frame.contentWindow.performance.getEntriesByType("resource").map(one => one.name)
        .filter(one => !one.startsWith("data:")),
      pictures: [...page.images].map(one => one.naturalWidth),
    };
  }
  document.getElementById("found").textContent = JSON.stringify(found);
};
"""

WORD = "a_name_without_any_space_that_goes_on_and_on_" * 3


def crowded() -> Entry:
    """Many layers, 20 classes with long names, and a name for everything that is too long."""
    whole = entry()
    layers = tuple(
        Layer(name=f"block{one}.{WORD}", operator="Conv2d", output=(512, 512, 4096), format="2hot",
              weights=25_000_000, bits=10**10, terms=48_000_000,
              macs=4_100_000_000) for one in range(12)
    )
    levels = tuple(replace(whole.network.levels[0], layer=one.name) for one in layers[:2])
    wide = Levels(layer=WORD, format="int8", levels=tuple(range(-127, 128)), counts=(10**9,) * 255)
    answers = Answers(
        classes=20, names=tuple(f"{one} {WORD}"[:40] for one in range(20)),
        pairs=tuple((a, b, 99999) for a in range(20) for b in range(20)),
        wrong=whole.runs[0].answers.wrong,
    )
    run = replace(
        whole.runs[0], place=WORD, answers=answers, inputs=10**12, identical=10**12,
        layers=tuple(Timed(name=one.name, cycles=999_999_999, stalls=10**8) for one in layers),
    )
    network = Network(name=WORD, sha256="", input=(1, 1, 1), layers=layers, levels=(*levels, wide))
    return replace(whole, network=network, runs=(run,),
                   training=replace(whole.training, settings={WORD: WORD}))


PAGES = {
    "one": (entry(),),
    "both": (entry(), entry("digits-signed-binary", "signed-binary", cycles=696, seed=1,
                            accuracies=(0.98, 0.1052, 0.9566), wrong=26)),
    "crowded": (crowded(),),
    "crowd": (crowded(), crowded(), entry()),
    "nothing": (),
}


def study() -> str:
    """Formats side by side: as many as are known, some in one place, and some that have none."""
    places = [Place(engine=Engine(name="ulx3s-85f 2hot-256", config=EngineConfig(),
                                  clock_hz=55_000_000, build=entry().build),
                    fitted=Fitted(reason="", cycles=10**9, weight_words=10**4, weight_bits=10**9)),
              Place(engine=Engine(name="ulx3s-85f signed-binary made to measure",
                                  config=EngineConfig(), clock_hz=78_400_000, estimate=Estimate(
                                      luts=83_640, block_memories=208, dsps=128, fmax_mhz=78.4)),
                    fitted=Fitted(reason="", cycles=10**9, weight_words=10**4, weight_bits=10**9)),
              Place(refused={WORD: Fitted(reason=f"{WORD}; {WORD}", lacks={"weight_words": 9})})]
    lines = [
        Line(name=name, bits=bits, terms=bits / 3, weight_bytes=10**9, untrained=bits < 2,
             place=places[place % 3],
             scored=Scored(metric="accuracy", value=value, samples=10**6, stage="network"))
        for place, (name, bits, value) in enumerate((
            ("int8", 8.0, 0.9), ("3hot", 8.0, 0.9), ("2hot@6", 6.0, 0.899), ("1hot", 4.0, 0.7),
            ("signed-binary/65535", 1.1, 0.1), ("signed-binary", 1.0, 0.1), ("apot4", 4.0, 0.69)))
    ]
    original = Line(name="TensorFlow Lite", scored=replace(lines[0].scored, value=0.95))
    return page(f"{WORD} on {WORD}", with_fronts([original, *lines]), [crowded(), *[entry()] * 6],
                {WORD: WORD, "rounding": "nearest"})


RENDERED = {
    **{name: render(Report(entries=entries)) for name, entries in PAGES.items()}, "study": study(),
}


def browse(folder: Path, page: str) -> tuple[str, str]:
    """The document after its scripts have run, and what the browser says of it."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("chromium is missing; run: sudo apt-get install chromium")
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", path.as_uri()],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=300,
        env={**os.environ, "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What was measured in each page at each width, and the browser's messages."""
    frames = "".join(
        f'<iframe title="{name} {width}" style="width:{width}px;height:2000px;border:0" '
        f'srcdoc="{escape(content)}"></iframe>'
        for name, content in RENDERED.items() for width in WIDTHS
    )
    text, messages = browse(
        tmp_path_factory.mktemp("browser"),
        f"<!doctype html><meta charset=utf-8><script>{MEASURE}</script>"
        f'<pre id="found"></pre>{frames}',
    )
    measured = json.loads(unescape(re.search(r'<pre id="found">(.*?)</pre>', text, re.DOTALL)[1]))
    return measured, messages


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RENDERED)
def test_nothing_runs_over_the_edge(found, name, width):
    page = found[0][f"{name} {width}"]
    assert page["outside"] == []
    assert page["scroll"] <= width
    assert page["scrolls"] == []
    assert page["clipped"] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_seen(found, width):
    entries = PAGES["both"]
    seen = found[0][f"both {width}"]["figures"]
    values = [value for value, _ in seen]
    for one in entries:
        run = one.runs[0]
        for value in (run.cycles, run.identical, one.image.memories[2].words, one.build.fmax_mhz,
                      *(layer.macs for layer in one.network.layers if layer.macs),
                      *(count for _, _, count in run.answers.pairs),
                      *(score.value for score in one.quantized.scores)):
            assert value in values
    assert [f"{11978 // 1000}\u202f978" in text for value, text in seen if value == 11978].count(
        True) >= 3
    assert "98.33\u202f%" in [text for value, text in seen if value == 0.9833]


def test_the_matrix_sums_to_all_samples(found):
    answers = PAGES["one"][0].runs[0].answers
    values = [value for value, _ in found[0]["one 390"]["figures"]]
    diagonal = [count for label, answer, count in answers.pairs if label == answer]
    start = values.index(diagonal[0], values.index(answers.correct / answers.total) + 1)
    assert sum(diagonal) == answers.correct
    assert values[start] == diagonal[0]


def test_pictures_are_decoded(found):
    page = found[0]["one 390"]
    assert page["pictures"] == [8] * len(PAGES["one"][0].runs[0].answers.wrong)


def test_nothing_is_loaded_and_nothing_is_complained_of(found):
    measured, messages = found
    assert [page["loaded"] for page in measured.values()] == [[]] * len(measured)
    assert "CONSOLE" not in messages


def test_a_complaint_would_have_been_heard(tmp_path):
    text, messages = browse(tmp_path, "<script>console.error('broken')</script><p>after")
    assert "after" in text
    assert "CONSOLE" in messages


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(scheme):
    """Contrast of at least 4.5, as WCAG 2 has it for text of this size."""
    import nhot.report

    style = Path(nhot.report.__file__).with_name("style.css").read_text(encoding="utf-8")
    light, dark = style.split("prefers-color-scheme: dark", 1)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", light if scheme == "light" else dark))
    for ink in ("ink", "faint", "accent", "good", "bad"):
        for ground in ("card", "page"):
            pair = sorted(luminance(colours[one]) for one in (ink, ground))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)

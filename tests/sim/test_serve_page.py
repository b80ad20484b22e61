"""The page of a simulated board in a browser: what is drawn, dropped and said comes out exact."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import wave
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image as Pillow

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.experiments.data.audio import Mfcc, read_wav
from nhot.experiments.data.dataset import to_integers
from nhot.network.file import save
from nhot.network.reference import run as reference
from nhot.testing.networks import random_network
from nhot.testing.tiny_networks import tiny_network
from nhot_sim.runner import require
from nhot_tools.browser import Browser, find_browser
from nhot_tools.screenshot import WIDTH, screenshot
from nhot_tools.tree import ROOT

# The engine of test_mlperf_board.py, so that it is built but once.
CONFIG = EngineConfig(
    pixels=1, filters=4, inputs=4, accumulator_bits=25, product_bits=37, activation_words=6928,
    weight_words=448, requant_words=1288, program_words=42,
)
MHZ = 16
NETWORKS = {
    "drawn": random_network(2, layers=1, shape=(8, 8, 1), operators=("linear",)),
    "colour": tiny_network("ic01"), "voice": tiny_network("kws01"),
}
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
from nhot.cli import main
sys.exit(main(sys.argv[1:]))
"""
WIDTHS = (390, 800, 1280)
PIXELS = np.random.default_rng(4).integers(0, 256, (32, 32, 3), dtype=np.uint8)

OUTSIDE = """
[...document.body.querySelectorAll("*")].filter(one => one.getClientRects().length
  && one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5
  && getComputedStyle(one).opacity !== "0").map(one => one.tagName + "." + one.id)
"""
FIGURES = "[...document.querySelectorAll('data')].map(one => Number(one.value))"
SEEN = """
(() => { const one = document.getElementById("seen");
  return [...one.getContext("2d").getImageData(0, 0, one.width, one.height).data]; })()
"""


@contextmanager
def page(folder):
    """The address of the page, with the network that is drawn for."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", "drawn.img", "--network", "drawn.onnx",
         "--port", "virtual", "--http", "0", "--clock", str(MHZ)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )
    try:
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    for name, network in NETWORKS.items():
        save(network, folder / f"{name}.onnx")
        (folder / f"{name}.img").write_bytes(compile_network(network, CONFIG).to_bytes())
    Pillow.fromarray(PIXELS).save(folder / "a.png")
    return folder


@pytest.fixture(scope="module")
def tools():
    """What a page needs that is drawn on and answers."""
    for tool in ("verilator", "g++"):
        require(tool)
    if find_browser() is None:
        pytest.skip("chromium is missing; run: sudo apt-get install chromium")


@pytest.fixture(scope="module")
def browser(tools, folder):
    with page(folder) as address, Browser(folder) as browser:
        browser.open(address, width=1280)
        browser.until(f"document.title === '{NETWORKS['drawn'].name}'")
        yield browser
        assert {one.split("/")[2] for one in browser.requests} == {address.split("/")[2]}
        assert browser.complaints == []


def wait_for_answer(browser):
    """Until the board has run and the page has nothing more to say."""
    browser.until("document.getElementById('message').hidden "
                  "&& document.querySelectorAll('.tile').length === 4")


def load(browser, folder, name):
    browser.choose("#files", folder / f"{name}.img", folder / f"{name}.onnx")
    title = NETWORKS[name].name
    browser.until(f"document.title === '{title}' && document.getElementById('message').hidden")
    browser.evaluate("document.getElementById('tiles').replaceChildren()")


def check_shown(browser, network, integers):
    """Class, scores, cycles of the whole and of each layer, and the clock's time."""
    outputs = reference(network, integers[None])[0].ravel()
    logits = (outputs - network.output.zero_point) * network.output.scale
    shares = np.exp(logits - logits.max())
    shares /= shares.sum()
    places = range(len(outputs))
    if len(outputs) == 12:
        names = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes",
                 "silence", "unknown"]
    else:
        names = [str(place) for place in places]
    shown = browser.evaluate(
        "[...document.querySelectorAll('#scores .row')].map(one => "
        "[one.querySelector('.name').textContent, Number(one.querySelector('data').value), "
        "Number(one.querySelector('span').textContent)])")
    assert [(name, integer) for name, _, integer in shown] == [*zip(names, outputs, strict=True)]
    np.testing.assert_allclose([share for _, share, _ in shown], shares)
    assert browser.evaluate("document.getElementById('class').textContent") == names[
        outputs.argmax()]
    predicted = profile(compile_network(network, CONFIG))
    figures = browser.evaluate(FIGURES)
    for value in (predicted.cycles, predicted.cycles / MHZ,
                  *(layer.cycles for layer in predicted.layers)):
        assert value in figures


def test_what_is_drawn_is_what_the_network_sees(browser, folder):
    network = NETWORKS["drawn"]
    load(browser, folder, "drawn")
    left, top, side = browser.evaluate(
        "(() => { const box = document.getElementById('drawing').getBoundingClientRect(); "
        "return [box.left, box.top, box.width]; })()")
    browser.draw([(left + side * x, top + side * y) for x, y in ((0.2, 0.1), (0.8, 0.9))])
    wait_for_answer(browser)
    canvas = browser.evaluate(
        "(() => { const one = document.getElementById('drawing'); return [...one.getContext('2d')"
        ".getImageData(0, 0, one.width, one.height).data].filter((_, i) => i % 4 === 0); })()")
    drawn = np.array(canvas, np.uint8).reshape(280, 280)
    assert 0.02 < (drawn > 128).mean() < 0.3
    small = np.asarray(Pillow.fromarray(drawn).resize((8, 8), Pillow.Resampling.BILINEAR))
    integers = to_integers(network.input, small[None, None] / 255)[0]
    check_shown(browser, network, integers)
    seen = np.array(browser.evaluate(SEEN)).reshape(8, 8, 4)
    real = np.clip((integers - network.input.zero_point) * network.input.scale, 0, 1)
    np.testing.assert_allclose(seen[..., 0], real[..., 0] * 255, atol=0.51)
    browser.evaluate("document.getElementById('clear').click()")
    assert browser.evaluate(
        "document.getElementById('drawing').getContext('2d').getImageData(0, 0, 280, 280).data"
        ".every((one, i) => one === (i % 4 === 3 ? 255 : 0))")


def test_a_picture_that_is_chosen_and_one_that_is_dropped(browser, folder):
    network = NETWORKS["colour"]
    load(browser, folder, "colour")
    browser.choose("#picture", folder / "a.png")
    wait_for_answer(browser)
    check_shown(browser, network, PIXELS.astype(np.int64))
    seen = np.array(browser.evaluate(SEEN)).reshape(32, 32, 4)
    np.testing.assert_array_equal(seen[..., :3], PIXELS)
    buffer = io.BytesIO()
    Pillow.fromarray(255 - PIXELS).save(buffer, "PNG")
    browser.evaluate("document.getElementById('tiles').replaceChildren()")
    browser.evaluate(f"""
      const files = new DataTransfer();
      files.items.add(new File([new Uint8Array({list(buffer.getvalue())})], "b.png"));
      document.body.dispatchEvent(new DragEvent("drop", {{dataTransfer: files}}));
    """)
    wait_for_answer(browser)
    check_shown(browser, network, 255 - PIXELS.astype(np.int64))


def test_a_sound_that_is_chosen_and_one_of_the_microphone(browser, folder):
    network = NETWORKS["voice"]
    load(browser, folder, "voice")
    samples = np.random.default_rng(5).normal(0, 5000, 16_000).astype("<i2")
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    browser.choose("#sound", folder / "a.wav")
    wait_for_answer(browser)
    features = Mfcc()(read_wav((folder / "a.wav").read_bytes(), "a", 16_000))
    check_shown(browser, network, to_integers(network.input, features[None])[0])
    first = browser.evaluate(SEEN)
    browser.evaluate("document.getElementById('tiles').replaceChildren()")
    browser.click("#record")
    wait_for_answer(browser)
    assert browser.evaluate("document.getElementById('seen-shape').textContent") == (
        "49 frames of 10 coefficients")
    assert browser.evaluate(SEEN) != first
    assert len(browser.evaluate("[...document.querySelectorAll('#scores .row')]")) == 12


def test_a_wav_file_is_what_was_recorded(browser):
    """The header that the page writes is that of 16 bits and 16,000 samples a second."""
    content = bytes(browser.evaluate("""
      import("/recorder.js").then(async ({ wav }) => [...new Uint8Array(
        await wav(new Float32Array([0, 0.5, -1, 1, -2])).arrayBuffer())])
    """))
    np.testing.assert_array_equal(
        read_wav(content, "a", 16_000) * 32768, [0, 16384, -32768, 32767, -32768])


def test_what_goes_wrong_is_said(browser, folder):
    (folder / "x.png").write_bytes(b"no picture")
    load(browser, folder, "colour")
    browser.choose("#picture", folder / "x.png")
    browser.until("document.getElementById('message').classList.contains('bad')")
    text = browser.evaluate("document.getElementById('message').textContent")
    assert text.startswith("Image 'of the page' must be a whole image file")
    browser.choose("#files", folder / "colour.img")
    browser.until("document.getElementById('message').textContent.startsWith('Choose two files')")
    browser.complaints.clear()  # the browser's own line for the status 400
    load(browser, folder, "colour")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_over_the_edge(browser, folder, width, scheme):
    if browser.evaluate("document.querySelectorAll('.tile').length") == 0:
        load(browser, folder, "colour")
        browser.choose("#picture", folder / "a.png")
        wait_for_answer(browser)
    browser.scheme(scheme)
    browser.resize(width)
    assert browser.evaluate("document.scrollingElement.scrollWidth") <= width
    assert browser.evaluate(OUTSIDE) == []
    clipped = browser.evaluate(
        "[...document.querySelectorAll('dd, dt, .value, .name, .tile b, p, h2, button, .button')]"
        ".filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1)"
        ".map(one => one.textContent)")
    assert clipped == []


def test_the_picture_of_the_docs(tools):
    """It is drawn by a board that answers, and small enough for a repository."""
    network = NETWORKS["drawn"]
    data = screenshot(compile_network(network, CONFIG), network, MHZ * 1_000_000)
    kept = (ROOT / "docs/serve.png").read_bytes()
    for png in (data, kept):
        assert len(png) < 150_000
        with Pillow.open(io.BytesIO(png)) as picture:
            assert picture.width == WIDTH
            assert len(set(picture.convert("L").resize((50, 50)).tobytes())) > 20


def test_a_complaint_would_have_been_heard(browser):
    browser.evaluate("console.error('broken')")
    browser.until("true")
    assert len(browser.complaints) == 1
    browser.complaints.clear()

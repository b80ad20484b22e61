"""The page's server: exact numbers, and nothing for anybody else."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import threading
import wave
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image as Pillow

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.device import LayerTime, Result, State
from nhot.errors import DeviceError, NhotError
from nhot.experiments.data.audio import Mfcc, read_wav
from nhot.experiments.data.dataset import to_integers
from nhot.experiments.data.images import decode
from nhot.network.file import save, to_bytes
from nhot.network.reference import run as reference
from nhot.serve import Server, Table
from nhot.serve.facts import Facts
from nhot.serve.samples import Samples
from nhot.testing.networks import random_network
from nhot.testing.tiny_networks import tiny_network

CONFIG = EngineConfig(
    pixels=1, filters=4, inputs=4, accumulator_bits=25, product_bits=37, activation_words=6928,
    weight_words=448, requant_words=1288, program_words=42,
)
COLOUR, VOICE, VECTOR = (tiny_network(name) for name in ("ic01", "kws01", "ad01"))
GREY = random_network(2, layers=1, shape=(8, 8, 1), operators=("linear",))


class FakeBoard:
    """Answers from the reference of what was loaded; ``fault`` is raised by what comes next."""

    def __init__(self, config):
        self.hello = type("Hello", (), {"target_id": config.target_id})
        self.link = type("Link", (), {"repeated": 2})
        self.networks = {net.name: net for net in (COLOUR, VOICE, VECTOR, GREY)}
        self.image = None
        self.runs = 0

    def load(self, image, *, verify, progress):
        FakeDesk.check()
        progress(10, 10)
        self.image = image

    def run(self, values):
        FakeDesk.check()
        self.runs += 1
        network = self.networks[self.image.meta.network]
        return Result(outputs=reference(network, values[None])[0], cycles=100, stalls=7)

    def layer_cycles(self):
        layers = self.image.meta.layers
        return [LayerTime(name=layer.name, end=10 * (place + 1), stalls=place)
                for place, layer in enumerate(layers)]

    def status(self):
        return State(busy=False, runs=self.runs, cycles=100, stalls=7, dropped=3)


class FakeDesk:
    """Where boards are opened: counts them, and can make them fail or wait."""

    fault = None
    gate = None
    opened = 0
    closed = 0

    @classmethod
    def check(cls):
        if cls.gate is not None:
            cls.gate.wait(60)
        if cls.fault is not None:
            raise DeviceError(cls.fault)

    @classmethod
    @contextmanager
    def board(cls, config):
        cls.opened += 1
        try:
            yield FakeBoard(config)
        finally:
            cls.closed += 1


@contextmanager
def serving(*, limits=None, clock=12_000_000, classes=()):
    samples = Samples(limits)
    facts = Facts(samples, lambda _: clock, "board on a desk", classes)
    with Table(FakeDesk.board) as table, Server(table, facts, samples) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield int(server.address.rsplit(":", 1)[1].strip("/")), table
        finally:
            server.stop()
            thread.join(60)


@pytest.fixture
def desk():
    FakeDesk.fault = FakeDesk.gate = None
    FakeDesk.opened = FakeDesk.closed = 0
    return FakeDesk


def ask(port, path, body=None, *, host=None, mark="1", headers=(), method=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    if mark is not None:
        connection.putheader("X-Nhot", mark)
    if body is not None and "Content-Length" not in dict(headers):
        connection.putheader("Content-Length", str(len(body)))
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    kind = answer.getheader("Content-Type")
    return answer, json.loads(content) if kind == "application/json" else content


def image_file(network):
    return compile_network(network, CONFIG)


def files(network):
    return json.dumps({name: base64.b64encode(data).decode() for name, data in (
        ("image", image_file(network).to_bytes()), ("network", to_bytes(network)))}).encode()


def png(pixels):
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def photograph(height, width, seed=0):
    return png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def wav(samples, rate=16_000):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(np.asarray(samples, "<i2").tobytes())
    return buffer.getvalue()


def check_run(found, network, integers):
    """All that is said of a run, against the reference on ``integers``."""
    outputs = reference(network, integers[None])[0].ravel()
    logits = (outputs - network.output.zero_point) * network.output.scale
    shares = np.exp(logits) / np.exp(logits).sum()
    assert [one["integer"] for one in found["answer"]["scores"]] == outputs.tolist()
    np.testing.assert_allclose([one["share"] for one in found["answer"]["scores"]], shares)
    assert found["answer"]["class"] == found["answer"]["scores"][outputs.argmax()]["name"]
    assert (found["cycles"], found["stalls"]) == (100, 7)
    assert found["microseconds"] == pytest.approx(100 / 12)
    assert [(one["cycles"], one["stalls"]) for one in found["layers"]] == [
        (10, place > 0) for place in range(len(found["layers"]))]
    assert found["counters"]["dropped"] == 3
    assert found["counters"]["repeated"] == 2


def test_a_picture_is_what_the_same_picture_of_a_data_set_is(desk):
    content = photograph(50, 70)
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, found = ask(port, "/picture", content)
    assert answer.status == 200
    pixels, _ = decode(content, "x", (32, 32), "crop")
    integers = to_integers(COLOUR.input, pixels[None].astype(float))[0]
    check_run(found, COLOUR, integers)
    assert found["seen"]["shape"] == [32, 32, 3]
    assert base64.b64decode(found["seen"]["pixels"]) == pixels.transpose(1, 2, 0).tobytes()


def test_a_grey_network_sees_the_light_of_a_picture(desk):
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    source = GREY.input
    with serving(limits=(-1, 2.5)) as (port, table):
        table.load(image_file(GREY), GREY)
        _, found = ask(port, "/picture", png(pixels))
    grey = np.floor(pixels @ [0.299, 0.587, 0.114] + 0.5)
    integers = to_integers(source, (grey * (3.5 / 255) - 1)[None, None])[0]
    outputs = reference(GREY, integers[None])[0].ravel()
    assert [one["integer"] for one in found["answer"]["scores"]] == outputs.tolist()


def test_a_second_of_sound(desk):
    content = wav(np.random.default_rng(2).normal(0, 4000, 16_000))
    with serving() as (port, table):
        table.load(image_file(VOICE), VOICE)
        _, found = ask(port, "/sound", content)
        answer, refused = ask(port, "/picture", photograph(9, 9))
        _, rate = ask(port, "/sound", wav([0] * 100, 8000))
    features = Mfcc()(read_wav(content, "x", 16_000))
    check_run(found, VOICE, to_integers(VOICE.input, features[None])[0])
    assert found["answer"]["scores"][0]["name"] == "down"
    assert (answer.status, refused["error"][:28]) == (400, "Network must take a picture,")
    assert "16 bits and 16000 samples a second, not 16 and 8000" in rate["error"]


def test_names_of_classes(desk):
    with serving(classes=("cat", "dog")) as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        _, found = ask(port, "/picture", photograph(32, 32))
    assert [one["name"] for one in found["answer"]["scores"]] == [
        "cat", "dog", *map(str, range(2, 10))]


@pytest.mark.parametrize(("limits", "scale", "wanted"), [
    (None, 1.0, (0, 255)), (None, 1 / 255, (0, 1)), (None, 1 / 16, (0, 1)), ((-1, 1), 1.0, (-1, 1)),
])
def test_what_white_is(limits, scale, wanted):
    """Inputs beyond 128 are made for bytes; that of the digits goes to 255 / 16, for 0 to 1."""
    assert Samples(limits).limits(tiny_network("ic01", scale=scale).input) == wanted


@pytest.mark.parametrize("limits", [(1, 0), (0, float("nan"))])
def test_a_range_is_two_numbers(limits):
    with pytest.raises(NhotError, match="lower one first"):
        Samples(limits)


def test_networks_are_loaded_on_the_page(desk):
    with serving(clock=None) as (port, _):
        _, state = ask(port, "/state")
        assert state == {"place": "board on a desk", "busy": False, "progress": [0, 0],
                         "network": None, "counters": None}
        answer, found = ask(port, "/picture", photograph(9, 9))
        assert (answer.status, found["error"]) == (
            400, "An image must be loaded before it can run")
        for network, takes in ((COLOUR, "picture"), (VOICE, "sound"), (VECTOR, "")):
            _, state = ask(port, "/load", files(network))
            assert state["network"]["name"] == network.name
            assert state["network"]["takes"] == takes
            assert state["network"]["megahertz"] is None
            assert state["progress"] == [10, 10]
        assert desk.opened == 1
        ask(port, "/load", files(COLOUR))
        _, found = ask(port, "/picture", photograph(9, 9))
        assert found["microseconds"] is None
    assert desk.closed == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"image": 1, "network": ""}', b"\xff",
                                  b'{"image": "!", "network": ""}', b"[" * 100_000])
def test_a_load_of_something_else(desk, body):
    with serving() as (port, _):
        answer, found = ask(port, "/load", body)
    assert (answer.status, found["error"]) == (
        400, "Request must have an image and its network in base64")


def test_an_image_of_another_network_leaves_what_was_there(desk):
    other = tiny_network("ic01", seed=1)
    mixed = {"image": base64.b64encode(image_file(COLOUR).to_bytes()).decode(),
             "network": base64.b64encode(to_bytes(other)).decode()}
    with serving() as (port, table):
        table.load(image_file(VOICE), VOICE)
        answer, found = ask(port, "/load", json.dumps(mixed).encode())
        assert answer.status == 400
        assert "weights" in found["error"]
        _, state = ask(port, "/state")
        assert state["network"]["name"] == VOICE.name


def test_a_board_that_fails_comes_back(desk):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        desk.fault = "Port x must stay open\nto be read"
        answer, found = ask(port, "/picture", photograph(9, 9))
        assert (answer.status, found["error"]) == (502, "Port x must stay open to be read")
        answer, _ = ask(port, "/load", files(VOICE))
        assert answer.status == 502
        desk.fault = None
        answer, found = ask(port, "/picture", photograph(32, 32))
        assert answer.status == 200
        assert len(found["answer"]["scores"]) == 10
        assert (desk.opened, desk.closed) == (3, 2)


def test_one_request_at_a_time(desk):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        desk.gate = threading.Event()
        first = []
        thread = threading.Thread(
            target=lambda: first.append(ask(port, "/picture", photograph(9, 9))[0].status))
        thread.start()
        while not table.busy:
            pass
        answer, found = ask(port, "/picture", photograph(9, 9))
        assert (answer.status, found["error"][:28]) == (409, "Board must be idle, not at w")
        assert ask(port, "/state")[1]["busy"] is True
        desk.gate.set()
        thread.join(60)
        assert first == [200]
        assert ask(port, "/picture", photograph(9, 9))[0].status == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/style.css", "/icon.svg"])
def test_the_page_may_load_nothing_of_others(desk, path):
    with serving() as (port, _):
        answer, content = ask(port, path, mark=None)
    policy = answer.getheader("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert b"//www." not in content.replace(b"http://www.w3.org/2000/svg", b"")
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost",
                                  "127.0.0.1:1", "127.0.0.1:{port}.evil.example", "[::1]:{port}"])
@pytest.mark.parametrize("path", ["/", "/state"])
def test_another_name_of_this_machine_is_refused(desk, host, path):
    """A page of evil.example that has made its name lead here would send it as the host."""
    with serving() as (port, _):
        answer, found = ask(port, path, host=host.format(port=port))
        assert ask(port, path, host=f"localhost:{port}")[0].status == 200
    assert (answer.status, found) == (421, {"error": "Host must be 127.0.0.1 or localhost"})


def test_two_hosts_are_refused(desk):
    with serving() as (port, _):
        answer, _ = ask(port, "/state", headers=[("Host", "evil.example")])
    assert answer.status == 421


@pytest.mark.parametrize("path", ["/picture", "/sound", "/load"])
@pytest.mark.parametrize("mark", [None, "0"])
def test_what_another_page_may_send_is_refused(desk, path, mark):
    """Without the header, which takes that page a question that is never answered with yes."""
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, _ = ask(port, path, photograph(9, 9), mark=mark)
        assert answer.status == 403
        question, _ = ask(port, path, method="OPTIONS")
        assert question.status == 501
        assert question.getheader("Access-Control-Allow-Headers") is None
        assert ask(port, "/state", mark=mark)[0].status == 403


@pytest.mark.parametrize(("headers", "status"), [
    ([("Content-Length", "")], 411), ([("Content-Length", "-1")], 411),
    ([("Content-Length", "\xb2")], 411), ([("Content-Length", str(33 << 20))], 413),
    ([("Content-Length", "9" * 5000)], 413),
    ([("Content-Length", "3"), ("Transfer-Encoding", "chunked")], 411),
])
def test_the_size_of_a_request_is_bounded(desk, headers, status):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, found = ask(port, "/picture", b"", headers=headers)
        assert answer.status == status
        assert "error" in found


@pytest.mark.parametrize("path", ["/nothing", "/../table.py", "/page.html", "/state?"])
def test_there_is_nothing_else(desk, path):
    with serving() as (port, _):
        assert ask(port, path)[0].status == 404
        assert ask(port, path, b"x")[0].status == 404


def test_a_picture_that_is_none(desk):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, found = ask(port, "/picture", b"no picture")
    assert answer.status == 400
    assert found["error"].startswith("Image 'of the page' must be a whole image file")


def test_a_connection_that_breaks_off_harms_nobody(desk):
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"POST /picture HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX-Nhot: 1\r\n"
                        "Content-Length: 100\r\n\r\nabc".encode())
        assert ask(port, "/picture", photograph(9, 9))[0].status == 200


def test_a_defect_is_said_to_be_one(desk, monkeypatch, caplog):
    monkeypatch.setattr(FakeBoard, "run", lambda *_: 1 / 0)
    with serving() as (port, table):
        table.load(image_file(COLOUR), COLOUR)
        answer, found = ask(port, "/picture", photograph(9, 9))
        assert (answer.status, found) == (
            500, {"error": "This is a defect in nhot (ZeroDivisionError)"})
        assert ask(port, "/state")[0].status == 200


def test_it_listens_on_this_machine_alone(desk):
    with serving() as (port, _):
        with pytest.raises(OSError, match=r"refused|unreachable"):
            socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize(("arguments", "code", "text"), [
    (["net.img"], 2, "IMAGE and --network must be given together"),
    (["--network", "net.onnx"], 2, "IMAGE and --network must be given together"),
    (["--http", "70000"], 2, "Port of the page must be 0 to 65535, not 70000"),
    (["--input-range", "2", "1"], 2, "Input range must be two numbers"),
    (["net.img", "--network", "net.onnx"], 1, "Port /dev/nowhere must be one that can be opened"),
    (["net.img", "--network", "other.onnx"], 1, "weights"),
    (["net.img", "--network", "net.onnx", "--clock", "0"], 2, "Clock must be 1 to 400 MHz"),
])
def test_what_is_wrong_is_one_line(tmp_path, monkeypatch, capsys, arguments, code, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.img").write_bytes(image_file(COLOUR).to_bytes())
    save(COLOUR, "net.onnx")
    save(tiny_network("ic01", seed=1), "other.onnx")
    assert main(["serve", "--port", "/dev/nowhere", "--http", "0", *arguments]) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert text in err


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", "/dev/nowhere", "--http", str(port)]) == 2
    assert f"Port {port} of the page must be free" in capsys.readouterr().err

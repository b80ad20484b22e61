"""The page's server: the numbers of networks that it runs, exactly, and the command."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import wave

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.experiments.data.audio import Mfcc, read_wav
from nhot.experiments.data.dataset import to_integers
from nhot.experiments.data.images import decode
from nhot.network.file import save, to_bytes
from nhot.network.reference import run as reference
from nhot.serve.samples import Samples
from nhot.testing.served import (
    COLOUR,
    GREY,
    VECTOR,
    VOICE,
    FakeBoard,
    ask,
    image_file,
    photograph,
    png,
    serving,
)
from nhot.testing.tiny_networks import tiny_network


def files(network):
    return json.dumps({name: base64.b64encode(data).decode() for name, data in (
        ("image", image_file(network).to_bytes()), ("network", to_bytes(network)))}).encode()


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

"""``nhot load`` and ``nhot run``, on a board that is an object."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import contextmanager
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from nhot.cli import main, ports
from nhot.cli.run import read_inputs
from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.device import Board, LayerTime, Result
from nhot.errors import NhotError
from nhot.network.reference import run as reference
from nhot.testing.networks import random_input, random_network

CONFIG = EngineConfig(filters=8, inputs=4, activation_words=4096)
NETWORK = random_network(3, layers=3, operators=("conv", "max", "linear"))
IMAGE = compile_network(NETWORK, CONFIG)
INPUTS = random_input(NETWORK.input, 3, 7)


class FakeBoard:
    """Answers like a board, from the reference; ``calls`` notes what was asked of it."""

    def __init__(self):
        self.calls = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.calls.append("closed")

    def load(self, image, *, verify, wipe, progress):
        assert image.to_bytes() == IMAGE.to_bytes()
        progress(5, 10)
        self.calls.append(f"load {verify}" + " wiped" * wipe)

    def run(self, values, *, limit):
        outputs = reference(NETWORK, values[None])[0]
        self.calls.append(f"run {limit}")
        return Result(outputs=outputs, cycles=100, stalls=3)

    def layer_cycles(self):
        return [LayerTime(name=node.name, end=10 * (i + 1) ** 2, stalls=i)
                for i, node in enumerate(NETWORK.nodes)]


@pytest.fixture
def board(monkeypatch):
    board = FakeBoard()

    def open_port(port, *, baud):
        board.calls.append(f"open {port} {baud}")
        return board

    monkeypatch.setattr(Board, "open", open_port)
    return board


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.img").write_bytes(IMAGE.to_bytes())
    np.save(tmp_path / "x.npy", INPUTS)
    return tmp_path


def test_load_reads_back(files, board, capsys):
    assert main(["load", "net.img", "--port", "COM3"]) == 0
    assert board.calls == ["open COM3 1000000", "load True", "closed"]
    assert "read back and equal" in capsys.readouterr().out


def test_load_without_reading_back(files, board, capsys):
    arguments = ["load", "net.img", "--port", "COM3", "--baud", "115200", "--no-verify", "--json"]
    assert main(arguments) == 0
    assert board.calls == ["open COM3 115200", "load False", "closed"]
    facts = json.loads(capsys.readouterr().out)
    assert facts["verified"] is False
    assert facts["bytes"] == len(IMAGE.program) + len(IMAGE.requant) + len(IMAGE.weights)


def test_load_wipes_when_told(files, board):
    assert main(["load", "net.img", "--port", "COM3", "--wipe"]) == 0
    assert board.calls[1] == "load True wiped"


def test_run_gives_what_the_board_gave(files, board, capsys):
    arguments = ["run", "net.img", "--port", "COM3", "--input", "x.npy", "-o", "y.npy", "--json"]
    assert main([*arguments, "--limit", "7"]) == 0
    expected = reference(NETWORK, INPUTS)
    facts = json.loads(capsys.readouterr().out)
    np.testing.assert_array_equal(facts["outputs"], expected)
    np.testing.assert_array_equal(np.load(files / "y.npy"), expected)
    assert facts["cycles"] == [100] * 3
    assert facts["stalls"] == [3] * 3
    assert [layer["cycles"] for layer in facts["layers"]] == [10, 30, 50]
    assert [layer["stalls"] for layer in facts["layers"]] == [0, 1, 1]
    predicted = profile(IMAGE).layers
    assert [layer["predicted"] for layer in facts["layers"]] == [one.cycles for one in predicted]
    assert [layer["utilisation"] for layer in facts["layers"]] == [
        None if one.ideal is None else round(one.ideal / cycles, 4)
        for one, cycles in zip(predicted, (10, 30, 50), strict=True)]
    assert board.calls[1:] == ["load True", *["run 7.0"] * 3, "closed"]


def test_timeline_of_a_run_has_what_the_board_counted(files, board):
    arguments = ["run", "net.img", "--port", "COM3", "--input", "x.npy"]
    assert main([*arguments, "--timeline", "run.json"]) == 0
    trace = json.loads((files / "run.json").read_text(encoding="utf-8"))
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [(event["name"], event["ts"], event["dur"]) for event in events] == [
        *zip([node.name for node in NETWORK.nodes], (0, 10, 40), (10, 30, 50), strict=True),
        ("end of the program", 90, 10),
    ]
    assert [event["args"]["stalls"] for event in events[:-1]] == [0, 1, 1]
    assert trace["otherData"]["cycles"] == 100
    board.calls.clear()
    assert main([*arguments, "--timeline", "absent/run.json"]) == 2
    assert not board.calls


def test_run_prints_text(files, board, capsys):
    assert main(["run", "net.img", "--port", "COM3", "--input", "x.npy"]) == 0
    text = capsys.readouterr().out
    assert "100" in text
    for node in NETWORK.nodes:
        assert node.name in text


def test_ports_are_found_by_name(files, board, monkeypatch):
    """A named port is made for the engine of the image, and ended with the command."""
    made = []

    @contextmanager
    def virtual(config):
        made.append(config)
        yield type("Virtual", (), {"transport": lambda self: "line"})()
        made.append("ended")

    point = EntryPoint("virtual", "somewhere:virtual", ports.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: virtual)
    monkeypatch.setattr(ports, "entry_points", lambda group: [point])
    monkeypatch.setattr("nhot.device.Board", lambda line: made.append(line) or board)
    with ports.open_board(_arguments("virtual"), CONFIG) as opened:
        assert opened is board
    assert made == [CONFIG, "line", "ended"]
    assert board.calls == ["closed"]


def _arguments(port):
    return type("Arguments", (), {"port": port, "baud": 1_000_000})()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["load", "x.npy", "--port", "COM3"], 2, "must be a memory image"),
        (["load", "no.img", "--port", "COM3"], 2, "'no.img' could not be read: No such file"),
        (["load", "net.img"], 2, "One of --port, --flash and --flash-file must be given, not 0"),
        (["run", "net.img", "--port", "COM3", "--input", "net.img"], 2,
         "must be an array of integers (.npy), not a memory image"),
        (["run", "net.img", "--port", "COM3", "--input", "x.npy", "--limit", "nan"], 2,
         "Limit of a run must be above 0 seconds, not nan"),
        (["run", "net.img", "--port", "COM3", "--input", "x.npy", "--limit", "0"], 2,
         "Limit of a run must be above 0 seconds, not 0.0"),
    ],
)
def test_wrong_files_never_reach_the_board(files, board, capsys, arguments, code, message):
    assert main(arguments) == code
    assert message in capsys.readouterr().err
    assert board.calls == []


def test_a_port_that_is_not_there(files, capsys):
    pytest.importorskip("serial")
    assert main(["load", "net.img", "--port", "/dev/nhot-is-not-here"]) == 1
    error = capsys.readouterr().err
    assert "/dev/nhot-is-not-here" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "shape", "batch"),
    [((8, 8, 1), (8, 8, 1), 1), ((2, 8, 8, 1), (8, 8, 1), 2), ((2, 8, 8), (8, 8, 1), 2),
     ((5, 10), (1, 1, 10), 5), ((1, 1, 10), (1, 1, 10), 1), ((4, 6, 5, 3), (6, 5, 3), 4)],
)
def test_inputs_may_leave_out_axes_of_one(tmp_path, given, shape, batch):
    array = np.arange(np.prod(given)).reshape(given)
    np.save(tmp_path / "x.npy", array)
    read = read_inputs(tmp_path / "x.npy", shape)
    np.testing.assert_array_equal(read, array.reshape(batch, *shape))


@pytest.mark.parametrize("given", [(8, 8), (8, 1, 8), (0, 8, 8, 1), (2, 1, 8, 8), (2, 2, 8, 8, 1)])
def test_other_shapes_are_refused(tmp_path, given):
    np.save(tmp_path / "x.npy", np.zeros(given, np.int64))
    with pytest.raises(NhotError, match=r"must have shape \(8, 8, 1\)"):
        read_inputs(tmp_path / "x.npy", (8, 8, 1))


@pytest.mark.parametrize("kind", ["archive", "objects"])
def test_other_arrays_are_refused(tmp_path, kind):
    path = tmp_path / "x.npy"
    with path.open("wb") as file:
        if kind == "archive":
            np.savez(file, a=np.zeros((8, 8, 1)))
        else:
            np.save(file, np.array([None]), allow_pickle=True)
    with pytest.raises(NhotError, match=r"must be an array|must hold numbers"):
        read_inputs(path, (8, 8, 1))


@pytest.mark.parametrize(("port", "place"), [
    ("virtual", "virtual board"), ("virtual:icebreaker", "virtual board"),
    ("COM3", "board on COM3"), ("virtually", "board on virtually"), ("a\x1b", r"board on a\x1b"),
])
def test_what_a_board_is_called(port, place):
    assert ports.place_of(Namespace(port=port)) == place

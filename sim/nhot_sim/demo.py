"""The whole road on the digits: train, quantise, compile, verify, load, run."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nhot import __version__
from nhot.compiler import Image, compile_network
from nhot.compiler.targets import Target, target
from nhot.files import write_atomically
from nhot.formats.format import Ints
from nhot.network import Network
from nhot.network.reference import run
from nhot.printable import say
from nhot.schema import read_json
from nhot_sim.chain import check_layers

__all__ = ["BOARD", "FORMATS", "Outcome", "travel"]

BOARD = "icebreaker"
FORMATS = ("2hot", "signed-binary")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one format's way gave, as plain values.

    Counts are of the held-out digits: ``correct`` by stage, ``identical`` the board's outputs that
    equal the reference's in every integer, ``answers`` the board's.
    """

    format: str
    total: int
    correct: dict[str, int]
    identical: int
    answers: list[int]
    cycles: int
    stalls: int
    layer_cycles: list[int]
    links: list[dict[str, str]]


def travel(format_name: str, folder: Path, seed: int) -> Outcome:
    """Take the digits with weights of ``format_name`` all the way to a virtual board.

    Leaves network and image in ``folder``. What was trained there before by this version with this
    seed is used again; everything after the training is done anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network, correct, x, labels = _trained(format_name, folder, seed)
    place = target(BOARD, format_name)
    image = compile_network(network, place.config)
    write_atomically(folder / "net.img", image.to_bytes())
    links = _verify(format_name, network, image, x)
    wanted = run(network, x)
    outputs, facts = _run_on_board(format_name, place, image, x)
    identical = int((outputs == wanted).reshape(len(x), -1).all(axis=1).sum())
    name = network.output.name
    for i, output in enumerate(outputs):
        check_layers("virtual board", {name: output}, {name: wanted}, i)
    answers = outputs.reshape(len(x), -1).argmax(axis=1)
    correct = {**correct, "virtual board": int((answers == labels).sum())}
    outcome = Outcome(
        format=format_name, total=len(x), correct=correct, identical=identical,
        answers=answers.tolist(), links=links, **facts,
    )
    write_atomically(folder / "outcome.json", json.dumps(asdict(outcome)).encode())
    return outcome


def _say(format_name: str, text: str) -> None:
    say(f"{format_name:13} {text}", file=sys.stderr)


@dataclass(frozen=True, kw_only=True)
class _Training:
    """What training a format gave: correct answers by stage."""

    version: str
    seed: int
    format: str
    correct: dict[str, int]


def _trained(
    format_name: str, folder: Path, seed: int
) -> tuple[Network, dict[str, int], Ints, Ints]:
    """Network, correct answers by stage, and the held-out digits as integers with their labels."""
    from nhot.experiments.data import load_digits
    from nhot.experiments.data.dataset import to_integers
    from nhot.network.file import load, save

    path, record = folder / "net.onnx", folder / "training.json"
    key = (__version__, seed, format_name)
    data = load_digits()
    if record.exists() and path.exists():
        known = read_json(_Training, record, "Record of a training")
        if (known.version, known.seed, known.format) == key:
            network = load(path)
            _say(format_name, "trained before (delete the folder to train again)")
            return network, known.correct, to_integers(network.input, data.test_x), data.test_y

    network, correct = _train(format_name, seed)
    save(network, path)
    made = _Training(version=__version__, seed=seed, format=format_name, correct=correct)
    write_atomically(record, json.dumps(asdict(made)).encode())
    return network, correct, to_integers(network.input, data.test_x), data.test_y


def _train(format_name: str, seed: int) -> tuple[Network, dict[str, int]]:
    """Train, and hold every integer that torch computes against the reference."""
    import torch

    from nhot.experiments.data import load_digits
    from nhot.experiments.data.dataset import to_integers
    from nhot.experiments.trained_digits import train_digits

    _say(format_name, "training")
    start = time.monotonic()
    trained = train_digits(format_name, seed=seed)
    data = load_digits()
    count = len(data.test_y)
    correct = {stage: round(part * count) for stage, part in trained.accuracies.items()}
    shares = ", ".join(f"{stage} {n / count:.2%}" for stage, n in correct.items())
    _say(format_name, f"trained in {time.monotonic() - start:.0f} s: {shares}")

    x = to_integers(trained.network.input, data.test_x)
    wanted = run(trained.network, x, trace=True)
    trained.model.eval()
    integers = trained.model.integers(torch.as_tensor(data.test_x))
    for i in range(count):
        got = {name: integers[name][i].numpy().transpose(1, 2, 0) for name in wanted}
        check_layers("torch model", got, wanted, i)
    _say(format_name, f"equal: torch == reference ({count} digits, {len(wanted)} tensors)")
    return trained.network, correct


def _verify(format_name: str, network: Network, image: Image, x: Ints) -> list[dict[str, str]]:
    from nhot_sim.chain import verify
    links = [{"link": "torch == reference", "compared": f"{len(x)} inputs, every tensor"}]
    for link in verify(network, image, x):
        _say(format_name, f"equal: {link.name} ({link.compared})")
        links.append({"link": link.name, "compared": link.compared})
    return links


def _run_on_board(
    format_name: str, place: Target, image: Image, x: Ints
) -> tuple[Ints, dict[str, Any]]:
    """Load a virtual board over its serial port and run every digit on it."""
    from nhot.device import Board
    from nhot_sim.virtual_board import VirtualBoard

    _say(format_name, "building the virtual board (Verilator)")
    with VirtualBoard(place.config) as virtual, Board(virtual.transport()) as board:
        board.load(image)
        _say(format_name, f"loaded over {virtual.port} and read back; running {len(x)} digits")
        result = board.run(x)
        ends = [time.end for time in board.layer_cycles()]
    return result.outputs, {
        "cycles": int(np.max(result.cycles)), "stalls": int(np.max(result.stalls)),
        "layer_cycles": np.diff([0, *ends]).tolist(),
    }

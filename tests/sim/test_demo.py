"""The demo's own comparison: what it says is identical has been compared, digit by digit."""

import numpy as np
import pytest

from nhot.compiler.targets import target
from nhot.errors import MismatchError, NhotError
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_sim import demo

COUNT = 5


@pytest.fixture
def travel(monkeypatch, tmp_path):
    """The demo's way with a small network, and ``change`` made to what the board gives."""
    config = target(demo.BOARD, "2hot").config
    network = random_network(
        3, formats=(config.weight_format,), layers=1, shape=(3, 3, 2), operators=("conv",),
        widest=2,
    )
    x = random_input(network.input, COUNT, 3)
    labels = run(network, x).reshape(COUNT, -1).argmax(axis=1)
    labels[0] += 1
    facts = {"cycles": 1, "stalls": 0, "layer_cycles": [1]}
    monkeypatch.setattr(demo, "_trained", lambda *_: (network, {"float": COUNT}, x, labels))
    monkeypatch.setattr(demo, "_verify", lambda *_: [])

    def travel(change):
        def board(format_name, place, image, inputs):
            outputs = run(network, inputs)
            change(outputs)
            return outputs, facts

        monkeypatch.setattr(demo, "_run_on_board", board)
        return demo.travel("2hot", tmp_path, 1)

    return travel


def _one_off(outputs):
    """The last integer of one digit and the first of another."""
    outputs[1].reshape(-1)[-1] ^= 1
    outputs[3].reshape(-1)[0] ^= 1


def test_all_are_identical(travel):
    outcome = travel(lambda outputs: None)
    assert (outcome.identical, outcome.total) == (COUNT, COUNT)
    assert outcome.correct["virtual board"] == COUNT - 1


def test_a_board_that_differs_ends_it(travel):
    with pytest.raises(MismatchError, match=r"of input 1 at .* in the virtual board"):
        travel(_one_off)


def test_the_count_is_of_outputs_equal_in_every_integer(travel, monkeypatch):
    monkeypatch.setattr(demo, "check_layers", lambda *_: None)
    assert travel(_one_off).identical == COUNT - 2


def test_other_answers_are_not_the_right_ones(travel, monkeypatch):
    monkeypatch.setattr(demo, "check_layers", lambda *_: None)
    outcome = travel(lambda outputs: np.negative(outputs, out=outputs))
    assert outcome.correct["virtual board"] < COUNT - 1


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"seed": NaN}', "[" * 9999],
                         ids=["empty", "array", "incomplete", "not-a-number", "deep"])
def test_a_damaged_record_is_refused(tmp_path, text):
    """Before anything is trained over it."""
    (tmp_path / "net.onnx").write_bytes(b"")
    (tmp_path / "training.json").write_text(text, encoding="utf-8")
    with pytest.raises(NhotError, match=r"^Record of a training .*training\.json"):
        demo._trained("2hot", tmp_path, 0)

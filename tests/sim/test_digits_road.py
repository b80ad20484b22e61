"""The digits by commands alone, on an engine of no board: signed-binary with regions."""

import json

import numpy as np
import pytest

from nhot.cli import main
from nhot.experiments.data import load_digits, to_integers
from nhot.network.file import load
from nhot.network.reference import run
from nhot_sim.runner import require

pytestmark = pytest.mark.slow

ENGINE = {
    "pixels": 1, "filters": 4, "inputs": 8, "format": "signed-binary/8", "accumulator_bits": 20,
    "product_bits": 44, "activation_words": 512,
}


def test_from_training_to_a_virtual_board(tmp_path, capsys):
    require("verilator")
    network, engine, image = (str(tmp_path / name) for name in ("net.onnx", "e.json", "net.img"))
    (tmp_path / "e.json").write_text(json.dumps(ENGINE), encoding="utf-8")
    assert main(["quantize", "digits", "--format", "signed-binary/8", "-o", network, "-q"]) == 0
    assert main(["compile", network, "--config", engine, "-o", image]) == 0
    assert main(["verify", image]) == 0
    assert "equal  reference == Verilog" in capsys.readouterr().out

    trained, data = load(network), load_digits()
    inputs = to_integers(trained.input, data.test_x[:60])
    np.save(tmp_path / "x.npy", inputs)
    outputs = tmp_path / "y.npy"
    arguments = ["--input", str(tmp_path / "x.npy"), "-o", str(outputs)]
    assert main(["simulate", image, *arguments]) == 0
    wanted = run(trained, inputs)
    np.testing.assert_array_equal(np.load(outputs), wanted)
    right = (wanted.reshape(60, -1).argmax(axis=1) == data.test_y[:60]).sum()
    assert right > 45  # a tenth of them would be chance

# amaranth: UnusedElaboratable=no
"""What ``nhot core`` writes, and what it refuses."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.files import write_folder
from nhot.formats import parse
from nhot.network.file import save
from nhot.testing.engine_networks import sample_network
from nhot_hw.core import LaneProduct
from nhot_hw.core.widths import proved_bits, steps_that_fit
from nhot_hw.lanes import LaneSpec
from nhot_hw.verilog import port_names

SPECS = [
    {"format": "2hot", "inputs": 3, "bias": True},
    {"format": "3hot+", "inputs": 2, "style": "serial"},
    {"format": "ternary", "inputs": 5, "accumulator_bits": 12},
    {"format": "signed-binary", "inputs": 4, "activation_signed": False},
    {"format": "int8", "inputs": 1, "activation_bits": 4},
]


def spec_of(*, format="2hot", inputs=2, **options):
    return LaneSpec(format=parse(format), inputs=inputs, **options)


def load_model(folder):
    """The model as a user imports it."""
    spec = importlib.util.spec_from_file_location("core_model", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def core(folder, *arguments):
    return main(["core", *map(str, arguments), "-o", str(folder)])


@pytest.mark.parametrize("options", SPECS, ids=lambda options: options["format"])
def test_model_equals_reference(tmp_path, options):
    spec = spec_of(**options)
    write_folder(tmp_path / "X", LaneProduct(spec).files())
    model = load_model(tmp_path / "X")
    rng = np.random.default_rng(7)
    low, high = spec.activation_range
    assert (model.LATENCY, model.INTERVAL) == (spec.latency, spec.ii)
    for _ in range(20):
        shape = (int(rng.integers(1, 2)), spec.inputs)
        x, w = rng.integers(low, high + 1, shape), rng.choice(spec.format.levels, shape)
        bias = 5 if spec.bias else 0
        want = spec.compute(x, w, bias)
        assert model.total(x.tolist(), w.tolist(), bias) == want
        assert want == bias + (x * w).sum() - model.missing(w.tolist())
        assert model.pack_weights(w[0].tolist()) == spec.pack(w[0])
        packed = model.pack_activations(x[0].tolist())
        assert packed & (1 << spec.activation_bits) - 1 == x[0, 0] % (1 << spec.activation_bits)


@pytest.mark.parametrize(("call", "text"), [
    (lambda m: m.pack_weights([11, 0]), "2 weights that the core takes, not \\[11, 0\\]"),
    (lambda m: m.pack_activations([128, 0]), "2 activations that the core takes, not \\[128, 0\\]"),
    (lambda m: m.pack_activations([1]), "2 activations that the core takes, not \\[1\\]"),
])
def test_model_refuses_what_the_core_does_not_take(tmp_path, call, text):
    write_folder(tmp_path / "X", LaneProduct(spec_of()).files())
    with pytest.raises(ValueError, match=text):
        call(load_model(tmp_path / "X"))


@pytest.mark.parametrize("options", SPECS, ids=lambda options: options["format"])
def test_header_names_every_port(options):
    product = LaneProduct(spec_of(**options))
    text = product.files()[f"{product.name}.v"].decode()
    header = text[: text.index("\nmodule ")]
    named = re.findall(r"^//   (?:input|output) +(\w+) +(\d+) bits?\b.*\w\.$", header, re.MULTILINE)
    assert {name for name, _ in named} == set(port_names(text, product.name))
    for name, bits in named:
        declared = re.search(rf"^  (?:input|output) (?:\[(\d+):0\] )?{name};", text, re.MULTILINE)
        assert int(bits) == int(declared[1] or 0) + 1
    assert f"latency   {product.spec.latency} cycles" in header
    assert ("i_phase" in header) == (product.spec.ii > 1)
    assert ("missing(w)" in header) == bool(product.facts()["inverted"])
    assert not re.search(r"\\|hdlname|unused_bits|src =", text)


def test_timing_is_that_of_the_spec():
    product = LaneProduct(spec_of(inputs=4))
    timing = product.facts()["timing"]
    rows = {line[:10].strip(): line[10:] for line in timing.splitlines()}
    assert rows["o_sum"].index("A") // 4 == 2 + product.spec.latency
    assert rows["o_sum"].index("B") // 4 == 3 + product.spec.latency


def test_python_in_the_folder_is_clean(tmp_path):
    write_folder(tmp_path / "X", LaneProduct(spec_of()).files())
    config = Path(__file__).parents[2] / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", config, "--no-cache", tmp_path / "X"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout


def test_python_in_the_folder_needs_neither_nhot_nor_numpy(tmp_path):
    write_folder(tmp_path / "X", LaneProduct(spec_of()).files())
    allowed = sys.stdlib_module_names | {"cocotb", "cocotb_tools", "model"}
    for path in (tmp_path / "X").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed


@pytest.mark.parametrize("family", ["portable", "ecp5"])
def test_equal_cores_are_equal_bytes(family, tmp_path, monkeypatch):
    spec = spec_of(bias=True)
    first = LaneProduct(spec, family=family).files()
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path))
    assert LaneProduct(spec, family=family).files() == first
    assert ("CCU2C.v" in first) == (family == "ecp5")


def test_command_writes_the_folder(tmp_path, capsys):
    assert core(tmp_path / "a b" / "X", "--format", "2hot", "--inputs", 2, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["name"] == "nhot_2hot_2"
    assert sorted(answer["files"]) == sorted(map(str, (tmp_path / "a b" / "X").iterdir()))
    assert {"README.md", "Makefile", "bench.py", "nhot_2hot_2.v", "nhot_2hot_2.core"} <= {
        Path(name).name for name in answer["files"]
    }
    assert [path.name for path in (tmp_path / "a b").iterdir()] == ["X"]


@pytest.mark.parametrize(("arguments", "text"), [
    (["--format", "4hit"], "Format must be one of 1hot"),
    (["--format", "apot4"], "Format must be one that a lane exists for, not apot4"),
    (["--format", "2hot", "--inputs", "0"], "Lane inputs must be 1 to 64, not 0"),
    (["--format", "int8", "--style", "serial"], "Format of a serial lane must be n-hot, not int8"),
    (["--format", "2hot", "--activation-bits", "17"], "Lane activation_bits must be 2 to 16"),
    (["--format", "2hot", "--accumulator-bits", "17"],
     "Accumulator must have at least 18 bits, which one step of 8 products can take, not 17"),
    (["--format", "2hot", "--accumulator-bits", "65"], "Lane accumulator_bits must be 8 to 64"),
    (["--format", "2hot", "--name", "module"],
     ("Name of a core must be a Verilog identifier of at most 64 characters and no reserved word, "
      "not 'module'")),
    (["--format", "2hot", "--name", "../x"], "Name of a core must be a Verilog identifier"),
    (["--format", "2hot", "--name", "bench"], "Name of a core must be a Verilog identifier"),
    (["--format", "2hot", "--weights", "absent.npy"], "Weights 'absent.npy' could not be read"),
])
def test_bad_input_is_refused_in_one_line(arguments, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert core("X", *arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith(f"nhot: error: {text}")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_refused(tmp_path, capsys):
    assert core(tmp_path, "--format", "2hot") == 2
    assert "it is there already" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_widths_are_exact():
    spec = spec_of(format="ternary", inputs=1, accumulator_bits=8)
    # -(-128) needs nine bits, but ~(-128) is 127.
    assert steps_that_fit(spec) == 1
    assert steps_that_fit(spec_of(format="signed-binary", inputs=2, accumulator_bits=17,
                                  activation_signed=False)) == 65535 // 510
    LaneProduct(spec)
    with pytest.raises(NhotError, match="must have at least 9 bits"):
        LaneProduct(spec_of(format="ternary", inputs=2, accumulator_bits=8))


def weights_file(tmp_path, weights):
    np.save(tmp_path / "w.npy", weights)
    return tmp_path / "w.npy"


@pytest.mark.parametrize(("name", "weights", "bits"), [
    ("int8", [[1] * 256], 16),  # -2^15 to 127 * 256
    ("int8", [[1] * 257], 17),
    ("signed-binary", [[-1] * 256, [1] * 3], 16),
    ("ternary", [[0, 0, 1]], 8),
    ("ternary", [[-1] * 256], 17),  # the sum made good for is 2^15
])
def test_width_is_proved_from_weights(tmp_path, name, weights, bits):
    padded = [[*one, *[0] * (len(weights[0]) - len(one))] for one in weights]
    path = weights_file(tmp_path, np.array(padded))
    assert proved_bits(path, parse(name), (-128, 127)) == (bits, len(weights))


def test_proved_width_holds_the_extremes(tmp_path):
    rng = np.random.default_rng(0)
    spec = spec_of(format="2hot", inputs=4)
    w = rng.choice(spec.format.levels, (3, 40))
    bits, _ = proved_bits(weights_file(tmp_path, w), spec.format, spec.activation_range)
    sums = [
        spec.compute(np.where(one >= 0, end, -1 - end).reshape(-1, 4), one.reshape(-1, 4))
        for one in w for end in (-128, 127)
    ]
    assert max(max(sums), ~min(sums)).bit_length() + 1 <= bits
    exact = [int(np.abs(one).sum()) * 128 for one in w]
    assert bits <= max(exact).bit_length() + 1


def test_width_of_a_network(tmp_path, capsys):
    network = sample_network("2hot", seed=1)
    save(network, tmp_path / "net.onnx")
    bits, filters = proved_bits(tmp_path / "net.onnx", parse("2hot"), (-128, 127))
    assert filters > 4
    assert core(tmp_path / "X", "--format", "2hot", "--weights", tmp_path / "net.onnx") == 0
    values = json.loads((tmp_path / "X" / "core.json").read_text(encoding="utf-8"))
    assert values["accumulator_bits"] == bits
    assert f"{filters:,} filters of net.onnx" in (tmp_path / "X" / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(("weights", "text"), [
    (np.ones((2, 3)), "integers, filters along the first of at least two axes, not float64"),
    (np.ones(3, np.int8), "of at least two axes, not int8 of shape \\(3,\\)"),
    (np.ones((0, 3), np.int8), "not int8 of shape \\(0, 3\\)"),
    (np.full((1, 2), 11), "Weight at index \\(0, 0\\) must be a level of 2hot, not 11"),
])
def test_weights_that_are_none_are_refused(tmp_path, weights, text):
    with pytest.raises(NhotError, match=text):
        proved_bits(weights_file(tmp_path, weights), parse("2hot"), (-128, 127))


def test_layer_of_other_weights_is_named(tmp_path):
    save(sample_network("3hot", seed=1), tmp_path / "net.onnx")
    with pytest.raises(NhotError, match=r"^Layer '\w+': Weight at index .* level of 1hot, not"):
        proved_bits(tmp_path / "net.onnx", parse("1hot"), (-128, 127))

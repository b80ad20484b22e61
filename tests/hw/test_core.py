# amaranth: UnusedElaboratable=no
"""What is in the folder of a core: its Verilog, model, header, timing and Python."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.device.protocol import Opcode, Region, Request, Response
from nhot.errors import NhotError
from nhot.files import write_folder
from nhot.testing.networks import random_steps
from nhot_hw.bench.module import harness
from nhot_hw.core import ArrayProduct, BusProduct, EngineProduct, LaneProduct
from nhot_hw.core.netlist import readable_verilog
from nhot_hw.testing.lane_specs import spec_of
from nhot_hw.verilog import port_names

SPECS = [
    {"format": "2hot", "inputs": 3, "bias": True},
    {"format": "3hot+", "inputs": 2, "style": "serial"},
    {"format": "ternary", "inputs": 5, "accumulator_bits": 12},
    {"format": "signed-binary", "inputs": 4, "activation_signed": False},
    {"format": "int8", "inputs": 1, "activation_bits": 4},
    {"format": "signed-binary/8", "inputs": 4, "bias": True},
    {"format": "2hot", "inputs": 3, "style": "chain"},
    {"format": "binary", "inputs": 3, "bias": True},
    {"format": "int8", "inputs": 2, "style": "rows"},
]


def load_model(folder):
    """The model as a user imports it."""
    spec = importlib.util.spec_from_file_location("core_model", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
        x, w = rng.integers(low, high + 1, shape), random_steps(rng, spec.format, shape)
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


@pytest.mark.parametrize("product", [
    *(LaneProduct(spec_of(**options)) for options in SPECS),
    ArrayProduct(spec_of(bias=True), pixels=2, filters=2, words=8),
    ArrayProduct(spec_of(format="3hot", style="serial"), pixels=1, filters=1, words=300),
    EngineProduct(EngineConfig(filters=1, inputs=1)),
    BusProduct(EngineConfig(filters=1, inputs=1), "axi"),
    BusProduct(EngineConfig(filters=1, inputs=1), "wishbone", buffer=100),
], ids=lambda product: product.name)
def test_header_names_every_port(product):
    text = product.files()[f"{product.name}.v"].decode()
    header = text[: text.index("\nmodule ")]
    named = re.findall(r"^//   (?:input|output) +(\w+) +(\d+) bits?\b.*\w\.$", header, re.MULTILINE)
    assert {name for name, _ in named} == set(port_names(text, product.name))
    for name, bits in named:
        declared = re.search(rf"^  (?:input|output) (?:\[(\d+):0\] )?{name};", text, re.MULTILINE)
        assert int(bits) == int(declared[1] or 0) + 1
    assert not re.search(r"\\|hdlname|unused_bits|src =", text)


@pytest.mark.parametrize("options", SPECS, ids=lambda options: options["format"])
def test_header_says_what_a_sum_is(options):
    product = LaneProduct(spec_of(**options))
    text = product.files()[f"{product.name}.v"].decode()
    header = text[: text.index("\nmodule ")]
    assert f"latency   {product.spec.latency} cycles" in header
    assert ("i_phase" in header) == (product.spec.ii > 1)
    assert ("missing(w)" in header) == bool(product.facts()["inverted"])


def test_timing_is_that_of_the_spec():
    product = LaneProduct(spec_of(inputs=4))
    timing = product.facts()["timing"]
    rows = {line[:10].strip(): line[10:] for line in timing.splitlines()}
    assert rows["o_sum"].index("A") // 4 == 2 + product.spec.latency
    assert rows["o_sum"].index("B") // 4 == 3 + product.spec.latency


def test_array_has_its_lane_once():
    """Lanes that differ in names alone are one module, with all its cells."""
    for family in ("portable", "ecp5"):
        product = ArrayProduct(spec_of(), pixels=2, filters=3, words=8, family=family)
        modules = re.findall(r"^module (\w+)", product.verilog, re.MULTILINE)
        assert modules == [product.name, *(f"{product.name}_{part}" for part in (
            "array", "array_lane_0_0", "weights"
        ))]
        assert product.verilog.count(f"{product.name}_array_lane_0_0 lane_") == 6


def test_modules_that_differ_stay():
    class Two(wiring.Component):
        def __init__(self):
            super().__init__({"i": In(4), "o": Out(4), "p": Out(4), "q": Out(4)})

        def elaborate(self, platform):
            m = Module()
            for name, output, step in (("a", self.o, 1), ("b", self.p, 1), ("c", self.q, 2)):
                inner = Module()
                inner.d.sync += output.eq(self.i + step)
                m.submodules[name] = inner
            return m

    text = readable_verilog(Two(), "two", flat=False)
    assert re.findall(r"^module (\w+)", text, re.MULTILINE) == ["two", "two_a", "two_c"]
    assert text.count("two_a a (") == text.count("two_a b (") == text.count("two_c c (") == 1


def test_array_of_two_words_has_the_timing_of_others():
    """Its memory is too small for the steps that are drawn."""
    small, large = (ArrayProduct(spec_of(), pixels=2, filters=2, words=words) for words in (2, 8))
    assert small.files()
    assert small.facts()["timing"] == large.facts()["timing"]


def test_array_timing_is_that_of_the_core():
    product = ArrayProduct(spec_of(format="3hot", style="serial"), pixels=1, filters=2, words=4)
    rows = {line[:16].strip(): line[16:] for line in product.facts()["timing"].splitlines()}
    valid = [rows["o_valid"][4 * t] == "‾" for t in range(rows["o_valid"].count(" ") + 60)
             if 4 * t < len(rows["o_valid"])]
    ends = [t for t in range(len(rows["i_last"]) // 4) if rows["i_last"][4 * t] == "‾"]
    assert [t for t, high in enumerate(valid) if high] == [t + product.latency for t in ends]
    assert [rows["o_sum"][4 * (t + product.latency)] for t in ends] == ["A", "B"]


@pytest.mark.parametrize("product", [
    LaneProduct(spec_of()), ArrayProduct(spec_of(), pixels=1, filters=2, words=4),
    *(BusProduct(EngineConfig(filters=1, inputs=1), bus, name=f"on_{bus}")
      for bus in ("axi", "wishbone")),
], ids=lambda product: product.name)
def test_python_in_the_folder_is_clean(tmp_path, product):
    write_folder(tmp_path / "X", product.files())
    config = Path(__file__).parents[2] / "pyproject.toml"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", config, "--no-cache", tmp_path / "X"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout


def test_host_speaks_the_protocol(tmp_path):
    product = EngineProduct(EngineConfig(filters=1, inputs=1))
    write_folder(tmp_path / "X", product.files())
    spec = importlib.util.spec_from_file_location("core_host", tmp_path / "X" / "host.py")
    host = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(host)
    assert [getattr(host, one.name) for one in Opcode] == list(Opcode)
    assert [getattr(host, one.name) for one in Region] == list(Region)
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 100, 253, 254, 255, 256):
        for data in (rng.bytes(size), bytes(size), b"\1" * size):
            request = Request(opcode=Opcode.WRITE, sequence=7, region=Region.WEIGHTS, address=300,
                              length=size, payload=data).to_bytes()
            assert host.request(
                host.WRITE, 7, region=host.WEIGHTS, address=300, length=size, data=data
            ) == request
            response = Response(opcode=Opcode.READ, sequence=9, payload=data).to_bytes()
            assert host.answer(response) == (host.READ, 9, 0, data)
            with pytest.raises(ValueError, match="must end with the CRC-32"):
                host.answer(response[:2] + bytes([response[2] ^ 4 or 5]) + response[3:])
    assert json.loads((tmp_path / "X" / "engine.json").read_text(encoding="utf-8")) == (
        json.loads(product.config.to_json())
    )


@pytest.mark.parametrize("bus", ["axi", "wishbone"])
def test_litex_example_connects_every_port(bus):
    product = BusProduct(EngineConfig(filters=1, inputs=1), bus)
    tree = ast.parse(product.files()["litex_example.py"].decode())
    (instance,) = (node for node in ast.walk(tree) if isinstance(node, ast.Call)
                   and ast.unparse(node.func) == "Instance")
    assert ast.literal_eval(instance.args[0]) == product.name
    ways = {f"{'i' if port.is_input else 'o'}_{port.name}" for port in product.ports}
    assert [keyword.arg for keyword in instance.keywords] == sorted(
        ways, key=[keyword.arg for keyword in instance.keywords].index
    )


def test_a_bus_that_there_is_not_is_refused():
    with pytest.raises(NhotError, match="Bus must be one of axi, wishbone, not 'apb'"):
        BusProduct(EngineConfig(filters=1, inputs=1), "apb")


def test_python_in_the_folder_needs_neither_nhot_nor_numpy(tmp_path):
    write_folder(tmp_path / "X", LaneProduct(spec_of()).files())
    allowed = sys.stdlib_module_names | {"cocotb", "cocotb_tools", "model"}
    for path in (tmp_path / "X").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in allowed


def test_harness_connects_every_port():
    product = ArrayProduct(spec_of(bias=True), pixels=1, filters=2, words=4)
    text = harness(product.name, product.ports)
    for port in port_names(product.verilog, product.name):
        assert f".{port}(" in text
    bits = sum(port.bits for port in product.ports if port.is_input) - 1
    assert f"reg [{bits}:0] chain" in text


@pytest.mark.parametrize("family", ["portable", "ecp5"])
def test_equal_cores_are_equal_bytes(family, tmp_path, monkeypatch):
    spec = spec_of(bias=True)
    first = LaneProduct(spec, family=family).files()
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path))
    assert LaneProduct(spec, family=family).files() == first
    assert ("CCU2C.v" in first) == (family == "ecp5")

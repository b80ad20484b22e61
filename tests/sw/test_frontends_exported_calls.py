"""Calls of torch in their rarer spellings: the same numbers, or a refusal that names the call."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.ao.quantization.fx._decomposed  # noqa: F401 (its operators)
from torch import nn

from nhot.errors import NhotError
from nhot.frontends.exported.program import read_exported
from nhot.frontends.module import GraphModule
from nhot.testing.exported import exported_models, repacked, saved

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

SHAPE = (1, 3, 6, 6)
MODEL, WEIGHTS = "models/model.json", "data/weights/model_weights_config.json"
OPS = torch.ops.quantized_decomposed


class Module(nn.Module):
    """``act`` of a convolution, itself and the input."""

    def __init__(self, act):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 4, 3), act
        self.register_buffer("weights", torch.randn(64, 5))
        self.register_buffer("limits", torch.tensor(0.5))

    def forward(self, x):
        return self.act(self, self.conv(x))


@torch.no_grad()
def read(act):
    """The file of a module, the module, and samples."""
    torch.manual_seed(0)
    model = Module(act).eval()
    content = saved(torch.export.export(model, (torch.zeros(SHAPE),)))
    return content, model, torch.randn(4, *SHAPE[1:])


CALLS = {
    "product": lambda self, x: x.flatten(1) @ self.weights,
    "product of matrices": lambda self, x: torch.mm(x.flatten(1), self.weights),
    "sum of some": lambda self, x: torch.add(x, x.relu(), alpha=2),
    "turned difference": lambda self, x: torch.rsub(x, 3.0),
    "turned difference of some": lambda self, x: torch.rsub(x, 3.0, alpha=2),
    "exchanged": lambda self, x: x.flatten(1) @ self.weights.transpose(0, 1).transpose(-1, 0),
    "laid out": lambda self, x: x.contiguous(memory_format=torch.channels_last) * 2,
    "least": lambda self, x: torch.minimum(x, self.limits),
    "largest": lambda self, x: torch.maximum(self.limits, x),
    "negated": lambda self, x: -x,
}


@pytest.mark.parametrize("name", CALLS)
@torch.no_grad()
def test_the_same_numbers(name):
    content, model, x = read(CALLS[name])
    wanted = model(x[:1])
    made = GraphModule(read_exported(content))(x[:1]).reshape(wanted.shape)
    torch.testing.assert_close(made, wanted)


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (-8, 7), (-7, 5)])
@torch.no_grad()
def test_integers_of_fewer_bits(low, high):
    grid = (0.25, -2, low, high, torch.int8)
    content, model, x = read(
        lambda self, x: OPS.dequantize_per_tensor(OPS.quantize_per_tensor(x, *grid), *grid))
    graph = read_exported(content)
    made, last = GraphModule(graph)(x).numpy(), graph.operators[-1].grid
    units = np.clip(np.rint(made / last.scale) + last.zero_point, last.low, last.high)
    np.testing.assert_allclose((units - last.zero_point) * last.scale, model(x), atol=1e-6)


def quantised(scale=0.25, zero=0, low=-128, high=127, kind=torch.int8):
    def act(self, x):
        grid = (scale, zero, low, high, kind)
        return OPS.dequantize_per_tensor(OPS.quantize_per_tensor(x, *grid), *grid)
    return act


@pytest.mark.parametrize(("act", "text"), [
    (quantised(kind=torch.int16, low=-9, high=9),
     r"\(quantize_per_tensor\): integers must be of 8 bits, not of int16$"),
    (quantised(zero=200), "zero point must be -128 to 127, not 200$"),
    (lambda self, x: x @ x, r"\(MatMul\): input 'conv2d' must be a constant$"),
    (lambda self, x: x.transpose(2, 3), r"\(Transpose\): .* not order axes as \[0, 1, 3, 2\]"),
    (lambda self, x: torch.minimum(x, self.conv.bias[:, None, None]), "one number"),
])
def test_refused_by_name(act, text):
    with pytest.raises(NhotError, match=text) as caught:
        read_exported(read(act)[0])
    assert str(caught.value).startswith("Operator '")


def edited(name, act):
    """The small residual network with a member changed."""
    def change(members):
        values = json.loads(members[name])
        act(values)
        members[name] = json.dumps(values).encode()

    return repacked(exported_models()[0], change)


def graph(values):
    return values["graph_module"]["graph"]


def no_sizes(values):
    """Of what the first convolution makes."""
    values = graph(values)
    del values["tensor_values"][values["nodes"][0]["outputs"][0]["as_tensor"]["name"]]


def no_sizes_of_input(values):
    (spec,) = [one for one in values["graph_module"]["signature"]["input_specs"]
               if "user_input" in one]
    del graph(values)["tensor_values"][spec["user_input"]["arg"]["as_tensor"]["name"]]


def computed_scale(values):
    """Of a quantiser that was put in place of the last but one call."""
    call = graph(values)["nodes"][2]
    read = call["inputs"][0]["arg"]
    call.update(target="torch.ops.quantized_decomposed.quantize_per_tensor.tensor", inputs=[
        {"name": "input", "arg": read, "kind": 1}, {"name": "scale", "arg": read, "kind": 1},
        {"name": "zero_point", "arg": {"as_int": 0}, "kind": 1},
        {"name": "dtype", "arg": {"as_scalar_type": 2}, "kind": 1}])


@pytest.mark.parametrize(("act", "text"), [
    (no_sizes, r"\(conv2d\): tensor 'conv2d' must have its sizes in the file$"),
    (no_sizes_of_input, "^Tensor 'x' must have its sizes in the file$"),
    (lambda one: graph(one)["nodes"][0].update(outputs=[{"as_none": True}]),
     r"\(conv2d\): it must make a tensor, not "),
    (lambda one: graph(one)["nodes"][0]["inputs"][0].update(arg={"as_graph": {}}),
     r"\(conv2d\): argument 'input' must be a tensor, a number, numbers or text, not 'as_graph'$"),
    (computed_scale, r"its scale must be a constant, not 'batch_norm', which is computed$"),
    (lambda one: graph(one)["nodes"][0].update(inputs=[]),
     r"'first/0' \(Conv\): it must have an input 0$"),
    (lambda one: one["graph_module"]["signature"].update(input_specs=[{}]),
     r"^Model's graph must be as torch.export writes it, which it is not \(ValueError\)$"),
    (lambda one: graph(one)["nodes"][2]["inputs"][0].update(arg={}),
     r"'first/2' \(relu_\): its arguments must be of the types"),
], ids=["sizes", "input", "output", "argument", "scale", "nothing", "signature", "left out"])
def test_graphs_that_are_not_whole(act, text):
    with pytest.raises(NhotError, match=text):
        read_exported(edited(MODEL, act))


def test_weights_of_other_types():
    def act(values):
        values["config"]["first.0.weight"]["tensor_meta"]["dtype"] = 13

    with pytest.raises(NhotError, match=r"must have a type of uint8, .*, bool, not number 13$"):
        read_exported(edited(WEIGHTS, act))


def test_inputs_of_integers():
    content = saved(torch.export.export(nn.Flatten(), (torch.zeros(SHAPE, dtype=torch.int32),)))
    with pytest.raises(NhotError, match=r"Input must be of floats, INT8 or UINT8, not of int32$"):
        read_exported(content)


def test_archives_without_weights():
    """What has none of its own is still one of others, here without what it reads."""
    def change(members):
        del members[WEIGHTS]

    with pytest.raises(NhotError, match=r"\(Conv\): input '\w+' must be a constant$"):
        read_exported(repacked(exported_models()[0], change))

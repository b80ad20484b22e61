"""Programs of torch.export: what torch writes is read back, and nothing in a file is run."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import nhot
from nhot.errors import NhotError
from nhot.experiments.models import build
from nhot.frontends import read_graph
from nhot.frontends.exported.program import read_exported
from nhot.frontends.module import GraphModule
from nhot.testing.exported import exported_models, repacked, saved
from nhot.testing.foreign import damaged
from nhot.testing.modules import random_module

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, in its exporter

REFUSED = ("arange): it must be one of", "write in place on what is read")
"""Of random modules: upsampling in its basic operators, and views that are written."""


def exported(model, *shapes, **options):
    return torch.export.export(model.eval(), tuple(torch.zeros(shape) for shape in shapes),
                               **options)


def function(act):
    """A module that computes ``act`` of itself, with a convolution before."""

    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return act(self, self.conv(x))

    return Module()


@torch.no_grad()
def same(content, model, x, tolerance=1e-5):
    """The module of the file beside the one that it was exported from."""
    wanted = model(x)
    made = GraphModule(read_exported(content))(x).reshape(wanted.shape)
    torch.testing.assert_close(made, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("batch", ["one", "any"])
@pytest.mark.parametrize("basic", [False, True])
def test_a_network_of_the_catalogue(batch, basic):
    """As it was called, and in torch's basic operators; layers are called as the modules."""
    torch.manual_seed(0)
    model = build("resnet8").eval()
    any_size = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if batch == "any" else {}
    program = exported(model, (2 if any_size else 1, 3, 32, 32), **any_size)
    if basic:
        program = program.run_decompositions()
    content = saved(program)
    same(content, model, torch.rand(4, 3, 32, 32))
    names = {one.name for one in read_exported(content).filters}
    modules = {name.replace(".", "/") for name, part in model.named_modules()
               if isinstance(part, nn.Conv2d | nn.Linear)}
    assert names == modules


def refusal(content, model, x):
    """Why it is refused; None where it gives the same."""
    try:
        same(content, model, x.clone(), 1e-4)
    except NhotError as error:
        return str(error)
    return None


@pytest.mark.parametrize("seed", range(16))
@torch.no_grad()
def test_random_modules(seed):
    """All operators in all spellings: the same numbers, or a refusal that names the call."""
    model = random_module(seed)
    x = torch.randn(6, *model.shape, generator=torch.Generator().manual_seed(seed))
    program = torch.export.export(model, (x[:1].clone(),))
    refusals = [refusal(saved(one), model, x) for one in (program, program.run_decompositions())]
    assert not all(refusals)
    for text in filter(None, refusals):
        assert any(part in text for part in REFUSED)


class Turned(nn.Module):
    """Takes maps channels last, and flattens them so."""

    def __init__(self):
        super().__init__()
        self.conv, self.dense = nn.Conv2d(3, 8, 1), nn.Linear(8 * 30, 5)

    def forward(self, x):
        x = torch.relu(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        return self.dense(x.flatten(1))


def test_maps_that_lie_channels_last():
    """Samples are given in torch's order to the import, as those of any other file."""
    model, x = Turned(), torch.randn(4, 5, 6, 3)
    graph = read_exported(saved(exported(model, (1, 5, 6, 3))))
    assert graph.input == (5, 6, 3)
    with torch.no_grad():
        made = GraphModule(graph)(x.permute(0, 3, 1, 2))
        torch.testing.assert_close(made, model(x), atol=1e-5, rtol=1e-5)


def test_import_and_quantise(tmp_path):
    """In memory and from a file, on the command's way, too."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU6(inplace=True), nn.AvgPool2d(2), nn.Flatten(),
                          nn.Linear(8 * 9, 5), nn.Softmax(1))
    program, x = exported(model, (1, 3, 8, 8)), torch.randn(64, 3, 8, 8)
    path = tmp_path / "model.pt2"
    torch.export.save(program, path)
    graph = read_graph(path)
    assert (graph.tool, graph.input, graph.left_out) == ("torch.export", (8, 8, 3), ("Softmax",))
    networks = [
        nhot.to_network(nhot.quantize(nhot.import_model(source), "2hot", x), "net")
        for source in (program, path)
    ]
    for one, other in zip(*(network.nodes for network in networks), strict=True):
        assert (one.output, one.inputs) == (other.output, other.inputs)
    integers = np.random.default_rng(0).integers(0, 8, (4, 8, 8, 3))
    assert (nhot.run(networks[0], integers) == nhot.run(networks[1], integers)).all()


def test_writes_in_place_are_in_order():
    """What was written is read by later calls, not by earlier ones."""

    def act(self, x):
        y = x + 1
        x.relu_()
        return torch.cat([x, y, F.hardtanh_(y)], 1)

    torch.manual_seed(0)
    model = function(act).eval()
    same(saved(exported(model, (1, 3, 6, 6))), model, torch.randn(4, 3, 6, 6))


def through_another_name(self, x):
    y = F.dropout(x, training=False)
    y.relu_()
    return x + 1


def through_itself(self, x):
    y = x.relu_()
    x.add_(1)
    return y * 2


def through_a_view(self, x):
    x.flatten(1).relu_()
    return x * 2


@pytest.mark.parametrize("act", [through_another_name, through_itself, through_a_view])
def test_what_is_written_is_written_under_all_names(act):
    """What is the very tensor is followed; of a view it is said that it cannot be."""
    torch.manual_seed(0)
    model = function(act).eval()
    program = exported(model, (1, 3, 6, 6))
    x = torch.randn(4, 3, 6, 6)
    if act is through_a_view:
        text = r"\(relu_\): it must not write in place on what is read as 'conv2d' later"
        with pytest.raises(NhotError, match=text):
            read_exported(saved(program))
        program = program.run_decompositions()  # as the text says
    same(saved(program), model, x)


def test_older_names_follow_what_is_written():
    """torch names what it wrote last; other programs may not."""
    def change(members):
        def rename(values):
            nodes = values["graph_module"]["graph"]["nodes"]
            (mul,) = [one for one in nodes if one["target"].startswith("torch.ops.aten.mul")]
            mul["inputs"][0]["arg"]["as_tensor"]["name"] = "conv2d"
        edit(members, MODEL, rename)

    torch.manual_seed(0)
    model = function(through_itself).eval()
    content = repacked(saved(exported(model, (1, 3, 6, 6))), change)
    same(content, model, torch.randn(4, 3, 6, 6))


def looped(self, x):
    while x.shape[-1] > 2:
        x = F.max_pool2d(x, 2)
    return x


def test_python_that_depends_on_sizes():
    torch.manual_seed(0)
    model = function(looped).eval()
    same(saved(exported(model, (1, 3, 10, 10))), model, torch.randn(4, 3, 10, 10))


@pytest.mark.parametrize(("act", "text"), [
    (lambda self, x: x.sin(), r"Operator 'sin' \(sin\): .*clamp.*, not 'torch.ops.aten.sin.d"),
    (lambda self, x: F.dropout(x, training=True), "it must be of a model that is evaluated"),
    (lambda self, x: F.adaptive_avg_pool2d(x, 3), r"windows must be of one size, which \(4, 4\)"),
    (lambda self, x: F.avg_pool2d(x, 2, divisor_override=3), "divide by the size of its windows"),
    (lambda self, x: torch.div(x, 2, rounding_mode="floor"), "must not round, .* 'floor'"),
    (lambda self, x: F.pad(x, (1, 1), value=2), "must pad height and width alone, with zeros"),
    (lambda self, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "with zeros, .*reflect"),
    (lambda self, x: (x, x), "Model must have one output, a tensor, not 2"),
    (lambda self, x: x.mean((0, 1, 2)), r"must be over height and width, .*\[0, 1, 2\]"),
    (lambda self, x: F.softmax(x, 1) + x, "Operator 'softmax' .*not 'Softmax'"),
    (lambda self, x: x.to(torch.int32) + 1, "must be to floats"),
])
def test_refused_by_name(act, text):
    with pytest.raises(NhotError, match=text):
        read_exported(saved(exported(function(act), (1, 3, 6, 6))))


def test_sizes_that_are_not_fixed():
    sizes = {2: torch.export.Dim("height", min=4, max=100)}
    program = exported(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 3, 8, 8), dynamic_shapes=(sizes,))
    with pytest.raises(NhotError, match="fixed"):
        read_exported(saved(program))


def test_an_input_too_many():
    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(NhotError, match="Model must have one input, a tensor, not 2"):
        read_exported(saved(exported(Sum(), (1, 3, 4, 4), (1, 3, 4, 4))))


class Bomb:
    """Runs something where it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('run')",)


def edit(members, name, act):
    values = json.loads(members[name])
    act(values)
    members[name] = json.dumps(values).encode()


WEIGHTS, MODEL = "data/weights/model_weights_config.json", "models/model.json"


def pickled(members):
    """A weight as torch saves unusual ones, which its own reader unpickles."""
    members["data/weights/weight_0"] = pickle.dumps(Bomb())
    edit(members, WEIGHTS, lambda one: one["config"]["first.0.weight"].update(use_pickle=True))


def far(values):
    values["config"]["first.0.weight"]["tensor_meta"]["strides"][0]["as_int"] = 1 << 30


def listed(values):
    """A list of tensors where there is one."""
    relu = values["graph_module"]["graph"]["nodes"][2]
    relu["inputs"][0]["arg"] = {"as_tensors": [{"name": "batch_norm"}]}


@pytest.mark.parametrize(("change", "text"), [
    (pickled, "Tensor 'first.0.weight' must be stored as its elements, not pickled"),
    (lambda members: members.pop(MODEL), "must have the member models/model.json"),
    (lambda members: members.pop("data/weights/weight_0"), "member 'data/weights/weight_0'"),
    (lambda members: edit(members, WEIGHTS, far), "must lie in its 18 elements"),
    (lambda members: members.update({"data/weights/weight_0": b"abc"}), "whole elements of 4"),
    (lambda members: edit(members, MODEL, lambda one: one["schema_version"].update(major=9)),
     "version 8 of torch.export's form, not 9"),
    (lambda members: edit(members, MODEL, lambda one: one["graph_module"]["graph"].update(
        nodes=1)), "models/model.json graph_module.graph.nodes must be a list, not 1"),
    (lambda members: edit(members, MODEL, listed), r"'first/2' \(relu_\): its arguments must be"),
    (lambda members: members.update({MODEL: b"{" * 9}), "models/model.json must be JSON"),
], ids=["pickled", "graph", "weight", "stride", "bytes", "version", "nodes", "call", "text"])
def test_damage_is_named(change, text):
    with pytest.raises(NhotError, match=text):
        read_exported(repacked(exported_models()[0], change))


def test_samples_in_the_file_are_not_opened():
    """torch puts pickled samples beside the graph; its reader opens them."""
    def change(members):
        members["data/sample_inputs/model.pt"] = pickle.dumps(Bomb())

    assert read_exported(repacked(exported_models()[0], change)).filters


def test_an_archive_that_grows_is_refused():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/models/model.json", b" " * (1 << 20))
    with pytest.raises(NhotError, match="no more unpacked than packed"):
        read_exported(made.getvalue())


def test_damaged_files():
    """Only our own error, and never one that takes the machine along."""
    for content in damaged(exported_models(), 300):
        try:
            read_exported(content)
        except NhotError:
            continue

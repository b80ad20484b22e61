"""Models as users have them: wrapped, pruned, hooked, in training; and they stay as they were."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from nhot.errors import NhotError
from nhot.quant import quantize, to_network
from nhot.quant.tracing.prepare import prepare
from nhot.testing import float_models
from nhot_sim.quantised import assert_exact

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script.*:DeprecationWarning")

samples = partial(float_models.samples, 2, 8, 7, count=16, seed=5)


def net() -> nn.Sequential:
    torch.manual_seed(2)
    norm = nn.BatchNorm2d(4)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), norm, nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Conv2d(4, 3, 3),
    )


def integers(model: nn.Module) -> torch.Tensor:
    quantized = quantize(model, "int8", samples())
    assert_exact(quantized, samples())
    return quantized.integers(samples())[quantized.output]


def layer_names(model: nn.Module) -> list[str]:
    return [node.name for node in to_network(quantize(model, "int8", samples()), "net").nodes]


def described(model: nn.Module) -> dict[str, object]:
    """All that a caller may see of a model."""
    facts: dict[str, object] = {}
    for name, module in model.named_modules():
        facts[name] = (
            type(module), module.training, sorted(vars(module)), sorted(module._modules),
            list(module._forward_hooks.values()), list(module._forward_pre_hooks.values()),
        )
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        facts[f"tensor {name}"] = (
            id(tensor), tensor._version, tensor.dtype, tensor.requires_grad, tensor.tolist(),
        )
    return facts


def pruned(model: nn.Sequential) -> nn.Module:
    prune.l1_unstructured(model[0], "weight", 0.5)
    prune.random_unstructured(model[0], "bias", 1)
    prune.ln_structured(model[4], "weight", 0.3, n=1, dim=0)
    return model


def normed(kind) -> object:
    def changed(model: nn.Sequential) -> nn.Module:
        model[0] = kind(model[0])
        model[4] = kind(model[4])
        model(samples())  # the norm takes a step, and leaves a tensor with a gradient behind
        return model

    return changed


class Double(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrised(model: nn.Sequential) -> nn.Module:
    parametrize.register_parametrization(model[0], "weight", Double())
    parametrize.register_parametrization(model[4], "bias", Double())
    return model


WEIGHTS = {
    "pruned": pruned, "parametrised": parametrised,
    "weight norm": normed(parametrizations.weight_norm),
    "spectral norm": normed(parametrizations.spectral_norm),
}
OLD = {"weight norm": nn.utils.weight_norm, "spectral norm": nn.utils.spectral_norm}


def check_effective_weights(model: nn.Module) -> None:
    plain = net()
    model.eval()
    model(samples())  # what hooks compute is there
    for index in (0, 4):
        plain[index].weight.data = model[index].weight.detach().clone()
        plain[index].bias.data = model[index].bias.detach().clone()
    plain[1].load_state_dict(model[1].state_dict())
    before = described(model)
    found = integers(model)
    assert described(model) == before
    assert torch.equal(found, integers(plain))
    model(samples()).mean().backward()  # still trains


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_those_that_are_computed(name):
    check_effective_weights(WEIGHTS[name](net()))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", OLD)
def test_weights_of_older_norms(name):
    check_effective_weights(normed(OLD[name])(net()))


def wrappers(model: nn.Sequential) -> dict[str, nn.Module]:
    compiled = copy.deepcopy(model)
    compiled.compile()
    inside = copy.deepcopy(model)
    inside[4] = nn.DataParallel(inside[4])
    return {
        "parallel": nn.DataParallel(model), "compiled": torch.compile(model),
        "both": torch.compile(nn.DataParallel(model)), "in place": compiled, "inside": inside,
    }


@pytest.mark.parametrize("name", ["parallel", "compiled", "both", "in place", "inside"])
def test_wrappers_are_taken_off(name):
    model = net()
    wrapped = wrappers(model)[name]
    before = described(wrapped)
    assert torch.equal(integers(wrapped), integers(model))
    assert layer_names(wrapped) == layer_names(model)
    assert described(wrapped) == before


def test_scripts_are_refused():
    # A module without lists: torch looks attributes up among its builtins by their address, those
    # of builtins freed long ago included, and then refuses to script a convolution now and then.
    script = torch.jit.script(nn.Identity())
    for model, what in ((script, "Model"), (nn.Sequential(nn.Identity(), script), "Module '1'")):
        message = f"{what} must be a torch.nn.Module in Python, not a ScriptModule: quantise"
        with pytest.raises(NhotError, match=message):
            quantize(model, "2hot", samples())


@pytest.mark.parametrize("parts", [(), (1,), (3,), (0, 1, 2, 3, 4)])
def test_training_mode_is_no_difference(parts):
    expected = integers(net().eval())
    model = net().eval()
    for index in parts:
        model[index].train()
    if not parts:
        model.train()
    before = described(model)
    state = torch.random.get_rng_state()
    assert torch.equal(integers(model), expected)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert described(model) == before


class Branching(nn.Module):
    """Does something else in training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)

    def forward(self, x):
        x = self.conv(x)
        return x + torch.rand_like(x) if self.training else x.relu()


def test_branches_are_those_of_evaluation():
    model = Branching().train()
    assert torch.equal(integers(model), integers(copy.deepcopy(model).eval()))
    assert model.training


class AlwaysOn(nn.Dropout):
    def train(self, mode: bool = True):
        self.training = True
        return self


class Random(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.function = function

    def forward(self, x):
        return self.function(self.conv(x))


@pytest.mark.parametrize(("model", "message"), [
    (nn.Sequential(nn.Conv2d(2, 3, 3), AlwaysOn()), "Module '1' must leave training mode"),
    (Random(lambda x: F.dropout(x)), "'dropout' has unsupported arguments: it must be off in eval"),
    (Random(lambda x: F.dropout2d(x, 0.1, True)), "'dropout2d' has .* off in evaluation"),
    (Random(lambda x: x + torch.rand_like(x)), "Operation 'rand_like' must be one of"),
    (Random(lambda x: x + torch.rand(1)), "Model must compute the same in each call"),
    (Random(lambda x: x * (1 / len(x))), "Model must compute the same .* for each sample"),
    (Random(lambda x: x.view(2, -1)), "differs from what was traced by its shape"),
    (Random(lambda x: x.view(2, 3, 6, 5)), "Model must run on any number of samples, but on 8: "),
])
def test_what_is_not_of_one_sample_is_refused(model, message):
    with pytest.raises(NhotError, match=message):
        quantize(model, "2hot", samples())


def hook(*arguments):
    return None


@pytest.mark.parametrize("method", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_are_refused(method):
    for index, what in ((0, "Module '0'"), (None, "Model")):
        model = net()
        handle = getattr(model if index is None else model[index], method)(hook)
        with pytest.raises(NhotError, match=f"{what} must have no forward hooks, not 'hook': rem"):
            quantize(model, "2hot", samples())
        handle.remove()
        integers(model)


@pytest.mark.parametrize("name", [
    "register_module_forward_hook", "register_module_forward_pre_hook",
])
def test_hooks_of_all_modules_are_refused(name):
    handle = getattr(nn.modules.module, name)(hook)
    try:
        with pytest.raises(NhotError, match=r"Hooks of all modules must be .*, also 'hook'"):
            quantize(net(), "2hot", samples())
    finally:
        handle.remove()


def test_a_forward_of_an_instance_is_refused():
    model = net()
    model[4].forward = lambda x: x
    with pytest.raises(NhotError, match="Module '4' must have the forward of its class"):
        quantize(model, "2hot", samples())


def test_what_a_pass_left_behind_is_copied():
    model = net().eval()
    model.seen = {"last": [model(samples())]}
    assert torch.equal(integers(model), integers(net()))


def test_lazy_modules():
    model = nn.Sequential(nn.LazyConv2d(3, 3), nn.ReLU())
    with pytest.raises(NhotError, match="Module '0' must have its parameters: call the model once"):
        quantize(model, "2hot", samples())
    model(samples())
    integers(model)


def test_models_that_cannot_be_copied():
    model = net()
    model.generator = (i for i in range(3))
    with pytest.raises(NhotError, match="Model must be one that can be copied, but: cannot pickle"):
        quantize(model, "2hot", samples())


def test_inference_mode_and_other_types():
    with torch.inference_mode():
        found = integers(net())
    assert torch.equal(found, integers(net()))
    assert torch.equal(found, integers(net().double()))
    model = net().requires_grad_(False)
    assert torch.equal(found, integers(model))
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_prepare_copies():
    model = net()
    copied = prepare(model)
    assert not copied.training
    assert model.training
    ours = {id(tensor) for tensor in model.state_dict(keep_vars=True).values()}
    assert not ours & {id(tensor) for tensor in copied.state_dict(keep_vars=True).values()}

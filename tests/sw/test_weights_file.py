"""Files of weights, as trainings leave them and as they should not be."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from collections import OrderedDict
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors
from torch import nn
from torch.nn.utils import parametrizations, prune

from nhot.cli import main
from nhot.errors import NhotError
from nhot.quant.state_dicts import fitted
from nhot.quant.weights_file import load_weights


class Net(nn.Sequential):
    """(batch, 2, 3, 3) -> (batch, 5)"""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5))


def trained(seed: int = 1) -> Net:
    torch.manual_seed(seed)
    model = Net()
    nn.init.normal_(model[1].running_mean)
    return model


def packed(value: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def read(content: bytes, path, model: nn.Module | None = None) -> nn.Module:
    path.write_bytes(content)
    model = trained(seed=2) if model is None else model
    load_weights(model, path)
    return model


def refusal(content: bytes, path) -> str:
    """The error, one line without what a terminal would obey; the model is as it was."""
    model, before = trained(seed=2), trained(seed=2).state_dict()
    with pytest.raises(NhotError) as caught:
        read(content, path, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 500
    return message.replace(str(path), "w.pt")


def renamed(change):
    return {change(name): value for name, value in trained().state_dict().items()}


def without(word: str):
    return {name: value for name, value in trained().state_dict().items() if word not in name}


STATE = trained().state_dict()
WRAPPED = {
    "bare": STATE,
    **{key: {key: STATE, "epoch": 3, "loss": torch.tensor(0.5)}
       for key in ("state_dict", "model_state_dict", "net", "model", "weights", "ema", "odd")},
    "nested": {"checkpoint": {"model": STATE}, "args": {"lr": 0.1}},
    "beside an optimizer": {
        "model": STATE, "optimizer": torch.optim.Adam(trained().parameters()).state_dict(),
    },
    "beside another network": {"generator": nn.Linear(3, 3).state_dict(), "net": STATE},
    "DataParallel": nn.DataParallel(trained()).state_dict(),
    "compiled": renamed("_orig_mod.{}".format),
    "compiled DataParallel": renamed("module._orig_mod.{}".format),
    "Lightning": {"state_dict": renamed("model.{}".format), "epoch": 3},
    "compiled Lightning": {"state_dict": renamed("model._orig_mod.{}".format)},
    "a part in DataParallel": renamed(lambda name: name.replace("0.", "0.module.")),
    "averaged": torch.optim.swa_utils.AveragedModel(trained()).state_dict(),
    "no num_batches_tracked": without("num_batches"),
    "parameters": dict(trained().named_parameters()) | dict(trained().named_buffers()),
    "cyclic": (lambda one: one.update(itself=one) or one)({"net": STATE}),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", WRAPPED)
def test_states_are_found(name, legacy, tmp_path):
    found = read(packed(WRAPPED[name], legacy=legacy), tmp_path / "w.pt").state_dict()
    for key, value in STATE.items():
        assert torch.equal(found[key], value), key


def test_safetensors(tmp_path):
    found = read(save_safetensors(dict(STATE)), tmp_path / "w.pt").state_dict()
    assert all(torch.equal(found[name], value) for name, value in STATE.items())


def test_names_that_the_network_has_itself_stay(tmp_path):
    def wrapped(seed):
        return nn.ModuleDict({"module": nn.ModuleDict({"model": trained(seed)})})

    found = read(packed(nn.DataParallel(wrapped(1)).state_dict()), tmp_path / "w.pt", wrapped(2))
    assert all(torch.equal(found.state_dict()[f"module.model.{name}"], value)
               for name, value in STATE.items())


@pytest.mark.parametrize("change", [
    parametrizations.weight_norm,
    pytest.param(nn.utils.weight_norm, marks=pytest.mark.filterwarnings("ignore:.*weight_norm")),
    partial(parametrizations.weight_norm, dim=1), partial(parametrizations.weight_norm, dim=None),
    partial(prune.l1_unstructured, amount=0.5),
])
def test_weights_in_parts_are_put_together(change, tmp_path):
    model = trained()
    for layer in (model[0], model[3]):
        change(layer, name="weight")
    with torch.no_grad():  # lengths that are not those of the direction
        for name, value in model.named_parameters():
            if name.endswith(("_g", "original0")):
                value.mul_(2)
    x = torch.randn(4, 2, 3, 3)
    found = read(packed(model.state_dict()), tmp_path / "w.pt").eval()
    torch.testing.assert_close(found(x), model.eval()(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half, torch.float64])
def test_other_precisions(dtype, tmp_path):
    found = read(packed(trained().to(dtype).state_dict()), tmp_path / "w.pt")
    assert torch.equal(found[0].weight, trained()[0].weight.to(dtype).float())


def changed(value: torch.Tensor) -> dict:
    return {**STATE, "0.weight": value}


def quantised(value: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):  # torch is about to drop them
        return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


OF_ANOTHER = {
    "a width": (nn.Sequential(nn.Conv2d(2, 5, 3)).state_dict(),
                "its '0.weight' has shape (4, 2, 3, 3), not (5, 2, 3, 3)"),
    "fewer": (without("3."), "they have no '3.weight'"),
    "more": (STATE | {"9.weight": torch.ones(1)}, "it has no '9.weight'"),
    "escapes": (STATE | {"\x1b[2J": torch.ones(1)}, r"it has no '\x1b[2J'"),
    "spectral norm": (parametrizations.spectral_norm(nn.Conv2d(2, 4, 3)).state_dict(),
                      "they have no '0.weight'"),
    "sparse": (changed(STATE["0.weight"].to_sparse()), "must be a dense tensor, not sparse_coo"),
    "meta": (changed(STATE["0.weight"].to("meta")), "must have values, not be on the device meta"),
    "complex": (changed(STATE["0.weight"] * 1j), "must be numbers as float32, not complex64"),
    "quantised": (changed(quantised(STATE["0.weight"])), "must be numbers as float32, not qint8"),
    "whole": (changed(STATE["0.weight"].to(torch.int8)), "must be numbers as float32, not int8"),
    "nan": (changed(STATE["0.weight"] * np.nan), "must be finite numbers, not NaN or infinite"),
    "infinite": (changed(STATE["0.weight"] / 0), "must be finite numbers, not NaN or infinite"),
    "beyond": (changed(STATE["0.weight"].double() * 1e300),
               "must be finite numbers, not NaN or infinite"),
    "expanded": (changed(torch.zeros(1).expand(1 << 50)),
                 "has shape (4, 2, 3, 3), not (1125899906842624,)"),
}


@pytest.mark.parametrize("name", OF_ANOTHER)
def test_another_network_is_refused_by_its_first_difference(name, tmp_path):
    state, difference = OF_ANOTHER[name]
    for value in (state, {"net": state}):
        message = refusal(packed(value), tmp_path / "w.pt")
        assert message.startswith("Weights 'w.pt' must be of this network: ")
        assert message.endswith(difference)


@pytest.mark.parametrize(("value", "message"), [
    ({"model": STATE, "ema": trained(3).state_dict()},
     "not several ('model', 'ema'); save the one that is meant by itself"),
    ({"a": nn.Linear(1, 2).state_dict(), "b": without("1.")},
     "'b' of 'a', 'b', they have no '1.weight'"),
    ([STATE], "must hold a state_dict, names and a tensor for each, not a list"),
    ({}, "not an empty dict"),
    ({"epoch": 3, "\x1b]0;": None}, r"not what is under 'epoch', '\x1b]0;'"),
    (torch.ones(3), "not a Tensor"),
    (OrderedDict({1: torch.ones(1)}), "not what is under '1'"),
])
def test_what_is_no_state_is_refused(value, message, tmp_path):
    assert message in refusal(packed(value), tmp_path / "w.pt")


class Code:
    """Fails the test if a reader does what its pickle says."""

    def __reduce__(self):
        return (pytest.fail, ("the file was run",))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("value", [
    Code(), {**STATE, "0.weight": Code()}, trained(), {"model": trained()},
    {**STATE, "best": np.float64(1)}, {"x": np.array([Code()])},
])
def test_nothing_is_run(value, legacy, tmp_path):
    message = refusal(packed(value, legacy=legacy), tmp_path / "w.pt")
    assert "must hold tensors, numbers and text alone, not " in message
    assert message.endswith("save the weights alone: torch.save(model.state_dict(), FILE)")


def test_nothing_is_run_of_data(tmp_path, monkeypatch, capsys):
    """Arrays of objects are pickles, too."""
    monkeypatch.chdir(tmp_path)
    odd = np.array([Code()])
    np.savez("data.npz", x=odd, y=np.zeros(1, int))
    np.savez("labels.npz", x=np.zeros((1, 1, 8, 8), np.float32), y=odd)
    for name in ("data.npz", "labels.npz"):
        assert main(["train", "digits", "--data", name, "-o", "w.pt"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert name in line
    assert not (tmp_path / "w.pt").exists()


def mutants(content: bytes, count: int, seed: int):
    """Copies of ``content`` with bytes changed, cut out, doubled or cut off."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(5)
            if kind == 0:
                data[at] ^= 1 << rng.randrange(8)
            elif kind == 1:
                data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
            elif kind == 2:
                del data[at : at + rng.randint(1, 40)]
            elif kind == 3:
                data[at:at] = data[max(0, at - 20) : at]
            elif at > 8:
                del data[at:]
        yield bytes(data)


def resealed(content: bytes, count: int, seed: int):
    """Mutants of the pickle in an archive whose checksums are right."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {name: archive.read(name) for name in archive.namelist()}
    (pickle,) = [name for name in members if name.endswith("data.pkl")]
    for mutant in mutants(members[pickle], count, seed):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as made:
            for name, data in (members | {pickle: mutant}).items():
                made.writestr(name, data)
        yield buffer.getvalue()


@pytest.mark.parametrize(("make", "change"), [
    (lambda: packed(STATE), mutants), (lambda: packed(STATE, legacy=True), mutants),
    (lambda: packed({"model": STATE, "epoch": 3}), resealed),
    (lambda: save_safetensors(dict(STATE)), mutants),
], ids=["archive", "legacy", "pickle", "safetensors"])
def test_damage_is_refused_or_harmless(make, change, tmp_path):
    path = tmp_path / "w.pt"
    for content in change(make(), 150, seed=0):
        path.write_bytes(content)
        model, message = trained(seed=2), ""
        try:
            load_weights(model, path)
        except NhotError as error:
            message = str(error).replace(str(path), "w.pt")
        assert message.isprintable()
        assert len(message) < 500
        assert all(value.isfinite().all() for value in model.state_dict().values())


def test_an_archive_that_unpacks_to_more_than_itself(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        archive = zipfile.ZipFile(io.BytesIO(packed(STATE)))
        for name in archive.namelist():
            made.writestr(name, archive.read(name))
        made.writestr("archive/data/99", bytes(1 << 24))
    assert "damaged or cut short" in refusal(buffer.getvalue(), tmp_path / "w.pt")


def test_a_prefix_that_not_all_names_have_stays():
    state = {"module.weight": torch.zeros(2), "other": torch.ones(2)}
    assert fitted(dict(state), {"weight": torch.zeros(2)}).keys() >= {"weight"}
    found = fitted(dict(state), {"module.weight": torch.zeros(2), "other": torch.zeros(2)})
    assert found.keys() == state.keys()


def test_what_a_module_keeps_besides_tensors_need_not_be_there(tmp_path):
    class Counting(nn.Linear):
        def get_extra_state(self):
            return {"steps": 3}

        def set_extra_state(self, state):
            pass

    weights = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
    torch.save(weights, tmp_path / "w.pt")
    model = Counting(3, 2)
    load_weights(model, tmp_path / "w.pt")
    assert torch.equal(model.weight, weights["weight"])

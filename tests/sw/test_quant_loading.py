"""Models and data by name, and samples to integers."""

import os

import numpy as np
import pytest
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.experiments.models.digits import DigitsNet
from nhot.network import Tensor
from nhot.quant import load_data, load_model

SOURCE = """
from torch import nn

class Model(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(2, 3))

def build():
    return Model()

def broken():
    return 1 / 0

def number():
    return 5
"""


def test_load_model(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    assert isinstance(load_model("digits"), DigitsNet)
    assert load_model("jet-mlp", classes=3).output.out_features == 3
    assert isinstance(load_model(f"{path}:build"), nn.Sequential)
    assert isinstance(load_model(f"{path}:Model"), nn.Sequential)


@pytest.mark.parametrize(("spec", "options", "message"), [
    ("digits", {"classes": 3}, r"Model 'digits' must be given options that it has \(none\), not"),
    ("jet-mlp", {"width": 3}, r"'jet-mlp' must be .* has \(classes, features\), not 'width'"),
    ("jet-mlp", {"classes": "many"}, "Model 'jet-mlp' failed: TypeError"),
    ("{}:build", {"classes": 3}, r"Function 'build' of .* has \(none\), not 'classes'"),
])
def test_bad_options_are_refused(tmp_path, spec, options, message):
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    with pytest.raises(NhotError, match=message):
        load_model(spec.format(path), **options)


@pytest.mark.parametrize(("spec", "message"), [
    ("mnist", "Model must be one of digits, .*, or a function in a Python file"),
    ("{}", "Model must be one of digits"),
    ("{}:not a name", "Model must be one of digits"),
    ("absent.py:build", "Model file must exist, not 'absent.py'"),
    ("{}:missing", "must have a function 'missing'"),
    ("{}:broken", "failed: ZeroDivisionError: division by zero"),
    ("{}:number", "must give a torch.nn.Module, not int"),
])
def test_bad_model_is_refused(tmp_path, spec, message):
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    with pytest.raises(NhotError, match=message):
        load_model(spec.format(path))


def test_factories_that_cannot_be_asked_for_their_options(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("from nhot.errors import NhotError\nmake = dict\ndef refuse(width=1):\n"
                    "    raise NhotError(f'Width must be 2, not {width}')\n", encoding="utf-8")
    with pytest.raises(NhotError, match=r"'make' of .* must give a torch.nn.Module, not dict"):
        load_model(f"{path}:make", width=3)
    with pytest.raises(NhotError, match=r"^Width must be 2, not 3$"):
        load_model(f"{path}:refuse", width=3)


def test_file_with_an_error_is_refused(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("import missing_package_of_nobody", encoding="utf-8")
    with pytest.raises(NhotError, match="failed: ModuleNotFoundError"):
        load_model(f"{path}:build")


def test_load_data(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.arange(24).reshape(2, 3, 2, 2), y=np.array([1, 0], np.uint8))
    x, y = load_data(path)
    assert x.dtype == np.float32
    assert x.shape == (2, 3, 2, 2)
    assert y is not None
    assert y.dtype == np.int64
    np.savez(path, x=np.zeros((4, 5)))
    assert load_data(path)[1] is None


@pytest.mark.parametrize(("arrays", "message"), [
    ({"a": np.zeros(3)}, "must have an array x, not only a"),
    ({}, "must have an array x, not only nothing"),
    ({"x": np.zeros((2, 3, 4, 5, 6))}, "Array x of .* must be numbers"),
    ({"x": np.array([["a"]])}, "Array x of .* must hold numbers"),
    ({"x": np.array([[None]])}, "Array x of .* must hold numbers"),
    ({"x": np.zeros((2, 3)), "y": np.zeros(2)}, "Array y of .* must be one integer a sample"),
    ({"x": np.zeros((2, 3)), "y": np.zeros(3, int)}, "Array y of .* must be one integer a sample"),
])
def test_bad_arrays_are_refused(tmp_path, arrays, message):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    with pytest.raises(NhotError, match=message):
        load_data(path)


@pytest.mark.parametrize("content", [b"", b"not a file of numpy", b"PK\x03\x04 cut off"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(NhotError, match="must be an npz file"):
        load_data(path)


def test_a_model_is_that_of_the_file_as_it_is_now(tmp_path):
    """Written again within a second, at the same size; and nothing is left beside it."""
    path = tmp_path / "model.py"
    for width in ("2", "3"):
        path.write_text(SOURCE.replace("Linear(2, 3)", f"Linear({width}, 3)"), encoding="utf-8")
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert load_model(f"{path}:build")[0].in_features == int(width)
    assert [one.name for one in tmp_path.iterdir()] == ["model.py"]


def test_part_of_the_data(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.arange(12).reshape(6, 2), y=np.arange(6))
    x, y = load_data(path, most=3)
    np.testing.assert_array_equal(x, [[0, 1], [4, 5], [8, 9]])
    np.testing.assert_array_equal(y, [0, 2, 4])
    with pytest.raises(NhotError, match="Split must be one of train, not 'test'"):
        load_data(path, split="test")


def test_samples_alone_have_no_labels(tmp_path):
    samples = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "data.npy", samples)
    x, y = load_data(tmp_path / "data.npy")
    np.testing.assert_array_equal(x, samples)
    assert y is None
    with pytest.raises(NhotError, match=r"absent.npz' must exist, and does not"):
        load_data(tmp_path / "absent.npz")


def test_to_integers():
    tensor = Tensor(name="x", shape=(1, 2, 3), signed=True, scale=0.5, zero_point=-3)
    x = np.array([0.0, 0.24, 0.25, -0.25, 1e30, -1e30]).reshape(1, 3, 1, 2)
    expected = np.array([-3, -3, -2, -3, 127, -128]).reshape(1, 3, 1, 2).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(to_integers(tensor, x), expected)
    flat = Tensor(name="x", shape=(1, 1, 2), scale=0.5)
    np.testing.assert_array_equal(to_integers(flat, [[1.0, 2.0]]), [[[[2, 4]]]])


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((1, 2, 3, 1)), r"Samples must have shape \(samples, 3, 1, 2\), not"),
    (np.zeros((1, 6)), "Samples must have shape"),
    (np.full((1, 3, 1, 2), np.nan), "Samples must be finite"),
])
def test_bad_samples_are_refused(x, message):
    with pytest.raises(NhotError, match=message):
        to_integers(Tensor(name="x", shape=(1, 2, 3)), x)

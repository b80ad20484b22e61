"""``import nhot``: the steps by name, and nothing heavy before one is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nhot

LIGHT = """
import sys
import nhot
assert nhot.__version__ and set(nhot.__all__) <= set(dir(nhot))
nhot.NhotError
heavy = {"torch", "numpy", "pydantic", "onnx"} & set(sys.modules)
assert not heavy, heavy
nhot.compile_network
assert "torch" not in sys.modules
"""


def test_import_is_light():
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", nhot.__all__)
def test_every_name_is_there(name):
    pytest.importorskip("torch")
    module, _, attribute = nhot._HOMES[name].partition(":")
    assert getattr(nhot, name) is getattr(sys.modules[module], attribute)
    assert getattr(nhot, name).__doc__


def test_type_checkers_see_the_same():
    """They read the imports that are never run."""
    tree = ast.parse(Path(nhot.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body for alias in node.names
    }
    assert seen == nhot._HOMES
    assert sorted(seen) == sorted(nhot.__all__)


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'nhot' has no attribute 'quantise'"):
        _ = nhot.quantise

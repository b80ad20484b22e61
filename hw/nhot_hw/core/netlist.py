"""Verilog that people read: no dead wires, no doubled expressions, plain identifiers."""

import re

from amaranth.back import rtlil
from amaranth.lib import wiring

from nhot_hw.verilog import rtlil_to_verilog, run_passes

__all__ = ["readable_verilog"]

_TIDY = """
proc -norom -noopt
memory_collect
flatten
opt_expr -mux_undef
opt_merge
opt_expr
opt_merge
opt_clean -purge
attrmap -remove hdlname -remove unused_bits
write_rtlil
"""
_PUBLIC = re.compile(r"\\([^\s\"\\]+)(?=\s)")


def readable_verilog(component: wiring.Component, name: str, *, platform: object = None) -> str:
    """The Verilog of ``component`` as one module called ``name``; errors as :func:`to_verilog`."""
    netlist = rtlil.convert(component, name=name, platform=platform, emit_src=False)
    return rtlil_to_verilog(_plain_names(run_passes(netlist, _TIDY, name)), name)


def _plain_names(netlist: str) -> str:
    r"""With ``\lane.stage$9``, which Verilog must escape, as ``\lane_stage_9``."""
    taken = set(_PUBLIC.findall(netlist))
    names: dict[str, str] = {}
    for old in sorted(taken):
        new = re.sub(r"\W+", "_", old, flags=re.ASCII).strip("_")
        if new == old:
            continue
        while new in taken:
            new += "_"
        taken.add(new)
        names[old] = new
    return _PUBLIC.sub(lambda found: "\\" + names.get(found[1], found[1]), netlist)

"""Names that Verilog takes for a module."""

import re

from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = ["RESERVED", "check_name", "identifier"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

# Of IEEE 1800-2017, those of Verilog among them.
RESERVED = frozenset("""
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before
begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class
clocking cmos config const constraint context continue cover covergroup coverpoint cross deassign
default defparam design disable dist do edge else end endcase endchecker endclass endclocking
endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive endprogram
endproperty endsequence endspecify endtable endtask enum event eventually expect export extends
extern final first_match for force foreach forever fork forkjoin function generate genvar global
highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include
initial inout input inside instance int integer interconnect interface intersect join join_any
join_none large let liblist library local localparam logic longint macromodule matches medium
modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or
output package packed parameter pmos posedge primitive priority program property protected pull0
pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence
rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0
rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal
showcancelled signed small soft solve specify specparam static string strong strong0 strong1 struct
super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait wait_order
wand weak weak0 weak1 while wildcard wire with within wor xnor xor
""".split())

# What else lies in the folder, whose files are named by the module.
_TAKEN = frozenset({
    "bench", "ccu2c", "core", "engine", "host", "litex_example", "model", "nhot", "registers",
    "script", "session", "stimulus", "vectors",
})


def check_name(name: str) -> str:
    """Refuse what cannot be the name of a module, of its files and of a package."""
    if not _IDENTIFIER.fullmatch(name) or name in RESERVED or name.lower() in _TAKEN:
        raise NhotError(
            "Name of a core must be a Verilog identifier of at most 64 characters and no reserved "
            f"word, not {shortened(name)}"
        )
    return name


def identifier(text: str) -> str:
    """``text`` with every character that an identifier cannot have replaced."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text.replace("+", "p")).strip("_")

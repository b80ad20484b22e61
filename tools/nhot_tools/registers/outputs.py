"""The files that are made from the registers."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nhot_tools.registers.model import RegisterMap, read_map
from nhot_tools.tree import ROOT

__all__ = ["SOURCE", "generated"]

_PRODUCT = ROOT / "hw/nhot_hw/core/templates/bus"
SOURCE = _PRODUCT / "nhot.rdl"
_FILES = {
    "registers.py.j2": ROOT / "hw/nhot_hw/buses/registers.py",
    "registers.md.j2": ROOT / "docs/registers.md",
    "bench.py.j2": _PRODUCT / "registers.py",
    "nhot.svd.j2": _PRODUCT / "nhot.svd",
}
_HEADER = _PRODUCT / "nhot.h"
_BEGIN, _END = "/* registers: begin */\n", "/* registers: end */\n"


def generated() -> dict[Path, str]:
    """What each file must be, by its path."""
    registers = read_map(SOURCE)
    files = {path: _text(template, registers) for template, path in _FILES.items()}
    before, _, rest = _HEADER.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return files | {_HEADER: before + _BEGIN + _text("nhot.h.j2", registers) + _END + after}


def _text(template: str, registers: RegisterMap) -> str:
    return _TEMPLATES.get_template(template).render(
        map=registers, registers=registers.registers, enumerations=registers.enumerations
    )


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
    undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True,
    autoescape=False,
)

"""What every core has in its folder, whatever it computes."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, Literal

from amaranth.lib import wiring
from jinja2 import Environment, PackageLoader, StrictUndefined

import nhot
from nhot_hw.core.names import check_name
from nhot_hw.core.netlist import readable_verilog
from nhot_hw.core.ports import Port, ports_of

__all__ = ["Family", "Product", "to_json"]

Family = Literal["portable", "ecp5"]


class Product(ABC):
    """A core, and the files that come with it: Verilog, model, bench, package, text.

    A subclass says what the component is and what its bench needs to know, and which folders of
    ``templates`` make its files.

    Parameters
    ----------
    name : str
        Of the Verilog module and of its files.
    family : {"portable", "ecp5"}
        Plain Verilog, or with the carry cells of the ECP5.
    """

    FOLDERS: tuple[str, ...]
    """Of its templates; a file in a later one wins. What begins with ``_`` is part of others."""

    FLAT: bool = False
    """Whether all is to be in one module."""

    title: str
    """What it is, in a line."""

    MEANINGS: Mapping[str, str]
    """A sentence for each port."""

    def __init__(self, name: str, family: Family = "portable"):
        self.name = check_name(name)
        self.family = family

    @abstractmethod
    def create(self) -> wiring.Component:
        """The gateware."""

    @abstractmethod
    def data(self) -> dict[str, str]:
        """Files that model and bench read, by name."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the templates of this kind say."""

    @cached_property
    def component(self) -> wiring.Component:
        """The gateware that all the files tell of."""
        return self.create()

    @cached_property
    def ports(self) -> list[Port]:
        """Of the Verilog module, in the order of its header."""
        return ports_of(self.component, self.MEANINGS)

    @cached_property
    def verilog(self) -> str:
        """The module alone, without its header."""
        return readable_verilog(
            self.component, self.name, platform=_PLATFORMS[self.family], flat=self.FLAT
        )

    def files(self, **more: Any) -> dict[str, bytes]:
        """The content of every file by name; ``more`` is for the templates."""
        data = self.data()
        facts = {
            "name": self.name, "title": self.title, "family": self.family,
            "ports": self.ports, "module": self.verilog, "version": nhot.__version__,
            "sources": [f"{self.name}.v", *(["CCU2C.v"] if self.family == "ecp5" else [])],
            "several": not self.FLAT,
            "stimulus": "stimulus.hex", "measured": (), **self.facts(), **more,
        }
        texts = {
            file.removesuffix(".j2").replace("NAME", self.name): _text(f"{folder}/{file}", facts)
            for folder in self.FOLDERS for file in _files(folder)
        }
        return {file: text.encode() for file, text in (texts | data).items() if text}


def _files(folder: str) -> list[str]:
    paths = [path.removeprefix(f"{folder}/") for path in _TEMPLATES.list_templates()
             if path.startswith(f"{folder}/")]
    return [path for path in paths if not path.startswith("_")]


def _text(path: str, facts: Mapping[str, Any]) -> str:
    """A template filled in; a file without the ending ``.j2`` is none, and taken as it is."""
    if path.endswith(".j2"):
        return _TEMPLATES.get_template(path).render(facts)
    return files("nhot_hw.core").joinpath("templates", path).read_text(encoding="utf-8")


def _comment(text: str) -> str:
    return "\n".join(f"// {line}".rstrip() for line in text.strip().splitlines()) + "\n"


def to_json(values: Mapping[str, Any]) -> str:
    """JSON of an object, a line for each of its members, however long that is."""
    rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


_PLATFORMS = {"portable": None, "ecp5": SimpleNamespace(family="ecp5")}
_TEMPLATES = Environment(
    loader=PackageLoader("nhot_hw.core"), undefined=StrictUndefined, keep_trailing_newline=True,
    trim_blocks=True, lstrip_blocks=True, autoescape=False,
)
_TEMPLATES.filters["comment"] = _comment

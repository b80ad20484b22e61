"""What is made from the registers' description is up to date, and agrees with the rest of nhot."""

import importlib.util
import re
import xml.etree.ElementTree as ElementTree

import pytest
from amaranth.hdl import Signal

from nhot.compiler.image import VERSION
from nhot.contract.program import LIMIT_CYCLES, Fault, Region
from nhot.errors import NhotError
from nhot_hw.buses import registers
from nhot_hw.buses.words import part
from nhot_tools.registers.model import read_map
from nhot_tools.registers.outputs import SOURCE, generated
from nhot_tools.tree import ROOT

MAP = read_map(SOURCE)
FOLDER = SOURCE.parent


@pytest.mark.parametrize("path", sorted(generated()), ids=lambda path: path.name)
def test_what_is_made_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == generated()[path], "make registers"


def test_enumerations_are_those_of_the_contract():
    values = {one.name: {name: value for name, value, _ in one.members}
              for one in MAP.enumerations}
    assert values["region"] == {one.name: one.value for one in Region}
    assert values["fault"] == {one.name: one.value for one in Fault}


def test_fields_hold_what_the_contract_has():
    image = next(field for one in MAP.registers for field in one.fields if field.name == "image")
    assert image.reset == VERSION
    limit = next(one for one in MAP.registers if one.name == "LIMIT")
    assert f"{LIMIT_CYCLES:,}" in limit.fields[0].meaning


def test_registers_lie_apart_and_fields_within_them():
    offsets = [one.offset for one in MAP.registers]
    assert offsets == sorted(set(offsets))
    assert not any(offset % 4 for offset in offsets)
    for one in MAP.registers:
        assert sum(field.width for field in one.fields) <= 32


def test_gateware_takes_a_field_and_no_more():
    for register, fields in registers.FIELDS.items():
        for name, (_, width) in fields.items():
            assert len(part(register, name, Signal(32))) == width


def test_svd_has_every_register_and_field():
    (peripheral,) = ElementTree.parse(FOLDER / "nhot.svd").iter("peripheral")
    found = {
        one.findtext("name"): (
            int(one.findtext("addressOffset"), 16),
            {field.findtext("name"): (int(field.findtext("bitOffset")),
                                      int(field.findtext("bitWidth")))
             for field in one.iter("field")},
        ) for one in peripheral.iter("register")
    }
    assert found == {
        one.name: (one.value, registers.FIELDS[one]) for one in registers.Register
    }


def test_bench_has_what_the_gateware_has():
    spec = importlib.util.spec_from_file_location("bench_registers", FOLDER / "registers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for one in registers.Register:
        assert getattr(module, one.name) == one
        assert module.FIELDS[one] == registers.FIELDS[one]
    assert sorted(module.READABLE) == sorted(registers.READABLE)
    assert sorted(module.WRITABLE) == sorted(registers.WRITABLE)
    for one in (registers.Phase, registers.Refusal):
        for member in one:
            assert getattr(module, f"{one.__name__.upper()}_{member.name}") == member


def test_page_has_a_heading_for_each():
    text = (ROOT / "docs/registers.md").read_text(encoding="utf-8")
    assert re.findall(r"^## ([A-Z_]+)$", text, re.MULTILINE) == [
        one.name for one in registers.Register
    ]


def test_unsound_description_is_refused(tmp_path, capsys):
    (tmp_path / "x.rdl").write_text("addrmap x { reg { field {} a[33]; } R; };", encoding="utf-8")
    with pytest.raises(NhotError, match=r"Registers 'x\.rdl' must be sound SystemRDL"):
        read_map(tmp_path / "x.rdl")
    capsys.readouterr()

# amaranth: UnusedElaboratable=no
"""Verilog: reproducible, and the same names every time."""

import os
import subprocess
import sys

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from nhot.errors import BuildError, MissingToolError, NhotError
from nhot_hw import verilog
from nhot_hw.verilog import port_names, rtlil_to_verilog, to_verilog


class Register(wiring.Component):
    i: In(stream.Signature(signed(8)))
    o: Out(stream.Signature(signed(8)))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=4, init=[1, 2, 3, 4])
        port = memory.read_port()
        m.d.comb += [port.addr.eq(self.i.payload), self.i.ready.eq(self.o.ready | ~self.o.valid)]
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        m.d.comb += Signal(8, name="unused").eq(port.data)
        return m


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))


def test_ports_are_flattened_and_named():
    text = to_verilog(Register(), "register_8")
    assert set(port_names(text, "register_8")) == {
        "clk", "rst", "i__payload", "i__valid", "i__ready", "o__payload", "o__valid", "o__ready",
    }


def test_text_has_no_paths_and_no_attributes():
    text = to_verilog(Register(), "top")
    assert __file__ not in text
    assert "/site-packages/" not in text
    assert "(*" not in text


def test_text_is_the_same_in_another_process(tmp_path):
    text = to_verilog(Register(), "top")
    program = (
        "import runpy, sys; from nhot_hw.verilog import to_verilog;"
        f"component = runpy.run_path({__file__!r})['Register']();"
        "sys.stdout.write(to_verilog(component, 'top'))"
    )
    environment = {
        **os.environ, "NHOT_CACHE_DIR": str(tmp_path / "other"), "PYTHONHASHSEED": "77",
    }
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True,
        env=environment, cwd=tmp_path,
    )
    assert run.stdout == text


def test_second_call_reads_the_cache(monkeypatch):
    text = to_verilog(Register(), "top")
    monkeypatch.setattr(verilog, "run_passes", lambda *_: pytest.fail("must come from the cache"))
    assert to_verilog(Register(), "top") == text


def test_another_yosys_changes_nothing(monkeypatch):
    text = to_verilog(Register(), "top")
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "system")
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    monkeypatch.setenv("NHOT_CACHE_DIR", os.environ["NHOT_CACHE_DIR"] + "-other")
    assert to_verilog(Register(), "top") == text


def test_missing_yosys_names_the_install_command(monkeypatch):
    monkeypatch.setattr(verilog, "_YOSYS", "no-such-yosys")
    with pytest.raises(MissingToolError, match="pip install no-such-yosys"):
        to_verilog(Register(), "top")


@pytest.mark.parametrize("name", ["", "8bit", "a b", "x;", None])
def test_bad_names_are_refused(name):
    with pytest.raises(NhotError, match="must be a Verilog identifier"):
        to_verilog(Register(), name)


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="must be an Amaranth component"):
        to_verilog(Module(), "top")


def test_yosys_failure_is_a_build_error():
    with pytest.raises(BuildError, match=r"Yosys failed on cheese: .*syntax error"):
        rtlil_to_verilog("module \\cheese\nend of it", "cheese")


def test_port_names_of_another_module_are_refused():
    with pytest.raises(BuildError, match="must have a module 'other'"):
        port_names("module top(clk);\nendmodule\n", "other")

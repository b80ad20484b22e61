"""The frame of the command line: finding commands, exit codes, one-line errors."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from importlib import metadata
from importlib.metadata import EntryPoint, PackageNotFoundError
from io import StringIO
from types import ModuleType

import pytest

import nhot
from nhot.cli import commands, doctor, main
from nhot.doctor import System
from nhot.errors import BuildError, MismatchError, MissingToolError, NhotError

HEAVY = ("numpy", "torch", "amaranth", "cocotb", "onnx", "matplotlib", "sklearn", "serial")


@pytest.fixture
def command(monkeypatch):
    """A command called ``try`` that does what the test says."""
    module = ModuleType("nhot_try")
    module.HELP = "do what the test says"
    module.add_arguments = lambda parser: parser.add_argument("--json", action="store_true")
    monkeypatch.setitem(sys.modules, "nhot_try", module)
    point = EntryPoint("try", "nhot_try", commands.GROUP)
    monkeypatch.setattr(commands, "find", lambda: {"try": point})

    def behave(action):
        def run(args):
            result = action(args) if callable(action) else action
            if isinstance(result, BaseException):
                raise result
            return result or 0

        module.run = run

    return behave


@pytest.mark.parametrize("arguments", [["--help"], ["compile", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys; from nhot.cli import main; "
        f"code = main({arguments!r}); print(code, *sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in commands.find():
        assert f"\n  {name} " in text
    assert "not available" not in text
    assert "exit codes" in text


@pytest.mark.parametrize("name", commands.find())
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"usage: nhot {name}" in capsys.readouterr().out


def test_a_broken_command_leaves_the_others(command, monkeypatch, capsys):
    point = EntryPoint("gone", "nhot_is_not_there", commands.GROUP)
    monkeypatch.setattr(commands, "find", lambda: {"gone": point})
    assert main(["--help"]) == 0
    assert "gone  (not available" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nhot {nhot.__version__}\n"


def test_output_may_be_any_stream():
    with redirect_stdout(StringIO()) as output:
        assert main(["--version"]) == 0
    assert output.getvalue() == f"nhot {nhot.__version__}\n"


def test_one_of_several_processes_leaves_at_once(monkeypatch, capsys):
    """As torchrun starts them, by name of the package; alone it ends as Python ends."""
    def leave(code):
        raise ChildProcessError(code, capsys.readouterr().out)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "argv", ["nhot", "--version"])
    monkeypatch.delitem(sys.modules, "nhot.__main__", raising=False)
    with pytest.raises(SystemExit) as alone:
        runpy.run_module("nhot", run_name="__main__")
    assert alone.value.code == 0
    assert capsys.readouterr().out
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ChildProcessError) as left:
        runpy.run_module("nhot", run_name="__main__")
    assert left.value.args == (0, f"nhot {nhot.__version__}\n")
    runpy.run_module("nhot.__main__", run_name="imported")
    assert not capsys.readouterr().out


def test_no_command_is_wrong_use(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert not captured.out
    assert "COMMAND" in captured.err


def test_mistyped_command_gets_a_hint(capsys):
    assert main(["compil"]) == 2
    assert "did you mean compile or compare?" in capsys.readouterr().err
    assert main(["zzzzzz"]) == 2
    assert "doctor" in capsys.readouterr().err


def test_unknown_option_is_wrong_use(command, capsys):
    command(0)
    assert main(["try", "--nothing"]) == 2
    assert main(["--nothing", "try"]) == 2
    assert "--nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NhotError("A must be B,\nnot C"), 2, "A must be B, not C"),
        (MismatchError("differs"), 1, "differs"),
        (MissingToolError("no tool"), 3, "no tool"),
        (BuildError("no luck"), 4, "no luck"),
        (FileNotFoundError(2, "No such file or directory", "x"), 2, "x: No such file or directory"),
        (PermissionError(13, "Permission denied", "y"), 2, "y: Permission denied"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 3, "nhot[quant]"),
        (ModuleNotFoundError("No module named 'abacus'", name="abacus"), 3, "No module named 'ab"),
        (OSError("the disk is gone"), 2, "error: the disk is gone"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_failures_are_one_line(command, capsys, error, code, text):
    command(error)
    assert main(["try"]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("nhot: ")
    assert text in lines[0]


def test_traceback_on_demand(command, capsys):
    command(NhotError("A must be B"))
    assert main(["-v", "try", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_is_not_a_mismatch(command, capsys):
    command(ZeroDivisionError("oops"))
    assert main(["try"]) == 70
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert "defect" in error.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "verbosity"),
    [(["try"], 0), (["-v", "try"], 1), (["try", "-vv"], 2), (["-v", "try", "-v"], 2),
     (["-q", "try"], -1), (["try", "-qv"], 0)],
)
def test_verbosity_is_counted_on_both_sides(command, arguments, verbosity):
    seen = []
    command(lambda args: seen.append(args.verbosity))
    assert main(arguments) == 0
    assert seen == [verbosity]


def test_a_command_returns_its_exit_code(command):
    command(1)
    assert main(["try"]) == 1


def test_reader_that_stops_is_no_failure():
    code = "from nhot.cli import main; raise SystemExit(main(['doctor', '--json']))"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=closed, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 0
    assert done.stderr == b""


def test_doctor_lists_what_is_there(capsys):
    assert main(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    versions = {entry["name"]: entry["version"] for entry in data["findings"]}
    assert versions["python"]
    assert versions["numpy"]
    assert {"torch", "amaranth", "cocotb", "g++", "iverilog"} <= set(versions)


def test_doctor_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "sudo apt-get install iverilog" in text
    assert "missing: " in text
    assert main(["doctor", "--strict"]) == 3


def findings(capsys):
    assert main(["doctor", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    return {entry["name"]: entry["version"] for entry in data["findings"]}, data["ports"]


def test_doctor_misses_a_package(monkeypatch, capsys):
    def version(name):
        if name == "torch":
            raise PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(metadata, "version", version)
    versions, _ = findings(capsys)
    assert (versions["torch"], versions["numpy"]) == ("", "1.2")


@pytest.mark.parametrize(("error", "version"), [
    (OSError(8, "Exec format error"), ""),
    (subprocess.TimeoutExpired("iverilog", 20), "present"),
])
def test_doctor_and_a_program_that_says_nothing(monkeypatch, capsys, error, version):
    def run(command, **_):
        raise OSError if command[0] == "g++" else error

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    versions, _ = findings(capsys)
    assert (versions["iverilog"], versions["lz4 and zlib"]) == (version, "")


def test_doctor_without_serial_ports(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(doctor, "SYSTEM", System(tmp_path))
    assert findings(capsys)[1] == []
    assert main(["doctor"]) == 0
    assert "no serial port found (--port virtual needs none)" in capsys.readouterr().out

"""Nothing is printed raw: names, paths and values come out visible, in any locale."""

import ast
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nhot.cli import commands, doctor, main
from nhot.cli.output import print_json, print_table
from nhot.doctor import Check, Problem, SerialPort, tools
from nhot.errors import NhotError
from nhot.progress import Progress

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for root in ("sw/nhot", "hw/nhot_hw", "sim/nhot_sim")
    for path in (ROOT / root).rglob("*.py")
)
NASTY = "a\x1b[31m\x07\r\u202eb\x9b\x7f"
ESCAPED = r"a\x1b[31m\x07\r\u202eb\x9b\x7f"
MANIFEST = ROOT / "bitstreams/icebreaker/2hot/manifest.json"


def check_clean(text):
    assert all(line.isprintable() for line in text.split("\n")), ascii(text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_all_text_goes_through_one_function(path):
    if path.name == "printable.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        bare = called in {"print", "sys.stdout.write", "sys.stderr.write", "traceback.print_exc"}
        json_text = path.name == "output.py" and "json.dumps" in ast.unparse(node)
        assert not bare or json_text, f"line {node.lineno}: {called}"


def test_tables_stay_aligned(capsys):
    print_table(("name", "n"), [(NASTY, 1), ("x", 22)], ("n",))
    first, second, third = capsys.readouterr().out.splitlines()
    assert second == f"{ESCAPED}   1"
    assert len(first) == len(second) == len(third)


def test_json_is_visible_ascii(capsys):
    print_json({NASTY: NASTY + "\ud800é"})
    out = capsys.readouterr().out
    assert out.isascii()
    check_clean(out)
    assert json.loads(out) == {NASTY: NASTY + "\ud800é"}


def test_progress_and_log(capsys):
    times = iter(range(0, 100, 5))
    with Progress(NASTY, 2, unit=NASTY, clock=lambda: next(times)) as progress:
        progress.step()
    error = capsys.readouterr().err
    assert error.count(ESCAPED) == 3
    check_clean(error)
    main(["doctor", "--json", "-v"])  # sets up the log
    capsys.readouterr()
    logging.getLogger("nhot").warning("%s\nnext", NASTY)
    assert capsys.readouterr().err == rf"{ESCAPED}\nnext" + "\n"


@pytest.mark.parametrize("error", [NhotError, RuntimeError])
@pytest.mark.parametrize("verbose", [[], ["-vv"]])
def test_errors(error, verbose, monkeypatch, capsys):
    def fail(args):
        raise error(f"It must be x, not {NASTY}")

    monkeypatch.setattr(doctor, "run", fail)
    assert main(["doctor", *verbose]) == (2 if error is NhotError else 70)
    text = capsys.readouterr().err
    check_clean(text)
    assert text.count("\n") == 1 or error is RuntimeError or verbose


def test_arguments(capsys):
    for arguments in ([NASTY], ["info", NASTY], ["info", "x", f"--{NASTY}"], [f"-{NASTY}", "info"],
                      ["doctor", NASTY], ["compile", NASTY, "--board", NASTY],
                      ["report", NASTY], ["study", NASTY, "--table", NASTY]):
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert err
        check_clean(out + err)


@pytest.mark.parametrize("name", sorted(set(commands.find()) - {"doctor", "demo", "bench"}))
def test_every_command_refuses_such_paths_in_one_line(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    needed = {
        "load": ["--port", NASTY], "run": ["--port", NASTY, "--input", NASTY],
        "mlperf": ["--network", NASTY, "--port", NASTY],
        "serve": ["--network", NASTY, "--port", NASTY],
        "simulate": ["--input", NASTY], "quantize": ["--data", NASTY, "-o", NASTY],
        "train": ["--data", NASTY, "-o", NASTY], "verilog": ["--board", NASTY, "-o", NASTY],
        "build": ["--board", NASTY], "compile": ["--board", "icebreaker"],
        "patch": [NASTY, "-o", "new"],
        "core": ["--format", NASTY, "-o", "new"], "evaluate": ["--data", NASTY],
        "compare": [NASTY, "--data", NASTY], "export": ["-o", "new.onnx"],
        "explore": ["--model", NASTY, "--data", NASTY, "-o", "new"],
    }
    first = [] if name in {"core", "verilog", "build", "explore"} else [NASTY]
    assert main([name, *first, *needed.get(name, [])]) == 2
    out, err = capsys.readouterr()
    check_clean(out + err)
    assert err.count("\n") == 1 or "usage" in err
    assert r"a\x1b[31m\x07" in err
    assert not list(tmp_path.iterdir())


def test_a_manifest_and_a_path_are_shown_escaped(tmp_path, capsys):
    values = json.loads(MANIFEST.read_text(encoding="utf-8"))
    values |= {"board": NASTY, "tools": {NASTY: NASTY}, "file": NASTY}
    path = tmp_path / f"{NASTY}.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count(ESCAPED) == 5
    check_clean(out)


def test_the_list_of_tools(monkeypatch, capsys):
    problem = Problem(what=NASTY, cure=NASTY)
    port = SerialPort(port=NASTY, description=NASTY, usb=NASTY, interface=1, latency_ms=16,
                      access="no", problems=(problem,))
    monkeypatch.setattr(doctor, "serial_ports", lambda _: [port])
    monkeypatch.setattr(doctor, "programmers", lambda _: [
        Check(name=NASTY, state=NASTY, problems=(problem,))])
    monkeypatch.setattr(tools, "_program_version", lambda *_: NASTY)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.count(ESCAPED) == 3 + 2 + 2 + 2 + 5
    check_clean(out)


def test_any_locale_and_any_bytes_in_a_path(tmp_path):
    """Standard output that takes ASCII alone, and a path that is not UTF-8."""
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    values = {**manifest, "board": "é×\u202e", "file": "\x1b"}
    name = os.fsencode(tmp_path) + b"/\xff\x1b.json"
    Path(os.fsdecode(name)).write_text(json.dumps(values), encoding="utf-8")
    places = {"LC_ALL": "C", "LANG": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
              "PYTHONIOENCODING": "ascii"}
    for arguments in ([b"info", name], [b"report", name], [b"compile", b"--help"], [b"--help"],
                      [b"info", name + b"x"]):
        done = subprocess.run(
            [sys.executable, "-m", "nhot", *arguments], env=os.environ | places,
            capture_output=True, check=False,
        )
        assert done.returncode == (2 if name + b"x" in arguments or b"report" in arguments else 0)
        assert done.stdout.isascii()
        assert done.stderr.isascii()
        check_clean(done.stdout.decode() + done.stderr.decode())
        assert b"Traceback" not in done.stderr

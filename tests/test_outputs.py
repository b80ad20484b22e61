"""Output that cannot be written is found before the work, by every command and every option."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

import pytest

from nhot.cli import commands, main
from nhot.cli.output import OutputFile, OutputFolder
from nhot.errors import NhotError
from nhot.files import check_files, check_folder, write_atomically, write_folder

INPUTS = {
    "--weights", "--engine", "--config", "--input", "--network", "--table", "--data", "--labels",
    "--models",
    "image", "network", "report", "file", "bitstream",
}
"""What names a file or folder that is read; all else that is a path is an output."""


def options(name: str):
    """The arguments of a command: their last name, and the action."""
    parser = ArgumentParser()
    commands.load(name).add_arguments(parser)
    for action in parser._actions:
        yield action.option_strings[-1] if action.option_strings else action.dest, action


OUTPUTS = [
    (name, option, type(action))
    for name in commands.find() for option, action in options(name)
    if isinstance(action, OutputFile | OutputFolder)
]

FILES = {
    "": "it has no name",
    ".": "it is a folder",
    "folder": "it is a folder",
    "folder/": "it is a folder",
    "./new/": "it is a folder",
    "absent/./x": "there is no folder 'absent/.'",
    "file/x": "file' is not a folder",
    "nowhere": "there is no folder",
    "loop": "",
    "x" * 300: "File name too long",
    "/proc/x": "",
    "locked": "it is read-only",
    "folder/\0": "embedded null byte",
}
"""Names of files that cannot be written, and why."""

FOLDERS = {
    "": "it has no name",
    "file": "file' is not a folder",
    "./file/x/y": "file' is not a folder",
    "loop": "",
    "x" * 300: "File name too long",
    "/proc/x": "",
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for name in ("file", "locked"):
        Path(name).touch()
    Path("nowhere").symlink_to("absent/x")
    Path("loop").symlink_to("loop")
    real = os.access  # an administrator may write to everything
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "locked" and real(path, mode)
    )
    return tmp_path


def found(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("name", commands.find())
def test_every_path_is_an_input_or_an_output(name):
    for option, action in options(name):
        assert action.type is not Path or option in INPUTS, option


def test_every_command_that_writes_is_here():
    assert {name for name, _, _ in OUTPUTS} >= {
        "train", "quantize", "compile", "simulate", "run", "bench", "study", "report", "build",
        "verilog", "demo", "core", "patch",
    }


@pytest.mark.parametrize(("name", "option", "kind"), OUTPUTS)
def test_output_that_cannot_be_written(name, option, kind, place, monkeypatch, capsys):
    monkeypatch.setattr(commands.load(name), "run", lambda _: pytest.fail("the work was begun"))
    before = found(place)
    bad = FILES if kind is OutputFile else FOLDERS
    for path, reason in bad.items():
        assert main([name, option, path]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        what = "File" if kind is OutputFile else "Folder"
        assert line.startswith(f"nhot: error: {what} {path!r} must be one that can be written, but")
        assert reason in line
        assert captured.out == ""
    assert found(place) == before


@pytest.mark.parametrize(("name", "default"), [
    ("build", "build"), ("demo", "build/demo"), ("fuzz", "build/fuzz"),
])
def test_output_that_nobody_named(name, default, capsys):
    Path("build").touch()
    if name in commands.find():
        assert main([name, *(["--board", "icebreaker"] if name == "build" else [])]) == 2
        assert f"Folder {default!r} must be one that can be written" in capsys.readouterr().err


def test_what_can_be_written(place):
    Path("link").symlink_to("folder/made")  # to what is not there yet
    os.mkfifo("pipe")
    before = found(place)
    check_files("new", "file", "folder/new", "link", "pipe", "/dev/null", "x" * 255, None)
    for folder in (".", "folder", "new", "new/deep", "folder/new"):
        check_folder(folder)
    assert found(place) == before
    write_atomically("link", b"1")
    write_atomically("x" * 255, b"1")
    assert Path("folder/made").read_bytes() == b"1"


@pytest.mark.parametrize("path", ["folder", "folder/", ".", "nowhere"])
def test_a_new_folder_is_not_there_yet(path, place):
    before = found(place)
    with pytest.raises(NhotError, match="must be one that can be written, but: it is there"):
        write_folder(path, {"a": b"1"})
    assert found(place) == before


def test_a_folder_is_written_whole_or_not_at_all(place, monkeypatch):
    write_folder("new/deep", {"b": b"2", "a": b"1"})
    assert [path.name for path in found(place / "new")] == ["deep", "a", "b"]
    before = found(place)
    real = Path.write_bytes

    def full(path, content):
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(NhotError, match="Folder 'other' could not be written: No space left"):
        write_folder("other", {"a": b"1", "b": b"2"})
    assert found(place) == before


def test_a_pipe_is_written_and_stays_one():
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically("pipe", b"some bytes")
    assert os.read(reader, 100) == b"some bytes"
    os.close(reader)
    assert Path("pipe").is_fifo()
    assert not list(Path().glob(".nhot-*"))


def test_a_folder_that_takes_no_files(monkeypatch):
    """As it is for one who is not the administrator."""
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    for check, path in ((check_files, "folder/x"), (check_folder, "folder"), (check_folder, "x")):
        with pytest.raises(NhotError, match=f"{path}' must be .* written, but: Permission denied"):
            check(path)

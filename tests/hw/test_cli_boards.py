"""``nhot boards``: what it says is what compiler, manifests and platforms have."""

import json
import re

import pytest

from nhot.bitstream import Manifest
from nhot.cli import main
from nhot.cli.ports import open_port
from nhot.compiler import compile_network
from nhot.compiler.estimates import estimate
from nhot.compiler.targets import BOARDS, target
from nhot.errors import NhotError
from nhot.experiments.tiny import TINY, tiny_network
from nhot.report.collect import bitstreams


def facts(capsys, *names):
    assert main(["boards", *names, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_list_has_every_board_with_its_default_engine(capsys):
    every = facts(capsys)
    assert [one["name"] for one in every] == list(BOARDS)
    for one in every:
        board = BOARDS[one["name"]]
        (engine,) = one["engines"]
        assert engine["configuration"] == board.default
        assert one["luts"] == board.fpga.luts
        if not board.vendor_tool:
            assert engine["block_memories"] <= board.fpga.block_memories
    assert main(["boards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : len(BOARDS) + 1]] == list(BOARDS)


def test_cells_are_those_of_the_manifests_or_estimates(capsys):
    engines = {one["name"]: one["engines"][0] for one in facts(capsys)}
    built = {one.board: one for one in bitstreams()
             if one.configuration == BOARDS[one.board].default}
    assert {"icebreaker", "ulx3s-85f"} <= built.keys()
    for name, engine in engines.items():
        if name in built:
            manifest: Manifest = built[name]
            assert engine["figures"] == "manifest"
            assert engine["luts"] == manifest.resources["lut4"].used
            assert engine["fmax_mhz"] == manifest.engine_clock.fmax_mhz
        elif BOARDS[name].vendor_tool:
            assert (engine["luts"], engine["figures"]) == (None, "untested")
        elif BOARDS[name].family == "gowin":
            assert (engine["luts"], engine["figures"]) == (None, "none")
        else:
            found = estimate(target(name).config, name)
            assert (engine["luts"], engine["figures"]) == (found.luts, "estimate")


def test_rates_are_clocks_over_cycles(capsys):
    """Of what an engine holds, as the compiler has it; nothing of the others."""
    (small,) = facts(capsys, "icebreaker")["engines"][:1]
    assert small["inferences_per_s"] == dict.fromkeys(TINY)
    engines = facts(capsys, "ulx3s-85f")["engines"]
    assert [one["configuration"] for one in engines] == list(BOARDS["ulx3s-85f"].configurations)
    held = {one["configuration"]: one["inferences_per_s"] for one in engines}
    assert None not in held["2hot-256"].values()
    assert held["2hot"]["ad"] is held["2hot"]["vww"] is None
    chosen = target("ulx3s-85f", "2hot")
    image = compile_network(tiny_network("kws", "2hot", terms=2), chosen.config)
    cycles = sum(layer.cycles for layer in image.meta.layers)
    assert held["2hot"]["kws"] == pytest.approx(60e6 / cycles, abs=0.1)


@pytest.mark.parametrize(("name", "holds"), [("ulx3s-25f", {"kws"}), ("ulx3s-45f", {"ic", "kws"})])
def test_engines_hold_the_networks_that_they_are_made_for(name, holds, capsys):
    (engine,) = facts(capsys, name)["engines"]
    held = {network for network, speed in engine["inferences_per_s"].items() if speed is not None}
    assert held >= holds


@pytest.mark.parametrize(("name", "pins"), [
    ("arty-a7-35t", {"clock": "E3", "uart.rx": "A9", "uart.tx": "D10", "flash.clk": "L16"}),
    ("orangecrab", {"clock": "A9", "uart.rx": "N17", "uart.tx": "M18", "flash.cs": "U17"}),
    ("tangnano20k", {"clock": "4", "uart.rx": "70", "flash.clk": "59"}),
])
def test_one_board(name, pins, capsys):
    assert facts(capsys, name)["pins"].items() >= pins.items()
    assert main(["boards", name]) == 0
    text = capsys.readouterr().out
    for pin, site in pins.items():
        assert f"{pin} {site}" in text
    assert f"openFPGALoader -b {BOARDS[name].loader}" in text
    assert BOARDS[name].remark in text


def test_of_a_board_that_nothing_was_built_for_nothing_is_claimed(capsys):
    """Though other boards come with its engine, and have figures."""
    (engine,) = facts(capsys, "arty-a7-35t")["engines"]
    unknown = ("luts", "block_memories", "fmax_mhz")
    assert [engine[name] for name in unknown] == [None] * len(unknown)
    assert engine["inferences_per_s"] == dict.fromkeys(TINY)
    assert engine["figures"] == "untested"
    assert target("arty-a7-35t").config == target("ulx3s-25f").config
    for names in ((), ("arty-a7-35t",)):
        assert main(["boards", *names]) == 0
        text = capsys.readouterr().out
        assert re.search(r"2hot +60 +32 +65,?536 +untested *$", text, re.MULTILINE)


def test_a_board_that_the_loader_does_not_know_says_what_does(capsys):
    assert main(["boards", "icesugar"]) == 0
    text = capsys.readouterr().out
    assert "openFPGALoader" not in text
    assert "icesprog" in text


def test_an_unknown_board_is_refused(capsys):
    assert main(["boards", "tangnano"]) == 2
    assert "not 'tangnano' (did you mean tangnano9k?)" in capsys.readouterr().err


def test_a_virtual_board_is_refused_an_engine_that_it_does_not_come_with():
    config = target("ulx3s-85f").config
    with pytest.raises(NhotError, match=(
        "for an engine that icebreaker comes with .2hot, signed-binary, signed-binary-large., "
        f"not for {config.target_id:#010x}"
    )), open_port("virtual:icebreaker", config):
        pass
    with pytest.raises(NhotError, match="Board must be one of"), open_port("virtual:", config):
        pass

# amaranth: UnusedElaboratable=no
"""Targets, clock generators, and what a board's top is made of."""

import json
import re
from dataclasses import replace
from importlib import import_module

import pytest
from amaranth.build import ResourceError
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import nhot.boards
import nhot_hw.boards
from nhot.boards import MODULES
from nhot.cli.clock import known_clock
from nhot.compiler.targets import BOARDS, Target, board, target
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot_hw.boards import make_platform
from nhot_hw.boards.flash import connect_flash
from nhot_hw.build.plan import elaborate, plan_build
from nhot_hw.build.sources import register_map, write_sources
from nhot_hw.families import FAMILIES
from nhot_hw.io import FlashPins

EVERY = [(name, configuration) for name in BOARDS for configuration in BOARDS[name].configurations]


class StandIn(wiring.Component):
    """Something small with the ports of an engine."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        count = Signal(12)
        m.d.sync += [count.eq(count + 1), self.tx.eq(self.rx ^ count[-1])]
        return m


def files(chosen, engine):
    """Netlist and constraints of a top with a stand-in."""
    made = elaborate(chosen, make_platform(chosen.board), engine)
    return made["top.il"], made[f"top.{FAMILIES[board(chosen.board).family].constraints}"]


@pytest.mark.parametrize(("name", "configuration"), EVERY)
def test_every_target_is_whole(name, configuration):
    chosen = target(name, configuration)
    assert (chosen.board, chosen.configuration) == (name, configuration)
    assert chosen.clock_hz % chosen.baud == 0
    # Named by the format; beside the first of a format, by the lanes' inputs as well.
    config = chosen.config
    other = "large" if config.single_port else config.macs  # in large memories
    assert configuration in (config.format, f"{config.format}-{other}")


@pytest.mark.parametrize(("name", "configuration"), EVERY)
def test_memories_of_every_engine_fill_those_of_luts(name, configuration):
    """Of 16 words each, the smallest that there are."""
    config = target(name, configuration).config
    sizes = {name: size for name, size in config.sizes().items() if name.endswith("_words")}
    assert [name for name, size in sizes.items() if size % 16] == []


def test_first_configuration_is_the_default():
    assert target("icebreaker") == target("icebreaker", "2hot")
    assert board("ulx3s-85f").default == "2hot"


def test_targets_of_all_engines_differ():
    """And boards with the same engine run the same images."""
    configs = {target(*names).config for names in EVERY}
    assert len({config.target_id for config in configs}) == len(configs)


def test_of_boards_with_the_same_engine_one_that_nhot_builds_for_is_first():
    """Which images and hints name, and at whose clock times are told."""
    vendors = [bool(one.vendor_tool) for one in BOARDS.values()]
    assert vendors == sorted(vendors)
    assert {False, True} == set(vendors)
    shared = target("arty-a7-35t").config
    first = next(one for one in EVERY if target(*one).config == shared)
    assert not BOARDS[first[0]].vendor_tool
    assert known_clock(None, shared) == target(*first).clock_hz


def test_unknown_names_are_answered_with_the_known_ones():
    names = r"icebreaker, .*, ulx3s-85f, arty-a7-35t, not 'ulx3s' \(did you mean ulx3s"
    with pytest.raises(NhotError, match=names):
        target("ulx3s")
    known = "2hot, signed-binary, signed-binary-large"
    with pytest.raises(NhotError, match=f"of icebreaker must be one of {known}, not '9"):
        target("icebreaker", "9hot")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"board": "none"}, "Board must be one of"),
        ({"configuration": "../x"}, "Configuration name must be"),
        ({"configuration": ""}, "Configuration name must be"),
        ({"clock_hz": 0}, "Engine clock must be"),
        ({"clock_hz": 12e6}, "Engine clock must be"),
        ({"clock_hz": 999_999}, "Engine clock must be 1 to 400 MHz, not 999999 Hz"),
        ({"clock_hz": 400_000_001}, "Engine clock must be 1 to 400 MHz, not 400000001 Hz"),
    ],
)
def test_bad_targets_are_refused(change, message):
    with pytest.raises(NhotError, match=message):
        replace(target("icebreaker"), **change)


@pytest.mark.parametrize("clock_hz", [1_000_000, 400_000_000])
def test_clocks_at_their_limits(clock_hz):
    assert replace(target("icebreaker"), clock_hz=clock_hz).clock_hz == clock_hz


def test_target_without_a_config_is_refused():
    with pytest.raises(TypeError, match="must be an EngineConfig"):
        Target(board="icebreaker", configuration="x", clock_hz=12_000_000, config={})


@pytest.mark.parametrize(
    ("name", "pins", "clock_cell"),
    [
        ("arty-a7-35t", {"E3", "A9", "D10"}, "PLLE2_BASE"),
        ("colorlight-i5", {"P3", "H18", "J17"}, "EHXPLLL"),
        ("colorlight-i9", {"P3", "H18", "J17"}, "EHXPLLL"),
        ("ecpix-5", {"K23", "R26", "R24"}, "EHXPLLL"),
        ("icebreaker", {"6", "9", "35"}, "SB_PLL40_PAD"),
        ("icepi-zero", {"M1", "K16", "K15"}, "EHXPLLL"),
        ("icesugar", {"4", "6", "35"}, "SB_PLL40_PAD"),
        ("orangecrab", {"A9", "N17", "M18"}, "EHXPLLL"),
        ("tangnano20k", {"4", "70", "69"}, "rPLL"),
        ("tangnano9k", {"52", "18", "17"}, "rPLL"),
        ("ulx3s-25f", {"M1", "L4", "G2"}, "EHXPLLL"),
        ("ulx3s-45f", {"M1", "L4", "G2"}, "EHXPLLL"),
        ("ulx3s-85f", {"M1", "L4", "G2"}, "EHXPLLL"),
    ],
)
def test_top_has_the_serial_port_and_the_clock(name, pins, clock_cell):
    fast = replace(target(name), clock_hz=2 * BOARDS[name].input_hz)
    netlist, constraints = files(fast, StandIn())
    sites = re.findall(r'(?:SITE "|set_io \S+ |IO_LOC "\S+" |y LOC )(\w+)', constraints)
    assert set(sites) == pins
    assert f"\\{clock_cell} " in netlist


@pytest.mark.parametrize("name", BOARDS)
def test_no_pll_at_the_frequency_of_the_oscillator(name):
    plain = replace(target(name), clock_hz=BOARDS[name].input_hz)
    netlist, _ = files(plain, StandIn())
    assert "PLL" not in netlist


@pytest.mark.parametrize("name", BOARDS)
def test_boards_agree_on_the_oscillator(name):
    assert make_platform(name).default_clk_frequency == board(name).input_hz


@pytest.mark.parametrize("file", sorted(set(MODULES.values())))
def test_boards_of_a_file_are_those_of_its_twin(file):
    names = [name for name, module in MODULES.items() if module == file]
    assert list(import_module(f"nhot_hw.boards.{file}").PLATFORMS) == names


def test_a_board_is_found_by_its_file(tmp_path, monkeypatch):
    """One more file in each of the packages is one more board, without a word elsewhere."""
    for package, text in ((nhot.boards, """
from dataclasses import replace
from nhot.boards.icebreaker import BOARDS as OTHERS
BOARDS = (replace(OTHERS[0], name="mine", title="My own"),)
"""), (nhot_hw.boards, """
from nhot_hw.boards.icebreaker import ICEBreaker
PLATFORMS = {"mine": ICEBreaker}
""")):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "my_own.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    found = nhot.boards.find_boards()
    assert list(found) == sorted({*MODULES.values(), "my_own"})
    (mine,) = found["my_own"]
    monkeypatch.setitem(BOARDS, "mine", mine)
    monkeypatch.setitem(MODULES, "mine", "my_own")
    assert make_platform("mine").default_clk_frequency == mine.input_hz


@pytest.mark.parametrize("name", BOARDS)
def test_flash_has_room_behind_the_bitstream(name):
    flash = BOARDS[name].flash
    assert flash.offset % (64 << 10) == 0
    assert 0 <= flash.offset < flash.size


def test_unknown_platform_is_refused():
    with pytest.raises(NhotError, match="Board must be one of"):
        make_platform("no-such-board")


def test_sources_are_written_the_same_twice(tmp_path):
    chosen = target("ulx3s-85f")
    first = write_sources(chosen, tmp_path / "a", engine=StandIn())
    second = write_sources(chosen, tmp_path / "b", engine=StandIn())
    assert [path.name for path in first] == ["top.v", "top.lpf", "engine.json", "registers.md"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert "/" not in re.sub(r"/\*.*?\*/", "", first[0].read_text(encoding="utf-8"))
    engine = json.loads(first[2].read_text(encoding="utf-8"))
    assert EngineConfig(**engine) == chosen.config


def test_register_map_has_every_region_and_its_size():
    config = EngineConfig(filters=4, inputs=4, weight_words=512, activation_words=1024)
    text = register_map(replace(target("icebreaker"), config=config))
    assert "| 2 | weights | 512 | 14 written, 16 read |" in text
    assert "| 3 | activations | 1,024 | 4 |" in text
    assert "| 2 | WRITE |" in text


class BootingStandIn(StandIn):
    """With the port of a flash, whose answer it sends."""

    flash: Out(FlashPins)

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.comb += self.flash.copi.eq(self.flash.cipo)
        return m


@pytest.mark.parametrize("name", BOARDS)
def test_flash_pins_of_every_board(name):
    """All there are, and on an ECP5 the primitive in place of the clock's."""
    chosen = replace(target(name), boot=True)
    netlist, constraints = files(chosen, BootingStandIn())
    for pin in ("cs", "copi", "cipo"):
        assert re.search(rf"spi_flash(_1x)?_0__{pin}__io", constraints), pin
    has_clock = re.search(r"spi_flash(_1x)?_0__clk__io", constraints) is not None
    assert has_clock != ("USRMCLK" in netlist)
    assert has_clock == (BOARDS[name].family != "ecp5")


def test_a_target_that_boots_has_an_address_and_a_build_of_its_own():
    chosen = target("icebreaker")
    booting = replace(chosen, boot=True)
    assert (chosen.flash_address, booting.flash_address) == (None, 1 << 20)
    assert plan_build(booting).digest != plan_build(chosen).digest


def test_a_platform_without_a_flash_is_refused():
    class Bare:
        def lookup(self, name, number):
            raise ResourceError("none")

    with pytest.raises(NhotError, match=r"must have a SPI flash that .*, not Bare"):
        connect_flash(Module(), Bare(), None)

"""The pages of the engine's parts: pictures are those of simulations, ports those there are."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

import nhot_hw.engine
import nhot_hw.io
from nhot.contract.config import EngineConfig
from nhot.formats import parse
from nhot_hw.core.timing import draw
from nhot_hw.engine import (
    activations,
    argmax,
    array,
    decoder,
    destinations,
    drain,
    feed,
    guard,
    host,
    loader,
    memories,
    operands,
    pacer,
    readout,
    records,
    requantiser,
    role,
    rounder,
    sequencer,
    walker,
    window,
    write_back,
)
from nhot_hw.io import boot, cobs, crc, flash, replay, server, uart
from nhot_hw.stream_register import StreamRegister
from nhot_tools.pictures import __main__ as command
from nhot_tools.pictures.drive import asked, pulse, signed_bytes
from nhot_tools.pictures.record import Trace, record
from nhot_tools.pictures.svg import render
from nhot_tools.pictures.titles import PICTURES, picture

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/engine"
PAGES = sorted(FOLDER.glob("*.md"))
CONFIG = EngineConfig(filters=9, inputs=9, format="ternary", depthwise=True)

# Of each part with a table of ports: one of it.
PARTS = {
    **{part.__name__: (lambda part=part: part(CONFIG)) for part in (
        sequencer.Sequencer, walker.Walker, activations.ActivationMemory, records.RecordMemory,
        feed.Feed, operands.Operands, role.Role, window.WindowUnit, readout.Readout, pacer.Pacer,
        drain.Drain, records.RecordCounter, destinations.DestinationCounter, argmax.ArgMax,
        requantiser.Requantiser, write_back.WriteBack, loader.Loader,
    )},
    **{part.__name__: part for part in (
        guard.Guard, cobs.CobsDecoder, cobs.CobsEncoder, replay.ReplayFifo, crc.SerialCrc,
    )},
    "LaneArray": lambda: array.array_for(CONFIG),
    "WordMemory": lambda: memories.WordMemory(width=8, depth=16),
    "CodeDecoder": lambda: decoder.CodeDecoder(parse("2hot")),
    "Rounder": lambda: rounder.Rounder(replace(CONFIG, activation_terms=2)),
    "StreamRegister": lambda: StreamRegister(8),
    "FlashBoot": lambda: boot.FlashBoot(
        target_id=0, clock_hz=1_000_000, address=0, length_bits=8
    ),
    "FlashReader": lambda: flash.FlashReader(clock_hz=1_000_000),
    "RequestServer": lambda: server.RequestServer(target_id=0),
    "UartReceiver": lambda: uart.UartReceiver(4),
    "UartTransmitter": lambda: uart.UartTransmitter(4),
}
# Parts that are parts of a page's part, take its place, or put parts together.
NO_TABLE = {
    "BankAddress", "Collector", "Engine", "HostLink", "SinglePortActivations", "SinglePortMemory",
    "SinglePortWeights", "Top",
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_what_the_simulation_gives(name):
    """If not: `make pictures`, and look at it."""
    assert (FOLDER / f"{name}.svg").read_text(encoding="utf-8") == picture(name)


def test_every_picture_is_on_a_page():
    shown = {
        name for page in PAGES
        for name in re.findall(r"!\[[^]]+\]\(([\w-]+)\.svg\)", page.read_text(encoding="utf-8"))
    }
    assert shown == set(PICTURES) == {path.stem for path in FOLDER.glob("*.svg")}


def test_every_page_is_on_the_overview_and_has_its_diagram():
    overview = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"(engine/{page.name})" in overview
        if page.stem != "speed":  # which is no part
            assert "```mermaid\ngraph LR\n" in page.read_text(encoding="utf-8")


def ports_in_tables():
    """By the name of the part: names in the first column of its table."""
    tables = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name, rows in re.findall(r"^\| `(\w+)` \| \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text,
                                     re.MULTILINE):
            assert name not in tables
            tables[name] = re.findall(
                r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", rows, re.MULTILINE))
            )
    return tables


def test_tables_of_ports_have_every_port_once():
    tables = ports_in_tables()
    assert sorted(tables.pop("HostSignature")) == sorted(host.HostSignature.members)
    assert set(tables) == set(PARTS)
    for name, ports in tables.items():
        part = PARTS[name]()
        Fragment.get(part, None)  # Amaranth warns of a part that is not used
        assert sorted(ports) == sorted(part.signature.members), name


def test_every_part_has_a_table():
    parts = set()
    for package in (nhot_hw.engine, nhot_hw.io):
        for path in Path(package.__file__).parent.glob("*.py"):
            parts |= set(re.findall(r"^class (\w+)\(wiring\.Component\)",
                                    path.read_text(encoding="utf-8"), re.MULTILINE))
    assert parts - NO_TABLE == set(PARTS) - {"StreamRegister"}


class Doubler(wiring.Component):
    """Twice its input, a cycle later."""

    i: In(8)
    i_en: In(1)
    o: Out(9)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i << 1)
        return m


def test_a_recording_has_the_cycles_asked_for():
    dut = Doubler()
    rows = record(
        dut, [Trace("i_en"), Trace("o", str), Trace("o[3]"), Trace("i", str, when="i_en")],
        pulse(dut.i_en, 3), asked(dut.o, dut.i, lambda word: word + 1), cycles=3, start=2,
    )
    assert rows == [
        ("cycle", ["2", "3", "4"]), ("i_en", [False, True, False]), ("o", ["2", "2", "6"]),
        ("o[3]", [False, False, False]), ("i", ["", "3", ""]),
    ]


def test_signed_bytes_are_low_first():
    assert signed_bytes(3)(0x7F80FF) == "-1 -128 127"


ROWS = [
    ("cycle", ["0", "1", "2"]), ("i_a", [False, True, True]), ("o_b", ["<1>", "", "2"]),
    ("c", ["long name", "long name", "x"]),
]


def test_a_drawing_has_levels_boxes_and_its_text():
    text = render(ROWS, "A & B")
    assert text == render(ROWS, "A & B")
    assert '<title id="title">A &amp; B</title>' in text
    assert draw(ROWS, width=10).replace("<", "&lt;").replace(">", "&gt;") in text
    assert text.count('class="value out"') == 2  # nothing where nothing is
    assert text.count('class="value inside"') == 2  # what stays is one box
    assert re.search(r'class="level in" d="M\d+ \d+ V\d+ H\d+ V\d+ H\d+"', text)


def boxes(text):
    return [
        (int(left), int(right)) for left, right in
        re.findall(r'class="value \w+" d="M(\d+) \d+ L\d+ \d+ H\d+ L(\d+) ', text)
    ]


def test_texts_have_room_in_their_boxes():
    (left, right), *_ = boxes(render([ROWS[0], ("o", ["0123456789", "1", "2"])], ""))
    assert right - left >= 70


def test_wide_pictures_have_texts_behind_short_boxes():
    cycles = [str(t) for t in range(200)]
    values = ["0123", *[""] * 99, "4567", *[""] * 99]
    text = render([("cycle", cycles), ("o", values)], "")
    (left, right), (after, _) = boxes(text)
    assert text.count('class="behind"') == 2
    assert right - left < 20 < after - right
    assert len(re.findall('class="cycle"', text)) == 40  # each fifth has its number


def test_command_draws_what_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.main(["pacer"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["pacer.svg"]
    assert (tmp_path / "pacer.svg").read_bytes() == (FOLDER / "pacer.svg").read_bytes()
    assert capsys.readouterr().out == "docs/engine/pacer.svg\n"


def test_command_refuses_other_names(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    assert command.main(["pacer", "packer"]) == 2
    error = capsys.readouterr().err
    assert "Picture must be one of guard, sequencer, " in error
    assert error.endswith(", not 'packer'\n")
    assert not list(tmp_path.iterdir())

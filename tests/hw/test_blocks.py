# amaranth: UnusedElaboratable=no
"""Block memories of an engine: its memories are those that are counted, as Yosys counts them."""

import json

import pytest
from amaranth.back import rtlil
from amaranth.lib import memory

from nhot.compiler.blocks import FAMILIES, blocks, lut_memories
from nhot.compiler.targets import board, target
from nhot.contract.config import EngineConfig
from nhot.contract.memories import MemoryShape, memory_shapes
from nhot.report.collect import bitstreams
from nhot_hw.build.tools import run_tool
from nhot_hw.io.accelerator import Top

LIBRARIES = {
    "ecp5": ["+/lattice/lutrams_trellis.txt", "+/lattice/brams_16kd.txt"],
    "gowin": ["+/gowin/lutrams.txt", "+/gowin/brams.txt"],
    "ice40": ["+/ice40/brams.txt"],
}
CELLS = {
    "ecp5": ("$__DP16KD_", "$__PDPW16KD_"),
    "gowin": ("$__GOWIN_SP_", "$__GOWIN_DP_", "$__GOWIN_SDP_"),
    "ice40": ("$__ICE40_RAM4K_",),
}
# Bits, words, parts that are written by themselves: on both sides of every edge.
SHAPES = [
    (8, 512, 1), (32, 257, 1), (32, 2049, 1), (20, 2049, 1), (24, 1040, 1), (40, 1500, 1),
    (100, 513, 1), (256, 2048, 1), (512, 600, 1), (1024, 1024, 1), (12, 3000, 1), (8, 65536, 1),
    (48, 512, 1), (80, 256, 1), (144, 300, 1), (32, 1024, 4), (16, 683, 2), (64, 1366, 8),
    (80, 2049, 10), (128, 4096, 16), (8, 200, 1), (32, 72, 1), (24, 5000, 3),
    *((bits, words + more, 1) for more in (0, 1) for bits, words in (
        (1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512),
        (2, 2048), (4, 1024), (8, 512), (16, 256))),
]
# Behind these synthesis takes no block on one family or on all.
FEW = [(32, 20, 1), (64, 32, 1), (24, 36, 1), (32, 4, 1), (64, 1, 1), (9, 100, 1), (512, 16, 1)]


@pytest.mark.parametrize("config", [
    EngineConfig(), target("ulx3s-85f", "signed-binary").config,
    EngineConfig(pixels=2, requantisers=4, weight_words=1040, requant_words=2100,
                 format="signed-binary/4", program_words=100),
    EngineConfig(single_port=True, weight_words=1040, format="signed-binary"),
])
def test_the_shapes_are_those_of_the_gateware(config, monkeypatch):
    made = []
    create = memory.MemoryData.__init__

    def note(self, *, shape, depth, init, **others):
        made.append((shape if isinstance(shape, int) else shape.width, depth))
        create(self, shape=shape, depth=depth, init=init, **others)

    monkeypatch.setattr(memory.MemoryData, "__init__", note)
    rtlil.convert(Top(config, clock_hz=50_000_000, baud=1_000_000))
    shapes = memory_shapes(config)
    assert sorted(made) == sorted((shape.width, shape.depth) for shape in shapes)
    assert {shape.width // shape.lanes for shape in shapes if "bank" in shape.name} == {8}


def verilog(name, width, depth, lanes):
    part = width // lanes
    writes = " ".join(
        f"if (we[{i}]) m[wa][{part * i + part - 1}:{part * i}] <= d[{part * i + part - 1}"
        f":{part * i}];" for i in range(lanes)
    )
    bits = max((depth - 1).bit_length(), 1)
    return (
        f"module {name}(input clk, input [{lanes - 1}:0] we, input [{bits - 1}:0] wa, ra, "
        f"input [{width - 1}:0] d, output reg [{width - 1}:0] q);\n"
        f"reg [{width - 1}:0] m [0:{depth - 1}];\n"
        f"always @(posedge clk) begin {writes} q <= m[ra]; end\nendmodule\n"
    )


@pytest.mark.parametrize("family", LIBRARIES)
def test_blocks_are_those_that_yosys_takes(family, tmp_path):
    (tmp_path / "m.v").write_text("".join(
        verilog(f"m{i}", *shape) for i, shape in enumerate([*SHAPES, *FEW])
    ), encoding="utf-8")
    libraries = " ".join(f"-lib {name}" for name in LIBRARIES[family])
    (tmp_path / "m.ys").write_text("\n".join([
        "read_verilog m.v", "proc", "opt", "memory -nomap",
        "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2", "opt_clean", f"memory_libmap {libraries}",
        "tee -q -o stat.json stat -json",
    ]), encoding="utf-8")
    run_tool("yosys", ["-q", "m.ys"], folder=tmp_path, log=tmp_path / "log", what="Mapping",
             show=False)
    modules = json.loads((tmp_path / "stat.json").read_text(encoding="utf-8"))["modules"]
    found, counted = [], []
    for i, (width, depth, lanes) in enumerate([*SHAPES, *FEW]):
        cells = modules[f"\\m{i}"]["num_cells_by_type"]
        found.append(sum(cells.get(name, 0) for name in CELLS[family]))
        shape = MemoryShape(name="m", width=width, depth=depth, lanes=lanes)
        counted.append(FAMILIES[family].blocks(shape))
    assert counted == found
    assert not all(found)


def test_blocks_of_the_committed_engines_are_those_of_their_manifests():
    for manifest in bitstreams():
        family = board(manifest.board).family
        assert blocks(manifest.config, family) == manifest.resources["bram"].used


def test_large_memories_take_the_place_of_blocks():
    config = EngineConfig(single_port=True)
    two_ports = EngineConfig()
    assert blocks(config, "ecp5") == blocks(two_ports, "ecp5")
    # weights of 512 words by 128 bits, and 1,024 of 32
    assert blocks(two_ports, "ice40") - blocks(config, "ice40") == 16 + 8


def test_what_is_small_lies_in_luts_of_an_ecp5():
    config = EngineConfig(weight_words=16, requant_words=16, program_words=32)
    # weights 32 x 1, records 2 x 8 x 1, program 8 x 2, timing 8 x 1
    assert lut_memories(config, "ecp5") == 32 + 16 + 16 + 8
    assert lut_memories(config, "ice40") == 0

# amaranth: UnusedElaboratable=no
"""Networks put into bitstreams: the columns of block memories, both families, and what is refused.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from nhot.bitstream import Manifest
from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.contents import image_contents
from nhot.compiler.targets import Target, target
from nhot.contract.memories import filled_memories, parts
from nhot.errors import NhotError
from nhot.testing.networks import random_network
from nhot_hw.build.block_contents import replace_bits
from nhot_hw.build.flow import build_plan
from nhot_hw.build.patch import patch
from nhot_hw.build.placeholders import columns, memory_bits, placeholders
from nhot_hw.build.plan import plan_build
from nhot_hw.engine.memories import WordMemory
from nhot_hw.families import FAMILIES
from nhot_hw.io import Top
from nhot_hw.testing.bare_memories import Memories

MANIFEST = Path(__file__).parents[2] / "bitstreams" / "icebreaker" / "2hot" / "manifest.json"
CONFIG = EngineConfig(
    filters=2, inputs=2, weight_words=1048, activation_words=256, program_words=512,
    requant_words=96,
)
IMAGE = compile_network(
    random_network(3, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4), CONFIG
)
FAMILY_NAMES = ("ecp5", "ice40")
FITTING = {"icebreaker": (12_000_000, 256), "ulx3s-25f": (25_000_000, 1048)}
"""Boards with a clock that needs no PLL, and words of weights that leave room for an engine."""


def test_an_image_is_cut_into_the_words_of_each_memory():
    contents = image_contents(IMAGE)
    assert b"".join(word.to_bytes(4, "little") for word in contents.program) == IMAGE.program
    size = 4 * CONFIG.requantisers
    halves = zip(contents.biases, contents.terms, strict=True)
    assert b"".join(
        word.to_bytes(size, "little") for record in halves for word in record
    ) == IMAGE.requant
    fields = IMAGE.weight_fields().reshape(-1, CONFIG.word_codes)
    bits = CONFIG.weight_format.field_bits
    assert [[word >> bits * i & (1 << bits) - 1 for i in range(CONFIG.word_codes)]
            for word in contents.weights] == fields.tolist()


@pytest.mark.parametrize(("rows", "stride"), [(256, 1), (512, 1)])
def test_no_two_columns_of_placeholders_are_the_same(rows, stride):
    found = memory_bits(placeholders(CONFIG), CONFIG)[columns(CONFIG, rows, stride)]
    count = sum(
        stride * width * -(-part // (rows * stride))
        for width, depth in filled_memories(CONFIG).values() for part in parts(depth)
    )
    assert found.shape == (count, rows)
    assert len({column.tobytes() for column in found}) == count
    assert found.any(axis=1).all()


@pytest.mark.parametrize("stride", [1, 2])
def test_columns_have_the_bits_of_words(stride):
    contents = placeholders(CONFIG)
    found = memory_bits(contents, CONFIG)[columns(CONFIG, 256, stride)].tolist()
    width = CONFIG.weight_word_bits
    program = [_number(bits) for bits in zip(*found[:32], strict=True)]
    assert program == list(contents.program[: 256 * stride : stride])
    # The 24 words behind the blocks.
    last = [_number(bits) for bits in zip(*found[-width:], strict=True)]
    words = [*contents.weights[1024:], *[0] * (256 * stride - 24)]
    assert last == words[stride - 1 :: stride]


def _number(bits):
    return sum(bit << i for i, bit in enumerate(bits))


@pytest.mark.parametrize(("sizes", "message"), [
    ({"single_port": True, "format": "signed-binary", "filters": 8, "inputs": 4},
     "Patchable engine must have its weights in block memories, not in .*single_port"),
    ({"weight_words": 1025}, "at least 16 words of weights behind whole blocks of 256, not 1"),
    ({"requant_words": 30},
     "at least 16 words of biases behind whole blocks of 256, not 15"),
])
def test_engines_that_cannot_be_patched(sizes, message):
    with pytest.raises(NhotError, match=message):
        placeholders(EngineConfig(**sizes))


def test_contents_beyond_a_memory_are_refused():
    with pytest.raises(NhotError, match="Contents of a memory must be at most 4 words, not 5"):
        WordMemory(width=8, depth=4, init=[1, 2, 3, 4, 5])


def _unpacked(blocks, found, random, fill=0):
    """Text with the columns in blocks of any width, in any order, beside others."""
    left = list(range(len(found)))
    random.shuffle(left)
    texts = []
    per_block = int(max(places.max() for places in blocks.columns)) + 1
    numbers = -(-per_block // blocks.number_bits)
    digits = -(-blocks.number_bits // 4)
    while left:
        places = random.choice(blocks.columns)
        bits = np.zeros(numbers * blocks.number_bits, np.uint8)
        for place in random.sample(range(len(places)), min(len(left), len(places) - fill)):
            bits[places[place]] = found[left.pop()]
        values = [sum(int(bit) << i for i, bit in enumerate(number))
                  for number in bits.reshape(numbers, -1)]
        texts.append(_text(blocks, len(texts), [f"{value:0{digits}x}" for value in values]))
    texts.append(_text(blocks, len(texts), ["0" * digits] * numbers))
    texts.append(_text(blocks, len(texts), [f"{random.getrandbits(blocks.number_bits):0{digits}x}"
                                            for _ in range(numbers)]))
    return "\n".join([".device x", "0110", *texts, ".sym 1 a", ""])


def _text(blocks, name, words):
    size = 1 if blocks.number_bits > 9 else 8
    lines = [" ".join(words[at : at + size]) for at in range(0, len(words), size)]
    return "\n".join([f"{blocks.begin}{name}", *lines, ""])


def _found(blocks, config=CONFIG):
    """Columns by stride, and the bits of placeholders and of an image."""
    old, new = (memory_bits(contents, config)
                for contents in (placeholders(config), image_contents(_image(config))))
    return [columns(config, blocks.rows, stride) for stride in blocks.strides], old, new


@pytest.mark.parametrize(("name", "stride"), [("ecp5", 1), ("ice40", 1), ("ice40", 2)])
def test_columns_are_found_whatever_block_they_are_in(name, stride):
    blocks = FAMILIES[name].blocks
    config = replace(CONFIG, weight_words=1024) if stride > 1 else CONFIG
    found, old, new = _found(blocks, config)
    true = columns(config, blocks.rows, stride)
    for seed in range(3):
        before, after = (
            _unpacked(blocks, bits[true], Random(seed), fill=seed % 2) for bits in (old, new)
        )
        assert replace_bits(before, blocks, found, old, new) == after


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_column_that_is_nowhere_is_an_error(name):
    blocks = FAMILIES[name].blocks
    found, old, new = _found(blocks)
    before = _unpacked(blocks, old[found[0][1:]], Random(1))
    count = len(old) - 1
    with pytest.raises(NhotError, match=f"all {count:,} bits of its memories, not of "
                                        f"{count - blocks.rows:,}"):
        replace_bits(before, blocks, found, old, new)


def test_columns_that_are_alike_are_not_guessed():
    blocks = FAMILIES["ice40"].blocks
    found, old, new = _found(blocks)
    one, other = found[0][:2]
    old[other] = old[one]
    with pytest.raises(NhotError, match="must hold the placeholders of all"):
        replace_bits(_unpacked(blocks, old[found[0]], Random(1)), blocks, found[:1], old, new)


def _tiny(name, *, patchable=True):
    clock, weight_words = FITTING[name]
    sizes = CONFIG.sizes() | {"weight_words": weight_words}
    return Target(board=name, configuration="tiny", clock_hz=clock,
                  config=EngineConfig(**sizes), patchable=patchable)


def _image(config):
    return compile_network(
        random_network(3, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4), config
    )


@pytest.mark.parametrize("name", [
    "icebreaker", pytest.param("ulx3s-25f", marks=pytest.mark.slow),
])
def test_memories_are_patched_as_if_they_had_been_built_so(name, tmp_path, capsys):
    """Yosys, nextpnr and packers as they are; the same bytes as from contents in the gateware."""
    chosen = _tiny(name)
    image = _image(chosen.config)
    _patch_and_compare(
        chosen, image, tmp_path, lambda contents: Memories(chosen.config, contents), capsys
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FITTING))
def test_whole_engines_are_patched_as_if_they_had_been_built_so(name, tmp_path, capsys):
    chosen = _tiny(name)
    _patch_and_compare(chosen, _image(chosen.config), tmp_path, lambda contents: Top(
        chosen.config, clock_hz=chosen.clock_hz, baud=chosen.baud, contents=contents), capsys)


def _patch_and_compare(chosen, image, folder, make, capsys):
    plans = [
        plan_build(chosen, engine=make(contents))
        for contents in (placeholders(chosen.config), image_contents(image))
    ]
    empty, wanted = (
        build_plan(plan, folder / str(i), allow_timing_failure=True)
        for i, plan in enumerate(plans)
    )
    assert empty.bitstream.read_bytes() != wanted.bitstream.read_bytes()
    assert empty.manifest.patchable
    (folder / "net.img").write_bytes(image.to_bytes())
    capsys.readouterr()
    arguments = [str(folder / "net.img"), str(empty.bitstream.parent)]
    assert main(["patch", *arguments, "-o", str(folder / "out"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert Path(facts["bitstream"]).read_bytes() == wanted.bitstream.read_bytes()
    after = Manifest.read(facts["manifest"])
    assert (after.sha256, after.bytes) == (wanted.manifest.sha256, wanted.manifest.bytes)
    assert (after.patchable, after.image) == (False, image.content_hash)
    assert main(["patch", arguments[0], str(folder / "out"), "-o", str(folder / "again")]) == 2
    held = f"not of one that holds the image {image.content_hash}\n"
    assert capsys.readouterr().err.endswith(held)
    assert main(["patch", *arguments, "-o", str(folder / "out")]) == 2
    assert "it is there already" in capsys.readouterr().err


def test_an_engine_of_a_patchable_target_has_placeholders():
    chosen = _tiny("icebreaker")
    assert plan_build(chosen).files == plan_build(chosen, engine=Top(
        chosen.config, clock_hz=chosen.clock_hz, baud=chosen.baud,
        contents=placeholders(chosen.config))).files
    assert plan_build(chosen).digest != plan_build(_tiny("icebreaker", patchable=False)).digest


@pytest.mark.parametrize(("board", "configuration", "message"), [
    ("tangnano9k", "2hot", "bitstream must be one of an ECP5 or an iCE40, not of a Gowin GW1NR-9"),
    ("arty-a7-35t", "2hot", "bitstream must be one of an ECP5 or an iCE40, not of a "),
    ("icebreaker", "signed-binary-large", "weights in block memories, not in memories with a"),
])
def test_builds_that_cannot_be_patched(board, configuration, message, tmp_path, capsys):
    arguments = ["--board", board, "--configuration", configuration, "-o", str(tmp_path / "out")]
    assert main(["build", "--patchable", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def folder(tmp_path):
    """A bitstream of a patchable build, as far as its manifest says."""
    place = tmp_path / "built"
    place.mkdir()
    values = json.loads(MANIFEST.read_text(encoding="utf-8"))
    data = b"no bitstream"
    values |= {"patchable": True, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (place / "top.bin").write_bytes(data)
    (place / "manifest.json").write_text(json.dumps(values), encoding="utf-8")
    return place


def _change(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values),
                    encoding="utf-8")


def test_what_is_no_bitstream_for_the_image(folder, tmp_path):
    image = _image(target("icebreaker").config)
    output = tmp_path / "out"
    with pytest.raises(NhotError, match=r"Image target id must be the board's.*inputs 2 \(board"):
        patch(IMAGE, folder, output)
    with pytest.raises(NhotError, match="Unpacking failed: "):
        patch(image, folder, output)
    (folder / "top.bin").write_bytes(b"half a bitstream")
    with pytest.raises(NhotError, match="must have the SHA-256 of its manifest"):
        patch(image, folder, output)
    (folder / "top.bin").unlink()
    with pytest.raises(NhotError, match=r"Bitstream '.*top.bin' could not be read: No such file"):
        patch(image, folder, output)
    (folder / "manifest.json").write_bytes(MANIFEST.read_bytes())
    with pytest.raises(NhotError, match="Bitstream must be built with --patchable, not without"):
        patch(image, folder, output)
    with pytest.raises(NhotError, match=r"Manifest '.*' could not be read"):
        patch(image, tmp_path, output)
    assert not output.exists()


def test_a_manifest_that_says_patchable_of_what_cannot_be(folder, tmp_path):
    config = target("tangnano9k").config
    _change(folder, board="tangnano9k", config=config.sizes(), macs_per_step=config.macs,
            target_id=f"0x{config.target_id:08x}")
    with pytest.raises(NhotError, match="one of an ECP5 or an iCE40, not of a Gowin GW1NR-9"):
        patch(_image(config), folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bitstream_without_its_placeholders(folder, tmp_path):
    data = MANIFEST.with_name("top.bin").read_bytes()
    (folder / "top.bin").write_bytes(data)
    _change(folder, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(NhotError, match=r"must hold the placeholders of all [\d,]+ .*, not of 0"):
        patch(_image(target("icebreaker").config), folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()

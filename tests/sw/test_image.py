"""The memory image: reproducible, and read with suspicion."""

import hashlib
import json
import re
import struct
import tracemalloc
import zlib
from dataclasses import replace
from functools import cache

import pytest

from nhot.compiler import Meta, Placement, compile_network
from nhot.compiler.image import MAGIC, Image, ImageError, Section
from nhot.contract.codes import pack_codes, unpack_codes
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.network.tensor import Tensor
from nhot.testing.networks import random_network
from nhot_sim.fuzz import images
from nhot_sim.fuzz.images import ENTRY, HEADER, split

CONFIG = EngineConfig(pixels=2, filters=4, inputs=2, requantisers=2, weight_words=64)
KINDS = list(Section)
NOTHING = Placement.of(Tensor(name="x", shape=(1, 1, 4)), 0, 4)
EMPTY = Meta(network="fixed", format="2hot", input=NOTHING, output=NOTHING, layers=())


@cache
def compiled(seed):
    network = random_network(seed, layers=1, shape=(1, 1, 9), widest=4, operators=("linear",))
    return compile_network(network, CONFIG)


def image(seed=0, **changes):
    return replace(compiled(seed), **changes)


def with_meta(**changes):
    """The image with other fields in META, as the bytes of a file."""
    meta = {**json.loads(image().meta.to_json()), **changes}
    text = json.dumps(meta, sort_keys=True, separators=(",", ":"))
    return with_section(Section.META, text.encode())


def forge(parts, **changes):
    """An image of any sections, with right lengths, CRCs and hash."""
    return images.forge(parts, **{"target": CONFIG.target_id, **changes})


def with_section(kind, data, **changes):
    parts = [(k, data if k == kind else d) for k, d in split(image().to_bytes())]
    return forge(parts, **changes)


PLACE = json.loads(image().meta.to_json())["input"]
LAYER = json.loads(image().meta.to_json())["layers"][0]
META = [
    ({"network": 5}, "meta network must be text, not 5"),
    ({"network": ""}, "Name of a network must be 1 to 255 visible characters, not ''"),
    ({"network": "a\x1b[31m"}, r"Name of a network must be .* not 'a\\x1b\[31m'"),
    ({"format": "int8"}, "meta format must be the engine's, '2hot', not 'int8'"),
    ({"layers": {}}, r"meta layers must be a list, not \{\}"),
    ({"layers": []}, "Output must be where the input or a layer's output lies"),
    ({"layers": [LAYER, LAYER]}, "program must be 3 descriptors of 56 bytes, .* not 112 bytes"),
    ({"layers": [{**LAYER, "macs": -1}]}, r"layers\[0\]: Layer .* macs must be 0 or more, not"),
    ({"layers": [{**LAYER, "macs": 1.5}]}, r"meta layers\[0\]\.macs must be a whole number, not 1"),
    ({"layers": [{**LAYER, "output": None}]}, r"layers\[0\]\.output must be an object, not None"),
    ({"output": {**PLACE, "name": "y"}}, "Output must be where the input or a layer's output lies"),
    ({"input": {**PLACE, "shape": PLACE["shape"][:2]}}, "shape must have more entries than 2"),
    ({"input": {**PLACE, "shape": [1, 1, 0]}}, r"input: Tensor .* shape must be sizes of at least"),
    ({"input": {**PLACE, "shape": [1, 1, 10**400]}}, "meta must be JSON|words must be|64 bits"),
    ({"input": {**PLACE, "bits": 17}}, "input: Tensor .* bits must be 2 to 16, not 17"),
    ({"input": {**PLACE, "offset": 3}}, "offset must be .*, which follows from the rest, not 3"),
    ({"input": {**PLACE, "words": PLACE["words"] + 1}}, "words must be .*, which follows from the"),
    ({"input": {**PLACE, "words": 2**70}}, "words must be .*, which follows from the rest, not"),
    ({"input": {**PLACE, "address": -1}}, "address must be at least 0, not -1"),
    ({"input": {**PLACE, "address": 1024}}, "meta words of .* must end within the activation mem"),
    ({"input": {**PLACE, "word_bytes": 0}}, "word_bytes must be at least 1, not 0"),
    ({"input": {**PLACE, "signed": 0}}, "meta input.signed must be true or false, not 0"),
    ({"input": {**PLACE, "shape": [1, 1, 4], "words": 1, "word_bytes": 4}},
     "word_bytes of .* must be the engine's inputs, 2, not 4"),
]


@pytest.mark.parametrize(("field", "fits", "beyond", "text"), [
    ("shape", (1, 1, 1), (1, 0, 1), "sizes of at least 1"),
    ("bits", 2, 1, "2 to 16"), ("bits", 16, 17, "2 to 16"),
    ("word_bytes", 1, 0, "at least 1"), ("address", 0, -1, "at least 0"),
])
def test_places_at_their_limits(field, fits, beyond, text):
    place = {"name": "x", "shape": (1, 1, 1), "bits": 2, "signed": False, "offset": 0,
             "address": 0, "words": 1, "word_bytes": 2}
    Placement(**place | {field: fits})
    with pytest.raises(NhotError, match=re.escape(f"{field} must be {text}, not {beyond}")):
        Placement(**place | {field: beyond})


@pytest.mark.parametrize(("change", "text"), META, ids=range(len(META)))
def test_meta_is_that_of_the_program_and_the_engine(change, text):
    with pytest.raises(ImageError, match=rf"^Image .*{text}") as caught:
        Image.from_bytes(with_meta(**change))
    assert str(caught.value).isprintable()


def test_round_trip():
    original = image()
    data = original.to_bytes()
    read = Image.from_bytes(data)
    assert read == original
    assert read.to_bytes() == data
    assert read.content_hash == original.content_hash
    assert Image.from_bytes(bytearray(data)) == original


def test_the_layout_is_as_documented():
    data = image().to_bytes()
    assert data == forge(split(data))
    assert [kind for kind, _ in split(data)] == [1, 2, 3, 4, 5]
    assert [d for _, d in split(data)][2:] == [image().program, image().requant, image().weights]


def test_the_hash_is_that_of_all_behind_it():
    data = image().to_bytes()
    assert image().content_hash == hashlib.sha256(data[52:]).hexdigest()


def test_bytes_are_reproducible():
    assert image().to_bytes() == image().to_bytes()
    assert image(seed=1).content_hash != image().content_hash


def test_these_bytes_are_version_2():
    """A change of these bytes is a new version of the format."""
    fixed = Image(
        config=EngineConfig(), program=bytes(56), requant=bytes(8),
        weights=bytes(EngineConfig().code_bytes), meta=EMPTY,
    )
    assert Image.from_bytes(fixed.to_bytes()) == fixed
    parts = [(k, d) for k, d in split(fixed.to_bytes()) if k != Section.CONFIG]
    place = (
        b'{"address":0,"bits":8,"fill":0,"name":"x","offset":-128,"shape":[1,1,4],"signed":false,'
        b'"window":null,"word_bytes":4,"words":1}'
    )
    meta = b'{"format":"2hot","input":%s,"layers":[],"network":"fixed","output":%s}'
    assert parts == [
        (2, meta % (place, place)), (3, bytes(56)), (4, bytes(8)), (5, bytes(14)),
    ]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"program": bytes(5)}, "program must be whole words of 4 bytes, at most 256, not 5 bytes"),
        ({"program": b""}, "program must be 2 descriptors of 56 bytes, of the 1 layers in meta"),
        ({"program": bytes(60)}, "program must be 2 descriptors of 56 bytes, .*, not 60 bytes"),
        ({"program": bytes(168)}, "program must be 2 descriptors of 56 bytes, .*, not 168 bytes"),
        ({"program": bytes(4 * 257)}, "program must be .* at most 256, not 1028"),
        ({"requant": bytes(4)}, "requant must be whole words of 8 bytes"),
        ({"weights": bytes(6)}, "weights must be whole words of 7 bytes"),
        ({"weights": bytes(7 * 65)}, "weights must be whole words of 7 bytes, at most 64"),
        ({"weights": b"\xff" * 7},
         r"weights: Code of 2hot at index \(0, 0, 0\) must be below 87, not 127"),
        ({"meta": EMPTY}, "program must be 1 descriptors of 56 bytes"),
    ],
)
def test_contents_that_cannot_be(change, text):
    with pytest.raises(ImageError, match=f"Image {text}"):
        image(**change)


@pytest.mark.parametrize("name", ["1hot", "2hot", "3hot", "ternary", "int8", "int4", "2hot@6"])
def test_the_first_code_without_a_level_is_refused(name):
    config = EngineConfig(format=name, filters=1, inputs=2)
    network = random_network(0, layers=1, shape=(1, 1, 2), operators=("linear",),
                             formats=(config.weight_format,))
    made, fmt = compile_network(network, config), config.weight_format
    count = len(fmt.levels)
    assert count < 1 << fmt.code_bits
    codes = unpack_codes(made.weights, fmt.code_bits, 2)
    codes[-1, 1] = count - 1
    replace(made, weights=pack_codes(codes, fmt.code_bits))
    codes[-1, 1] = count
    message = rf"weights: Code of {name} at index \(\d+, 0, 1\) must be below {count}, not {count}"
    with pytest.raises(ImageError, match=message):
        replace(made, weights=pack_codes(codes, fmt.code_bits))


def test_padding_of_weights_is_zero():
    narrow = replace(CONFIG, filters=1, inputs=1, requantisers=1)
    with pytest.raises(ImageError, match="padding bits of 0"):
        image(config=narrow, requant=b"", weights=b"\x80")


def test_contents_must_be_bytes():
    with pytest.raises(TypeError, match="Image program must be bytes, not list"):
        image(program=[0, 0, 0, 0])
    with pytest.raises(TypeError, match="Image meta must be a Meta, not dict"):
        image(meta={})


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "magic must be b'NHOT', not b''"),
        (b"\x7fELF" + bytes(100), "magic must be b'NHOT', not b'.x7fELF'"),
        (MAGIC, "header must have 52 bytes, not 4"),
        (with_section(0, b"", version=3), "version must be 2, not 3; .* needs a newer nhot"),
        (with_section(0, b"", version=1), "version must be 2, not 1; compile it again$"),
        (with_section(0, b"", flags=8), "flags must be 0, not 0x8"),
        (with_section(0, b"", count=6), "number of sections must be 5, not 6"),
        (image().to_bytes()[:-1], "total length .*; the file is truncated"),
        (image().to_bytes() + b"\0", r"total length must be that of the file, \d+, not \d+$"),
        (with_section(0, b"", target=5), "target id must be that of its engine"),
        (forge([], count=5), "section table must end at byte 112, not 52"),
        (forge([(kind, b"") for kind in (1, 2, 4, 3, 5)]), "section 2 must be of kind 3, not 4"),
        (with_section(Section.CONFIG, b"{"), "config must be JSON"),
        (with_section(Section.CONFIG, b"[]"), r"config must be an object, not \[\]"),
        (with_section(Section.CONFIG, b'{"pixels":0}'), "config: Engine pixels must be 1 to 64"),
        (with_section(Section.CONFIG, b'{"a":0}'), "config must have the fields .* not 'a'"),
        (with_section(Section.CONFIG, b'{"format":[]}'), r"config format must be text, not \[\]"),
        (with_section(Section.META, b"\xff"), "meta must be JSON"),
        (with_section(Section.META, b"[" * 100_000), "meta must be JSON"),
        (with_section(Section.META, b"9" * 5000), "meta must be JSON"),
        (with_section(Section.META, b"{}"), "meta must have the field 'network', which is missing"),
        (with_section(Section.META, image().meta.to_json().encode() + b" "), "in canonical form"),
        (with_section(Section.META, b'{"x":1,' + image().meta.to_json().encode()[1:]),
         "meta must have the fields network, .*, not 'x'"),
        (with_section(Section.META, b'{"format":"2hot",' + image().meta.to_json().encode()[1:]),
         "meta must have each name once in an object, not 'format' twice"),
        (with_section(Section.PROGRAM, bytes(3)), "program must be whole words"),
        (with_section(Section.WEIGHTS, b"\xff" * 7), "weights: Code of 2hot at index"),
    ],
)
def test_images_that_are_refused(data, text):
    with pytest.raises(ImageError, match=f"Image .*{text}") as caught:
        Image.from_bytes(data)
    assert "\n" not in str(caught.value)


def test_every_truncation_is_refused():
    data = image().to_bytes()
    for length in range(len(data)):
        with pytest.raises(ImageError):
            Image.from_bytes(data[:length])


def test_every_flipped_bit_is_refused():
    data = image().to_bytes()
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(ImageError):
            Image.from_bytes(bytes(flipped))


def repair(data):
    """Lengths, CRCs and hash made right again, where there is enough to do so."""
    if len(data) < HEADER + len(KINDS) * ENTRY:
        return data
    data = bytearray(data)
    start = HEADER + len(KINDS) * ENTRY
    for index in range(len(KINDS)):
        at = HEADER + index * ENTRY
        (length,) = struct.unpack_from("<I", data, at + 4)
        struct.pack_into("<I", data, at + 8, zlib.crc32(data[start : start + length]))
        start += length
    struct.pack_into("<I", data, 16, len(data))
    data[20:HEADER] = hashlib.sha256(data[HEADER:]).digest()
    return bytes(data)


def test_unchecked_lengths_allocate_nothing():
    """Lengths of gigabytes in a small file cost no memory."""
    data = bytearray(image().to_bytes())
    struct.pack_into("<I", data, HEADER + 4, 2**32 - 1)
    data = repair(bytes(data))
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match=r"section config must have at most the .* bytes"):
            Image.from_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_wrong_crc_names_its_section():
    data = bytearray(image().to_bytes())
    data[HEADER + 2 * ENTRY + 8] ^= 1
    data[20:HEADER] = hashlib.sha256(data[HEADER:]).digest()
    with pytest.raises(ImageError, match="Image section program must match its CRC"):
        Image.from_bytes(bytes(data))


def test_bytes_after_the_last_section():
    data = repair(image().to_bytes() + b"\0")
    with pytest.raises(ImageError, match="sections must end with the file"):
        Image.from_bytes(data)


def test_targets():
    made = image()
    made.check_target(CONFIG)
    made.check_target(EngineConfig(**json.loads(CONFIG.to_json())))
    with pytest.raises(ImageError, match=r"target id .* pixels 2 \(board: 1\)$"):
        made.check_target(replace(CONFIG, pixels=1))
    with pytest.raises(NhotError, match=r"pixels 2 \(board: 1\), format '2hot' \(board: 'int8'\)"):
        made.check_target(replace(CONFIG, pixels=1, format="int8"))

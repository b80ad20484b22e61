"""The sizes of an engine."""

import json
from dataclasses import asdict, replace

import pytest

from nhot.cli.target import read_config
from nhot.contract.config import EngineConfig
from nhot.contract.memories import parts
from nhot.device.protocol import MAX_PAYLOAD
from nhot.errors import NhotError
from nhot.formats import NHot
from nhot.schema import check_values


def test_derived_sizes():
    config = EngineConfig(pixels=2, filters=8, inputs=4, requantisers=2)
    assert config.weight_format == NHot(bits=8, n=2)
    assert config.macs == 64
    assert config.code_bytes == 28  # 32 codes of 7 bits
    assert config.weight_word_bits == 256
    assert config.step_cycles == 1


def test_a_word_is_padded_to_bytes():
    assert EngineConfig(filters=1, inputs=1).code_bytes == 1
    assert EngineConfig(filters=3, inputs=3).code_bytes == 8  # 63 bits
    assert EngineConfig(filters=1, inputs=4, format="signed-binary").code_bytes == 1
    assert EngineConfig(filters=16, inputs=16, format="ternary").code_bytes == 64


@pytest.mark.parametrize(("format_", "cycles"), [("1hot", 1), ("2hot", 2), ("3hot@6", 3)])
def test_serial_lanes_take_a_cycle_a_term(format_, cycles):
    assert EngineConfig(lane="serial", format=format_).step_cycles == cycles
    assert EngineConfig(lane="parallel", format=format_).step_cycles == 1


@pytest.mark.parametrize(("filters", "inputs"), [(256, 1), (4, 64), (16, 16)])
def test_the_longest_weight_word_fits_a_frame(filters, inputs):
    assert EngineConfig(filters=filters, inputs=inputs).field_bytes == MAX_PAYLOAD


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pixels": 0}, "Engine pixels must be 1 to 64, not 0"),
        ({"pixels": 65}, "Engine pixels must be 1 to 64, not 65"),
        ({"pixels": True}, "Engine pixels must be 1 to 64, not True"),
        ({"filters": 4.0}, r"Engine filters must be 1 to 256, not 4\.0"),
        ({"inputs": "4"}, "Engine inputs must be 1 to 64, not '4'"),
        ({"accumulator_bits": 33}, "accumulator_bits must be 12 to 32, not 33"),
        ({"product_bits": 31}, "product_bits must be 32 to 64, not 31"),
        ({"activation_words": 15}, "activation_words must be 16 to 65536, not 15"),
        ({"program_words": 4097}, "program_words must be 32 to 4096, not 4097"),
        ({"filters": 6, "inputs": 4}, "must divide one another, not 6 and 4"),
        ({"filters": 8, "inputs": 4, "requantisers": 8}, r"filters \(8\) and inputs \(4\), not 8"),
        ({"requantisers": 3}, "requantisers must divide"),
        ({"requant_terms": 3}, "requant_terms must be 1, 2 or 4, not 3"),
        ({"depthwise": 1}, "depthwise must be true or false, not 1"),
        ({"depthwise": True}, "as many filters as inputs, at least 9, .* not 4 filters, 4 inputs"),
        ({"depthwise": True, "filters": 9, "inputs": 9, "lane": "serial"}, "and serial lanes"),
        ({"activation_terms": 5}, "activation_terms must be 0 to 4, not 5"),
        ({"activation_terms": True}, "activation_terms must be 0 to 4, not True"),
        ({"single_port": 1}, "single_port must be true or false, not 1"),
        ({"single_port": True, "pixels": 2}, "one pixel, .* not 2 pixels, no depthwise"),
        ({"single_port": True, "lane": "serial"}, "lanes that are not serial, .* and serial lanes"),
        ({"single_port": True, "depthwise": True, "filters": 9, "inputs": 9},
         "not 1 pixels, depthwise and parallel lanes"),
        ({"requant_terms": True}, "requant_terms must be 1, 2 or 4, not True"),
        ({"filters": 64, "inputs": 8, "requantisers": 1},
         "weight word of 64 filters and 8 inputs must fit a frame of 256 bytes, not 512"),
        ({"filters": 256, "inputs": 2, "format": "signed-binary"},  # of fields, as it is read back
         "weight word of 256 filters and 2 inputs must fit a frame of 256 bytes, not 512"),
        ({"lane": "both"}, "lane must be 'parallel', 'chain', 'serial' or 'rows', not 'both'"),
        ({"lane": "serial", "format": "int8"}, "serial lanes must be n-hot, not 'int8'"),
        ({"lane": "chain", "format": "int8"}, "chain lanes must be n-hot, signed-binary or binary"),
        ({"format": "9bit"}, "Format must be one of"),
    ],
)
def test_refused(change, text):
    with pytest.raises(NhotError, match=text):
        EngineConfig(**change)


@pytest.mark.parametrize("text", [
    "null", "5", "[]", '{"format": 5}', '{"format": "2hot@' + "9" * 5000 + '"}',
    '{"pixels": 1' + "0" * 400 + "}", '{"pixels": NaN}', '{"pixels": true}', "[" * 100_000,
    '{"a":' * 100_000, '{"format": "\\ud800"}', '{"lane": null}', '{"pixels": 1, "pixels": 1}',
])
def test_files_that_are_refused_in_one_short_line(text, tmp_path):
    path = tmp_path / "engine.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(NhotError, match=r"^Configuration '.*engine.json'") as caught:
        read_config(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_format_must_be_a_name():
    with pytest.raises(TypeError, match="Format must be a name"):
        EngineConfig(format=8)


def test_json_reads_back():
    config = EngineConfig(pixels=4, filters=16, inputs=8, format="3hot", lane="serial")
    assert EngineConfig(**json.loads(config.to_json())) == config


def test_what_an_engine_does_without_is_not_in_its_json():
    """Images and manifests of engines without are those that they were."""
    config = EngineConfig(single_port=True, activation_terms=2)
    assert EngineConfig(**json.loads(config.to_json())) == config
    for name in ("single_port", "activation_terms"):
        assert name not in EngineConfig().to_json()


def test_unknown_fields_are_named():
    with pytest.raises(NhotError, match=r"Engine must have the fields pixels, .*, not 'colour'"):
        check_values(EngineConfig, {"pixels": 1, "colour": "red"}, "Engine")


@pytest.mark.parametrize(("size", "low", "high"), [
    ("pixels", 1, 64), ("filters", 1, 256), ("inputs", 1, 64), ("requantisers", 1, 64),
    ("accumulator_bits", 12, 32), ("product_bits", 32, 64), ("activation_words", 16, 65536),
    ("weight_words", 16, 65536), ("requant_words", 16, 65536), ("program_words", 32, 4096),
])
def test_sizes_have_their_limits(size, low, high):
    """Those of the fields of a descriptor, of the protocol and of the gateware's counters."""
    for value in (low - 1, high + 1):
        with pytest.raises(NhotError, match=f"Engine {size} must be {low} to {high}, not {value}"):
            EngineConfig(**{size: value})


def test_target_id_tells_engines_apart():
    base = EngineConfig(pixels=2, filters=16, inputs=16)
    changes = {
        "pixels": 1, "filters": 8, "inputs": 8, "depthwise": True, "requantisers": 2,
        "requant_terms": 2, "format": "1hot", "lane": "serial", "accumulator_bits": 32,
        "product_bits": 64,
        "activation_words": 2048, "weight_words": 1024, "requant_words": 512, "program_words": 512,
        "activation_terms": 1,
    }
    assert {*changes, "single_port"} == set(asdict(base))
    one = replace(base, pixels=1)
    assert one.target_id != replace(one, single_port=True).target_id
    ids = {base.target_id} | {replace(base, **{k: v}).target_id for k, v in changes.items()}
    assert len(ids) == len(changes) + 1
    assert all(0 <= target < 2**32 for target in ids)


def test_what_a_file_does_not_say():
    """Files of configurations have the fields that differ: another default is another engine."""
    assert asdict(EngineConfig()) == {
        "pixels": 1, "filters": 4, "inputs": 4, "requantisers": 1, "requant_terms": 1,
        "format": "2hot", "lane": "parallel", "depthwise": False, "single_port": False,
        "activation_terms": 0,
        "accumulator_bits": 24, "product_bits": 48, "activation_words": 1024,
        "weight_words": 512, "requant_words": 256,
        "program_words": 256,
    }


def test_one_engine_has_one_target_id():
    assert EngineConfig(format="2hot@8") == EngineConfig(format="2hot")
    assert EngineConfig(format="2hot@8").target_id == EngineConfig(format="2hot").target_id
    assert EngineConfig(format="1hot@2").format == "ternary"


@pytest.mark.parametrize(("sizes", "groups"), [
    ({"filters": 16, "inputs": 16}, 1),  # 256 in a step, the most that hear of it at once
    ({"filters": 16, "inputs": 16, "pixels": 2}, 4),
    ({"filters": 2, "inputs": 32, "pixels": 5}, 2),
    ({"filters": 3, "inputs": 3, "pixels": 64}, 1),  # no group has a part of a filter
    ({"filters": 16, "inputs": 16, "pixels": 2, "depthwise": True}, 1),
])
def test_filters_of_a_wide_array_are_groups_that_are_each_a_cycle_later(sizes, groups):
    config = EngineConfig(**sizes)
    assert config.filter_groups == groups
    assert config.array_latency == config.lane_latency + groups - 1


def test_a_region_has_a_sign_a_filter():
    config = EngineConfig(filters=4, inputs=8, format="signed-binary/16")
    assert (config.word_codes, config.code_bytes, config.weight_word_bits) == (36, 5, 36)
    assert (config.field_bytes, config.lane_latency) == (36, 5)
    plain = EngineConfig(filters=4, inputs=8, format="signed-binary")
    assert (plain.word_codes, plain.code_bytes, plain.field_bytes) == (32, 4, 32)


@pytest.mark.parametrize("inputs", [3, 16])
def test_a_step_is_within_a_region(inputs):
    with pytest.raises(NhotError, match=f"must divide the 8 channels of .*/8, not be {inputs}"):
        EngineConfig(filters=inputs, inputs=inputs, format="signed-binary/8")


@pytest.mark.parametrize("name", ["apot3", "apot4", "2hot/16", "2hot/0-1-2-4"])
def test_formats_without_a_lane_are_refused(name):
    with pytest.raises(NhotError, match=f"Engine format must be .*, not '{name}', for which"):
        EngineConfig(format=name)


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_a_few_words_are_a_memory_of_their_own(blocks):
    """Up to 64 of them, where there are blocks of 1,024 beside them."""
    whole = 1024 * blocks
    assert parts(whole) == [whole]
    assert parts(whole + 1) == [whole, 1]
    assert parts(whole + 64) == [whole, 64]
    assert parts(whole + 65) == [whole + 65]
    assert [parts(few) for few in (1, 64, 1023)] == [[1], [64], [1023]]

"""The program of an image: every field at its limit and one beyond, by name."""

from contextlib import suppress
from dataclasses import asdict, replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Image, ImageError, compile_network
from nhot.compiler.schedule import Loops
from nhot.compiler.validate import MOST_CYCLES, check_program
from nhot.contract.cycles import program_cycles
from nhot.contract.program import FIELDS, WORDS, Descriptor, Operation, unpack_program
from nhot.errors import NhotError
from nhot.testing.engine_networks import sample_network

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2, activation_words=250,
                      weight_words=110)
IMAGE = compile_network(sample_network("2hot"), CONFIG)
PROGRAM = unpack_program(IMAGE.program)
WEIGHTS, RECORDS = len(IMAGE.weight_levels()), len(IMAGE.records())
FIRST = (PROGRAM[0].input_address + PROGRAM[0].width + 1) & 0xFFFF  # behind a padding of one
INDEX = {step.operation: i for i, step in reversed([*enumerate(PROGRAM)])}


def with_program(steps):
    """The image with another program, and with as many layers."""
    layers = [IMAGE.meta.layers[min(i, len(IMAGE.meta.layers) - 1)] for i in range(len(steps) - 1)]
    return replace(
        IMAGE, program=b"".join(step.pack() for step in steps),
        meta=replace(IMAGE.meta, layers=tuple(layers), output=IMAGE.meta.input),
    )


def changed(operation, **fields):
    """The image with other fields in its first descriptor of an operation."""
    index = INDEX[operation]
    steps = list(PROGRAM)
    steps[index] = replace(steps[index], **fields)
    return lambda: with_program(steps)


def refused(make, text):
    with pytest.raises(ImageError, match=rf"^Image {text}") as caught:
        make()
    assert str(caught.value).isprintable()


def test_what_was_compiled_is_accepted():
    assert set(INDEX) == set(Operation) - {Operation.DEPTHWISE}
    assert with_program(PROGRAM).program == IMAGE.program


@pytest.mark.parametrize("operation", [o for o in INDEX if o is not Operation.END])
@pytest.mark.parametrize(("field", "values"), [
    ("terms", (0, 5, 15)), ("tail_groups", (0, 3, 65535)), ("tail_pixels", (0, 3, 255)),
    ("last_word", (256, 4095)), ("last_tile", (256, 4095)), ("last_row", (256, 65535)),
    ("last_column", (256, 65535)), ("output_address", (250, 65535)), ("pixel_words", (250, 65535)),
    ("row_words", (250, 65535)),
    ("requant_address", (len(IMAGE.records()), 65535)), ("jump_row", (1, 30000)),
])
def test_fields_beyond_what_the_engine_has(operation, field, values):
    for value in values:
        refused(changed(operation, **{field: value}), rf"descriptor {INDEX[operation]} ")


@pytest.mark.parametrize(("operation", "fields", "text"), [
    (Operation.ARRAY, {"terms": 0}, "terms must be 1 to 4, not 0"),
    (Operation.ARRAY, {"tail_pixels": 3}, "tail_pixels must be 1 to 2, not 3"),
    (Operation.ADD, {"tail_pixels": 2}, "tail_pixels must be 1, not 2"),
    (Operation.ARRAY, {"tail_groups": 0}, "tail_groups must be 1 to 2, not 0"),
    (Operation.ARRAY, {"per_channel": 0}, "per_channel must be 1, not 0"),
    (Operation.MAX, {"per_channel": 1}, "per_channel must be 0, not 1"),
    (Operation.ARRAY, {"weight_address": WEIGHTS - 1}, "weight_address must be .* are within 0 to"),
    (Operation.MAX, {"weight_address": 1}, "weight_address must be 0, not 1"),
    (Operation.ARRAY, {"requant_address": RECORDS - 2}, "requant_address must be .* within 0 to"),
    (Operation.ARRAY, {"requant_address": 1}, "requant_address must be even, .*, not 1"),
    (Operation.ARRAY, {"input_address": 240}, "input_address must be .* within 0 to 249"),
    (Operation.ARRAY, {"input_address": 30000}, "input_address must be a distance of -1024 to"),
    (Operation.ARRAY, {"output_address": 240}, "output_address must be .* within 0 to 249"),
    (Operation.ARRAY, {"output_address": FIRST}, "output_address must keep what the layer writes"),
    (Operation.ARRAY, {"jump_column": 5}, "jump_column must be [0-9]+, not 5"),
    (Operation.ARRAY, {"lane_step": 5}, "jump_x must be 5, not 1"),
    (Operation.ARRAY, {"stride_x": 0, "column_step": 0}, "stride_x must be 1 to 255, not 0"),
    (Operation.ARRAY, {"stride_x": 255, "column_step": 510, "last_column": 4},
     "jump_x|jump_column must be"),
    (Operation.ARRAY, {"column_step": 1}, "column_step must be 2, not 1"),
    (Operation.ADD, {"last_tap_y": 0}, "last_tap_y must be 1, not 0"),
    (Operation.ADD, {"stride_x": 1}, "stride_x must be 0, not 1"),
    (Operation.ADD, {"input_address": 240}, "input_address must be .* within 0 to 249"),
    (Operation.ARGMAX, {"channels": 13}, "channels must be 9 to 12, not 13"),
    (Operation.ARGMAX, {"tail_groups": 1}, "tail_groups must be 2, not 1"),
    (Operation.ARGMAX, {"last_row": 1, "jump_row": 1, "output_address": 249},
     "output_address must be such that words 249 to 250 are within 0 to 249"),
    (Operation.ARGMAX, {"output_address": 0}, "output_address must keep .* 0 to 2 that it reads"),
    (Operation.ARGMAX, {"output_address": 2}, "output_address must keep .*, not 2 to 2"),
    (Operation.ARGMAX, {"last_row": 3, "jump_row": 1, "output_address": 11},
     "output_address must keep .* the words 0 to 11 that it reads, not 11 to 14"),
    (Operation.MAX, {"channels": 1}, "channels must be 0, not 1"),
    (Operation.MAX, {"row_words": 249}, "output_address must be .* are within 0 to 249"),
    (Operation.ARGMAX, {"row_words": 1}, "row_words must be 0, not 1"),
])
def test_refusals_name_field_constraint_and_value(operation, fields, text):
    refused(changed(operation, **fields), f"descriptor {INDEX[operation]} {text}")


def test_a_descriptor_does_nothing_unasked():
    """Fields that are not given: one pixel, one tap, no jumps, nothing clamped."""
    ones = {"terms", "tail_pixels", "step_x", "step_y", "stride_x", "stride_y", "width", "height",
            "column_step", "pixel_words", "tail_groups"}
    expected = dict.fromkeys(FIELDS, 0) | dict.fromkeys(ones, 1) | {"low": -128, "high": 127}
    assert asdict(Descriptor(operation=Operation.END)) == expected


def test_the_program_ends_once_and_last():
    end = PROGRAM[-1]
    refused(lambda: with_program(PROGRAM[:-1]),
            rf"descriptor {len(PROGRAM) - 2} operation must be END, not ARGMAX")
    refused(lambda: with_program([end, *PROGRAM]),
            "descriptor 0 operation must be no END, with descriptors behind it, not END")


@pytest.mark.parametrize("operation", range(max(Operation) + 1, 16))
def test_operations_are_known(operation):
    program = bytearray(IMAGE.program)
    program[0] = program[0] & 0xF0 | operation
    refused(lambda: replace(IMAGE, program=bytes(program)),
            f"descriptor 0 operation must be 0 to {max(Operation):d}, not {operation}")


@pytest.mark.parametrize("bit", [5, 13, 21, 29])
def test_records_have_the_terms_of_their_layer(bit):
    records = np.frombuffer(IMAGE.requant, "<u4").copy()
    records[2] |= 1 << bit
    refused(lambda: replace(IMAGE, requant=records.tobytes()),
            r"descriptor 0 terms must be as many as its records have, bits 5 of them 0")


def test_records_with_more_terms_than_the_layer():
    terms = PROGRAM[0].terms
    assert terms > 1
    refused(changed(Operation.ARRAY, terms=terms - 1), "descriptor 0 terms must be as many as")


def longest(config, **fields):
    """A pool over padding alone, as long as its fields say: it reads and writes one word."""
    step = Descriptor(
        operation=Operation.MAX, pad_y=255, pad_x=255, stride_x=0, stride_y=0, column_step=0,
        step_x=0, step_y=0, pixel_words=0, **fields,
    )
    loops = Loops(
        words=1, kernel=(step.last_tap_y + 1, step.last_tap_x + 1), rows=step.last_row + 1,
        columns=step.last_column + 1, tiles=1, step_tap=(0, 0), step_row=0, step_column=0,
        step_tile=1,
    )
    return replace(step, **loops.jumps())


def checked(config, **fields):
    """Check a layer that reads word 0 alone, and writes word 1, whatever its loops are."""
    fields = {"operation": Operation.MAX, "output_address": 1, "pixel_words": 0} | fields
    step = Descriptor(**fields)
    array = step.operation is Operation.ARRAY
    pixels = config.pixels if array else 1
    loops = Loops(
        words=1, kernel=(step.last_tap_y + 1, step.last_tap_x + 1), rows=step.last_row + 1,
        columns=step.last_column + 1, tiles=1,
        step_tap=(step.step_y * step.width, step.step_x), step_row=step.stride_y * step.width,
        step_column=step.stride_x * pixels, step_tile=int(not array),
    )
    step = replace(
        step, column_step=step.stride_x * pixels, lane_step=step.stride_x * array,
        per_channel=int(array), **{name: jump & 0xFFFF for name, jump in loops.jumps().items()},
    )
    program = step.pack() + Descriptor(operation=Operation.END).pack()
    check_program(program, config, weights=1, records=np.array([[0], [0x98]]))


@pytest.mark.parametrize(("name", "fits", "beyond", "text"), [
    ("last_row", {"last_row": 255, "stride_y": 2, "last_tap_y": 1}, {"step_y": 2}, "511, not 512"),
    ("last_column", {"last_column": 255, "stride_x": 2, "last_tap_x": 1}, {"step_x": 2},
     "511, not 512"),
    ("height", {"height": 512}, {"height": 513}, "511, not 512"),
    ("width", {"width": 512}, {"width": 513}, "511, not 512"),
    ("stride_x", {"operation": Operation.ARRAY, "stride_x": 146}, {"stride_x": 147},
     "1023, not 1029"),
])
def test_positions_at_their_limits(name, fits, beyond, text):
    """Of 10 bits, sign included; pixels side by side may be twice as far apart."""
    config = EngineConfig(pixels=8, activation_words=250)
    checked(config, **fits)
    with pytest.raises(NhotError, match=rf"^descriptor 0 {name} must lead to .* at most {text}$"):
        checked(config, **fits | beyond)


def test_cycles_are_those_of_the_program():
    first, *others = IMAGE.meta.layers
    text = rf"meta layers\[0\].cycles must be .*, {first.cycles}, not {first.cycles + 1}"
    meta = replace(IMAGE.meta, layers=(replace(first, cycles=first.cycles + 1), *others))
    refused(lambda: replace(IMAGE, meta=meta), text)


def test_cycles_are_bounded():
    """Counts that are each within the counters, and would run for days."""
    config = EngineConfig(activation_words=65536)
    requant = bytes(4) + (0x98).to_bytes(4, "little")  # no bias, times one
    endless = longest(config, last_tap_x=255, last_tap_y=255, last_row=65535, last_column=65535)

    def image(*steps):
        program = [*steps, Descriptor(operation=Operation.END)]
        layers = tuple(
            replace(IMAGE.meta.layers[0], cycles=cycles, output=IMAGE.meta.input)
            for cycles in program_cycles(program, config)[:-1]
        )
        return Image(
            config=config, program=b"".join(step.pack() for step in program), requant=requant,
            weights=b"", meta=replace(IMAGE.meta, layers=layers, output=IMAGE.meta.input),
        )

    text = rf"program must take fewer than {MOST_CYCLES} cycles, not {2**48 // 10**9}[0-9]+$"
    refused(lambda: image(endless), text)
    fine = longest(config, last_tap_x=255, last_tap_y=255, last_row=9999)
    image(fine)
    refused(lambda: image(fine, fine, fine, fine, fine, fine, fine), "program must take fewer than")


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_no_value_of_any_field_crashes(field):
    """Whatever a field says, the image is made or refused, at once."""
    random = np.random.default_rng(sorted(FIELDS).index(field))
    width = FIELDS[field]
    for index in range(len(PROGRAM)):
        words = np.frombuffer(IMAGE.program, "<u4").copy()
        for value in (0, 1, (1 << width) - 1, 1 << (width - 1), int(random.integers(1 << width))):
            _poke(words[14 * index : 14 * index + 14], field, value)
            with suppress(ImageError):
                replace(IMAGE, program=words.tobytes())


def _poke(words, field, value):
    """Set a field of a packed descriptor."""
    for word, layout in enumerate(WORDS):
        position = 0
        for name, width in layout.items():
            if name == field:
                mask = ((1 << width) - 1) << position
                words[word] = int(words[word]) & ~mask & 0xFFFFFFFF | value << position
            position += width

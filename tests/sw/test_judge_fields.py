"""Fields of a descriptor, and the weights that it uses: each is judged by its own range."""

from itertools import product

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.validate import check_program
from nhot.contract.program import Descriptor, Operation, unpack_program
from nhot.errors import NhotError
from nhot.testing.descriptors import END, ROOM, STEPS, judged, on_lanes, refused
from nhot.testing.engine_networks import sample_network


@pytest.mark.parametrize("operation", [Operation.ARRAY, Operation.DEPTHWISE])
def test_weights_end_with_what_the_image_has(operation):
    for image, step in on_lanes(operation):
        turns = (step.last_word + 1) * (step.last_tap_x + 1) * (step.last_tap_y + 1)
        used = (step.last_tile + 1) * (1 if operation is Operation.DEPTHWISE else turns)
        end = step.weight_address + used
        judged(image, step, weights=end)
        text = f"such that words {step.weight_address} to {end - 1} are within 0 to {end - 2}"
        if end - 1 == step.weight_address:
            text = f"{0 if end == 2 else '0 to ' + str(end - 2)}, not {step.weight_address}"
        if end > 1:
            refused(f"weight_address must be {text}", image, step, weights=end - 1)


@pytest.mark.parametrize(("operation", "field", "beyond", "text"), [
    (Operation.ARRAY, "last_word", 1024, "0 to 1023"),
    (Operation.ARRAY, "last_tile", 1024, "0 to 1023"),
    (Operation.ARRAY, "last_row", 1024, "0 to 1023"),
    (Operation.ARRAY, "last_column", 1024, "0 to 1023"),
    (Operation.ARRAY, "pixel_words", ROOM, f"0 to {ROOM - 1}"),
    (Operation.ARRAY, "row_words", ROOM, f"0 to {ROOM - 1}"),
    (Operation.MAX, "last_word", 1, "0"), (Operation.MAX, "lane_step", 1, "0"),
    (Operation.MAX, "activation_terms", 1, "0"), (Operation.ARRAY, "activation_terms", 4, "0"),
    (Operation.ADD, "one_pixel", 1, "0"), (Operation.DEPTHWISE, "one_pixel", 1, "0"),
    (Operation.DEPTHWISE, "stride_x", 2, "1"), (Operation.DEPTHWISE, "last_word", 1, "0"),
    (Operation.DEPTHWISE, "last_tap_x", 1, "0"), (Operation.DEPTHWISE, "last_tap_y", 1, "2"),
    (Operation.DEPTHWISE, "last_tap_y", 3, "2"),
])
def test_fields_are_refused_by_their_own_ranges(operation, field, beyond, text):
    for image, step in on_lanes(operation):
        if image.config.pixels < 2 and field == "one_pixel":
            continue
        if field == "last_row" and not step.step_y:
            continue  # an addition by lanes, which walks in one row
        changes = {
            "stride_x": {"column_step": 2 * image.config.pixels}, "one_pixel": {"tail_pixels": 1},
        }.get(field, {})
        with pytest.raises(NhotError, match=f"^descriptor 0 {field} must be {text}, not {beyond}$"):
            judged(image, step, **{field: beyond}, **changes)


def test_what_is_rounded_stays_in_a_byte():
    config = EngineConfig(activation_terms=2)
    image = compile_network(sample_network("2hot"), config)
    step = unpack_program(image.program)[0]
    judged(image, step, activation_terms=2, zero_point=0, low=-128, high=127)
    refused("activation_terms must be 0 to 2, not 3", image, step, activation_terms=3)
    for name, value, zero_point, rounded in (("high", 127, 0, 128), ("low", -128, -10, -138)):
        changes = {"activation_terms": 1, "zero_point": zero_point, name: value}
        refused(f"{name} must be rounded to -128 to 127, not {value} to {rounded}",
                image, step, **changes)


def test_one_pixel_is_asked_of_several():
    for image, step in on_lanes(Operation.ARRAY):
        if image.config.pixels == 1:
            refused("one_pixel must be 0, not 1", image, step, one_pixel=1)


def test_addresses_are_refused_by_their_own_ranges():
    for image, step in STEPS:
        count = len(image.records())
        refused(f"requant_address must be 0 to {count - 1}, not {count}", image, step,
                requant_address=count)
        if step.operation.on_lanes:
            count = len(image.weight_levels())
            refused(f"weight_address must be 0 to {count - 1}, not {count}", image, step,
                    weight_address=count)


@pytest.mark.parametrize(("pixels", "most"), [(1, 2), (2, 2), (3, 1)])
def test_strides_that_lanes_with_taps_have(pixels, most):
    for image, step in on_lanes(Operation.DEPTHWISE):
        if image.config.pixels == pixels:
            text = "1 to 2" if most == 2 else "1"
            refused(f"step_x must be {text}, not {most + 1}", image, step, step_x=most + 1)
            refused("step_x must be .*, not 0", image, step, step_x=0)
            least = image.config.preloads
            refused(f"last_column must be {least} to 1023, not {least - 1}", image, step,
                    last_column=least - 1)


def test_columns_end_with_an_output_where_pixels_are_alone():
    """With several a group has an output whatever the stride; with one every other column has."""
    seen = set()
    for image, step in on_lanes(Operation.DEPTHWISE):
        least = image.config.preloads
        loops = {"last_row": 0, "jump_row": 0, "last_tile": 0, "jump_tile": 0, "tail_pixels": 1}
        for columns in range(least, least + 4):
            fields = {**loops, "last_column": columns, "step_x": 2, "output_address": ROOM - 9}
            if image.config.pixels == 3:
                continue
            if image.config.pixels == 1 and (columns - least) % 2:
                text = f"last_column must be {least} and a multiple of 2, not {columns}"
                refused(text, image, step, **fields)
            else:
                judged(image, step, **fields)
            seen.add((image.config.pixels, columns - least))
    assert seen == set(product((1, 2), range(4)))


def test_tiles_stay_within_a_position():
    """Dense tiles that read other words than the one before: to the last word, and one further."""
    config = EngineConfig(activation_words=256, weight_words=64)
    records = np.array([[0], [0x98]] * 12)
    for tiles, words, distance in ((1, 1, 2), (2, 1, 2), (2, 2, 3), (1, 2, 1)):
        last = tiles * distance + words - 1
        for position, fits in ((last + 1, True), (last, False)):
            step = Descriptor(
                operation=Operation.ARRAY, per_channel=1, last_word=words - 1, last_tile=tiles,
                jump_tile=(distance - (words - 1)) & 0xFFFF, lane_step=position,
                tail_groups=4, output_address=200,
            )
            program = step.pack() + END
            if fits:
                check_program(program, config, weights=64, records=np.tile(records, (4, 1)))
                continue
            text = f"jump_tile must keep tiles within the {position} words of a position, not lead"
            with pytest.raises(NhotError, match=f"^descriptor 0 {text} to word {last}$"):
                check_program(program, config, weights=64, records=np.tile(records, (4, 1)))


def test_jumps_of_loops_of_one_turn_and_of_tiles():
    for image, step in STEPS:
        if step.last_tile == 0:
            refused("jump_tile must be 0, not 1", image, step, jump_tile=1)
        elif not step.operation.on_lanes:
            other = (step.jump_tile + 1) & 0xFFFF
            refused(f"jump_tile must be {step.jump_tile}, not {other}", image, step,
                    jump_tile=other)


def test_pixels_are_a_whole_number_of_words_apart():
    image, step = next(
        (image, step) for image, step in on_lanes(Operation.ARRAY) if step.stride_x == 2)
    odd = step.lane_step + 1
    refused(f"lane_step must be {step.lane_step}, not {odd}", image, step, lane_step=odd)


def test_pixels_of_a_group_read_from_banks_of_their_own():
    config = EngineConfig(pixels=2, activation_words=64, weight_words=16)
    for one_pixel in (0, 1):
        for words in (1, 2, 3, 4, 6):
            step = Descriptor(
                operation=Operation.ARRAY, per_channel=1, one_pixel=one_pixel, lane_step=words,
                column_step=2 - one_pixel, tail_groups=4, output_address=40,
            )
            program, records = step.pack() + END, np.array([[0], [0x98]] * 4)
            if one_pixel or words % 3:
                check_program(program, config, weights=16, records=records)
                continue
            text = f"lane_step must be no multiple of 3 for 2 pixels, not {words}"
            with pytest.raises(NhotError, match=f"^descriptor 0 {text}$"):
                check_program(program, config, weights=16, records=records)

"""Words that a descriptor reads and writes, step by step, and that they are judged to the word."""

from collections import defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.validate import check_program
from nhot.contract.program import Descriptor, Operation, unpack_program
from nhot.errors import NhotError
from nhot.testing.depthwise import depthwise_network
from nhot.testing.engine_networks import sample_network
from nhot.testing.networks import OPERATORS, random_network

ROOM = 1024  # words of activations, more than any of the networks needs
END = Descriptor(operation=Operation.END).pack()


def images():
    """Programs with every operation, on arrays wider, as wide and narrower than a word."""
    for filters, inputs, requantisers, pixels in (
        (4, 4, 2, 2), (8, 2, 1, 1), (2, 8, 2, 3), (16, 4, 4, 1),
    ):
        config = EngineConfig(
            filters=filters, inputs=inputs, requantisers=requantisers, pixels=pixels,
            activation_words=ROOM, weight_words=2048, requant_words=1024,
        )
        yield compile_network(sample_network("2hot"), config)
        for seed in range(3):
            made = random_network(seed, layers=6, operators=OPERATORS)
            yield compile_network(made, replace(config, accumulator_bits=32, product_bits=64))
    for seed, pixels in enumerate((1, 1, 2, 3)):
        config = EngineConfig(
            filters=9, inputs=9, requantisers=3, depthwise=True, activation_words=ROOM,
            weight_words=64, pixels=pixels,
        )
        stride = (1, 1) if pixels == 3 else (1, 2)
        rng = np.random.default_rng(seed)
        made = depthwise_network(rng, config, channels=12, stride=stride)
        yield compile_network(made, config)


IMAGES = list(images())
STEPS = [
    (image, step) for image in IMAGES for step in unpack_program(image.program)[:-1]
]


def words_read(step, config):
    """Of each operand the words under taps that are inside, by the running address."""
    found, pixels = defaultdict(set), step.pixels(config.pixels)
    address = step.input_address
    counts = (
        step.last_tile, step.last_row, step.last_column, step.last_tap_y, step.last_tap_x,
        step.last_word,
    )
    jumps = (step.jump_tile, step.jump_row, step.jump_column, step.jump_y, step.jump_x, 1)
    for turn in product(*(range(count + 1) for count in counts)):
        _, row, column, tap_y, tap_x, _ = turn
        y = row * step.stride_y + tap_y * step.step_y - step.pad_y
        for pixel in range(pixels):
            x = (
                column * step.column_step + pixel * step.stride_x + tap_x * step.step_x
                - step.pad_x
            ) if step.operation is not Operation.DEPTHWISE else (
                column * step.column_step + pixel - step.pad_x
            )
            if 0 <= y < step.height and 0 <= x < step.width:
                operand = tap_y if step.operation is Operation.ADD else 0
                found[operand].add((address + pixel * step.lane_step) & 0xFFFF)
        wrapping = [i for i, count in enumerate(counts) if turn[i] < count]
        if wrapping:  # the innermost loop that is not at its end goes on
            address += jumps[wrapping[-1]]
    return list(found.values())


def words_written(step, config):
    """Words of the outputs, row by row."""
    if step.operation is Operation.ARGMAX:
        return {step.output_address + row for row in range(step.last_row + 1)}
    array, pixels = step.operation.on_lanes, step.pixels(config.pixels)
    lanes = config.filters if array else config.inputs
    outputs = step.last_tile * lanes + step.tail_groups * config.requantisers
    columns = step.last_column * pixels + (step.tail_pixels if array else 1)
    if step.operation is Operation.DEPTHWISE:
        columns = len(range(config.preloads * pixels, columns, step.step_x))
    found, first = set(), step.output_address
    for _ in range(step.last_row + 1):
        for column in range(columns):
            found |= {first + output // config.inputs for output in range(outputs)}
            last = column == columns - 1
            first += step.row_words if last and step.row_words else step.pixel_words
    return found


def judged(image, step, *, weights=None, records=None, **changes):
    """Raise what the step is refused for, alone in a program; None if it is not."""
    check_program(
        replace(step, **changes).pack() + END, image.config,
        weights=len(image.weight_levels()) if weights is None else weights,
        records=image.records() if records is None else records,
    )


def refused(text, *args, **changes):
    with pytest.raises(NhotError, match=f"^descriptor 0 {text}$"):
        judged(*args, **changes)


def leaves_none_out(step):
    """Whether every position between the first and the last that are read is read, too."""
    return (
        step.step_x < 2 and step.step_y < 2 and step.stride_x <= step.last_tap_x + 1
        and step.stride_y <= step.last_tap_y + 1
    ) or step.operation is Operation.DEPTHWISE


def test_every_operation_is_there():
    for found in (STEPS, DENSE):
        assert {step.operation for _, step in found} == set(Operation) - {Operation.END}
    assert any(step.row_words for _, step in STEPS)
    depthwise = {image.config.pixels for image, _ in on_lanes(Operation.DEPTHWISE)}
    assert depthwise == {1, 2, 3}
    assert any(step.last_tile and step.operation is Operation.ARRAY for _, step in DENSE)


each_operation = pytest.mark.parametrize("operation", [
    operation for operation in Operation if operation is not Operation.END
])


@each_operation
def test_words_that_are_written_end_with_the_memory(operation):
    for image, step in STEPS:
        if step.operation is operation:
            _written_to_the_end(image, step)


def _written_to_the_end(image, step):
    reach = max(words_written(step, image.config)) - step.output_address
    highest = ROOM - 1 - reach
    assert highest > max(max(words) for words in words_read(step, image.config))
    judged(image, step, output_address=highest)
    text = f"such that words {highest + 1} to {ROOM} are within 0 to {ROOM - 1}"
    if not reach:  # an address that is none by itself
        text = f"0 to {ROOM - 1}, not {ROOM}"
    with pytest.raises(NhotError, match=f"^descriptor 0 output_address must be {text}$"):
        judged(image, step, output_address=highest + 1)


DENSE = [(image, step) for image, step in STEPS if leaves_none_out(step)]


@each_operation
def test_words_that_are_read_are_not_written(operation):
    """Outputs right behind what is read, right before it, and a word nearer."""
    for image, step in DENSE:
        if step.operation is operation:
            _written_beside_what_is_read(image, step)


def _written_beside_what_is_read(image, step):
    spans = [(min(words), max(words)) for words in words_read(step, image.config)]
    reach = max(words_written(step, image.config)) - step.output_address
    for first, last in spans:
        free = {
            address for address in (last + 1, first - 1 - reach)
            if address >= 0 and all(
                address > end or address + reach < start for start, end in spans)
        }
        for address in free:
            judged(image, step, output_address=address)
        for address in (last, first - reach):
            if address < 0:
                continue
            with pytest.raises(NhotError, match="^descriptor 0 output_address must keep what the "
                               r"layer writes apart from the words \d+ to \d+ that it reads"):
                judged(image, step, output_address=address)


@each_operation
def test_words_that_are_read_end_with_the_memory(operation):
    """Everything moved up, until the last word that is read is that of the memory."""
    for image, step in DENSE:
        if step.operation is operation:
            _read_to_the_end(image, step)


def _read_to_the_end(image, step):
    last = max(max(words) for words in words_read(step, image.config))
    reach = max(words_written(step, image.config)) - step.output_address
    assert reach < min(min(words) for words in words_read(step, image.config)) + ROOM - 1 - last
    up = (step.input_address + ROOM - 1 - last) & 0xFFFF
    judged(image, step, input_address=up, output_address=0)
    text = rf"^descriptor 0 input_address must be such that words \d+ to {ROOM} are within"
    with pytest.raises(NhotError, match=text):
        judged(image, step, input_address=(up + 1) & 0xFFFF, output_address=0)


def test_no_word_that_is_read_is_missed():
    """Windows that leave positions out: what is said to be read has at least what is."""
    for image, step in STEPS:
        last = max(max(words) for words in words_read(step, image.config))
        up = (step.input_address + ROOM - last) & 0xFFFF
        with pytest.raises(NhotError, match=r"^descriptor 0 input_address must be such that words"):
            judged(image, step, input_address=up, output_address=0)


CONFIG = EngineConfig(activation_words=16)
MOST = 1 << (CONFIG.distance_bits - 1)


def walk(**fields):
    """A pool over padding alone, that would go so far."""
    step = Descriptor(**{
        "operation": Operation.MAX, "pad_x": 255, "pad_y": 255, "pixel_words": 0,
        "output_address": 1, **fields,
    })
    check_program(step.pack() + END, CONFIG, weights=0, records=np.array([[0], [0x98]]))


@pytest.mark.parametrize(("name", "near", "far", "others"), [
    ("jump_x", MOST - 1, MOST, {"last_tap_x": 1, "step_x": None}),
    ("jump_y", MOST - 1, MOST, {"last_tap_y": 1, "step_y": None}),
    ("jump_row", MOST - 1, MOST, {"last_row": 1, "stride_y": None}),
    ("jump_column", MOST - 1, MOST, {"last_column": 1, "stride_x": None, "column_step": None}),
    ("input_address", MOST - 1, MOST, {}), ("input_address", -MOST, -MOST - 1, {}),
])
def test_distances_at_their_limits(name, near, far, others):
    """Fields that are None are as far as the address is to go: positions have a word each."""
    for distance in (near, far):
        fields = {field: distance if value is None else value for field, value in others.items()}
        fields[name] = distance & 0xFFFF
        if distance == near:
            walk(**fields)
            continue
        text = f"{name} must be a distance of {-MOST} to {MOST - 1}, not {distance}"
        with pytest.raises(NhotError, match=f"^descriptor 0 {text}$"):
            walk(**fields)


@pytest.mark.parametrize(("fields", "first"), [
    ({"pad_y": 255, "height": 9}, 15), ({"pad_y": 1}, MOST - 1), ({"pad_x": 1}, MOST - 1),
])
def test_windows_that_see_padding_alone_read_nothing(fields, first):
    walk(**{"pad_x": 0, "pad_y": 0, "input_address": first} | fields)


def on_lanes(operation):
    return [(image, step) for image, step in STEPS if step.operation is operation]


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


def records_of(image, step):
    """How many records a step has, counted output by output."""
    if not step.operation.on_lanes:
        return 2 if step.operation is Operation.ADD else 1
    groups = image.config.filters // image.config.requantisers
    return len([*range(step.last_tile * groups), *range(step.tail_groups)])


@each_operation
def test_records_end_with_what_the_image_has(operation):
    for image, step in STEPS:
        if step.operation is not operation:
            continue
        first, end = step.requant_address, step.requant_address + 2 * records_of(image, step)
        judged(image, step, records=image.records()[:end])
        text = f"requant_address must be such that words {first} to {end - 1} are within 0 to "
        refused(f"{text}{end - 2}", image, step, records=image.records()[: end - 1])


@each_operation
def test_terms_of_its_own_records_alone_count(operation):
    """The first and the last of them, the bit behind the terms that a layer has; biases are any."""
    for image, step in STEPS:
        if step.operation is not operation or step.terms == 4:
            continue
        first, end = step.requant_address, step.requant_address + 2 * records_of(image, step)
        for word in {first - 1, first, first + 1, end - 2, end - 1, end, end + 1}:
            records = image.records()
            if not 0 <= word < len(records):
                continue
            records[word] = 1 << (8 * step.terms)
            if word % 2 and first <= word < end:
                text = f"not {step.terms} for {1 << (8 * step.terms):#010x}"
                refused(f"terms must be as many as its .*, {text}", image, step, records=records)
            else:
                judged(image, step, records=records)


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

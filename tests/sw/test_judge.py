"""Words that a descriptor reads and writes, step by step, and that they are judged to the word."""

from collections import defaultdict
from itertools import product

import numpy as np
import pytest

from nhot.compiler import EngineConfig
from nhot.compiler.validate import check_program
from nhot.contract.program import Descriptor, Operation
from nhot.errors import NhotError
from nhot.testing.descriptors import END, ROOM, STEPS, judged, on_lanes, refused


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
                operand = 0 if step.step_y else tap_y
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
    assert any(step.operation is Operation.ARRAY and not step.step_y for _, step in STEPS)
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

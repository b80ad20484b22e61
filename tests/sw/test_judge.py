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
        every = (*OPERATORS, "transposed", "concat", "upsample")
        for seed in range(3):
            made = random_network(seed, layers=6, operators=every)
            yield compile_network(made, replace(config, accumulator_bits=32, product_bits=64))
    for seed, pixels in enumerate((1, 1, 2, 3)):
        config = EngineConfig(
            filters=9, inputs=9, requantisers=3, depthwise=True, activation_words=ROOM,
            weight_words=64, pixels=pixels,
        )
        stride = (1, 1) if pixels == 3 else (1, 2)
        rng = np.random.default_rng(seed)
        yield compile_network(depthwise_network(rng, config, stride=stride), config)


IMAGES = list(images())
STEPS = [
    (image, step) for image in IMAGES for step in unpack_program(image.program)[:-1]
]


def words_read(step, config):
    """Of each operand the words under taps that are inside, by the running address."""
    found, pixels = defaultdict(set), step.pixels(config.pixels)
    address = step.input_address
    counts = (step.tiles, step.rows, step.columns, step.kernel_y, step.kernel_x, step.words)
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
        return {step.output_address + row for row in range(step.rows + 1)}
    array, pixels = step.operation.on_lanes, step.pixels(config.pixels)
    lanes = config.filters if array else config.inputs
    outputs = step.tiles * lanes + step.last_groups * config.requantisers
    columns = step.columns * pixels + (step.last_pixels if array else 1)
    if step.operation is Operation.DEPTHWISE:
        columns = len(range(config.preloads * pixels, columns, step.step_x))
    found, first = set(), step.output_address
    for _ in range(step.rows + 1):
        for column in range(columns):
            found |= {first + output // config.inputs for output in range(outputs)}
            last = column == columns - 1
            first += step.row_words if last and step.row_words else step.pixel_words
    return found


def judged(image, step, **changes):
    """Raise what the step is refused for, alone in a program; None if it is not."""
    check_program(
        replace(step, **changes).pack() + END, image.config,
        weights=len(image.weight_levels()), records=image.records(),
    )


def leaves_none_out(step):
    """Whether every position between the first and the last that are read is read, too."""
    return (
        step.step_x < 2 and step.step_y < 2 and step.stride_x <= step.kernel_x + 1
        and step.stride_y <= step.kernel_y + 1
    ) or step.operation is Operation.DEPTHWISE


def test_every_operation_is_there():
    for found in (STEPS, DENSE):
        assert {step.operation for _, step in found} == set(Operation) - {Operation.END}
    assert any(step.row_words for _, step in STEPS)
    assert any(step.tiles and step.operation is Operation.ARRAY for _, step in DENSE)


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
    ("jump_x", MOST - 1, MOST, {"kernel_x": 1, "step_x": None}),
    ("jump_y", MOST - 1, MOST, {"kernel_y": 1, "step_y": None}),
    ("jump_row", MOST - 1, MOST, {"rows": 1, "stride_y": None}),
    ("jump_column", MOST - 1, MOST, {"columns": 1, "stride_x": None, "column_step": None}),
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

"""How long a program takes: exactly the cycles that the engine counts.

docs/engine.md derives the numbers from the engine's pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nhot.contract.config import EngineConfig
from nhot.contract.latency import WINDOW_LATENCY
from nhot.contract.program import DESCRIPTOR_WORDS, LIMIT_CYCLES, Descriptor, Operation

__all__ = [
    "column_cycles", "layer_cycles", "leading_columns", "program_cycles", "run_limit",
]


def program_cycles(program: Sequence[Descriptor], config: EngineConfig) -> list[int]:
    """Cycles of each descriptor of a program, its END included, from the end of the one before.

    Their sum is what the engine's counter has after a run.
    """
    cycles = [
        _fetch(config) if step.operation is Operation.END else layer_cycles(step, config)
        for step in program
    ]
    # The count starts with the run, and no end of a layer is written before the first.
    cycles[0] -= 2
    return cycles


def run_limit(program: Sequence[Descriptor], config: EngineConfig) -> int:
    """The least limit, in units of ``LIMIT_CYCLES``, that lets a program come to its END."""
    return sum(program_cycles(program, config)) // LIMIT_CYCLES + 1


def layer_cycles(step: Descriptor, config: EngineConfig) -> int:
    """Cycles of the layer of ``step``, from the end of a layer before it to its own."""
    total = _fetch(config) + (leading_columns(step, config) + 1) * column_cycles(step, config)
    for count, slots, steps in _pixel_groups(step, config):
        # From the last step of a group to that of the next: its steps, or the slots of the first.
        gap = max(steps, slots + config.step_cycles - 1)
        total += count * gap
    # The last group has none after it, but a tail.
    return total - gap + _sum_latency(step, config) + slots + config.byte_latency


def leading_columns(step: Descriptor, config: EngineConfig) -> int:
    """Columns of each row that are only read for the outputs of those behind them."""
    return config.preloads if step.operation is Operation.DEPTHWISE else 0


def column_cycles(step: Descriptor, config: EngineConfig) -> int:
    """Cycles of the steps of a column, and of the writes that take their turn with them."""
    taps = (step.last_tap_x + 1) * (step.last_tap_y + 1)
    return (step.last_word + 1) * taps * config.step_cycles + config.write_cycles


def _sum_latency(step: Descriptor, config: EngineConfig) -> int:
    if step.operation.on_lanes:
        return config.sum_latency
    return config.memory_latency + WINDOW_LATENCY


def _fetch(config: EngineConfig) -> int:
    """The words of a descriptor, what settles after them, start, and two words of timing."""
    return DESCRIPTOR_WORDS + 4 + config.pixels


def _pixel_groups(step: Descriptor, config: EngineConfig) -> Iterator[tuple[int, int, int]]:
    """How many pixel groups there are of each kind, the last one in the last kind.

    With each, the cycles of its requantisation, and those of the steps of the group after it.
    """
    pixels = step.pixels(config.pixels)
    full = (config.filters if step.operation.on_lanes else config.inputs) // config.requantisers
    slot = -(-step.terms // config.requant_terms)
    depthwise = step.operation is Operation.DEPTHWISE
    stride = step.step_x if depthwise else 1
    turns = stride if pixels == 1 else 1  # columns from one that gives outputs to the next
    leading, steps = leading_columns(step, config), column_cycles(step, config)
    inner = (step.last_column - leading) // turns
    rows = step.last_row + 1
    for tiles, groups in ((step.last_tile, full), (1, step.tail_groups)):
        for columns, width, following in (
            (inner, pixels, turns), (1, step.tail_pixels if pixels > 1 else 1, leading + 1),
        ):
            outputs = -(-width // stride)
            slots = outputs * groups * step.records * slot
            yield tiles * rows * columns, slots, following * steps

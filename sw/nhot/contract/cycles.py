"""How long a program takes: exactly the cycles that the engine counts.

docs/engine.md derives the numbers from the engine's pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nhot.contract.config import EngineConfig
from nhot.contract.latency import WINDOW_LATENCY
from nhot.contract.program import DESCRIPTOR_WORDS, LIMIT_CYCLES, Descriptor, Operation

__all__ = [
    "START_CYCLES", "column_cycles", "fetch_cycles", "first_fetch_cycles", "layer_cycles",
    "leading_columns", "program_cycles", "run_limit", "tail_cycles", "waiting_cycles",
]

START_CYCLES = 1
"""Cycles from the end of a layer to the first one of the next, in which that is decided."""

_END_CYCLES = 2
"""Cycles from the end of the last layer to that of the run."""


def program_cycles(program: Sequence[Descriptor], config: EngineConfig) -> list[int]:
    """Cycles of each descriptor of a program, its END included, from the end of the one before.

    Their sum is what the engine's counter has after a run.
    """
    cycles = [
        _END_CYCLES if step.operation is Operation.END else layer_cycles(step, config)
        for step in program
    ]
    # The first descriptor is fetched while there is nothing else to do.
    cycles[0] += first_fetch_cycles(config)
    return cycles


def run_limit(program: Sequence[Descriptor], config: EngineConfig) -> int:
    """The least limit, in units of ``LIMIT_CYCLES``, that lets a program come to its END."""
    return sum(program_cycles(program, config)) // LIMIT_CYCLES + 1


def layer_cycles(step: Descriptor, config: EngineConfig) -> int:
    """Cycles of the layer of ``step``, from the end of a layer before it to its own.

    It ends when nothing of it is under way, and the descriptor behind it is there.
    """
    total = START_CYCLES + (leading_columns(step, config) + 1) * column_cycles(step, config)
    for count, slots, steps in _pixel_groups(step, config):
        # From the last step of a group to that of the next: its steps, or the slots of the first.
        gap = max(steps, slots + config.step_cycles - 1)
        total += count * gap
    # The last group has none after it.
    return total - gap + tail_cycles(step, config) + waiting_cycles(step, config)


def first_fetch_cycles(config: EngineConfig) -> int:
    """The words of the first descriptor, and what settles behind them."""
    return DESCRIPTOR_WORDS + config.pixels


def fetch_cycles(config: EngineConfig) -> int:
    """The same of any other, from the last step of the walk before it on, whose end is seen."""
    return first_fetch_cycles(config) + 2


def tail_cycles(step: Descriptor, config: EngineConfig) -> int:
    """From the last step of the layer's walk until nothing of it is under way."""
    *_, (_, slots, _) = _pixel_groups(step, config)
    tail = _sum_latency(step, config) + slots + config.byte_latency
    if step.operation is Operation.ARGMAX:
        tail += 2 + (config.requantisers - 1).bit_length()
    if config.single_port:  # bytes make a word, which passes through the queue
        tail += 1 + config.write_cycles
    return tail


def waiting_cycles(step: Descriptor, config: EngineConfig) -> int:
    """From then on until the next descriptor is there."""
    fetch = fetch_cycles(config)
    return max(fetch - tail_cycles(step, config), 0) if config.fetches_ahead else fetch - 1


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

"""The engine stops by itself, with the reason, at what it must not run."""

from dataclasses import dataclass, replace

import pytest
from amaranth.sim import Simulator

from nhot.compiler import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import (
    DESCRIPTOR_WORDS,
    LIMIT_CYCLES,
    WORDS,
    Descriptor,
    Fault,
    Operation,
)
from nhot_hw.engine import Engine
from nhot_hw.engine.descriptor import kept
from nhot_hw.engine.guard import Guard
from nhot_sim.streams import simulate

# Depths that are powers of two and depths that are not: they are compared in different ways.
CONFIGS = [
    EngineConfig(
        pixels=2, filters=4, inputs=2, activation_words=48, weight_words=20, requant_words=24,
        program_words=45,
    ),
    EngineConfig(
        filters=4, inputs=4, requantisers=2, activation_words=64, weight_words=32,
        requant_words=16, program_words=64, activation_terms=2,
    ),
    EngineConfig(
        filters=4, inputs=2, activation_words=48, weight_words=20, requant_words=24,
        program_words=64, single_port=True,
    ),
]
IDS = ["other-depths", "powers-of-two", "single-port"]
END = Descriptor(operation=Operation.END)


def layer(config: EngineConfig, **changes) -> Descriptor:
    """A descriptor of one pixel that ends, with some fields changed."""
    array = changes.get("operation", Operation.ARRAY) is Operation.ARRAY
    sound = Descriptor(
        operation=Operation.ARRAY, tail_groups=1, per_channel=int(array), lane_step=int(array)
    )
    return replace(sound, **changes)


@dataclass(frozen=True)
class Raw:
    """A descriptor that is only its bytes."""

    data: bytes

    def pack(self) -> bytes:
        return self.data


def run(config: EngineConfig, *programs: list[Descriptor], limit: int = 8) -> list[tuple]:
    """What the engine says of each program, one after another: fault, finished layers, cycles."""
    engine = Engine(config)
    results = []

    async def bench(ctx):
        for program in programs:
            data = b"".join(step.pack() for step in program)[: 4 * config.program_words]
            for index in range(config.program_words):
                word = int.from_bytes(data[4 * index : 4 * index + 4], "little")
                ctx.set(engine.program.row(index), word)
            ctx.set(engine.host.limit, limit)
            ctx.set(engine.host.start, 1)
            await ctx.tick()
            ctx.set(engine.host.start, 0)
            for _ in range(5000):
                if not ctx.get(engine.host.busy):
                    break
                await ctx.tick()
            else:
                raise AssertionError("a run must end")
            results.append((
                Fault(ctx.get(engine.host.fault)), ctx.get(engine.host.layers),
                ctx.get(engine.host.cycles),
            ))

    simulator = Simulator(engine)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    return results


def most(config: EngineConfig) -> dict[str, int]:
    """The largest legal value of each field that the sequencer judges, in a layer of the array."""
    return {
        "terms": 4, "tail_groups": config.filters // config.requantisers,
        "tail_pixels": config.pixels, "weight_address": config.weight_words - 1,
        "requant_address": config.requant_words - 2, "output_address": config.activation_words - 1,
        "pixel_words": config.activation_words - 1, "row_words": config.activation_words - 1,
        **({"activation_terms": config.activation_terms} if config.activation_terms else {}),
    }


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_fields_at_their_ends(config):
    """The largest legal value runs, one more does not, nor does zero where a count is meant."""
    limits = most(config)
    # More groups than fit the last words of the memory would be an address beyond it.
    legal = [
        layer(config, **{name: value}, **({"output_address": 0} if name == "tail_groups" else {}))
        for name, value in limits.items()
    ]
    beyond = {**limits, "requant_address": config.requant_words - 1}
    illegal = [layer(config, **{name: value + 1}) for name, value in beyond.items()]
    illegal += [layer(config, **{name: 0}) for name in ("terms", "tail_groups", "tail_pixels")]
    illegal += [
        layer(config, **{name: 1 << config.loop_bits})
        for name in ("last_word", "last_tile", "last_column")
    ]
    good = run(config, *([step, END] for step in legal))
    assert [result[:2] for result in good] == [(Fault.NONE, 1)] * len(legal)
    assert [result[2] for result in good] == [
        sum(program_cycles([step, END], config)) for step in legal
    ]
    if config.pixels > 1:  # their words in the same bank
        distance = 3 * config.banks
        illegal.append(layer(config, lane_step=distance))
        alone = layer(config, lane_step=distance, one_pixel=1)
        assert run(config, [alone, END])[0][:2] == (Fault.NONE, 1)
    bad = run(config, *([layer(config), step, END] for step in illegal))
    assert [result[:2] for result in bad] == [(Fault.PROGRAM, 1)] * len(illegal)


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_no_bit_that_is_not_kept_is_passed_over(config):
    """Any one of them makes a legal layer illegal, and the next layer is judged anew."""
    sound = layer(config).pack()
    programs = []
    position = 0
    for index, word in enumerate(WORDS):
        known = {**word, "activation_terms": 0} if not config.activation_terms else word
        for bit in range(sum(known.values())):
            if not kept(index, config) >> bit & 1:
                flipped = int.from_bytes(sound, "little") ^ 1 << (position + bit)
                programs.append([Raw(flipped.to_bytes(len(sound), "little")), END])
        position += 32
    assert len(programs) > 70
    assert {result[:2] for result in run(config, *programs)} == {(Fault.PROGRAM, 0)}


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_distances_at_their_ends(config):
    most = 1 << (config.distance_bits - 1)
    results = run(config, *(
        [layer(config, jump_tile=value & 0xFFFF), END]
        for value in (most - 1, -most, most, -most - 1)
    ))
    assert [fault for fault, *_ in results] == [
        Fault.NONE, Fault.NONE, Fault.PROGRAM, Fault.PROGRAM,
    ]


@pytest.mark.parametrize("operation", [Operation.DEPTHWISE, *range(max(Operation) + 1, 16)])
def test_unknown_operations(operation):
    config = CONFIGS[0]
    first = int.from_bytes(layer(config).pack()[:4], "little") & ~0xF | operation
    raw = Raw(first.to_bytes(4, "little") + layer(config).pack()[4:])
    ((fault, index, _),) = run(config, [raw, END])
    assert (fault, index) == (Fault.PROGRAM, 0)


@pytest.mark.parametrize("operation", [op for op in Operation if op != 0 and not op.on_lanes])
def test_other_operations_have_the_groups_of_a_word(operation):
    config = CONFIGS[0]  # fewer groups in a word than in a tile of filters
    groups = config.inputs // config.requantisers
    results = run(
        config, [layer(config, operation=operation, channels=1, tail_groups=groups), END],
        [layer(config, operation=operation, channels=1, tail_groups=groups + 1), END],
    )
    assert [fault for fault, *_ in results] == [Fault.NONE, Fault.PROGRAM]


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_a_program_without_end(config):
    """The memory's last whole descriptor is run, and nothing behind it."""
    count = config.program_words // DESCRIPTOR_WORDS
    ((fault, index, _),) = run(config, [layer(config)] * (count + 1))
    assert (fault, index) == (Fault.PROGRAM, count)


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_addresses_at_their_ends(config):
    """The last word of each memory may be used, the one behind it may not."""
    last = config.activation_words - 1
    records = config.requant_words - 2
    # Two words a step of each kind: the second one is the last of its memory.
    legal = [
        layer(config, input_address=last - 1, last_word=1),
        layer(config, weight_address=config.weight_words - 2, last_word=1),
        layer(config, operation=Operation.MAX, input_address=last - 1, last_column=1, width=2,
              jump_column=1, output_address=last - 1),
        layer(config, operation=Operation.ARGMAX, channels=1, last_row=1, output_address=last - 1,
              step_x=0, step_y=0, stride_y=0, column_step=0),
        layer(config, operation=Operation.ADD, requant_address=records - 2, last_tap_y=1,
              step_y=0),
        layer(config, requant_address=records - 2, tail_groups=2),
        # What lies in the padding is no access: here all taps but the second row's.
        layer(config, input_address=(last - 8) & 0xFFFF, last_tap_y=1, pad_y=1, jump_y=8),
        layer(config, input_address=0xFFFF, last_tap_x=1, pad_x=1, jump_x=1, lane_step=1),
        # Nor is where a walk stands when it has ended, nor what only lanes would take.
        layer(config, jump_tile=last + 1, width=2),
        layer(config, operation=Operation.MAX, lane_step=last + 1, width=2),
    ]
    beyond = [
        replace(legal[0], input_address=last), replace(legal[0], input_address=0xFFFF),
        replace(legal[1], weight_address=config.weight_words - 1),
        replace(legal[2], input_address=last),
        replace(legal[2], input_address=0, output_address=last),
        replace(legal[3], output_address=last),
        replace(legal[4], requant_address=records), replace(legal[5], requant_address=records),
        replace(legal[6], jump_y=9), replace(legal[7], pad_x=0),
    ]
    assert [fault for fault, *_ in run(config, *([step, END] for step in legal))] == (
        [Fault.NONE] * len(legal)
    )
    assert [fault for fault, *_ in run(config, *([step, END] for step in beyond))] == (
        [Fault.ADDRESS] * len(beyond)
    )


def test_nothing_is_written_after_a_fault_and_the_next_run_is_sound():
    config = CONFIGS[1]
    sound = [layer(config, last_column=3, width=4, pixel_words=1), END]
    astray = [layer(config, last_column=3, width=4, output_address=62), END]
    first, second, third = run(config, sound, astray, sound)
    assert first == third
    assert first[0] is Fault.NONE
    assert second[:2] == (Fault.ADDRESS, 0)
    last = [layer(config, last_column=2, width=4, output_address=62), END]
    assert run(config, last)[0][:2] == (Fault.ADDRESS, 0)  # nor does a layer that ends with it


def test_a_limit_ends_a_run():
    """At LIMIT_CYCLES times the limit, which is kept from the start; the first fault stays."""
    dut = Guard()

    async def bench(ctx):
        async def cycle(**values):
            for name, value in values.items():
                ctx.set(getattr(dut, name), value)
            await ctx.tick()
            return ctx.get(dut.o_fault), ctx.get(dut.o_stop)

        assert await cycle(i_start=1, i_limit=3) == (Fault.NONE, 0)
        running = {"i_start": 0, "i_limit": 0, "i_busy": 1}
        assert await cycle(**running, i_cycles=3 * LIMIT_CYCLES - 1) == (Fault.NONE, 0)
        assert await cycle(i_cycles=3 * LIMIT_CYCLES) == (Fault.CYCLES, 1)
        assert await cycle(i_illegal=1, i_beyond=1) == (Fault.CYCLES, 1)
        assert await cycle(i_busy=0) == (Fault.CYCLES, 0)
        assert await cycle(i_start=1, i_limit=9) == (Fault.NONE, 0)
        assert await cycle(i_start=0, i_busy=1, i_cycles=0) == (Fault.PROGRAM, 1)
        assert await cycle(i_start=1, i_busy=1) == (Fault.PROGRAM, 1)

    simulate(dut, bench)

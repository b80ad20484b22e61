"""A golden session with an engine on a bus: jobs, and what must come of them."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from nhot.contract.breakdown import breakdown
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles, run_limit
from nhot.contract.program import Descriptor, Region, unpack_program
from nhot_hw.buses.mover import depths, word_sizes
from nhot_hw.buses.registers import FIELDS, Register
from nhot_hw.core.exchange import golden

__all__ = ["Job", "bus_script", "bus_session", "engine_facts"]

_WRITE, _READ, _WAIT = range(3)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Bytes to a memory, a run, bytes from a memory; ``cycles`` are those of the run."""

    what: str
    input_region: int = 0
    input_address: int = 0
    input_words: int = 0
    input: str = ""
    limit: int = 0
    cycles: int = 0
    output_region: int = 0
    output_address: int = 0
    output_words: int = 0
    output: str = ""


def bus_session(config: EngineConfig) -> list[Job]:
    """A small network loaded, its program read back, two inputs run through it, times in between.

    The outputs are those of the reference, the times of the layers those that are predicted. Raises
    :class:`nhot.errors.NhotError` if the memories of the engine hold no network.
    """
    image, inputs, outputs = golden(config)
    sizes = word_sizes(config, write=True)
    jobs = [
        Job(what=f"load {region.name.lower()}", input_region=region, input=content.hex(),
            input_words=len(content) // sizes[region])
        for region, content in (
            (Region.PROGRAM, image.program), (Region.REQUANT, image.requant),
            (Region.WEIGHTS, image.weights),
        )
    ]
    jobs.append(Job(
        what="read program", output_region=Region.PROGRAM, output=image.program.hex(),
        output_words=len(image.program) // 4,
    ))
    program = unpack_program(image.program)
    for values, wanted in zip(inputs, outputs, strict=True):
        source, target = image.meta.input, image.meta.output
        jobs.append(Job(
            what="run", input_region=Region.ACTIVATIONS, input_address=source.address,
            input_words=source.words, input=source.pack(values).hex(),
            limit=run_limit(program, config), cycles=sum(program_cycles(program, config)),
            output_region=Region.ACTIVATIONS, output_address=target.address,
            output_words=target.words, output=target.pack(wanted).hex(),
        ))
    times = _times(program, config)
    jobs.insert(-1, Job(
        what="read times", output_region=Region.TIMING, output=times.hex(),
        output_words=len(times) // sizes[Region.TIMING],
    ))
    return jobs


def _times(program: list[Descriptor], config: EngineConfig) -> bytes:
    """What the timing memory has after a run: the end of each layer, and the stalls until then."""
    layers = program[:-1]  # and END
    ends = accumulate(program_cycles(program, config)[:-1])
    stalls = accumulate(breakdown(step, config).stalls for step in layers)
    return b"".join(struct.pack("<II", *pair) for pair in zip(ends, stalls, strict=True))


def engine_facts(config: EngineConfig, buffer: int) -> dict[str, Any]:
    """What the registers must say of the engine."""
    sizes = word_sizes(config, write=True)
    return {
        "target": config.target_id, "buffer": buffer,
        "memories": {region.name: [depth, sizes[region]]
                     for region, depth in depths(config).items()},
    }


def bus_script(jobs: Iterable[Job]) -> str:
    """A session as lines for ``$readmemh``: what to do, the offset, and the word.

    0 writes, 1 reads and compares, 2 reads until it is so.
    """
    lines = []
    for number, job in enumerate(jobs):
        for what, register, word in _accesses(job, number):
            lines.append(f"{what:x}{register:03x}{word & 0xFFFFFFFF:08x}")
    return "\n".join(lines) + "\n"


def _accesses(job: Job, number: int) -> Iterator[tuple[int, Register, int]]:
    yield _READ, Register.ACQUIRE, number
    for register, word in _registers(job):
        yield _WRITE, register, word
    yield _WRITE, Register.COMMIT, 1
    for word in _words(job.input):
        yield _WRITE, Register.DATA, word
    if job.output:
        output = 1 << FIELDS[Register.IRQ_STATUS]["output"][0]
        yield _WAIT, Register.IRQ_STATUS, output
        yield _WRITE, Register.IRQ_STATUS, output
    for word in _words(job.output):
        yield _READ, Register.DATA, word
    yield _WAIT, Register.JOBS, number + 1
    yield _WRITE, Register.IRQ_STATUS, 1 << FIELDS[Register.IRQ_STATUS]["done"][0]
    if job.limit:
        yield _READ, Register.CYCLES, job.cycles


def _registers(job: Job) -> Iterator[tuple[Register, int]]:
    low, _ = FIELDS[Register.INPUT]["region"]
    yield Register.INPUT, job.input_address | job.input_region << low
    yield Register.INPUT_WORDS, job.input_words
    yield Register.OUTPUT, job.output_address | job.output_region << low
    yield Register.OUTPUT_WORDS, job.output_words
    yield Register.LIMIT, job.limit


def _words(content: str) -> list[int]:
    data = bytes.fromhex(content)
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data), 4)]

"""Whether a program is one that its engine runs to its end, within its memories.

An image says what an engine does, and its hash is no signature. So every descriptor is judged when
an image is made or read; docs/image.md has the table of what is asked. Nothing is enumerated: the
time is that of reading the program and its records.
"""

from __future__ import annotations

from nhot.compiler.judge import Check
from nhot.contract.config import EngineConfig
from nhot.contract.cycles import program_cycles
from nhot.contract.program import DESCRIPTOR_WORDS, Descriptor, Operation
from nhot.errors import NhotError
from nhot.formats.format import Ints

__all__ = ["MOST_CYCLES", "check_program"]

MOST_CYCLES = 0xFFFF << 16
"""A run takes fewer: its limit counts 65,536 cycles in 16 bits."""


def check_program(
    program: bytes, config: EngineConfig, *, weights: int, records: Ints
) -> list[Descriptor]:
    """The descriptors of ``program``, refused if an engine must not be let to run them.

    Parameters
    ----------
    program : bytes
        Whole descriptors, at least one.
    config : EngineConfig
    weights : int
        Words of weights that come with it.
    records : (words, R) int64
        Biases and terms that come with it.

    Raises
    ------
    NhotError
        The text begins with the index and the field of a descriptor.
    """
    size = 4 * DESCRIPTOR_WORDS
    steps = []
    for index in range(len(program) // size):
        try:
            step = Descriptor.unpack(program[index * size : (index + 1) * size])
            last = (index + 1) * size == len(program)
            if (step.operation is Operation.END) != last:
                wanted = "END" if last else "no END, with descriptors behind it"
                raise NhotError(f"operation must be {wanted}, not {step.operation.name}")
            if not last:
                Check(step, config, weights, records).run()
        except NhotError as error:
            text = str(error).removeprefix("Descriptor ")
            raise NhotError(f"descriptor {index} {text}") from None
        steps.append(step)
    cycles = sum(program_cycles(steps, config))
    if cycles >= MOST_CYCLES:
        raise NhotError(f"program must take fewer than {MOST_CYCLES} cycles, not {cycles}")
    return steps

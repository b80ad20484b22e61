"""Nhot engine: its registers. Made from nhot.rdl by `make registers`."""

from enum import IntEnum

__all__ = ["FIELDS", "READABLE", "RESETS", "WRITABLE", "Phase", "Refusal", "Register"]


class Register(IntEnum):
    """Offsets in bytes."""

    ID = 0x00
    VERSION = 0x04
    TARGET = 0x08
    FEATURES = 0x0c
    STATUS = 0x10
    ACQUIRE = 0x14
    COMMIT = 0x18
    CLEAR = 0x1c
    IRQ_STATUS = 0x20
    IRQ_ENABLE = 0x24
    DATA = 0x28
    ROOM = 0x2c
    INPUT = 0x30
    INPUT_WORDS = 0x34
    OUTPUT = 0x38
    OUTPUT_WORDS = 0x3c
    LIMIT = 0x40
    JOBS = 0x50
    CYCLES = 0x54
    STALLS = 0x58
    LAYERS = 0x5c
    MEMORY_PROGRAM = 0x60
    MEMORY_REQUANT = 0x64
    MEMORY_WEIGHTS = 0x68
    MEMORY_ACTIVATIONS = 0x6c
    MEMORY_TIMING = 0x70


class Phase(IntEnum):
    """Values of a field that is encoded so."""

    IDLE = 0  # no job
    INPUT = 1  # words go to a memory
    RUN = 2  # the program runs
    OUTPUT = 3  # words come from a memory


class Refusal(IntEnum):
    """Values of a field that is encoded so."""

    NONE = 0  # it was accepted
    BUSY = 1  # a job is under way
    NOT_ACQUIRED = 2  # ACQUIRE was not read before
    INPUT = 3  # the input does not lie within a memory that can be written
    OUTPUT = 4  # the output does not lie within a memory
    STREAM = 5  # the output is for a stream, and there is none


FIELDS = {
    Register.ID: {
        "magic": (0, 32),
    },
    Register.VERSION: {
        "registers": (0, 16),
        "image": (16, 16),
    },
    Register.TARGET: {
        "target": (0, 32),
    },
    Register.FEATURES: {
        "stream": (0, 1),
        "buffer": (1, 17),
    },
    Register.STATUS: {
        "running": (0, 1),
        "acquired": (1, 1),
        "phase": (2, 2),
        "refusal": (4, 3),
        "fault": (7, 2),
        "output": (9, 1),
    },
    Register.ACQUIRE: {
        "job": (0, 32),
    },
    Register.COMMIT: {
        "go": (0, 1),
    },
    Register.CLEAR: {
        "go": (0, 1),
    },
    Register.IRQ_STATUS: {
        "done": (0, 1),
        "fault": (1, 1),
        "refused": (2, 1),
        "output": (3, 1),
    },
    Register.IRQ_ENABLE: {
        "done": (0, 1),
        "fault": (1, 1),
        "refused": (2, 1),
        "output": (3, 1),
    },
    Register.DATA: {
        "bytes": (0, 32),
    },
    Register.ROOM: {
        "words": (0, 17),
    },
    Register.INPUT: {
        "address": (0, 16),
        "region": (16, 3),
    },
    Register.INPUT_WORDS: {
        "words": (0, 17),
    },
    Register.OUTPUT: {
        "address": (0, 16),
        "region": (16, 3),
        "stream": (19, 1),
    },
    Register.OUTPUT_WORDS: {
        "words": (0, 17),
    },
    Register.LIMIT: {
        "limit": (0, 16),
    },
    Register.JOBS: {
        "count": (0, 31),
    },
    Register.CYCLES: {
        "count": (0, 32),
    },
    Register.STALLS: {
        "count": (0, 32),
    },
    Register.LAYERS: {
        "count": (0, 16),
    },
    Register.MEMORY_PROGRAM: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    Register.MEMORY_REQUANT: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    Register.MEMORY_WEIGHTS: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    Register.MEMORY_ACTIVATIONS: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    Register.MEMORY_TIMING: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
}
"""Lowest bit and width of each field."""

RESETS = {
    (Register.ID, "magic"): 0x544f484e,
    (Register.VERSION, "registers"): 0x1,
    (Register.VERSION, "image"): 0x2,
}
"""What fields hold that never change and are the same for every engine."""

READABLE = frozenset({
    Register.ID,
    Register.VERSION,
    Register.TARGET,
    Register.FEATURES,
    Register.STATUS,
    Register.ACQUIRE,
    Register.IRQ_STATUS,
    Register.IRQ_ENABLE,
    Register.DATA,
    Register.ROOM,
    Register.INPUT,
    Register.INPUT_WORDS,
    Register.OUTPUT,
    Register.OUTPUT_WORDS,
    Register.LIMIT,
    Register.JOBS,
    Register.CYCLES,
    Register.STALLS,
    Register.LAYERS,
    Register.MEMORY_PROGRAM,
    Register.MEMORY_REQUANT,
    Register.MEMORY_WEIGHTS,
    Register.MEMORY_ACTIVATIONS,
    Register.MEMORY_TIMING,
})
"""What can be read."""

WRITABLE = frozenset({
    Register.COMMIT,
    Register.CLEAR,
    Register.IRQ_STATUS,
    Register.IRQ_ENABLE,
    Register.DATA,
    Register.INPUT,
    Register.INPUT_WORDS,
    Register.OUTPUT,
    Register.OUTPUT_WORDS,
    Register.LIMIT,
})
"""What can be written."""

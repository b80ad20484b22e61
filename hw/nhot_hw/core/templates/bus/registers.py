"""The registers of the core: offsets in bytes, fields, values. nhot.rdl is their source."""

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

FIELDS = {  # lowest bit and width
    ID: {
        "magic": (0, 32),
    },
    VERSION: {
        "registers": (0, 16),
        "image": (16, 16),
    },
    TARGET: {
        "target": (0, 32),
    },
    FEATURES: {
        "stream": (0, 1),
        "buffer": (1, 17),
    },
    STATUS: {
        "running": (0, 1),
        "acquired": (1, 1),
        "phase": (2, 2),
        "refusal": (4, 3),
        "fault": (7, 2),
        "output": (9, 1),
    },
    ACQUIRE: {
        "job": (0, 32),
    },
    COMMIT: {
        "go": (0, 1),
    },
    CLEAR: {
        "go": (0, 1),
    },
    IRQ_STATUS: {
        "done": (0, 1),
        "fault": (1, 1),
        "refused": (2, 1),
        "output": (3, 1),
    },
    IRQ_ENABLE: {
        "done": (0, 1),
        "fault": (1, 1),
        "refused": (2, 1),
        "output": (3, 1),
    },
    DATA: {
        "bytes": (0, 32),
    },
    ROOM: {
        "words": (0, 17),
    },
    INPUT: {
        "address": (0, 16),
        "region": (16, 3),
    },
    INPUT_WORDS: {
        "words": (0, 17),
    },
    OUTPUT: {
        "address": (0, 16),
        "region": (16, 3),
        "stream": (19, 1),
    },
    OUTPUT_WORDS: {
        "words": (0, 17),
    },
    LIMIT: {
        "limit": (0, 16),
    },
    JOBS: {
        "count": (0, 31),
    },
    CYCLES: {
        "count": (0, 32),
    },
    STALLS: {
        "count": (0, 32),
    },
    LAYERS: {
        "count": (0, 16),
    },
    MEMORY_PROGRAM: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    MEMORY_REQUANT: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    MEMORY_WEIGHTS: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    MEMORY_ACTIVATIONS: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
    MEMORY_TIMING: {
        "depth": (0, 17),
        "word_bytes": (17, 9),
    },
}

VALUES = {  # of registers that are the same for every core
    "ID": 0x544f484e,
    "VERSION": 0x00020001,
}

READABLE = [
    ID,
    VERSION,
    TARGET,
    FEATURES,
    STATUS,
    ACQUIRE,
    IRQ_STATUS,
    IRQ_ENABLE,
    DATA,
    ROOM,
    INPUT,
    INPUT_WORDS,
    OUTPUT,
    OUTPUT_WORDS,
    LIMIT,
    JOBS,
    CYCLES,
    STALLS,
    LAYERS,
    MEMORY_PROGRAM,
    MEMORY_REQUANT,
    MEMORY_WEIGHTS,
    MEMORY_ACTIVATIONS,
    MEMORY_TIMING,
]

WRITABLE = [
    COMMIT,
    CLEAR,
    IRQ_STATUS,
    IRQ_ENABLE,
    DATA,
    INPUT,
    INPUT_WORDS,
    OUTPUT,
    OUTPUT_WORDS,
    LIMIT,
]

FAULT_NONE = 0  # the run came to its END
FAULT_PROGRAM = 1  # a descriptor that the engine cannot run, or a program without END
FAULT_ADDRESS = 2  # an address beyond a memory
FAULT_CYCLES = 3  # more cycles than LIMIT

PHASE_IDLE = 0  # no job
PHASE_INPUT = 1  # words go to a memory
PHASE_RUN = 2  # the program runs
PHASE_OUTPUT = 3  # words come from a memory

REFUSAL_NONE = 0  # it was accepted
REFUSAL_BUSY = 1  # a job is under way
REFUSAL_NOT_ACQUIRED = 2  # ACQUIRE was not read before
REFUSAL_INPUT = 3  # the input does not lie within a memory that can be written
REFUSAL_OUTPUT = 4  # the output does not lie within a memory
REFUSAL_STREAM = 5  # the output is for a stream, and there is none

REGION_PROGRAM = 0  # descriptors, words of 4 bytes
REGION_REQUANT = 1  # records of the requantisers
REGION_WEIGHTS = 2  # weights: written as codes, read as fields
REGION_ACTIVATIONS = 3  # activations, words of S bytes
REGION_TIMING = 4  # two words for each layer of the last run: read only

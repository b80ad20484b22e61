"""The engines that boards come with, by name.

No hardware is needed to know them: a network is compiled for one of these, and the gateware is
built from the same sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError

__all__ = ["BOARDS", "Board", "Target", "board", "target"]

_BAUD = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board and the engines that are known to fit it.

    Parameters
    ----------
    name : str
        What users type.
    title, part : str
        The board's and its FPGA's proper names.
    family : {"ecp5", "ice40"}
        Of the FPGA.
    luts, block_memories, dsps : int
        What the FPGA has: LUTs with four inputs (ECP5) or logic cells (iCE40), block memories, and
        multipliers.
    input_hz : int
        Frequency of the oscillator on the board.
    configurations : dict
        The clock of the engine in Hz and its sizes, by name; the first one is the default.
    """

    name: str
    title: str
    part: str
    family: str
    luts: int
    block_memories: int
    dsps: int
    input_hz: int
    configurations: dict[str, tuple[int, EngineConfig]]

    @property
    def default(self) -> str:
        """The configuration that is meant when none is named."""
        return next(iter(self.configurations))


@dataclass(frozen=True, kw_only=True)
class Target:
    """One engine on one board.

    Parameters
    ----------
    board, configuration : str
        Their names; the configuration's need not be one that the board comes with.
    clock_hz : int
        Of the engine.
    config : EngineConfig
    baud : int
        Of the serial port.
    """

    board: str
    configuration: str
    clock_hz: int
    config: EngineConfig
    baud: int = _BAUD

    def __post_init__(self) -> None:
        if not isinstance(self.config, EngineConfig):
            raise TypeError(f"Config of a target must be an EngineConfig, not {self.config!r}")
        board(self.board)
        if not self.configuration or set(self.configuration) - _NAME_CHARACTERS:
            raise NhotError(
                f"Configuration name must be lower-case letters, digits, - and _, "
                f"not {self.configuration!r}"
            )
        if not isinstance(self.clock_hz, int) or not 1_000_000 <= self.clock_hz <= 400_000_000:
            raise NhotError(f"Engine clock must be 1 to 400 MHz, not {self.clock_hz!r} Hz")


_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-_")

_ICEBREAKER = Board(
    name="icebreaker", title="1BitSquared iCEBreaker", part="iCE40 UP5K", family="ice40",
    luts=5280, block_memories=30, dsps=8, input_hz=12_000_000,
    configurations={
        "2hot": (24_000_000, EngineConfig(
            pixels=1, filters=2, inputs=4, requantisers=1, format="2hot", accumulator_bits=22,
            product_bits=40, activation_words=1024, weight_words=512, requant_words=256,
            program_words=256,
        )),
        "signed-binary": (24_000_000, EngineConfig(
            pixels=1, filters=4, inputs=8, requantisers=1, format="signed-binary", lane="chain",
            accumulator_bits=20, product_bits=40, activation_words=512, weight_words=512,
            requant_words=256, program_words=256,
        )),
    },
)

_ULX3S = Board(
    name="ulx3s-85f", title="Radiona ULX3S with 85F", part="ECP5 LFE5U-85F", family="ecp5",
    luts=83640, block_memories=208, dsps=156, input_hz=25_000_000,
    configurations={
        "2hot": (60_000_000, EngineConfig(
            pixels=1, filters=16, inputs=4, requantisers=4, format="2hot", accumulator_bits=24,
            activation_words=8192, weight_words=2048, requant_words=1024, program_words=512,
        )),
        "signed-binary": (60_000_000, EngineConfig(
            pixels=1, filters=16, inputs=8, requantisers=4, format="signed-binary",
            accumulator_bits=24, activation_words=8192, weight_words=4096, requant_words=1024,
            program_words=512,
        )),
        # All four networks of MLPerf Tiny fit this one.
        "2hot-256": (55_000_000, EngineConfig(
            pixels=1, filters=16, inputs=16, requantisers=16, requant_terms=2, format="2hot",
            lane="chain", depthwise=True, accumulator_bits=24, product_bits=40,
            activation_words=6912, weight_words=1040, requant_words=512, program_words=512,
        )),
    },
)

#: Every board, by the name that users type.
BOARDS: dict[str, Board] = {known.name: known for known in (_ICEBREAKER, _ULX3S)}


def board(name: str) -> Board:
    """The board called ``name``; another name is refused with the known ones."""
    if name not in BOARDS:
        raise NhotError(f"Board must be {_one_of(name, list(BOARDS))}")
    return BOARDS[name]


def target(board_name: str, configuration: str | None = None) -> Target:
    """One of the engines that a board comes with, its default one unless named.

    Raises :class:`NhotError` with the known names when there is no such board or configuration.
    """
    known = board(board_name)
    name = known.default if configuration is None else configuration
    if name not in known.configurations:
        choices = _one_of(name, list(known.configurations))
        raise NhotError(f"Configuration of {board_name} must be {choices}")
    clock_hz, config = known.configurations[name]
    return Target(board=board_name, configuration=name, clock_hz=clock_hz, config=config)


def _one_of(name: str, choices: list[str]) -> str:
    near = get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"one of {', '.join(choices)}, not {name!r}{hint}"

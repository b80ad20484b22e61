"""The engines that boards come with, by name.

No hardware is needed to know them: a network is compiled for one of these, and the gateware is
built from the same sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from nhot.boards import BOARDS
from nhot.contract.board import Board
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError

__all__ = ["BOARDS", "Board", "Target", "board", "target"]

_BAUD = 1_000_000


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
    boot : bool
        Whether the engine loads itself from the board's flash when it is switched on.
    patchable : bool
        Whether its memories hold placeholders at power-up, which ``nhot patch`` replaces.
    """

    board: str
    configuration: str
    clock_hz: int
    config: EngineConfig
    baud: int = _BAUD
    boot: bool = False
    patchable: bool = False

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

    @property
    def flash_address(self) -> int | None:
        """Where the engine's record begins in the flash; None where it does not read one."""
        return board(self.board).flash.offset if self.boot else None


_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-_")


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

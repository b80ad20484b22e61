"""The boards that nhot knows, a file each: it has a tuple ``BOARDS`` and is found by being here.

The file of the same name in ``nhot_hw.boards`` has pins and clocks.
"""

from importlib import import_module
from itertools import chain
from pkgutil import iter_modules

from nhot.contract.board import Board

__all__ = ["BOARDS", "MODULES", "find_boards"]


def find_boards() -> dict[str, tuple[Board, ...]]:
    """The boards of each file, files in the order of their names."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").BOARDS for name in names}


_FOUND = find_boards()

#: Every board, by the name that users type. Those that nhot builds for come first: of several with
#: the same engine the first is named.
BOARDS: dict[str, Board] = {
    board.name: board
    for board in sorted(chain(*_FOUND.values()), key=lambda board: bool(board.vendor_tool))
}

#: The name of its file, by the name of a board.
MODULES: dict[str, str] = {board.name: file for file, found in _FOUND.items() for board in found}

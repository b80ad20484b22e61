"""The files in which Linux says what is plugged in, and who may use it."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["System"]


def _usable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


def _group(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (KeyError, OSError):  # a group without a name, a device that has gone
        return ""


@dataclass(frozen=True)
class System:
    """A machine.

    Parameters
    ----------
    root : path
        Of its file system.
    usable : callable
        Whether the user may read and write a device.
    group : callable
        Name of the group of a device, "" if it has none.
    """

    root: Path = Path("/")
    usable: Callable[[Path], bool] = _usable
    group: Callable[[Path], str] = _group

    def folder(self, name: str) -> list[Path]:
        """What is in a folder, sorted; nothing if it is not there."""
        try:
            return sorted((self.root / name).iterdir())
        except OSError:
            return []

    def read(self, path: Path) -> str:
        """What a file of the kernel says, "" if it says nothing."""
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def usb_device(self, place: Path) -> Path | None:
        """The USB device that a folder of the kernel's belongs to; None if that is none."""
        for folder in (place, *place.parents):
            if folder == self.root:
                return None
            if (folder / "idVendor").is_file():
                return folder
        return None

    def usb_id(self, device: Path) -> str:
        """Vendor and product, as ``0403:6010``."""
        return f"{self.read(device / 'idVendor')}:{self.read(device / 'idProduct')}"

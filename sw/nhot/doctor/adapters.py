"""Serial ports of USB adapters, as Linux lists them in ``/sys/class/tty``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nhot.doctor.findings import Problem
from nhot.doctor.system import System

__all__ = ["SerialPort", "serial_ports"]

_NAMES = re.compile(r"tty(USB|ACM)(\d+)")
_BEST_LATENCY = 1  # ms


@dataclass(frozen=True, kw_only=True)
class SerialPort:
    """A serial port.

    Parameters
    ----------
    port : str
        What ``--port`` takes.
    description : str
        What the adapter says that it is.
    usb : str
        Vendor and product.
    interface : int, optional
        Of an adapter with several ports, which of them it is, from 0.
    latency_ms : int, optional
        How long an FTDI adapter holds a few bytes back.
    access : {"yes", "no"}
        Whether the user may use it.
    problems : tuple of Problem
    """

    port: str
    description: str
    usb: str
    interface: int | None
    latency_ms: int | None
    access: str
    problems: tuple[Problem, ...]


def serial_ports(system: System) -> list[SerialPort]:
    """Serial ports of adapters that are plugged in, in the order of their numbers."""
    found = [
        (match[1], int(match[2]), entry) for entry in system.folder("sys/class/tty")
        if (match := _NAMES.fullmatch(entry.name))
    ]
    ports = (_port(system, entry) for _, _, entry in sorted(found))
    return [port for port in ports if port is not None]


def _port(system: System, entry: Path) -> SerialPort | None:
    place = (entry / "device").resolve()
    usb = system.usb_device(place)
    if usb is None:
        return None
    node = system.root / "dev" / entry.name
    latency = _number(system.read(place / "latency_timer"))
    words = [system.read(usb / name) for name in ("manufacturer", "product")]
    return SerialPort(
        port=f"/dev/{entry.name}", description=" ".join(filter(None, words)),
        usb=system.usb_id(usb), interface=_interface(system, place, usb), latency_ms=latency,
        access="yes" if system.usable(node) else "no",
        problems=(*_rights(system, node), *_latency(entry.name, latency)),
    )


def _interface(system: System, place: Path, usb: Path) -> int | None:
    """Number of the interface of ``usb`` that ``place`` is in, if there are several."""
    if _number(system.read(usb / "bNumInterfaces")) in {None, 1}:
        return None
    for folder in (place, *place.parents):
        if folder == usb:
            return None
        number = system.read(folder / "bInterfaceNumber")
        if number:
            return int(number, 16) if re.fullmatch("[0-9a-fA-F]+", number) else None
    return None


def _rights(system: System, node: Path) -> Iterator[Problem]:
    if system.usable(node):
        return
    group = system.group(node)
    if group in {"", "root"}:
        cure = ("a rule of udev must give it to a group: echo 'KERNEL==\"ttyUSB*|ttyACM*\", "
                "GROUP=\"dialout\", MODE=\"0660\"' | sudo tee /etc/udev/rules.d/60-serial.rules; "
                "then plug it in again")
    else:
        cure = f"sudo usermod -aG {group} $USER, then log in again"
    yield Problem(what="you may not read and write it", cure=cure)


def _latency(name: str, latency: int | None) -> Iterator[Problem]:
    if latency is not None and latency > _BEST_LATENCY:
        yield Problem(
            what=f"it holds bytes back for {latency} ms, which makes loading slow", serious=False,
            cure=f"echo 1 | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer "
                 "(docs/protocol.md says how for good)",
        )


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]+", text) else None

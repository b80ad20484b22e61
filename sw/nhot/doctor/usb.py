"""USB adapters that bitstreams go through: openFPGALoader opens them without their serial port."""

from __future__ import annotations

from collections.abc import Iterator

from nhot.doctor.findings import Check, Problem
from nhot.doctor.system import System

__all__ = ["programmers"]

# Of FTDI, which the boards have that nhot knows.
_ADAPTERS = {"0403:6010": "FT2232H", "0403:6014": "FT232H", "0403:6015": "FT231X"}


def programmers(system: System) -> list[Check]:
    """The adapters that are plugged in, and whether the user may open them."""
    return list(_programmers(system))


def _programmers(system: System) -> Iterator[Check]:
    for device in system.folder("sys/bus/usb/devices"):
        chip = _ADAPTERS.get(system.usb_id(device))
        bus, number = (system.read(device / name) for name in ("busnum", "devnum"))
        if chip is None or not (bus.isdigit() and number.isdigit()):
            continue
        node = system.root / f"dev/bus/usb/{int(bus):03d}/{int(number):03d}"
        product = system.read(device / "product")
        problems = () if system.usable(node) else (_no_rights(system.usb_id(device)),)
        yield Check(name=f"USB adapter {chip}", problems=problems,
                    state=f"{product or 'without a name'} (bus {int(bus)}, device {int(number)})")


def _no_rights(usb: str) -> Problem:
    vendor, product = usb.split(":")
    return Problem(
        what="you may not open it, so that no bitstream can be loaded through it",
        cure=f"echo 'SUBSYSTEM==\"usb\", ATTR{{idVendor}}==\"{vendor}\", "
             f"ATTR{{idProduct}}==\"{product}\", MODE=\"0660\", GROUP=\"plugdev\", "
             "TAG+=\"uaccess\"' | sudo tee /etc/udev/rules.d/60-fpga.rules; sudo udevadm control "
             "--reload; then plug it in again",
    )

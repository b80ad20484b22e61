"""Which pins of a board an engine uses, by what they are for."""

from collections.abc import Iterator

from amaranth.build import Platform
from amaranth.lib import io

from nhot_hw.boards.flash import find_flash

__all__ = ["engine_pins"]


def engine_pins(platform: Platform) -> dict[str, str]:
    """The pins of a fresh platform: clock, serial port and flash, such as ``uart.rx``: ``L4``."""
    flash = find_flash(platform)
    made = {
        "clock": platform.request(platform.default_clk, dir="-"),
        "uart": platform.request("uart", dir=dict.fromkeys(platform.uart_lines, "-")),
        "flash": platform.request(
            flash.name, flash.number, dir=dict.fromkeys((pin.name for pin in flash.ios), "-")
        ),
    }
    return dict(pin for name, ports in made.items() for pin in _pins(name, ports))


def _pins(name: str, ports: object) -> Iterator[tuple[str, str]]:
    if isinstance(ports, io.PortLike):
        yield name, " ".join(pin.name for pin in ports.io.metadata)
    else:
        for line, port in vars(ports).items():
            yield from _pins(f"{name}.{line}", port)

"""The pins of the flash that a board starts from, in the hands of a design."""

from amaranth.build import Platform, Resource, ResourceError
from amaranth.hdl import Instance, Module, ResetSignal
from amaranth.lib import io, wiring

from nhot.errors import NhotError

__all__ = ["connect_flash", "find_flash"]

_RESOURCES = (("spi_flash_1x", 0), ("spi_flash", 0))
_IDLE = ("wp", "hold")  # what has these in its other modes writes and pauses by them


def connect_flash(m: Module, platform: Platform, flash: wiring.PureInterface) -> None:
    """Put ``flash`` (:data:`nhot_hw.io.FlashPins`) on the pins of ``platform``.

    The clock pin of an ECP5 belongs to its configuration, and has a primitive in place of a buffer.
    """
    resource = find_flash(platform)
    names = [pin.name for pin in resource.ios]
    pins = platform.request(resource.name, resource.number, dir=dict.fromkeys(names, "-"))
    drives = {"cs": ~flash.cs_n, "clk": flash.clk, "copi": flash.copi, **dict.fromkeys(_IDLE, 0)}
    for name in names:
        if name in drives:
            m.submodules[f"flash_{name}"] = pin = io.Buffer("o", getattr(pins, name))
            m.d.comb += pin.o.eq(drives[name])
    m.submodules.flash_cipo = pin = io.Buffer("i", pins.cipo)
    m.d.comb += flash.cipo.eq(pin.i)
    if "clk" not in names:
        m.submodules.flash_clk = Instance(
            "USRMCLK", i_USRMCLKI=flash.clk,
            i_USRMCLKTS=ResetSignal(allow_reset_less=True),  # no constant, says Lattice
        )


def find_flash(platform: Platform) -> Resource:
    """The resource that has the flash of a platform."""
    for name, number in _RESOURCES:
        try:
            return platform.lookup(name, number)
        except ResourceError:
            continue
    raise NhotError(
        f"Platform must have a SPI flash that the engine can load itself from, "
        f"not {type(platform).__name__}"
    )

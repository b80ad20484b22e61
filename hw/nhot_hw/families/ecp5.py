"""ECP5: its PLL, with a reset that waits for the lock, and how designs are built for it."""

from dataclasses import dataclass

import numpy as np
from amaranth.build import Resource
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from nhot_hw.families.family import Blocks, OpenFamily, out_of_reach

__all__ = ["ECP5", "Ecp5Board", "Ecp5Dividers", "Ecp5Pll"]


@dataclass(frozen=True, kw_only=True)
class Ecp5Dividers:
    """The dividers of an EHXPLLL whose output is fed back.

    ``output = input / reference * feedback`` and ``oscillator = output * post``.
    """

    reference: int
    feedback: int
    post: int

    @classmethod
    def find(cls, input_hz: int, output_hz: int) -> "Ecp5Dividers":
        """Dividers that give exactly ``output_hz``, with the oscillator nearest to 600 MHz.

        The phase detector runs at 3.125 to 400 MHz, the oscillator at 400 to 800 MHz.
        """
        choices = [
            cls(reference=reference, feedback=feedback, post=post)
            for reference in range(1, 41)
            for feedback in range(1, 81)
            if input_hz * feedback == output_hz * reference
            and 3_125_000 <= input_hz / reference <= 400_000_000
            for post in range(1, 129)
            if 400_000_000 <= output_hz * post <= 800_000_000
        ]
        if not choices:
            raise out_of_reach("An ECP5", input_hz, output_hz)
        return min(choices, key=lambda d: (d.reference, abs(output_hz * d.post - 600_000_000)))


class Ecp5Pll(Elaboratable):
    """Drives domain ``sync`` at ``output_hz``, in reset until the PLL has locked.

    Parameters
    ----------
    clock : Signal
        The buffered oscillator.
    input_hz, output_hz : int
    """

    def __init__(self, clock: Signal, *, input_hz: int, output_hz: int):
        self.clock = clock
        self.input_hz = input_hz
        self.output_hz = output_hz
        self.dividers = Ecp5Dividers.find(input_hz, output_hz)

    def elaborate(self, platform):
        m = Module()
        locked = Signal()
        m.submodules.pll = Instance(
            "EHXPLLL",
            p_CLKI_DIV=self.dividers.reference,
            p_CLKFB_DIV=self.dividers.feedback,
            p_CLKOP_DIV=self.dividers.post,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=self.dividers.post // 2 - 1,
            p_CLKOP_FPHASE=0,
            p_FEEDBK_PATH="CLKOP",
            p_OUTDIVIDER_MUXA="DIVA",
            # Loop filter and charge pump, as the vendor's tools set them for such dividers.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            a_FREQUENCY_PIN_CLKI=f"{self.input_hz / 1e6:g}",
            a_FREQUENCY_PIN_CLKOP=f"{self.output_hz / 1e6:g}",
            i_RST=0, i_STDBY=0, i_PHASESEL0=0, i_PHASESEL1=0, i_PHASEDIR=0, i_PHASESTEP=0,
            i_PHASELOADREG=0, i_PLLWAKESYNC=0, i_ENCLKOP=0,
            i_CLKI=self.clock,
            i_CLKFB=ClockSignal(),
            o_CLKOP=ClockSignal(),
            o_LOCK=locked,
        )
        # The lock comes from a corner of the chip: a stage to get away from there.
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync", stages=3)
        return m


class Ecp5Board:
    """To be put before a platform of ``amaranth-boards``: the open tools, and the clock."""

    family = "ecp5"
    uart_lines = ("rx", "tx")

    def __init__(self) -> None:
        self.resources = list(map(_without_flash_clock, type(self).resources))
        super().__init__(toolchain="Trellis")

    @property
    def part(self) -> str:
        """As its maker writes it."""
        return f"{self.device}-{self.speed}{self.package}"

    def add_clock(self, m: Module, clock_hz: int) -> None:
        """Make ``sync`` run at ``clock_hz``: the oscillator itself, or through a PLL."""
        input_hz = int(self.default_clk_frequency)
        if clock_hz != input_hz:
            m.domains.sync = ClockDomain()
            m.submodules.oscillator = pin = io.Buffer("i", self.request(self.default_clk, dir="-"))
            m.submodules.clock = Ecp5Pll(pin.i, input_hz=input_hz, output_hz=clock_hz)


def _without_flash_clock(resource: Resource) -> Resource:
    """The clock pin of the flash is the configuration's, and no buffer reaches it."""
    if not resource.name.startswith("spi_flash"):
        return resource
    pins = [pin for pin in resource.ios if pin.name != "clk"]
    return Resource(resource.name, resource.number, *pins, resource.attrs)


def _columns(width: int) -> np.ndarray:
    """Bits of a block of 2,048 numbers of 9 bits that are one bit of 512 words. (columns, 512)

    The ninth bit is of use from a width of 9 on.
    """
    number = 9 if width >= 9 else 8
    bits = np.arange(2048 * number).reshape(-1, 512, width).swapaxes(1, 2).reshape(-1, 512)
    return bits // number * 9 + bits % number


ECP5 = OpenFamily(
    constraints="lpf", bitstream="bit",
    # The default router does not finish on large designs. With rip-up by slack a net that is late
    # is routed again, where it otherwise keeps a way around others.
    place_options=("--router", "router2", "--tmg-ripup"),
    routed="--textcfg", leftovers=("config",),
    resources={
        "lut4": ("TRELLIS_COMB",), "ff": ("TRELLIS_FF",), "bram": ("DP16KD",),
        "dsp": ("MULT18X18D",), "pll": ("EHXPLLL",),
    },
    cells={
        "lut4": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, "ff": {"TRELLIS_FF": 1},
        "bram": {"DP16KD": 1, "PDPW16KD": 1},
    },
    # nextpnr takes all the time that a clock leaves, and in a full part a bit more.
    headroom=1.1,
    blocks=Blocks(
        unpack="ecpunpack", begin=".bram_init ", number_bits=9,
        columns=tuple(map(_columns, (36, 18, 9, 4, 2, 1))),
    ),
    find_dividers=Ecp5Dividers.find,
)

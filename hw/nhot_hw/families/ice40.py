"""iCE40: its PLL, with a reset that waits for the lock, and how designs are built for it."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer

from nhot_hw.families.family import Blocks, OpenFamily, out_of_reach

__all__ = ["ICE40", "Ice40Board", "Ice40Dividers", "Ice40Pll"]


@dataclass(frozen=True, kw_only=True)
class Ice40Dividers:
    """The dividers of an SB_PLL40 in its simple mode, as the fields hold them.

    ``oscillator = input / (reference + 1) * (feedback + 1)``, ``output = oscillator / 2**post``.
    """

    reference: int
    feedback: int
    post: int
    filter_range: int

    @classmethod
    def find(cls, input_hz: int, output_hz: int) -> "Ice40Dividers":
        """Dividers that give exactly ``output_hz``.

        The phase detector runs at 10 to 133 MHz, the oscillator at 533 to 1066 MHz.
        """
        for reference in range(16):
            detector = input_hz / (reference + 1)
            if not 10_000_000 <= detector <= 133_000_000:
                continue
            for post in range(1, 7):
                oscillator = output_hz << post
                feedback, rest = divmod(oscillator * (reference + 1), input_hz)
                if rest or not 1 <= feedback <= 128:
                    continue
                if 533_000_000 <= oscillator <= 1_066_000_000:
                    edges = (17, 26, 44, 66, 101)
                    return cls(
                        reference=reference, feedback=feedback - 1, post=post,
                        filter_range=1 + sum(detector >= edge * 1e6 for edge in edges),
                    )
        raise out_of_reach("An iCE40", input_hz, output_hz)


class Ice40Pll(Elaboratable):
    """Drives domain ``sync`` at ``output_hz`` from the clock pad ``pad``.

    It stays in reset for 15 µs after the PLL has locked: block RAMs read as zero for the first
    3 µs after configuration.

    Parameters
    ----------
    pad : IOPort
        The clock pin itself; the PLL has its input buffer.
    input_hz, output_hz : int
    """

    RESET_SECONDS = 15e-6

    def __init__(self, pad, *, input_hz: int, output_hz: int):
        self.pad = pad
        self.output_hz = output_hz
        self.dividers = Ice40Dividers.find(input_hz, output_hz)

    def elaborate(self, platform):
        m = Module()
        m.domains.start = ClockDomain(reset_less=True, local=True)
        clock = Signal()
        locked = Signal()
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            p_DIVR=self.dividers.reference,
            p_DIVF=self.dividers.feedback,
            p_DIVQ=self.dividers.post,
            p_FILTER_RANGE=self.dividers.filter_range,
            i_RESETB=1,
            i_BYPASS=0,
            io_PACKAGEPIN=self.pad,
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )
        m.d.comb += [ClockSignal("start").eq(clock), ClockSignal().eq(clock)]
        timer = Signal(range(int(self.RESET_SECONDS * self.output_hz) + 1))
        m.submodules.reset = ResetSynchronizer(~(locked & timer.all()), domain="sync")
        with m.If(~timer.all()):
            m.d.start += timer.eq(timer + 1)
        return m


class Ice40Board:
    """To be put before a platform of ``amaranth-boards``: the open tools, and the clock."""

    family = "ice40"
    uart_lines = ("rx", "tx")

    def __init__(self) -> None:
        super().__init__(toolchain="IceStorm")

    @property
    def part(self) -> str:
        """As its maker writes it."""
        return f"{self.device}-{self.package}"

    def add_clock(self, m: Module, clock_hz: int) -> None:
        """Make ``sync`` run at ``clock_hz``: the oscillator itself, or through the PLL."""
        input_hz = int(self.default_clk_frequency)
        if clock_hz != input_hz:
            m.domains.sync = ClockDomain()
            pad = self.request(self.default_clk, dir="-").io
            m.submodules.clock = Ice40Pll(pad, input_hz=input_hz, output_hz=clock_hz)


ICE40 = OpenFamily(
    constraints="pcf", bitstream="bin",
    # Mapping to LUTs weighs paths with the delays of the UP5K: a sixth faster than with the
    # default's.
    synthesis_options=("-device", "u"),
    # It takes a wire for 1.2 ns, and saves LUTs on ways that it so takes for short. In a full UP5K
    # nextpnr's wires take 3 ns.
    synthesis_settings=("scratchpad -set synth_ice40.abc9.W 3000",),
    routed="--asc", leftovers=("asc",),
    resources={
        "lut4": ("ICESTORM_LC",), "bram": ("ICESTORM_RAM",), "spram": ("ICESTORM_SPRAM",),
        "dsp": ("ICESTORM_DSP",), "pll": ("ICESTORM_PLL",),
    },
    cells={"lut4": {"SB_LUT4": 1}, "ff": {"SB_DFF": 1}, "bram": {"SB_RAM40_4K": 1}},
    # A logic cell holds a LUT and a flip-flop, and nextpnr counts the cells.
    flip_flops="SB_DFF",
    # 256 numbers of 16 bits. A word is one of them, or each of them is 2, 4 or 8 words.
    blocks=Blocks(
        unpack="iceunpack", begin=".ram_data ", number_bits=256,
        columns=(np.arange(256 * 16).reshape(256, 16).T,), strides=(1, 2, 4, 8),
    ),
    find_dividers=Ice40Dividers.find,
)

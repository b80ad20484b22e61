"""Clock generators: the PLLs of the two families, each with a reset that waits for its lock."""

from dataclasses import dataclass

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib.cdc import ResetSynchronizer

from nhot.errors import NhotError

__all__ = ["Ecp5Dividers", "Ecp5Pll", "Ice40Dividers", "Ice40Pll"]


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
            raise _out_of_reach("An ECP5", input_hz, output_hz)
        return min(choices, key=lambda d: (d.reference, abs(output_hz * d.post - 600_000_000)))


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
        raise _out_of_reach("An iCE40", input_hz, output_hz)


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


def _out_of_reach(what: str, input_hz: int, output_hz: int) -> NhotError:
    return NhotError(
        f"{what} PLL must make the engine's clock from {input_hz / 1e6:g} MHz exactly, "
        f"which it cannot for {output_hz / 1e6:g} MHz"
    )

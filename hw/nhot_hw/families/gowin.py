"""Gowin: the rPLL of GW1N and GW2A, with a reset that waits for its lock, and how designs are
built: Yosys, nextpnr-himbaechel and Apicula."""

from dataclasses import dataclass

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from nhot_hw.families.family import OpenFamily, out_of_reach

__all__ = ["GOWIN", "GowinBoard", "GowinDividers", "GowinPll"]


@dataclass(frozen=True, kw_only=True)
class GowinDividers:
    """The dividers of an rPLL whose output is fed back inside.

    ``output = input / reference * feedback`` and ``oscillator = output * post``.
    """

    reference: int
    feedback: int
    post: int

    @classmethod
    def find(cls, input_hz: int, output_hz: int) -> "GowinDividers":
        """Dividers that give exactly ``output_hz``, with the oscillator nearest to 800 MHz.

        The phase detector runs at 3 to 400 MHz, the oscillator at 500 to 1200 MHz: what both a
        GW1N-9 of grade C6 and a GW2A-18 of grade C8 allow (Gowin DS117E and DS226E).
        """
        choices = [
            cls(reference=reference, feedback=feedback, post=post)
            for reference in range(1, 65)
            for feedback in range(1, 65)
            if input_hz * feedback == output_hz * reference
            and 3_000_000 <= input_hz / reference <= 400_000_000
            for post in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
            if 500_000_000 <= output_hz * post <= 1_200_000_000
        ]
        if not choices:
            raise out_of_reach("A Gowin", input_hz, output_hz)
        return min(choices, key=lambda d: (d.reference, abs(output_hz * d.post - 800_000_000)))


class GowinPll(Elaboratable):
    """Drives domain ``sync`` at ``output_hz``, in reset until the PLL has locked.

    Parameters
    ----------
    clock : Signal
        The buffered oscillator.
    device : str
        As its ``DEVICE`` parameter has it.
    input_hz, output_hz : int
    """

    def __init__(self, clock: Signal, *, device: str, input_hz: int, output_hz: int):
        self.clock = clock
        self.device = device
        self.input_hz = input_hz
        self.dividers = GowinDividers.find(input_hz, output_hz)

    def elaborate(self, platform):
        m = Module()
        locked = Signal()
        m.submodules.pll = Instance(
            "rPLL",
            p_FCLKIN=f"{self.input_hz / 1e6:g}",
            p_DEVICE=self.device,
            p_IDIV_SEL=self.dividers.reference - 1,
            p_FBDIV_SEL=self.dividers.feedback - 1,
            p_ODIV_SEL=self.dividers.post,
            p_DYN_IDIV_SEL="false", p_DYN_FBDIV_SEL="false", p_DYN_ODIV_SEL="false",
            p_DYN_SDIV_SEL=2, p_DYN_DA_EN="false", p_PSDA_SEL="0000", p_DUTYDA_SEL="1000",
            p_CLKFB_SEL="internal", p_CLKOUTD_SRC="CLKOUT", p_CLKOUTD3_SRC="CLKOUT",
            p_CLKOUT_BYPASS="false", p_CLKOUTP_BYPASS="false", p_CLKOUTD_BYPASS="false",
            i_CLKIN=self.clock,
            i_CLKFB=0, i_RESET=0, i_RESET_P=0,
            i_FBDSEL=Signal(6), i_IDSEL=Signal(6), i_ODSEL=Signal(6),
            i_PSDA=Signal(4), i_DUTYDA=Signal(4), i_FDLY=Signal(4),
            o_CLKOUT=ClockSignal(),
            o_LOCK=locked,
        )
        m.submodules.reset = ResetSynchronizer(~locked, domain="sync", stages=3)
        return m


class GowinBoard:
    """To be put before a platform: the open tools, and the clock.

    Amaranth writes the commands of nextpnr-gowin, which nextpnr-himbaechel has replaced. A platform
    has ``database``, what nextpnr and Apicula call its FPGA.
    """

    uart_lines = ("rx", "tx")

    def __init__(self) -> None:
        super().__init__(toolchain="Apicula")

    @property
    def required_tools(self) -> list[str]:
        return ["yosys", "nextpnr-himbaechel-gowin", "gowin_pack"]

    @property
    def file_templates(self) -> dict[str, str]:
        """Amaranth's, with the netlist where other families have it."""
        return {
            name: text.replace(".syn.json", ".json")
            for name, text in super().file_templates.items()
        }

    @property
    def command_templates(self) -> list[str]:
        return [
            super().command_templates[0],
            r"""
            {{invoke_tool("nextpnr-himbaechel-gowin")}}
                {{get_override("nextpnr_opts")|options}}
                --device {{platform.part}}
                --vopt family={{platform.database}}
                --vopt cst={{name}}.cst
                --json {{name}}.json
                --write {{name}}.pnr.json
            """,
            r"""
            {{invoke_tool("gowin_pack")}}
                -d {{platform.database}}
                {{get_override("gowin_pack_opts")|options}}
                -o {{name}}.fs
                {{name}}.pnr.json
            """,
        ]

    def add_clock(self, m: Module, clock_hz: int) -> None:
        """Make ``sync`` run at ``clock_hz``: the oscillator itself, or through a PLL."""
        input_hz = int(self.default_clk_frequency)
        if clock_hz != input_hz:
            m.domains.sync = ClockDomain()
            m.submodules.oscillator = pin = io.Buffer("i", self.request(self.default_clk, dir="-"))
            m.submodules.clock = GowinPll(
                pin.i, device=self.family, input_hz=input_hz, output_hz=clock_hz
            )


GOWIN = OpenFamily(
    constraints="cst", bitstream="fs",
    frequency_option="--freq",
    routed="--write", leftovers=("pnr.json",),
    resources={
        "lut4": ("LUT4", "ALU"), "ff": ("DFF",), "bram": ("BSRAM",), "dsp": ("MULT18X18",),
        "pll": ("rPLL",),
    },
    cells={
        "lut4": {"LUT": 1, "ALU": 1, "RAM16S": 4}, "ff": {"DFF": 1},
        "bram": {"DPB": 1, "DPX9B": 1, "SDPB": 1, "SDPX9B": 1, "SP": 1, "SPX9": 1},
    },
    find_dividers=GowinDividers.find,
)

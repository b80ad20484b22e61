"""The families of FPGAs, a file each: the PLL, and what the build flow has to know."""

from nhot_hw.families.ecp5 import ECP5
from nhot_hw.families.family import Family
from nhot_hw.families.gowin import GOWIN
from nhot_hw.families.ice40 import ICE40

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, Family] = {"ecp5": ECP5, "gowin": GOWIN, "ice40": ICE40}

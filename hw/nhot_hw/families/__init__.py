"""The families of FPGAs, a file each: the PLL, and what the build flow has to know."""

from nhot_hw.families.ecp5 import ECP5
from nhot_hw.families.family import Family, OpenFamily
from nhot_hw.families.gowin import GOWIN
from nhot_hw.families.ice40 import ICE40
from nhot_hw.families.series7 import SERIES7

__all__ = ["FAMILIES", "Family", "OpenFamily"]

FAMILIES: dict[str, Family] = {"ecp5": ECP5, "gowin": GOWIN, "ice40": ICE40, "series7": SERIES7}

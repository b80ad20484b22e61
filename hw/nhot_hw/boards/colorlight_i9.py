"""MuseLab's extension board with a Colorlight i9: as with the i5, but for the FPGA.

Pins as https://github.com/wuxx/Colorlight-FPGA-Projects has them, for revision 7.2.
"""

from nhot_hw.boards.colorlight_i5 import ColorlightI5

__all__ = ["PLATFORMS"]


class ColorlightI9(ColorlightI5):
    """Revision 7.2 of the module: what of it an engine needs."""

    device = "LFE5U-45F"


PLATFORMS = {"colorlight-i9": ColorlightI9}

"""What others reach on the four networks of MLPerf Tiny: what an engine is compared with.

Inferences a second from the results of the closed division that MLCommons has published: GAP9 in
round v1.0, fpgaConvNet on a Zedboard (ic, kws) and a ZC706 (vww) in v1.1, a Snapdragon in v1.3
(preview). The last line is ten times the best Cortex-M4. What an engine reaches here is no result
of that benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nhot.formats import Format, Uniform

__all__ = ["AIMS", "Aim", "aims"]


@dataclass(frozen=True, kw_only=True)
class Aim:
    """Whom to be faster than, and where.

    Parameters
    ----------
    of : str
        Name of the chip or board.
    board : str
        What an engine that is compared runs on.
    format : str
        Its weight format; empty: any that needs no multiplier.
    inferences_per_s : dict
        By network.
    """

    of: str
    board: str
    format: str = ""
    inferences_per_s: dict[str, float]


AIMS = (
    Aim(of="GAP9", board="ulx3s-85f", format="2hot",
        inferences_per_s={"ic": 1623, "kws": 2103, "vww": 889, "ad": 5692}),
    Aim(of="best FPGA", board="ulx3s-85f", format="2hot",
        inferences_per_s={"ic": 2431, "kws": 3088, "vww": 1388}),
    Aim(of="best phone", board="ulx3s-85f",
        inferences_per_s={"ic": 10437, "kws": 15396, "vww": 8753, "ad": 14625}),
    Aim(of="10 Cortex-M4", board="icebreaker",
        inferences_per_s={"ic": 58, "kws": 160, "vww": 84, "ad": 1790}),
)


def aims(network: str, board: str, format: Format) -> Iterator[tuple[str, float]]:
    """Whom ``network`` on an engine is to be faster than, and the inferences a second of that."""
    for aim in AIMS:
        meant = aim.format == format.name if aim.format else not isinstance(format, Uniform)
        if aim.board == board and meant and network in aim.inferences_per_s:
            yield aim.of, aim.inferences_per_s[network]

"""What an engine will take of its FPGA, and how fast it will be, before any tool has run.

Cells are a sum over what an engine is made of, and the period grows with the root of them, as the
length of a wire across them does. What each part costs is fitted to engines that the tools did make
(``nhot bench estimates``), none of which is one that a board comes with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log2, sqrt

from nhot.compiler.blocks import blocks, lut_memories
from nhot.compiler.targets import board
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.formats import NHot, Uniform

__all__ = ["Coefficients", "Estimate", "check_estimates", "coefficients", "dsp_blocks", "estimate",
           "has_estimates", "parts", "period_parts", "weighted"]

_ACTIVATION_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An engine with its host link on an FPGA.

    Parameters
    ----------
    luts : int
        LUTs with four inputs (ECP5) or logic cells (iCE40), as nextpnr counts them after packing.
    block_memories, dsps : int
        Exact. Lanes of uniform weights multiply in DSP blocks on an ECP5, all others in none.
    fmax_mhz : float
        Of the engine's clock, after routing.
    """

    luts: int
    block_memories: int
    dsps: int
    fmax_mhz: float


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """Of one family.

    Parameters
    ----------
    luts : dict
        Of each of :func:`parts`.
    period : dict
        Nanoseconds of each of :func:`period_parts`.
    engines, placed : int
        How many engines the first were fitted to, and how many the second.
    """

    luts: dict[str, float]
    period: dict[str, float]
    engines: int
    placed: int


def estimate(config: EngineConfig, board_name: str) -> Estimate:
    """What ``config`` will take on a board.

    Raises
    ------
    NhotError
        There is no such board, or there are no estimates of its family.
    """
    family = board(board_name).family
    check_estimates(board_name)
    known = coefficients()[family]
    luts = weighted(parts(config, family), known.luts)
    period = weighted(period_parts(luts), known.period)
    return Estimate(
        luts=round(luts), block_memories=blocks(config, family),
        dsps=dsp_blocks(config, family), fmax_mhz=round(1000 / period, 1),
    )


def has_estimates(board_name: str) -> bool:
    """Whether engines of the family of a board's FPGA were measured for them."""
    return board(board_name).family in coefficients()


def check_estimates(board_name: str) -> None:
    """Refuse a board of whose family there are no estimates, or that there is not."""
    if not has_estimates(board_name):
        known = board(board_name)
        raise NhotError(
            f"Estimates must be of an FPGA of {' or '.join(sorted(coefficients()))}, not of "
            f"{known.family} ({board_name}); {known.vendor_tool or 'nhot build'} says what it takes"
        )


def dsp_blocks(config: EngineConfig, family: str) -> int:
    """Multipliers that an engine takes: what Yosys makes of the products of uniform weights."""
    product = isinstance(config.weight_format, Uniform) and config.lane != "rows"
    return config.macs if product and family == "ecp5" else 0


def parts(config: EngineConfig, family: str) -> dict[str, float]:
    """What an engine is made of, and how much of each there is, in bits or nearly so."""
    word = config.inputs * _ACTIVATION_BITS
    banks = config.banks if config.banks > 1 else 0
    products = config.requantisers * config.product_bits
    return {
        "engine": 1,
        **_lanes(config),
        "requantisers": products,
        "terms": products * config.requant_terms,
        "weight words": config.weight_word_bits,
        "banks": word * banks * config.pixels,
        "taps": word * config.filters * config.pixels * config.depthwise,
        "LUT memories": lut_memories(config, family),
    }


def _lanes(config: EngineConfig) -> dict[str, float]:
    """Shifters and adders of the lanes, or their multipliers; accumulators are a part of these."""
    fmt, style = config.weight_format, config.lane
    if style == "rows":
        return {"rows": config.macs * (_ACTIVATION_BITS + 1) * fmt.field_bits}
    if isinstance(fmt, Uniform):
        return {"multipliers": config.macs * _ACTIVATION_BITS * fmt.bits}
    if not isinstance(fmt, NHot):
        return {f"{style} adders": config.macs * _adder(_ACTIVATION_BITS, config)}
    terms = 1 if style == "serial" else fmt.n
    width = _ACTIVATION_BITS + fmt.max_shift
    return {
        f"{style} shifters": config.macs * terms * width * fmt.shift_bits,
        f"{style} adders": config.macs * terms * _adder(width, config),
    }


def _adder(width: int, config: EngineConfig) -> float:
    """Bits of the adders of a tree, one with another: they grow by one from level to level."""
    return width + log2(config.inputs) / 2


def period_parts(luts: float) -> dict[str, float]:
    """What the period of the clock is made of."""
    return {"logic": 1.0, "wires": sqrt(luts)}


@cache
def coefficients() -> dict[str, Coefficients]:
    """Of each family, as they were fitted."""
    data = files("nhot.compiler").joinpath("estimates.json").read_bytes()
    return {family: Coefficients(**values) for family, values in json.loads(data).items()}


def weighted(amounts: dict[str, float], each: dict[str, float]) -> float:
    """The sum of amounts by what each costs; nothing where that is not known."""
    return sum(amount * each.get(name, 0.0) for name, amount in amounts.items())

"""What to try where stages differ: by what most of a layer's own difference is made of."""

from __future__ import annotations

from nhot.network import Filters, Network
from nhot.stages.compare import Comparison, LayerDifference
from nhot.stages.stage import Stage
from nhot.stages.stages import BoardStage

__all__ = ["advice"]

LAYERS = 3
"""That are named, those that do the most harm by themselves."""

MOST = 0.5
"""Part of a difference that is most of it."""

MARGIN = 6.0
"""Decibels above what a layer may differ by, within which it still matters."""

SOMEWHERE = "{}: neither is a network of integers; it is where to look at what each computes"
ADDED = ("no layer does much by itself, their differences add up: fine-tuning (--finetune) takes "
         "them together")
AGAIN = ("load the image again and read it back (nhot load): a cell that lost its value shows "
         "there; if {} stays wrong, nhot verify tells whether the gateware is at fault")
CLOCK = ("if both are right, it is the clock or the power: build for a lower clock, or keep the "
         "fastest of several placements (nhot build --seeds)")
VERIFY = "nhot verify compares weights and program of {} one by one, down to the Verilog"

FINER = {"signed-binary": "ternary", "binary": "ternary", "ternary": "1hot", "1hot": "2hot",
         "2hot": "3hot", "3hot": "int8"}
"""The next format with more levels."""


def advice(a: Stage, b: Stage, found: Comparison) -> list[str]:
    """What to try, for those layers that do the most harm by themselves; nothing where nothing
    differs."""
    first = found.first
    if first is None:
        return []
    if found.exact:
        return _unequal(a, b, first)
    if a.network is None and b.network is None:
        return [SOMEWHERE.format(first.layer)]
    guilty = [one for one in found.layers if one.differs]
    if any(one.own is not None for one in found.layers):
        guilty = [one for one in found.layers
                  if one.own is not None and one.own < found.least + MARGIN]
    if not guilty:
        return [ADDED]
    network = b.network or a.network
    assert network is not None
    causes: dict[str, list[str]] = {}
    for one in sorted(guilty, key=_harm)[:LAYERS]:
        causes.setdefault(_cause(one, network), []).append(one.layer)
    return [f"{', '.join(layers)}: {cause}" for cause, layers in causes.items()]


def _harm(one: LayerDifference) -> float:
    return one.sqnr if one.own is None else one.own


def _unequal(a: Stage, b: Stage, first: LayerDifference) -> list[str]:
    if isinstance(a, BoardStage) or isinstance(b, BoardStage):
        return [AGAIN.format(first.layer), CLOCK]
    return [VERIFY.format(first.layer)]


def _cause(one: LayerDifference, network: Network) -> str:
    if one.layer == network.input.name:
        return ("rounded too coarsely, or cut off: nhot quantize --input-range says what the ends "
                "of the input stand for")
    if one.clipped > MOST:
        return ("most of the difference comes from values beyond the range: take ranges from more "
                "samples, or such as these (nhot quantize --samples, --data)")
    node = network.node(one.layer)
    if one.shift > MOST:
        return ("most of the difference is a constant of each channel: bias correction takes it "
                "away (nhot quantize --data, without --no-bias-correction)")
    if one.rounding > MOST or not isinstance(node, Filters):
        bits = node.output.bits
        more = (f"more than {bits} bits (nhot quantize --bits)" if bits < 8
                else "only fine-tuning (--finetune), as 8 bits are the most,")
        return f"the rounding of activations is what is left: {more} would help"
    name = node.format.name
    finer = FINER.get(name.partition("@")[0].partition("/")[0])
    formats = f"--layer NAME={finer}, or " if finer else ""
    return (f"weights in {name} are too coarse: {formats}--budget to choose formats for all "
            "layers, --adaptive-rounding, --finetune")

"""Which registers a reset reaches: those that decide, not the data on their way."""

from collections import Counter

import pytest
from amaranth.hdl import Fragment

from nhot.contract.config import EngineConfig
from nhot_hw.engine import Engine

LARGE = {"filters": 16, "inputs": 16, "requantisers": 16}


def registers(fragment, name="engine"):
    """(component, signal) of all registers."""
    for domain, statements in fragment.statements.items():
        if domain != "comb":
            yield from ((name, signal) for signal in {
                id(signal): signal for signal in statements._lhs_signals()
            }.values())
    for part, part_name, _ in fragment.subfragments:
        yield from registers(part, f"{name}.{part_name}")


@pytest.mark.parametrize("sizes", [
    {"pixels": 2, "lane": "chain"},
    {"depthwise": True},
    {"format": "signed-binary", "activation_terms": 4, "requant_terms": 4},
], ids=["pixels", "depthwise", "terms"])
def test_a_reset_reaches_a_tenth_of_a_large_engine(sizes):
    """A net to all registers is the longest way of an ECP5, which has no global one for it."""
    bits, reset = 0, Counter()
    for component, signal in registers(Fragment.get(Engine(EngineConfig(**LARGE, **sizes)), None)):
        bits += len(signal)
        if not signal.reset_less:
            reset[component] += len(signal)
    assert reset.total() * 10 < bits, f"{reset.total()} of {bits} bits: {reset.most_common(5)}"
    assert reset["engine.control.sequencer"]  # which decides

"""The networks of MLPerf Tiny without training: as large and as slow as the trained ones."""

import pytest

from nhot.compiler import compile_network
from nhot.compiler.targets import target
from nhot.experiments.tiny import TINY, tiny_network
from nhot.network.counts import count

# Weights of a reference model, and its multiply-accumulates: those of a dense layer, of an image.
SIZES = {"ic": (77_360, 12_501_632), "kws": (22_016, 2_656_768), "vww": (208_112, 7_489_664),
         "ad": (264_192, 264_192)}


@pytest.mark.parametrize("name", TINY)
def test_they_are_as_large_as_the_reference_models(name):
    found = count(tiny_network(name, "2hot"))
    assert (found.weights, found.macs) == SIZES[name]


@pytest.mark.parametrize("name", [
    "kws", *(pytest.param(name, marks=pytest.mark.slow) for name in TINY if name != "kws"),
])
def test_they_take_as_much_of_an_engine_as_quantised_ones(name):
    pytest.importorskip("torch")
    from nhot_hw.bench.networks.mlperf_tiny import integer_network

    config = target("ulx3s-85f", "2hot-256").config
    quantised, _ = integer_network(name, config.format, requant_terms=2)
    made, other = (compile_network(one, config) for one in (
        tiny_network(name, config.format, terms=2), quantised))
    assert [layer.cycles for layer in made.meta.layers] == [
        layer.cycles for layer in other.meta.layers]
    for part in ("program", "requant", "weights"):
        assert len(getattr(made, part)) == len(getattr(other, part))

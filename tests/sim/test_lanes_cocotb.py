"""The generated Verilog of each lane against its reference, in two simulators."""

import pytest

from nhot.formats import parse
from nhot_hw.lanes import LaneSpec
from nhot_sim.runner import run_bench

EVERY_X = [("signed-binary", 3, "parallel"), ("signed-binary/8", 4, "parallel"),
           ("ternary", 2, "parallel"), ("binary", 4, "parallel"), ("binary", 6, "chain"),
           ("int4", 1, "parallel")]
EXTREMES = [("1hot", 4, "parallel"), ("2hot", 4, "parallel"), ("3hot", 1, "parallel"),
            ("int8", 2, "parallel"), ("2hot", 2, "serial"), ("ternary", 8, "parallel"),
            ("2hot", 3, "chain"), ("ternary", 5, "chain"), ("int8", 2, "rows")]
LONG = [("1hot", 1, "parallel"), ("2hot", 4, "parallel"), ("2hot", 2, "serial"),
        ("3hot", 2, "parallel"), ("int8", 4, "parallel"), ("signed-binary/8", 8, "parallel"),
        ("2hot", 4, "chain"), ("int8", 4, "rows")]


def run(tmp_path, name, inputs, style, *, simulator="icarus", extremes):
    spec = LaneSpec(format=parse(name), inputs=inputs, style=style)
    run_bench(
        spec.create(), "nhot_sim.benches.tb_lane", build_dir=tmp_path, simulator=simulator,
        name="lane",
        parameters={
            "format": name, "inputs": inputs, "style": style, "seed": 1, "extremes": extremes,
        },
    )


@pytest.mark.parametrize(("name", "inputs", "style"), EVERY_X)
def test_every_weight_and_activation(tmp_path, name, inputs, style):
    run(tmp_path, name, inputs, style, extremes=False)


@pytest.mark.parametrize(("name", "inputs", "style"), EXTREMES)
def test_every_weight_and_extreme_activations(tmp_path, name, inputs, style):
    run(tmp_path, name, inputs, style, extremes=True)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize(("name", "inputs", "style"), LONG)
def test_every_weight_and_activation_of_a_wide_format(tmp_path, name, inputs, style, simulator):
    run(tmp_path, name, inputs, style, simulator=simulator, extremes=False)

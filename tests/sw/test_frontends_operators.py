"""Steps of a graph refuse what no step is, whichever file they come from."""

from __future__ import annotations

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.frontends.graph import INPUT, Builder
from nhot.frontends.graph_steps import BatchNorm, Clamp, Conv, Dense, Operator, Upsample
from nhot.frontends.module import GraphModule
from nhot.network.window import Window

ONES = np.ones((4, 4, 1, 1), np.float32)
BIAS = np.zeros(4, np.float32)
POINT = Window(kernel=(1, 1))
NORMAL = dict.fromkeys(("gain", "offset", "mean", "variance"), np.ones(4, np.float32))


@pytest.mark.parametrize(("make", "options", "text"), [
    (Conv, {"weights": ONES, "bias": BIAS, "window": Window(kernel=(3, 3))},
     r"4 axes and the kernel \(3, 3\), not the shape \(4, 4, 1, 1\)$"),
    (Dense, {"weights": ONES, "bias": BIAS}, r"must be over \(4, 6, 5\), not \(4, 1, 1\)$"),
    (Upsample, {"factors": (2, 0)}, r"factors must be at least 1, not \(2, 0\)$"),
], ids=["kernel", "dense", "factors"])
def test_what_is_refused(make, options, text):
    with pytest.raises(NhotError, match=text):
        Builder("a tool", (6, 5, 4)).add(make, "one", INPUT, **options)


def test_what_becomes_one_layer_and_what_is_not_needed():
    builder = Builder("a tool", (6, 5, 4))
    conv = builder.add(Conv, "conv", INPUT, weights=ONES, bias=BIAS, window=POINT)
    normal = builder.add(BatchNorm, "normal", conv, **NORMAL, epsilon=1e-3)
    limits = builder.add(Clamp, "limits", normal, low=0.0, high=1.0)
    builder.add(Upsample, "aside", conv, factors=(2, 2))
    graph = builder.graph(limits)
    assert [one.name for one in graph.operators] == [conv, normal, limits]
    assert list(graph.shapes) == [INPUT, conv, normal, limits]
    assert graph.continued == {normal: conv, limits: normal}


def test_steps_that_no_module_is_for():
    class Odd(Operator):
        def infer(self, *shapes):
            return shapes[0]

    builder = Builder("a tool", (6, 5, 4))
    conv = builder.add(Conv, "conv", INPUT, weights=ONES, bias=BIAS, window=POINT)
    graph = builder.graph(builder.add(Odd, "odd", conv))
    with pytest.raises(TypeError, match="Operator must be one of a graph, not "):
        GraphModule(graph)

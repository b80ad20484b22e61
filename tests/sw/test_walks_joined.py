"""Concatenations: who writes into its place, who is copied there, and holes between its parts."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Tensor,
    Upsample,
    Window,
)
from nhot.testing.networks import random_weights
from nhot.testing.walked import (
    CONFIG,
    FORMAT,
    ONE,
    X,
    check,
    concat,
    conv,
    network,
    operators,
    requant,
    tensor,
)


def test_what_nothing_else_reads_is_written_into_its_place():
    a, b = conv("a", X, 4), conv("b", X, 3)
    layers = check(network(a, b, concat("y", [a.output, b.output])))
    assert operators(layers) == ["Conv2d", "Conv2d"]
    assert [layer.name for layer in layers] == ["y", "y"]
    assert layers[0].output.pieces == ()


@pytest.mark.parametrize("what", ["multiplier", "twice", "another reader", "output", "input"])
def test_what_cannot_write_into_its_place_is_copied(what):
    a, b = conv("a", X, 4), conv("b", X, 3)
    sources, multipliers, output, rest = [a.output, b.output], None, "", ()
    match what:
        case "multiplier":
            multipliers = [ONE, ONE // 2]
        case "twice":
            sources = [a.output, b.output, b.output]
        case "another reader":
            rest = (conv("c", b.output, 2),)
        case "output":
            output = "b"
        case "input":
            sources = [a.output, X]
            b = None
    joined = concat("y", sources, multipliers)
    layers = check(network(*[n for n in (a, b, joined) if n is not None], *rest, output=output))
    copied = operators(layers).count("Concat")
    assert copied == {"twice": 2}.get(what, 1)


@pytest.mark.parametrize(("zero_point", "low", "high"), [
    (7, 0, 255), (0, 0, 255), (255, 0, 255), (90, 50, 120), (0, 0, 3), (200, 250, 255),
])
def test_a_place_has_a_zero_point_and_a_clamp_of_its_own(zero_point, low, high):
    """Each operator that writes into its place, with types that differ and ranges that hardly meet.
    """
    a = conv("a", X, 4, signed=True, zero_point=-9)
    pool = MaxPool(
        inputs=("x",), output=replace(X, name="pool"), window=Window(kernel=(1, 1))
    )
    clamp = Clamp(inputs=("x",), output=replace(X, name="clamp"), low=30, high=99)
    clamped = conv("b", X, 4)
    limit = Clamp(inputs=("b",), output=replace(clamped.output, name="limit"), low=60, high=160)
    mean = AvgPool(
        inputs=("x",), output=tensor("mean", X.shape, zero_point=100), window=Window(kernel=(1, 1)),
        requant=requant(tensor("mean", X.shape, zero_point=100), [3 * ONE // 8]),
    )
    total = Add(
        inputs=("x", "x"), output=tensor("total", X.shape, zero_point=20),
        requant=requant(tensor("total", X.shape, zero_point=20), [3 * ONE // 8, -ONE // 8]),
    )
    makers = [a, pool, clamp, limit, mean, total]
    joined = concat(
        "y", [node.output for node in makers], [ONE, ONE // 2, ONE * 2, ONE, ONE, ONE],
        zero_point=zero_point, low=low, high=high,
    )
    nodes = [a, pool, clamp, clamped, limit, mean, total, joined]
    layers = check(network(*nodes))
    assert "Concat" not in operators(layers)


def test_a_clamp_turned_around_is_copied():
    pool = MaxPool(inputs=("x",), output=replace(X, name="a"), window=Window(kernel=(1, 1)))
    clamp = Clamp(inputs=("x",), output=replace(X, name="b"), low=30, high=99)
    joined = concat("y", [pool.output, clamp.output], [-ONE, -ONE], zero_point=200)
    assert operators(check(network(pool, clamp, joined))) == ["MaxPool", "Clamp", "Concat"]


def test_a_clamp_behind_a_concatenation_moves_into_it():
    a, b = conv("a", X, 4), conv("b", X, 3)
    joined = concat("joined", [a.output, b.output, X])
    clamp = Clamp(inputs=("joined",), output=replace(joined.output, name="y"), low=20, high=90)
    layers = check(network(a, b, joined, clamp))
    assert operators(layers) == ["Conv2d", "Conv2d", "Concat"]
    assert {layer.name for layer in layers} == {"y"}


@pytest.mark.parametrize("multiplier", [ONE, ONE // 2])
def test_nested_concatenations(multiplier):
    a, b, c = (conv(name, X, count) for name, count in (("a", 5), ("b", 3), ("c", 2)))
    inner = concat("inner", [a.output, b.output], zero_point=30, low=20, high=200)
    outer = concat("y", [c.output, inner.output, X], [ONE, multiplier, ONE])
    layers = check(network(a, b, inner, c, outer))
    moved = multiplier == ONE
    assert operators(layers) == ["Conv2d"] * 3 + ["Concat"] * (1 if moved else 2)
    assert {layer.name for layer in layers} == {"y"} | (set() if moved else {"inner"})
    assert layers[-1].output.pieces == (2, 5, 3, 3)


@pytest.mark.parametrize("reader", [
    "conv", "grouped", "depthwise", "linear", "max", "average", "add", "add dense", "clamp",
    "upsample", "transposed", "concat", "argmax", "output",
])
@pytest.mark.parametrize("array", [(4, 4), (8, 4), (4, 8), (9, 9)])
def test_holes_are_nobodys_channels(reader, array):
    """A tensor with holes, read by every operator."""
    filters, inputs = array
    config = replace(CONFIG, filters=filters, inputs=inputs, depthwise=filters == 9, pixels=2)
    a, b = conv("a", X, 5), conv("b", X, 1)
    joined = concat("joined", [a.output, b.output, X])
    t, nodes = joined.output, [a, b, joined]
    rng = np.random.default_rng(0)
    output = tensor("y", (*t.shape[:2], 9))
    like = replace(t, name="y")
    weights = random_weights(rng, FORMAT, (9, 3, 3, 9))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    layer = {
        "inputs": ("joined",), "output": output, "format": FORMAT, "window": window,
        "bias": rng.integers(-9, 9, 9), "requant": requant(output, [ONE // 512] * 9),
    }
    match reader:
        case "conv":
            nodes.append(Conv2d(weights=weights, **layer))
        case "grouped":
            nodes.append(Conv2d(weights=weights[..., :3], groups=3, **layer))
        case "depthwise":
            nodes.append(Conv2d(weights=weights[..., :1], groups=9, **layer))
        case "transposed":
            nodes.append(ConvTranspose2d(weights=weights, **layer))
        case "linear":
            flat = random_weights(rng, FORMAT, (9, *t.shape)).reshape(9, -1)
            point = replace(output, shape=(1, 1, 9))
            nodes.append(Linear(
                inputs=("joined",), output=point, weights=flat, format=FORMAT,
                bias=layer["bias"], requant=layer["requant"],
            ))
        case "max":
            nodes.append(MaxPool(inputs=("joined",), output=like, window=window))
        case "average":
            nodes.append(AvgPool(
                inputs=("joined",), output=like, window=window, requant=requant(like, [ONE // 8])
            ))
        case "add":
            nodes.append(Add(
                inputs=("joined", "joined"), output=like, requant=requant(like, [ONE // 2] * 2)
            ))
        case "add dense":
            nodes.append(conv("c", X, 9))
            nodes.append(Add(
                inputs=("joined", "c"), output=like, requant=requant(like, [ONE // 2] * 2)
            ))
        case "clamp":
            pool = MaxPool(inputs=("joined",), output=replace(t, name="pool"), window=window)
            nodes += [pool, Clamp(inputs=("pool",), output=like, low=20, high=99)]
        case "upsample":
            shape = (2 * t.shape[0], t.shape[1], 9)
            nodes.append(
                Upsample(inputs=("joined",), output=replace(like, shape=shape), factors=(2, 1))
            )
        case "concat":
            nodes += [concat("y", [X, joined.output]), conv("z", tensor("y", (4, 5, 12)), 4)]
        case "argmax":
            answer = Tensor(name="y", shape=(*t.shape[:2], 1), bits=16)
            nodes.append(ArgMax(inputs=("joined",), output=answer))
    made = network(*nodes)
    layers = check(made, config)
    assert any(layer.output.pieces for layer in layers)
    copies = [layer for layer in layers if layer.operator in ("Add", "ArgMax")]
    if reader in ("argmax", "add dense"):  # copied without its holes, by weights of nobody's
        assert [layer.name for layer in copies] == ["joined", "y"]
        assert copies[0].weights == copies[0].terms == copies[0].macs == 0


def test_a_copy_without_holes_is_made_once_and_has_a_name_of_its_own():
    a, b = conv("a", X, 5), conv("joined again", X, 4)
    joined = concat("joined", [a.output, b.output])
    c, d = conv("c", X, 9), conv("d", X, 9)
    adds = [
        Add(inputs=("joined", other.name), output=replace(joined.output, name=name),
            requant=requant(joined.output, [ONE // 2] * 2))
        for other, name in ((c, "e"), (d, "f"))
    ]
    layers = check(network(a, b, joined, c, d, *adds))
    assert [layer.name for layer in layers].count("joined") == 2 + 1


def test_a_copy_with_a_long_name():
    name = "j" * 255
    a, b = conv("a", X, 5), conv("b", X, 4)
    joined = concat(name, [a.output, b.output])
    answer = Tensor(name="y", shape=(4, 5, 1), bits=16)
    check(network(a, b, joined, ArgMax(inputs=(name,), output=answer)))


def test_upsampled_pixels_go_straight_into_a_concatenation():
    """As in a decoder: what is doubled beside what the encoder kept."""
    x = tensor("x", (4, 6, 8))
    down = MaxPool(
        inputs=("x",), output=replace(x, name="down", shape=(2, 3, 8)),
        window=Window(kernel=(2, 2), stride=(2, 2)),
    )
    up = Upsample(inputs=("down",), output=replace(x, name="up"), factors=(2, 2))
    side = conv("side", x, 5)
    joined = concat("joined", [up.output, side.output], [ONE // 2, ONE])
    mix = conv("y", joined.output, 4, kernel=3)
    layers = check(network(down, up, side, joined, mix, source=x))
    assert operators(layers) == ["MaxPool", *["Upsample"] * 4, "Conv2d", "Conv2d"]

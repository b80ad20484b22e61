"""What the engine runs in several passes, or in none of its own: who writes what, and the numbers.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.differences import check_contents
from nhot.compiler.parts import lower
from nhot.compiler.phases import phases
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.formats import parse
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Network,
    Requant,
    Tensor,
    Upsample,
    Window,
)
from nhot.network.reference import run
from nhot.network.requant import SHIFT
from nhot.testing.networks import random_input, random_network, random_weights

ONE = 1 << SHIFT
CONFIG = EngineConfig(
    accumulator_bits=32, product_bits=64, activation_words=4096, weight_words=16384,
    requant_words=4096, program_words=4096,
)
FORMAT = parse("2hot")
X = Tensor(name="x", shape=(4, 5, 3), zero_point=7)


def check(network, config=CONFIG):
    """Image and machine give the reference's tensors; the layers of the image are returned."""
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    check_contents(network, image)
    inputs = random_input(network.input, 3, 0)
    wanted = run(network, inputs, trace=True)
    machine = Machine(image)
    for i, x in enumerate(inputs):
        outputs = machine.run(x)
        assert network.output.name in outputs or network.output.name == network.input.name
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, wanted[name][i], err_msg=name)
    return image.meta.layers


def tensor(name, shape, zero_point=7, **kind):
    return Tensor(name=name, shape=shape, zero_point=zero_point, **kind)


def requant(output, multipliers, low=None, high=None):
    return Requant(
        multiplier=np.array(multipliers), zero_point=output.zero_point,
        low=output.low if low is None else low, high=output.high if high is None else high,
    )


def conv(name, source, filters, *, seed=0, kernel=1, low=None, **kind):
    rng = np.random.default_rng(seed)
    output = tensor(name, (*source.shape[:2], filters), **kind)
    pad = kernel // 2
    weights = random_weights(rng, FORMAT, (filters, kernel, kernel, source.shape[2]))
    return Conv2d(
        inputs=(source.name,), output=output, weights=weights, format=FORMAT,
        bias=rng.integers(-500, 500, filters),
        window=Window(kernel=(kernel, kernel), padding=(pad,) * 4),
        requant=requant(output, [ONE // 64] * filters, low),
    )


def concat(name, sources, multipliers=None, *, low=None, high=None, **kind):
    channels = sum(source.shape[2] for source in sources)
    output = tensor(name, (*sources[0].shape[:2], channels), **kind)
    return Concat(
        inputs=tuple(source.name for source in sources), output=output,
        requant=requant(output, multipliers or [ONE] * len(sources), low, high),
    )


def network(*nodes, source=X, output=""):
    return Network(name="walks", input=source, nodes=nodes, output_name=output)


def operators(layers):
    return [layer.operator for layer in layers]


@pytest.mark.parametrize("seed", range(60))
def test_any_network_on_any_engine(seed):
    """T, P and S that divide one another in any way, R of one and of all, lanes of both kinds."""
    rng = np.random.default_rng(seed)
    arrays = [(1, 1), (1, 2), (2, 2), (2, 4), (4, 2), (4, 4), (8, 4), (4, 8), (3, 6), (6, 3),
              (9, 9)]
    filters, inputs = arrays[rng.integers(len(arrays))]
    fmt = str(rng.choice(["2hot", "1hot", "ternary", "signed-binary", "int8", "3hot"]))
    serial = fmt.endswith("1hot") and rng.random() < 0.5
    config = replace(
        CONFIG, pixels=int(rng.integers(1, 5)), filters=filters, inputs=inputs, format=fmt,
        requantisers=int(rng.choice([1, np.gcd(filters, inputs)])),
        lane="serial" if serial else "parallel", depthwise=filters == inputs == 9 and not serial,
    )
    made = random_network(
        seed, layers=int(rng.integers(2, 7)), shape=tuple(rng.integers(1, 7, 3).tolist()),
        formats=(parse(fmt),), bits=(8, 8, 5), widest=int(rng.choice([4, 9, 20])),
        operators=("conv", "depthwise", "max", "average", "add", "clamp", "linear",
                   *("transposed", "concat", "upsample") * 3),
        argmax=inputs > 1 and rng.random() < 0.3,
    )
    check(made, config)


@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 1), (1, 3)])
@pytest.mark.parametrize("inputs", [2, 4])
def test_upsampling_copies_its_input_once_for_each_of_its_pixels(factors, inputs):
    config = replace(CONFIG, inputs=inputs, requantisers=2)
    shape = (4 * factors[0], 5 * factors[1], 3)
    node = Upsample(inputs=("x",), output=replace(X, name="y", shape=shape), factors=factors)
    layers = check(network(node), config)
    assert operators(layers) == ["Upsample"] * (factors[0] * factors[1])
    words = 4 * 5 * -(-3 // inputs)
    copy = words * inputs // config.requantisers  # cycles, of R bytes each
    assert all(copy <= layer.cycles < copy + 40 for layer in layers)


@pytest.mark.parametrize(("fmt", "copies"), [("signed-binary/4", 1), ("signed-binary", 0)])
def test_lanes_of_one_sign_a_step_read_no_regions_across_a_hole(fmt, copies):
    """Three channels and five are words of 3 and 4 and 1; regions of four begin elsewhere."""
    config = replace(CONFIG, filters=4, inputs=4, format=fmt)
    parts = [
        replace(conv(f"p{count}", X, count), format=parse(fmt), weights=np.ones(
            (count, 1, 1, 3), np.int64))
        for count in (3, 5)
    ]
    both = concat("both", [part.output for part in parts])
    weights = np.ones((6, 1, 1, 8), np.int64)
    if copies:
        weights[..., 4:] = -1  # channels 3 and 4 are in one word behind the hole
    last = replace(conv("last", both.output, 6), format=parse(fmt), weights=weights)
    layers = check(network(*parts, both, last), config)
    assert operators(layers) == ["Conv2d"] * (3 + copies)


def transposed(kernel, stride, dilation=(1, 1), padding=(0, 0, 0, 0), extra=(0, 0), groups=1):
    rng = np.random.default_rng(3)
    window = Window(kernel=kernel, stride=stride, dilation=dilation, padding=padding)
    output = tensor("y", (*window.transposed_size(4, 5, extra), 6))
    weights = random_weights(rng, FORMAT, (6, *kernel, 3 // groups))
    return ConvTranspose2d(
        inputs=("x",), output=output, weights=weights, format=FORMAT, window=window, groups=groups,
        bias=rng.integers(-500, 500, 6), output_padding=extra,
        requant=requant(output, [ONE // 64, -ONE // 64] * 3),
    )


@pytest.mark.parametrize(("node", "count"), [
    (transposed((3, 3), (1, 1), padding=(1, 1, 1, 1)), 1),
    (transposed((4, 4), (2, 2), padding=(1, 1, 1, 1)), 4),
    (transposed((3, 2), (2, 3), extra=(1, 2)), 6),
    (transposed((1, 1), (2, 2)), 4),  # three phases without a tap
    (transposed((1, 3), (2, 1), padding=(0, 1, 0, 1)), 2),
    (transposed((2, 2), (2, 2), padding=(1, 1, 1, 1)), 4),  # a phase that begins within the input
    (transposed((3, 3), (2, 2), padding=(5, 3, 0, 1)), 4),
    (transposed((3, 3), (2, 2), dilation=(2, 3), padding=(1, 2, 1, 2)), 4),
    (transposed((3, 3), (4, 3), dilation=(2, 2)), 12),
    (transposed((2, 2), (2, 2), groups=3), 4),
    (transposed((3, 3), (9, 9), padding=(0, 0, 0, 40), extra=(8, 8)), 81 - 9 * 2),
])
@pytest.mark.parametrize("pixels", [1, 3])
def test_a_transposed_convolution_is_one_for_each_phase(node, count, pixels):
    made = network(node)
    layers = check(made, replace(CONFIG, pixels=pixels))
    parts = Counter(operators(layers))
    height, width, _ = node.output.shape
    assert len(list(phases(height, width, node.window.stride))) == count
    assert parts["ConvTranspose2d"] >= count  # groups may go in parts
    assert sum(layer.weights for layer in layers) == node.weights.size
    assert sum(layer.macs for layer in layers) == node.macs(X)


def test_a_damaged_weight_of_a_phase_is_named_by_its_place_in_the_kernel():
    node = transposed((4, 4), (2, 2), padding=(1, 1, 1, 1))
    made = network(node)
    image = compile_network(made, CONFIG)
    levels = image.weight_levels()
    # Word 0 of phase (0, 0): its first tap is the last that meets the phase, row 3 and column 3.
    weights = node.weights.copy()
    weights[1, 3, 3, 2] = -1 if weights[1, 3, 3, 2] == 1 else 1
    other = network(replace(node, weights=weights))
    assert (compile_network(other, CONFIG).weight_levels() != levels).sum() == 1
    with pytest.raises(MismatchError, match="at filter 1, y 3, x 3, channel 2 must be"):
        check_contents(other, replace(image, requant=compile_network(other, CONFIG).requant))


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


def test_images_without_joins_are_as_before():
    """No pieces, no rows of their own: what an older compiler said is what this one says."""
    image = compile_network(network(conv("y", X, 5, kernel=3)), CONFIG)
    assert b"pieces" not in image.to_bytes()
    assert [step.row_words for step in unpack_program(image.program)] == [0, 0]


def test_layers_of_a_network_that_shares_a_tensor_hold_it_once():
    a, b = conv("a", X, 4), conv("b", X, 4)
    layers = lower(network(a, b, concat("y", [a.output, b.output])), CONFIG)
    assert {layer.output.name for layer in layers} == {"y"}
    assert [layer.walk.start for layer in layers] == [0, 4]

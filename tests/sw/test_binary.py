"""Binary, which has no zero: layers whose weights fill steps, and what is refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.compiler.pack import hardware_bias, inverted
from nhot.compiler.parts import lower
from nhot.contract.program import Operation, unpack_program
from nhot.errors import NhotError
from nhot.formats import Binary, parse
from nhot.network import ArgMax, Concat, Conv2d, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.testing.depthwise import depthwise_network
from nhot.testing.networks import random_input, random_network, random_weights

CONFIG = EngineConfig(
    format="binary", filters=4, inputs=4, weight_words=4096, activation_words=4096,
)
ZERO = {"zero_point": 0, "low": -128, "high": 127}
PADDED = Window(kernel=(3, 3), padding=(1, 0, 1, 2))
POINT = Window(kernel=(1, 1))


def conv(x, filters, *, name="y", window=POINT, groups=1, seed=0):
    rng = np.random.default_rng(seed)
    shape = (filters, *window.kernel, x.shape[2] // groups)
    return Conv2d(
        inputs=(x.name,), weights=random_weights(rng, Binary(), shape), format=Binary(),
        output=Tensor(name=name, shape=(*window.output_size(*x.shape[:2]), filters), signed=True),
        bias=rng.integers(-99, 99, filters), window=window, groups=groups,
        requant=Requant.from_scale(rng.uniform(0.1, 0.5, filters), **ZERO),
    )


def source(channels, *, zero_point=7, signed=False, size=(4, 5)):
    return Tensor(name="x", shape=(*size, channels), signed=signed, zero_point=zero_point)


def check(network, config=CONFIG):
    """The image that is read back gives every number of the reference; it is returned."""
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    machine, inputs = Machine(image), random_input(network.input, 3, 1)
    wanted = run(network, inputs, trace=True)
    for index, x in enumerate(inputs):
        for name, got in machine.run(x).items():
            np.testing.assert_array_equal(got, wanted[name][index], err_msg=name)
    return image


def refused(network, text, config=CONFIG):
    with pytest.raises(NhotError) as info:
        compile_network(network, config)
    assert str(info.value) == text


@pytest.mark.parametrize("lane", ["parallel", "chain"])
@pytest.mark.parametrize("filters", [1, 3, 4, 9])
def test_filters_need_not_fill_the_array(filters, lane):
    """A filter that the layer has not is all +1; nothing is read of it."""
    x = source(8)
    first = conv(x, 12, window=PADDED)
    second = conv(first.output, filters, name="z", window=PADDED, seed=1)
    network = Network(name="two", input=x, nodes=(first, second))
    image = check(network, replace(CONFIG, lane=lane))
    assert image.weight_levels()[-1, (filters - 1) % 4 + 1:].tolist() == [[1] * 4] * (-filters % 4)
    assert [layer.terms for layer in image.meta.layers] == [12 * 9 * 8, filters * 9 * 12]


@pytest.mark.parametrize("inputs", [2, 4, 8, 16])
@pytest.mark.parametrize(("channels", "zero_point", "signed"), [(1, 7, False), (3, 0, True)])
def test_channels_of_an_input_without_a_border_need_not_fill_steps(
    channels, zero_point, signed, inputs
):
    x = source(channels, zero_point=zero_point, signed=signed)
    config = replace(CONFIG, filters=inputs, inputs=inputs)
    check(Network(name="one", input=x, nodes=(conv(x, 5),)), config)
    # Padding is laid out by the host, with the window.
    check(Network(name="one", input=x, nodes=(conv(x, 5, window=PADDED),)), config)


@pytest.mark.parametrize(("signed", "zero_point", "fits"), [
    (True, 0, True), (True, 1, False), (False, 128, True), (False, 0, False),
])
def test_beyond_a_border_all_of_a_word_is_the_padding(signed, zero_point, fits):
    """Two windows over the input: it is not laid out."""
    x = source(3, signed=signed, zero_point=zero_point)
    nodes = (conv(x, 4, name="a", window=PADDED), conv(x, 4, name="b"))
    network = Network(name="two", input=x, nodes=nodes)
    if fits:
        assert check(network).meta.input.window is None
    else:
        refused(network, "Layer 'a': Steps of 4 inputs must be full of weights in binary, which "
                         "has no zero, not of 3 channels (ternary has one)")


def test_what_the_host_leaves_free_is_zero():
    """Of a placement as it is, and laid out: what weights of no channel are multiplied by."""
    for channels, window in ((3, POINT), (3, PADDED), (1, PADDED)):
        x = source(channels)
        network = Network(name="one", input=x, nodes=(conv(x, 4, window=window),))
        place = compile_network(network, CONFIG).meta.input
        raw = np.frombuffer(place.pack(np.full(x.shape, 255)), np.uint8)
        words = raw.reshape(*place.laid_out[:2], -1)
        free = words[..., place.laid_out[2]:]
        assert free.shape[-1] % 4
        assert not free.any()


@pytest.mark.parametrize(("nodes", "text"), [
    (lambda x: (conv(x, 6, name="a"), conv(source(6), 4)), "6 channels"),
    (lambda x: (conv(x, 8, groups=4),), "8 channels in 4 groups"),
    (lambda x: (conv(x, 8, groups=2),), ""),
    (lambda x: (conv(x, 8, window=PADDED, groups=8),), "8 channels in 8 groups"),
])
def test_steps_that_no_weights_fill_are_refused(nodes, text):
    x = source(8)
    first, *rest = nodes(x)
    rest = [replace(node, inputs=(first.name,)) for node in rest]
    network = Network(name="some", input=x, nodes=(first, *rest))
    if not text:  # groups of as many channels and filters as the array has
        check(network)
    else:
        refused(network, "Layer 'y': Steps of 4 inputs must be full of weights in binary, which "
                         f"has no zero, not of {text} (ternary has one)")


def joined(*channels, then):
    """Layers of so many channels side by side, and what reads them."""
    x = source(4)
    parts = [conv(x, count, name=f"part{i}") for i, count in enumerate(channels)]
    both = Tensor(name="both", shape=(4, 5, sum(channels)), signed=True)
    join = Concat(
        inputs=tuple(part.name for part in parts), output=both,
        requant=Requant.from_scale([1.0] * len(parts), **ZERO),
    )
    return Network(name="joined", input=x, nodes=(*parts, join, then(both)))


def largest(x):
    return ArgMax(inputs=(x.name,), output=Tensor(name="answer", shape=(4, 5, 1), bits=16))


def test_channels_joined_with_holes_are_refused():
    check(joined(4, 8, then=lambda x: conv(x, 5)))
    check(joined(4, 3, then=largest))
    refused(joined(3, 5, then=lambda x: conv(x, 5)),
            "Layer 'y': Steps of 4 inputs must be full of weights in binary, which has no zero, "
            "not of 8 channels and holes (ternary has one)")
    refused(joined(3, 5, then=largest),
            "Layer 'answer': Channels joined to 'both' must be whole words of 4 where weights in "
            "binary, which has no zero, cannot copy them, not 3, 5")


def test_nine_inputs_take_the_taps_of_a_depthwise_layer():
    config = replace(CONFIG, filters=9, inputs=9, depthwise=True)
    for stride in ((1, 1), (3, 2)):
        rng = np.random.default_rng(1)
        image = check(depthwise_network(rng, config, channels=13, stride=stride), config)
        first, *_ = unpack_program(image.program)
        assert first.operation is Operation.DEPTHWISE
    more = replace(config, filters=10, inputs=10)
    network = depthwise_network(np.random.default_rng(0), config, channels=20)
    refused(network, "Layer 'y': Steps of 10 inputs must be full of weights in binary, which has "
                     "no zero, not of 20 channels in 20 groups (ternary has one)", more)


def test_zeros_are_refused():
    x = source(4)
    fmt = parse("ternary")
    node = replace(conv(x, 4), format=fmt, weights=np.zeros((4, 1, 1, 4), np.int64))
    refused(Network(name="zeros", input=x, nodes=(node,)),
            "Layer 'y': Weight at index (0, 0, 0, 0) must be a level of binary, not 0")


def test_each_minus_leaves_a_one_out():
    x = source(3)
    network = Network(name="one", input=x, nodes=(conv(x, 5, window=PADDED),))
    (layer,) = lower(network, CONFIG, PADDED)
    minuses = (network.nodes[0].weights < 0).sum(axis=(1, 2, 3))
    assert inverted(layer, CONFIG).tolist() == minuses.tolist()
    assert (hardware_bias(layer, CONFIG) - layer.bias).tolist() == minuses.tolist()


@pytest.mark.parametrize(("channels", "inputs", "given", "fitted"), [
    (8, 4, "binary", "binary"), (8, 4, "ternary", "ternary"), (8, 4, "signed-binary", "binary"),
    (6, 4, "binary", "ternary"), (6, 3, "signed-binary", "binary"),
])
def test_fit_takes_binary_where_steps_are_full(channels, inputs, given, fitted):
    x = source(1, zero_point=0)
    first = conv(x, channels, name="a", window=PADDED)
    network = Network(name="two", input=x, nodes=(first, conv(first.output, 5, window=PADDED)))
    config = fit(network, EngineConfig(format=given, filters=inputs, inputs=inputs))
    assert config.format == fitted
    check(network, config)


@given(
    inputs=st.sampled_from([1, 2, 3, 4]), seed=st.integers(0, 2**32 - 1),
    operators=st.sampled_from([("conv",), ("conv", "linear", "average", "concat")]),
)
def test_any_network_is_run_or_refused(inputs, seed, operators):
    network = random_network(
        seed, layers=2, shape=(4, 5, 3), formats=(Binary(),), widest=4, operators=operators,
    )
    config = replace(CONFIG, filters=inputs, inputs=inputs)
    try:
        compile_network(network, config)
    except NhotError as error:
        reason = str(error)
    else:
        check(network, config)
        return
    assert inputs > 1
    assert "must be full of weights in binary" in reason

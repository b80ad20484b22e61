"""Where an image differs from the network it should hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nhot.compiler.compile import compile_network
from nhot.compiler.image import Image
from nhot.compiler.lower import Layer
from nhot.compiler.pack import in_words, weight_levels
from nhot.compiler.steps import grouped_steps
from nhot.compiler.survey import survey
from nhot.compiler.weights import by_channel, input_places, tap_steps
from nhot.contract.config import EngineConfig
from nhot.contract.program import DESCRIPTOR_WORDS, Descriptor, Operation
from nhot.errors import MismatchError
from nhot.network import Add, Conv2d, ConvTranspose2d, Filters, Linear, Network

__all__ = ["check_contents"]


def check_contents(network: Network, image: Image) -> int:
    """Compare every weight, record and descriptor of ``image`` with those of ``network``.

    Returns how many weights were compared. Raises :class:`MismatchError` that names the first
    difference: layer, index, expected and got.
    """
    wanted = compile_network(network, image.config)
    layers = survey(network, image.config).layers
    count = _check_weights(layers, image)
    _check_program(layers, wanted, image)
    _check_requant(layers, wanted, image)
    if image.meta.input != wanted.meta.input:
        raise MismatchError(
            f"Input must lie as {wanted.meta.input}, not as {image.meta.input}"
        )
    return count


def _check_weights(layers: Sequence[Layer], image: Image) -> int:
    config = image.config
    held = image.weight_levels()
    start = count = 0
    for layer in layers:
        if layer.levels is None:
            continue
        order = weight_levels(layer, config)
        got = held[start : start + len(order)]
        if got.shape != order.shape:
            raise MismatchError(
                f"Layer {layer.name!r} must have {len(order)} weight words in the image, "
                f"not {len(got)}"
            )
        bad = np.argwhere(got != order)
        if len(bad):
            word, lane, source = (int(i) for i in bad[0])
            place = _place(layer, image, word, lane, source)
            raise MismatchError(
                f"Weight of layer {layer.name!r} at {place} "
                f"must be {order[word, lane, source]}, not {got[word, lane, source]} "
                f"(word {start + word} of the image, {len(bad)} weights differ)"
            )
        start += len(order)
        count += layer.own_weights
    if start != len(held):
        raise MismatchError(f"Image must hold {start} weight words, not {len(held)}")
    return count


def _place(layer: Layer, image: Image, word: int, lane: int, source: int) -> str:
    """The weight (filter, y, x, channel) that one input of one filter of one word has."""
    node, config, held = layer.walk.origin, image.config, layer.inputs[0]
    if not isinstance(node, Filters):  # which copies channels with weights of its own
        node = layer.node
    assert layer.reach is not None
    if isinstance(node, Add):
        return _operand(layer, config, word, lane)
    assert isinstance(node, Conv2d | ConvTranspose2d | Linear)
    # Where each weight goes is where its number goes; what is left of a word has number 0.
    numbers = np.arange(1, node.weights.size + 1).reshape(node.weights.shape)
    if layer.walk.taps is not None:
        numbers = layer.walk.taps.of(numbers)
    groups = 1 if isinstance(node, Linear) else node.groups
    if layer.operation is Operation.DEPTHWISE:
        steps = tap_steps(numbers, config)
    else:
        numbers = by_channel(numbers, held.tensor, layer.layout)
        lie = input_places(held, config, layer.layout)
        steps = grouped_steps(numbers, groups, lie, layer.reach, config)
    number = int(in_words(steps, config)[word, lane, source])
    if not number:
        return f"input {source} of filter {lane} of its tile, which no weight of the layer has,"
    shape = by_channel(node.weights, held.tensor, None).shape
    filter_index, y, x, channel = (int(i) for i in np.unravel_index(number - 1, shape))
    channel += filter_index * groups // node.filters * shape[3]
    return f"filter {filter_index}, y {y}, x {x}, channel {channel}"


def _operand(layer: Layer, config: EngineConfig, word: int, lane: int) -> str:
    """What a weight of an addition is for."""
    assert layer.reach is not None
    tile, step = divmod(word, 2 * layer.reach.words)
    return f"operand {step // layer.reach.words}, channel {tile * config.filters + lane}"


def _check_program(layers: Sequence[Layer], wanted: Image, image: Image) -> None:
    size = 4 * DESCRIPTOR_WORDS
    names = [layer.name for layer in layers] + ["end"]
    if len(image.program) != len(wanted.program):
        raise MismatchError(
            f"Program must have {len(names)} descriptors, not {len(image.program) / size:g}"
        )
    for index, name in enumerate(names):
        part = slice(index * size, (index + 1) * size)
        if wanted.program[part] != image.program[part]:
            expected = Descriptor.unpack(wanted.program[part])
            got = Descriptor.unpack(image.program[part])
            field = next(f for f in vars(expected) if getattr(expected, f) != getattr(got, f))
            raise MismatchError(
                f"Descriptor of layer {name!r}, field {field}, must be "
                f"{getattr(expected, field)}, not {getattr(got, field)}"
            )


def _check_requant(layers: Sequence[Layer], wanted: Image, image: Image) -> None:
    lanes = image.config.requantisers
    if len(wanted.requant) != len(image.requant):
        raise MismatchError(
            f"Requantisation must have {len(wanted.requant)} bytes, not {len(image.requant)}"
        )
    expected, got = (np.frombuffer(i.requant, "<u4").reshape(-1, lanes) for i in (wanted, image))
    bad = np.argwhere(expected != got)
    if not len(bad):
        return
    word, lane = (int(i) for i in bad[0])
    starts = [
        Descriptor.unpack(wanted.program[i : i + 4 * DESCRIPTOR_WORDS]).requant_address
        for i in range(0, len(wanted.program), 4 * DESCRIPTOR_WORDS)
    ][: len(layers)]
    index = max(i for i, start in enumerate(starts) if start <= word)
    layer, place = layers[index], word - starts[index]
    first = layer.filters.start
    channel = first + place // 2 * lanes + lane if layer.operation.on_lanes else 0
    what = ("multiplier", "bias")[place % 2 == 0]
    raise MismatchError(
        f"Requantisation of layer {layer.name!r}, {what} of channel {channel}, must be "
        f"{expected[word, lane]:#010x}, not {got[word, lane]:#010x}"
    )

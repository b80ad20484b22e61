"""The descriptor of a layer as hardware sees it: the same fields as in the compiler's program.

An engine keeps no more bits of a field than it has a use for. What it does not keep must be zero in
a legal descriptor, or copies of the sign in a distance, and is judged as it arrives.
"""

from amaranth.hdl import Const, Mux, signed, unsigned
from amaranth.lib import data

from nhot.contract.config import EngineConfig
from nhot.contract.program import DESCRIPTOR_WORDS, WORDS, Operation
from nhot.network.requant import MAX_TERMS
from nhot_hw.engine.activations import residue

__all__ = [
    "DescriptorLayout", "activation_terms", "excess", "illegal", "is_depthwise", "kept", "on_lanes",
    "pixel_step",
]

_SIGNED = {"pad_value", "zero_point", "low", "high"}


def _layout() -> data.FlexibleLayout:
    fields = {}
    for index, word in enumerate(WORDS):
        offset = 32 * index
        for name, width in word.items():
            if name == "activation_terms":
                continue
            shape = signed(width) if name in _SIGNED else unsigned(width)
            fields[name] = data.Field(shape, offset)
            offset += width
    return data.FlexibleLayout(32 * DESCRIPTOR_WORDS, fields)


DescriptorLayout = _layout()
"""All fields of :class:`nhot.contract.program.Descriptor`, at their places in its 32-bit words.

But for ``activation_terms``, which an engine without passes over: see :func:`activation_terms`.
"""


def activation_terms(layer, config: EngineConfig):
    """Terms that outputs are rounded to, of an engine that can."""
    bits = _kept_bits(config)["activation_terms"]
    offset = _offset("activation_terms")
    return layer.as_value()[offset : offset + bits]


def _offset(name: str) -> int:
    """The first bit of a field in a descriptor."""
    for index, word in enumerate(WORDS):
        offset = 32 * index
        for field, width in word.items():
            if field == name:
                return offset
            offset += width
    raise KeyError(name)



_DISTANCES = {"input_address", "jump_x", "jump_y", "jump_column", "jump_row", "jump_tile"}


def _kept_bits(config: EngineConfig) -> dict[str, int]:
    """How many low bits an engine keeps of the fields that it does not keep whole."""
    groups = max(config.filters, config.inputs) // config.requantisers
    most = {
        "operation": max(Operation), "terms": MAX_TERMS,
        **dict.fromkeys(
            ("last_word", "last_tile", "last_column", "last_row"), (1 << config.loop_bits) - 1
        ),
        "one_pixel": int(config.pixels > 1), "tail_pixels": config.pixels, "tail_groups": groups,
        **dict.fromkeys(
            ("output_address", "pixel_words", "row_words"), config.activation_words - 1
        ),
        "weight_address": config.weight_words,  # where no weights follow
        "requant_address": config.requant_words - 1,
        "activation_terms": config.activation_terms,
    }
    bits = {name: value.bit_length() for name, value in most.items()}
    return bits | dict.fromkeys(_DISTANCES, config.distance_bits)


def kept(index: int, config: EngineConfig) -> int:
    """Mask of the bits that an engine keeps of word ``index`` of a descriptor."""
    bits = _kept_bits(config)
    mask = position = 0
    for name, width in WORDS[index].items():
        mask |= ((1 << min(width, bits.get(name, width))) - 1) << position
        position += width
    return mask


def excess(index: int, word, config: EngineConfig):
    """Whether word ``index`` of a descriptor says more than the bits that are kept of it."""
    bits = _kept_bits(config)
    result = Const(0)
    position = 0
    for name, width in WORDS[index].items():
        field = word[position : position + width]
        position += width
        if name == "activation_terms" and not config.activation_terms:
            continue
        if name in _DISTANCES:
            signs = field[bits[name] - 1 :]
            result |= signs.any() & ~signs.all()
        elif bits.get(name, width) < width:
            result |= field[bits[name] :].any()
    return result


def on_lanes(layer, config: EngineConfig):
    """Whether lanes work on the layer, in one of the roles that they have."""
    array = layer.operation == Operation.ARRAY
    return array | is_depthwise(layer) if config.depthwise else array


def is_depthwise(layer):
    """Whether lanes take the taps of their own channel, in an engine where they can."""
    return layer.operation == Operation.DEPTHWISE


def pixel_step(layer, config: EngineConfig):
    """From one pixel of a group that gives outputs to the next."""
    if not config.depthwise or config.pixels == 1:
        return Const(1)
    return Mux(is_depthwise(layer) & (layer.step_x == 2), 2, 1)


def illegal(layer, config: EngineConfig):
    """Whether a field is beyond what walker and drain come to an end with, in its kept bits."""
    array = on_lanes(layer, config)
    operations = set(Operation) - (set() if config.depthwise else {Operation.DEPTHWISE})
    groups = Mux(array, config.filters, config.inputs) // config.requantisers
    wrong = (
        ~layer.operation.matches(*sorted(operations))
        | ~layer.terms.matches(*range(1, MAX_TERMS + 1))
        | ~layer.tail_pixels.matches(*range(1, config.pixels + 1))
        | (layer.tail_groups == 0) | (layer.tail_groups > groups)
        | (array & (layer.weight_address >= config.weight_words))
        | (layer.requant_address >= config.requant_words) | layer.requant_address[0]
        | (layer.output_address >= config.activation_words)
        | (layer.pixel_words >= config.activation_words)
        | (layer.row_words >= config.activation_words)
    )
    if config.activation_terms:
        terms = activation_terms(layer, config)
        searches = layer.operation == Operation.ARGMAX
        wrong |= (terms > config.activation_terms) | (searches & terms.any())
    if config.pixels > 1:
        wrong |= array & ~layer.one_pixel & (residue(layer.lane_step, config.banks) == 0)
    return wrong | _illegal_depthwise(layer, config) if config.depthwise else wrong


def _illegal_depthwise(layer, config: EngineConfig):
    """Whether its last column gives no output, so that its end would never come."""
    last_column = layer.last_column[: config.loop_bits]
    wrong = ~layer.step_x.matches(1, 2) | (last_column < config.preloads) | layer.one_pixel
    if config.pixels == 1:
        wrong |= (layer.step_x == 2) & (last_column[0] != config.preloads % 2)
    return is_depthwise(layer) & wrong

"""Network files with damage that makes sense: what a reader meets besides flipped bits.

A change is made to the message of ONNX or to the JSON in its metadata, and the digest is made to
agree, so that what reads the file has to judge it by itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import onnx

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network.file import to_bytes
from nhot.network.onnx_content import constants_of, digest, parse_model
from nhot.network.samples import EVERY_OPERATOR, random_network

__all__ = ["VALUES", "damaged_network", "resigned"]

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 8, 16, 17, 127, 128, 255, 256, 65_536, 65_537, 10**8, 2**31 - 1,
    2**31, -(2**31), 2**62, 2**63 - 1, 2**63, 2**64, 10**30, 0.0, -0.0, 0.5, 1e-45, 1e-300, 1e39,
    1e308, float("nan"), float("inf"), float("-inf"), "", " ", "x", "input", "Conv2d", "Clamp",
    "2hot", "16hot@16", "int16", "signed-binary/9", "a\x1b[2Jb", "a\nb", "a\0b", "\ud800", "\u202e",
    "n" * 256, "n" * 100_000, [], {}, [1], [0, 0], [10**8, 10**8], [1, 1, 1], [65_536, 65_536, 1],
    [2**31, 1, 1], [0, 0, 0, 10**8], [[]], {"name": "x"}, ["input", "input"],
)
"""What takes the place of a value of the metadata."""

_NUMBERS = (-1, 0, 1, 2, 3, 7, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63))
_FORMATS = tuple(parse(name) for name in ("2hot", "int8", "signed-binary", "ternary"))


def damaged_network(seed: int) -> bytes:
    """A network file of several layers, changed in one to three places; the same for a seed."""
    random = Random(seed)
    network = random_network(
        random.randrange(60), layers=random.randint(1, 5), shape=(5, 4, 3), widest=4,
        operators=EVERY_OPERATOR, formats=_FORMATS, bits=(8, 4), argmax=random.random() < 0.2,
    )
    data = to_bytes(network)
    if random.random() < 0.1:
        return _bytes(random, bytearray(data))
    model = parse_model(data)
    for _ in range(random.randint(1, 3)):
        random.choice((_metadata, _metadata, _metadata, _initializer, _message))(random, model)
    return resigned(model)


def resigned(model: Any) -> bytes:
    """The bytes of ``model`` with a digest that agrees with it, where it can have one."""
    entries = {entry.key: entry for entry in model.metadata_props}
    if {"nhot.network", "nhot.digest"} <= entries.keys():
        try:
            constants = constants_of(model.graph)
            text = entries["nhot.network"].value
            entries["nhot.digest"].value = digest(model.graph, constants, text)
        except NhotError:
            pass  # what has none is refused before it is compared
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _bytes(random: Random, data: bytearray) -> bytes:
    at = random.randrange(len(data))
    match random.randrange(5):
        case 0:
            data[at] ^= 1 << random.randrange(8)
        case 1:
            del data[at:]
        case 2:
            del data[at : at + random.randint(1, 40)]
        case 3:
            data[at:at] = random.randbytes(random.randint(1, 40))
        case _:
            data[at:at] = data[at : at + random.randint(1, 400)]
    return bytes(data)


def _metadata(random: Random, model: Any) -> None:
    """Change a value, a name or a list somewhere in the JSON."""
    for entry in model.metadata_props:
        if entry.key != "nhot.network":
            continue
        try:
            values = json.loads(entry.value)
        except (ValueError, RecursionError):
            return  # an earlier change
        places = list(_places(values))
        if not places:
            return
        holder, key = random.choice(places)
        match random.randrange(6):
            case 0:
                del holder[key]
            case 1:
                other, name = random.choice(places)
                holder[key] = copy.deepcopy(other[name])
            case 2 if isinstance(holder, list):
                holder.insert(random.randint(0, len(holder)), copy.deepcopy(holder[key]))
            case 3 if isinstance(holder, dict):
                holder[random.choice(("colour", "n", "low", "window"))] = random.choice(VALUES)
            case 4 if isinstance(holder[key], list):
                random.shuffle(holder[key])
            case _:
                holder[key] = copy.deepcopy(random.choice(VALUES))
        text = json.dumps(values)
        if random.random() < 0.02:
            text = random.choice(("", "null", "[" * 100_000, '{"a":' * 5000, text[:-1], text * 2))
        entry.value = text


def _places(value: Any) -> Any:
    """Every place in a tree of lists and dictionaries, as its holder and its key."""
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield value, key
            yield from _places(value[key])


def _initializer(random: Random, model: Any) -> None:
    tensors = model.graph.initializer
    if not tensors:
        return
    tensor = random.choice(tensors)
    changes: tuple[Callable[[], Any], ...] = (
        lambda: tensor.dims.append(random.choice(_NUMBERS)),
        lambda: tensor.dims and tensor.dims.__setitem__(0, random.choice(_NUMBERS)),
        lambda: setattr(tensor, "data_type", random.randrange(-1, 30)),
        lambda: setattr(tensor, "raw_data", tensor.raw_data[: random.randrange(9)]),
        lambda: setattr(tensor, "raw_data", random.randbytes(len(tensor.raw_data))),
        lambda: setattr(tensor, "data_location", onnx.TensorProto.EXTERNAL),
        lambda: tensor.external_data.add(key="location", value=random.choice(
            ("/dev/zero", "../outside", "missing", "/etc/passwd"))),
        lambda: setattr(tensor, "name", random.choice(tensors).name),
        lambda: tensors.add().CopyFrom(tensor),
        lambda: tensors.remove(tensor),
        lambda: tensor.float_data.append(1.0),
    )
    random.choice(changes)()


def _message(random: Random, model: Any) -> None:
    graph = model.graph
    node = random.choice(graph.node) if graph.node else graph.node.add()
    changes: tuple[Callable[[], Any], ...] = (
        lambda: graph.node.remove(node),
        lambda: graph.node.add().CopyFrom(node),
        lambda: node.input.append(random.choice(("", "x", "input", "\x1b[31m"))),
        lambda: setattr(node, "op_type", "If"),
        lambda: node.attribute.add(name="a", type=random.randrange(15), i=2**63 - 1),
        lambda: setattr(node.attribute.add(name="g", type=5).g, "name", "inner"),
        lambda: node.attribute.add(name="r", type=2, ref_attr_name="other"),
        lambda: graph.ClearField("input"),
        lambda: graph.ClearField("output"),
        lambda: graph.ClearField("node"),
        lambda: graph.ClearField("initializer"),
        lambda: model.metadata_props.pop(random.randrange(len(model.metadata_props))),
        lambda: model.metadata_props.add(key="nhot.network", value="{}"),
        lambda: setattr(random.choice(model.metadata_props), "value", random.choice(
            ("1", "2", "-1", "٣", "9" * 99, ""))),
        lambda: model.opset_import.add(domain="other", version=2**62),
        lambda: graph.sparse_initializer.add(),
    )
    if model.metadata_props:
        random.choice(changes)()

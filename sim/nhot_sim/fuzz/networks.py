"""Damaged network files: the graph, the manifest in it, and the digest made right again."""

from __future__ import annotations

import contextlib
import json
import random
from argparse import Namespace
from functools import cached_property
from typing import Any

from nhot.errors import NhotError
from nhot.network import file
from nhot.network.onnx_content import constants_of, digest
from nhot.network.reference import run
from nhot.testing.networks import EVERY_OPERATOR, random_input, random_network
from nhot_sim.fuzz.kind import Kind, refused_or_done
from nhot_sim.fuzz.mutate import EXTREMES, damage, damage_json
from nhot_sim.fuzz.scratch import scratch_file

__all__ = ["Networks", "sealed"]


_SHORT = 10_000  # elements of all tensors of a network that is run


class Networks(Kind):
    """Read as ``nhot info`` reads them; what is accepted can be written again, and run."""

    @cached_property
    def _originals(self) -> list[bytes]:
        networks = [
            random_network(seed, layers=3, operators=EVERY_OPERATOR, argmax=seed == 1)
            for seed in range(4)
        ]
        return [file.to_bytes(network) for network in networks]

    def case(self, source: random.Random) -> bytes:
        """Damage to the bytes, to the metadata or to the graph."""
        import onnx

        data = source.choice(self._originals)
        if source.random() < 0.25:
            return damage(data, source)
        model = onnx.load_model_from_string(data)
        properties = {entry.key: entry for entry in model.metadata_props}
        choice = source.random()
        if choice < 0.6:
            manifest = damage_json(properties["nhot.network"].value.encode(), source)
            properties["nhot.network"].value = manifest.decode(errors="replace")
        elif choice < 0.7:
            _graft(model, source)
        else:
            _damage_message(model.graph if source.random() < 0.9 else model, source)
        return sealed(model)

    def check(self, data: bytes) -> bool:
        """``nhot info``, the way back to a file, and a run where it is short."""
        from nhot.cli import info

        def act() -> None:
            info.run(Namespace(file=path, json=False))
            network = file.load(path)
            assert file.to_bytes(file.from_bytes(file.to_bytes(network))) == file.to_bytes(network)
            if sum(tensor.size for tensor in network.tensors.values()) < _SHORT:
                network.output.check(run(network, random_input(network.input, 2, 0)))

        with scratch_file(data, ".onnx") as path:
            return refused_or_done(act)


def sealed(model: Any) -> bytes:
    """The bytes of ``model``, with a digest that agrees where it can have one."""
    properties = {entry.key: entry for entry in model.metadata_props}
    if {"nhot.network", "nhot.digest"} <= properties.keys():
        with contextlib.suppress(NhotError):  # what has none is refused before it is compared
            properties["nhot.digest"].value = digest(
                model.graph, constants_of(model.graph), properties["nhot.network"].value
            )
    return bytes(model.SerializeToString(deterministic=True))


def _graft(model: Any, source: random.Random) -> None:
    """Add what a network file does not have: data elsewhere, copies, graphs in graphs."""
    graph = model.graph
    tensor, node = source.choice(graph.initializer), source.choice(graph.node)
    match source.randrange(6):
        case 0:
            tensor.data_location = 1  # external
            tensor.external_data.add(key="location", value=source.choice(
                ["/dev/zero", "../outside", "missing", "\x1b[2J"]))
        case 1:
            graph.initializer.add().CopyFrom(tensor)
        case 2:
            graph.node.add().CopyFrom(node)
        case 3:
            node.attribute.add(name="body", type=5).g.name = "inner"
        case 4:
            node.attribute.add(name="to", type=2, ref_attr_name="other")
        case _:
            model.metadata_props.add(key=source.choice(["nhot.network", "a"]), value="{}")


def _damage_message(message: Any, source: random.Random) -> None:
    """Change one field somewhere below a protobuf message."""
    fields = message.ListFields()
    while fields:
        descriptor, value = source.choice(fields)
        many = descriptor.is_repeated
        if many and source.random() < 0.1:
            del value[source.randrange(len(value))]
            return
        if descriptor.message_type is None:
            _set(message, descriptor, value, many, source)
            return
        message = source.choice(list(value)) if many else value
        fields = message.ListFields()


def _set(message: Any, descriptor: Any, value: Any, many: bool, source: random.Random) -> None:
    place = source.randrange(len(value)) if many else 0
    old = value[place] if many else value
    if isinstance(old, bytes):
        new: Any = damage(old, source)
    elif isinstance(old, str):
        new = source.choice([text for text in EXTREMES if isinstance(text, str)])
        new = json.loads(json.dumps(new).replace("\\ud800", "?"))
    else:
        new = source.choice([number for number in EXTREMES if type(number) is int] + [old + 1])
    try:
        if many:
            value[place] = new
        else:
            setattr(message, descriptor.name, new)
    except ValueError:  # beyond the field's width
        message.ClearField(descriptor.name)

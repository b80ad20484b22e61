"""``nhot info``: what a network, an image, a manifest or a model of another tool holds."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import add_json_argument, print_json, print_table
from nhot.printable import say

if TYPE_CHECKING:
    from nhot.compiler.image import Image
    from nhot.network import Network, Node, Tensor

HELP = "show what a network, an image, a bitstream's manifest or a model of another tool holds"

LAYER_COLUMNS = ("layer", "operator", "output", "scale", "zero point", "format", "requant terms",
                 "weights", "terms", "MACs", "cycles")
LAYER_KEYS = ("name", "operator", "output", "scale", "zero_point", "format", "requant_terms",
              "weights", "terms", "macs", "cycles")
TOTALS = range(7, 11)
NUMERIC = ("scale", "zero point", *LAYER_COLUMNS[6:])


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE",
                        help="a network (.onnx), an image (.img), a manifest (.json), or a model "
                        "of another tool (.tflite, .onnx, .pt2)")
    add_json_argument(parser)


def run(args: Namespace) -> int:
    """Read the file, whatever it is, and print what it holds."""
    facts = describe(args.file)
    if args.json:
        print_json(facts)
    else:
        _print(facts)
    return 0


def describe(path: Path) -> dict[str, Any]:
    """What the file at ``path`` holds, as plain data; ``kind`` says what it is."""
    from nhot.filetype import expect, identify

    expect(path, "network", "image", "manifest", "foreign")
    found = identify(path)
    if found is not None and found.kind == "foreign":
        return model_facts(path)
    with path.open("rb") as file:
        start = file.read(64).lstrip()
    if start.startswith(b"NHOT"):
        from nhot.compiler.image import Image

        return image_facts(Image.read(path))
    if start.startswith(b"{"):
        return manifest_facts(path)
    from nhot.network.file import OPTION, read

    network, version = read(path)
    facts = network_facts(network)
    layers = facts.pop("layers")
    hint = "file of an older nhot: load it and save it again before it is run there"
    if version > 1:
        hint = f"add_session_config_entry{OPTION} for exact sums on x86-64 without VNNI"
    return {**facts, "onnxruntime": hint, "layers": layers}


def image_facts(image: Image) -> dict[str, Any]:
    """What an image holds."""
    import zlib
    from dataclasses import asdict

    from nhot.cli.layers import profile_facts
    from nhot.compiler.profile import profile

    config = image.config
    sizes = {
        "program": (4, config.program_words), "requant": (4 * config.requantisers,
        config.requant_words), "weights": (config.code_bytes, config.weight_words),
    }
    sections = []
    for name, (word, depth) in sizes.items():
        data = getattr(image, name)
        sections.append({"name": name, "bytes": len(data), "words": len(data) // word,
                         "depth": depth, "crc": f"{zlib.crc32(data):#010x}"})
    layers = [{**asdict(one), "output": list(one.output.shape)} for one in image.meta.layers]
    places = {"input": image.meta.input, "output": image.meta.output}
    return {
        "kind": "image", "name": image.meta.network, "format": image.meta.format,
        "target_id": f"{config.target_id:#010x}", "hash": image.content_hash,
        **{key: {**asdict(place), "shape": list(place.shape)} for key, place in places.items()},
        "cycles": profile(image).cycles,
        "engine": asdict(config), "sections": sections, "layers": layers,
        "profile": profile_facts(profile(image)),
    }


def network_facts(network: Network) -> dict[str, Any]:
    """What a network file holds."""
    tensors = {"input": network.input, "output": network.output}
    return {
        "kind": "network", "name": network.name,
        **{key: _tensor(tensor) for key, tensor in tensors.items()},
        "layers": [_layer(node, *network.inputs(node)) for node in network.nodes],
    }


def model_facts(path: Path) -> dict[str, Any]:
    """What a model of another tool holds, as far as it is supported."""
    from nhot.frontends import read_graph
    from nhot.frontends.graph_steps import Filters, Quantize

    graph = read_graph(path)
    layers: dict[str, dict[str, Any]] = {}
    for one in graph.operators:
        if isinstance(one, Quantize):  # of what the operator before makes
            layers[one.name] = layers.get(one.inputs[0], {})
            layers[one.name] |= {"scale": one.grid.scale, "zero_point": one.grid.zero_point}
            continue
        shape = graph.shapes[one.name]
        layers[one.name] = {
            "name": one.name, "operator": type(one).__name__, "output": list(shape)
        }
        if isinstance(one, Filters):
            layers[one.name] |= {"weights": one.weights.size, "macs": one.macs(shape)}
    source: dict[str, Any] = {"input": list(graph.input)}
    if graph.input_grid is not None:
        source["input"] = _tensor(replace(graph.input_grid, name="input", shape=graph.input))
    return {
        "kind": "model", "tool": graph.tool, **source,
        "output": list(graph.shapes[graph.output]), "left_out": list(graph.left_out),
        "layers": [facts for name, facts in layers.items() if facts.get("name") == name],
    }


def manifest_facts(path: Path) -> dict[str, Any]:
    """What a bitstream's manifest holds."""
    from nhot.bitstream import Manifest

    return {"kind": "manifest", "name": path.stem, **Manifest.read(path).to_dict()}


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "bits": tensor.bits,
            "signed": tensor.signed, "scale": tensor.scale, "zero_point": tensor.zero_point}


def _layer(node: Node, *inputs: Tensor) -> dict[str, Any]:
    from nhot.network import Filters
    from nhot.network.counts import count_layer, requant_terms

    facts: dict[str, Any] = {
        "name": node.name, "operator": type(node).__name__, "output": list(node.output.shape),
    }
    if isinstance(node, Filters):
        counts = count_layer(node, *inputs)
        facts |= {"format": node.format.name, "weights": counts.weights, "terms": counts.terms,
                  "macs": counts.macs}
    terms = requant_terms(node)
    return facts if terms is None else {**facts, "requant_terms": terms}


def _print(facts: dict[str, Any]) -> None:
    tables = {key: facts[key] for key in ("sections", "layers", "profile") if facts.get(key)}
    _print_facts({key: value for key, value in facts.items() if key not in tables})
    if "sections" in tables:
        say()
        heads = ("section", "bytes", "words", "depth", "crc")
        print_table(heads, [list(entry.values()) for entry in tables["sections"]], heads[1:4])
    if "layers" in tables:
        say()
        _print_layers(tables["layers"])
    if "profile" in tables:
        from nhot.cli.layers import print_profile

        say()
        print_profile(tables["profile"])


def _print_layers(layers: list[dict[str, Any]]) -> None:
    rows = [[_cell(layer.get(key)) for key in LAYER_KEYS] for layer in layers]
    total = ["total", *[None] * (len(LAYER_KEYS) - 1)]
    for column in TOTALS:
        values = [row[column] for row in rows if row[column] is not None]
        total[column] = sum(values) if values else None
    shown = [column for column in range(len(LAYER_KEYS)) if any(row[column] for row in rows)]
    print_table(
        [LAYER_COLUMNS[column] for column in shown],
        [[row[column] for column in shown] for row in [*rows, total]], NUMERIC,
    )


def _print_facts(facts: dict[str, Any], indent: str = "") -> None:
    width = max((len(key) for key in facts), default=0)
    for key, value in facts.items():
        if isinstance(value, dict) and "shape" in value:
            sign = "signed" if value["signed"] else "unsigned"
            say(f"{indent}{key:<{width}}  {value['name']}: {_cell(value['shape'])}, "
                  f"{value['bits']} bits {sign}{_layout(value.get('window'))}")
        elif isinstance(value, dict):
            say(f"{indent}{key}")
            _print_facts(value, f"{indent}  ")
        else:
            say(f"{indent}{key:<{width}}  {_cell(value)}")


def _layout(window: dict[str, Any] | None) -> str:
    """How an input is laid out, if not as it is."""
    return f", in windows of {_cell(list(window['kernel']))}" if window else ""


def _cell(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(size, int) for size in value):
        return "x".join(map(str, value))
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return ", ".join(value)
    return f"{value:.6g}" if isinstance(value, float) else value

"""Where the cycles go, layer by layer: as tables and as plain data, predicted and measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.cli.output import OutputFile, print_table

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from nhot.compiler import Image
    from nhot.compiler.profile import Profile
    from nhot.device import LayerTime

__all__ = ["add_timeline_argument", "measured_layers", "print_measured", "print_profile",
           "profile_facts", "write_timeline"]

PARTS = ("fetch", "steps", "stalls", "tail")
COLUMNS = ("layer", "cycles", "ideal", "utilisation", *PARTS, "bound by")
MEASURED = ("layer", "operator", "predicted", "measured", "stalls", "ideal", "utilisation",
            "bound by")


def add_timeline_argument(parser: ArgumentParser) -> None:
    """Declare ``--timeline``."""
    parser.add_argument("--timeline", action=OutputFile, metavar="FILE.json",
                        help="the layers of the last run in time, as a trace of Chrome that "
                        "Perfetto (ui.perfetto.dev) opens; a cycle is shown as a microsecond")


def profile_facts(profile: Profile) -> list[dict[str, Any]]:
    """The layers of a program as plain data."""
    return [
        {"name": layer.name, "cycles": layer.cycles, **layer.to_dict()} for layer in profile.layers
    ]


def measured_layers(image: Image, times: Sequence[LayerTime]) -> list[dict[str, Any]]:
    """What an engine has counted, beside what was predicted, as plain data."""
    from nhot.compiler.profile import profile

    ends = [(0, 0), *((time.end, time.stalls) for time in times)]
    return [
        {
            "name": layer.name, "operator": layer.operator, "cycles": end - start,
            "stalls": stalls - stalled, "predicted": layer.cycles, "ideal": layer.ideal,
            "utilisation": layer.share(end - start), "bound": layer.bound,
        }
        for layer, ((start, stalled), (end, stalls)) in zip(
            profile(image).layers, pairwise(ends), strict=True)
    ]


def print_profile(facts: Sequence[dict[str, Any]]) -> None:
    """The table of :func:`profile_facts`, with a sum."""
    rows = [
        (one["name"], one["cycles"], one["ideal"], _percent(one["utilisation"]),
         *(one[part] for part in PARTS), one["bound"]) for one in facts
    ]
    cycles, ideal = (sum(one[what] or 0 for one in facts) for what in ("cycles", "ideal"))
    total = ("total", cycles, ideal, _percent(ideal / max(cycles, 1)),
             *(sum(one[part] for one in facts) for part in PARTS), "")
    print_table(COLUMNS, [*rows, total], COLUMNS[1:-1])


def print_measured(layers: Sequence[dict[str, Any]]) -> None:
    """The table of :func:`measured_layers`."""
    print_table(MEASURED, [
        (one["name"], one["operator"], one["predicted"], one["cycles"], one["stalls"],
         one["ideal"], _percent(one["utilisation"]), one["bound"]) for one in layers
    ], MEASURED[2:-1])


def write_timeline(path: Path | None, image: Image, times: Sequence[LayerTime], end: int) -> None:
    """Write the trace that ``--timeline`` asks for: a run of ``end`` cycles with these layers."""
    from nhot.device.timeline import timeline
    from nhot.files import write_atomically

    if path is not None:
        layers = measured_layers(image, times)
        write_atomically(path, timeline(image.meta.network, layers, end).encode())


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
